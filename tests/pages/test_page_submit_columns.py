"""Submit, step 2: sure columns are applied, doubtful ones asked, and a choice is remembered by the header."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources
from openmart_lib.ledger import remembered
from openmart_lib.ledger.overview import runs
from tests.pages.conftest import LIST, Desk, button, labels, texts
from tests.pages.submit_kit import ROLE, draft_of, selectbox, text_input, uploaded

PEOPLE = "Name,Website\nAda Lovelace,adyen.com\nAlan Turing,tableau.com\n"


def folds(page: AppTest) -> str:
    return "\n".join(one.label for one in page.expander).replace("\\", "").replace("\u2060", "")


def domain_columns(page: AppTest) -> list[str]:
    return list(next(one for one in page.multiselect if one.label.startswith("Website")).value)


def confirmed(page: AppTest) -> None:
    button(page, next(one for one in labels(page) if one.startswith("Submit"))).click()
    page.run()
    assert not page.exception


def test_sure_columns_are_one_line_and_nothing_is_asked(desk: Desk) -> None:
    page = uploaded(desk)

    assert "website or domain: Website · company name: Company" in folds(page)
    assert "Please look at these" not in texts(page)


def test_a_missing_website_is_asked_for(desk: Desk) -> None:
    page = uploaded(desk, "Remark,More\nfirst,x\nsecond,y\n", role=None)

    assert "Please look at these" in texts(page)
    assert domain_columns(page) == []
    assert "No column gives the website or domain" in texts(page)


def test_a_full_name_serves_for_first_and_last_name(desk: Desk) -> None:
    page = uploaded(desk, PEOPLE, role=None)
    page.radio[0].set_value(Kind.LOOKUP_PEOPLE).run()

    selectbox(page, "Full name").set_value(0).run()

    assert "**2 people** to look up" in texts(page)
    assert selectbox(page, "First name").label == "First name (taken from the full name)"


def test_what_differs_by_row_is_never_the_same_for_all(desk: Desk) -> None:
    page = uploaded(desk, PEOPLE, role=None)
    page.radio[0].set_value(Kind.LOOKUP_PEOPLE).run()

    for label in ("Full name", "LinkedIn link", "First name"):
        assert not any("same for all" in one for one in selectbox(page, label).options), label
    assert any("same for all" in one for one in selectbox(page, "Country").options)


def test_two_columns_that_name_two_companies_are_told_with_an_example(desk: Desk) -> None:
    page = uploaded(desk, "Website,Email\nadyen.com,a@adyen.com\ntableau.com,b@sap.com\n")
    ask = next(one for one in page.multiselect if one.label.startswith("Website"))
    ask.set_value(["Website", "Email"]).run()

    said = texts(page)
    assert "1 row names two companies, such as row 2: Website says tableau.com, Email says sap.com" in said


def test_a_confirmed_choice_is_applied_to_the_next_file_with_this_header(desk: Desk) -> None:
    first = uploaded(desk, "Website,Backup site\nadyen.com,sap.com\n")
    next(one for one in first.multiselect).set_value(["Backup site"]).run()
    confirmed(first)

    second = uploaded(desk, "Website,Backup site\ntableau.com,oracle.com\n", name="next.csv")

    assert "as you chose last time" in texts(second)
    assert domain_columns(second) == ["Backup site"]


def test_a_remembered_choice_can_be_forgotten(desk: Desk) -> None:
    confirmed(uploaded(desk))
    page = uploaded(desk, LIST + "More,sap.com,C\n", name="next.csv")

    button(page, "Forget").click()
    page.run()

    assert "as you chose last time" not in texts(page)
    assert domain_columns(page) == ["Website"]
    assert remembered.recall_all(resources.ledger(), remembered.MAPPING) == {}


def test_a_remembered_column_that_holds_other_things_now_is_asked_with_the_reason(desk: Desk) -> None:
    sites = [f"site-number-{number}.com" for number in range(12)]
    words = [f"some words {number}" for number in range(12)]
    confirmed(
        uploaded(desk, "Link,Note\n" + "".join(f"{a},{b}\n" for a, b in zip(sites, words, strict=True)))
    )

    page = uploaded(
        desk, "Link,Note\n" + "".join(f"{a},{b}\n" for a, b in zip(words, sites, strict=True)), role=None
    )

    assert "when this was remembered" in texts(page)
    assert "Please look at these" in texts(page)


def test_another_goal_keeps_its_own_columns_and_going_back_loses_nothing(desk: Desk) -> None:
    page = uploaded(desk)
    next(one for one in page.multiselect).set_value(["Website", "Company"]).run()

    page.radio[0].set_value(Kind.FIND_TECH).run()
    page.radio[0].set_value(Kind.FIND_PEOPLE).run()

    assert domain_columns(page) == ["Website", "Company"]
    assert text_input(page, ROLE).value == "Owner"
    assert runs(desk.ledger) == []


def test_what_is_chosen_at_the_start_is_the_widgets_own_default(desk: Desk) -> None:
    """A value set by way of the session is lost when a page is run twice before the browser has drawn it."""
    page = uploaded(desk, "Name,Site\nAda Lovelace,adyen.com\n", role=None)
    page.radio[0].set_value(Kind.LOOKUP_PEOPLE).run()

    again = desk.open(draft=draft_of(page).draft_id)

    assert again.radio[0].proto.default == list(Kind).index(Kind.LOOKUP_PEOPLE)
    domain = again.multiselect[0].proto
    assert [domain.options[number] for number in domain.default] == ["Site"]
    name = selectbox(again, "Full name").proto
    assert name.options[name.default] == "Name"
    assert next(box for box in again.checkbox if box.label.startswith("Email")).proto.default
    shown = [again.radio[0], again.multiselect[0], selectbox(again, "Full name")]
    assert not any(widget.proto.set_value for widget in shown)
