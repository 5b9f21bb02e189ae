"""Submit: from a file to one run, with the reckoning on screen and nothing sent by accident."""

from __future__ import annotations

import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import drafts, submit_draft
from openmart_lib.ledger.overview import runs
from tests.pages.conftest import Desk, button, labels, texts
from tests.pages.submit_kit import ROLE, brought, selectbox, table, text_input, uploaded

CONFIRM = "Submit 4 tasks in 1 batch"


def test_the_empty_page_teaches_and_offers_the_sample_in_one_click(desk: Desk) -> None:
    page = desk.open()

    button(page, "Try it with 50 sample companies").click()
    page.run()

    said = texts(page)
    assert "**41 companies** to look up + **4 rows** that share one (same answer, free)" in said
    assert "**5** rejected = 50 rows" in said
    assert "Submit 41 tasks in 1 batch" in labels(page)


def test_the_reckoning_adds_up_and_the_rejected_rows_have_reasons(desk: Desk) -> None:
    page = brought(desk)

    assert (
        "**4 companies** to look up + **1 row** that shares one (same answer, free) + **1** rejected"
        in texts(page)
    )
    rejects = table(page, "seq")
    assert rejects["seq"].tolist() == [6]
    assert "gmail.com" in rejects["why"][0]


def test_nothing_can_be_confirmed_before_the_role_is_given(desk: Desk) -> None:
    page = uploaded(desk, role=None)

    assert CONFIRM not in labels(page)
    assert "Say which role you look for" in texts(page)


def test_confirm_says_what_it_costs_with_formula_and_price_source(desk: Desk) -> None:
    page = uploaded(desk)

    values = {metric.label: metric.value for metric in page.metric}
    assert values["Tasks"] == "4"
    assert values["Credits at most"] == "12"
    assert "4 x 1 person x email 3" in texts(page)
    assert "third" in texts(page)
    assert "Balance" in texts(page)


def test_a_click_makes_one_run_and_leads_to_monitor(desk: Desk) -> None:
    page = brought(desk)

    button(page, CONFIRM).click()
    page.run()

    (run,) = runs(desk.ledger)
    assert page.title[0].value == "Monitor"
    assert page.query_params["run"] == run.run_id
    assert run.worst_credits == 12
    assert run.mapping["domain"] == ["Website"]


def test_two_tabs_and_a_reload_make_one_run(desk: Desk) -> None:
    first = uploaded(desk)
    draft_id = first.query_params["draft"]
    second = desk.open(draft=draft_id)
    assert text_input(second, ROLE).value == "Owner"

    button(first, CONFIRM).click()
    first.run()
    button(second, CONFIRM).click()
    second.run()
    third = desk.open(draft=draft_id)

    assert len(runs(desk.ledger)) == 1
    assert "This list was submitted" in texts(third)


def test_the_same_content_again_asks_and_names_the_earlier_run(desk: Desk) -> None:
    desk.plan()  # the same list, mapping and options, from elsewhere
    page = uploaded(desk)

    assert "Spring list" in texts(page)
    assert "Nothing would be bought: every row that can be sent has an earlier result." in texts(page)
    assert button(page, "Make a run of 4 earlier results").disabled

    next(one for one in page.radio if "Buy again" in one.options).set_value("buy again").run()
    assert "Submitting it again may be paid again, row by row." in texts(page)
    assert button(page, CONFIRM).disabled

    next(one for one in page.checkbox if one.label == "Submit it again on purpose").check().run()
    button(page, CONFIRM).click()
    page.run()

    assert len(runs(desk.ledger)) == 2


def test_of_a_list_that_was_bought_before_nothing_is_left_when_it_is_skipped(desk: Desk) -> None:
    desk.plan()
    page = uploaded(desk)

    next(one for one in page.radio if "Buy again" in one.options).set_value("skip").run()

    assert "No row is left to send." in texts(page)
    assert not any(label.startswith(("Submit 4", "Make a run")) for label in labels(page))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"%PDF-1.7 and so on", "a PDF, not a list"),
        (b"Website,Name\n", "The file holds no rows below its header"),
        (b"Name,Remark\nAda,first\nAlan,second\n", "No column gives the website or domain"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_plain_words(desk: Desk, content: bytes, said: str) -> None:
    page = desk.open()

    page.file_uploader[0].upload("list.csv", content).run()

    assert not page.exception
    assert said in texts(page)
    assert runs(desk.ledger) == []


def test_a_list_without_a_usable_row_cannot_be_confirmed(desk: Desk) -> None:
    page = uploaded(desk, "Website\nn/a\nsomeone@gmail.com\n")

    assert "No row of this list can be sent" in texts(page)
    assert not any(label.startswith("Submit") for label in labels(page))


def test_pasted_rows_are_a_list_too(desk: Desk) -> None:
    page = desk.open()

    page.text_area(key="pasted").set_value("adyen.com\ntableau.com\n").run()
    button(page, "Use these rows").click()
    page.run()

    assert "**2 companies** to look up" in texts(page)


def test_people_with_names_suggest_their_own_goal_with_one_person_per_task(desk: Desk) -> None:
    page = uploaded(
        desk, "First name,Last name,Website\nAda,Lovelace,adyen.com\nAlan,Turing,adyen.com\n", role=None
    )

    assert "**2 people** to look up" in texts(page)
    assert "Submit 2 tasks in 1 batch" in labels(page)


def test_a_mailbox_goal_without_names_offers_the_domains_own_word(desk: Desk) -> None:
    page = uploaded(desk, "Website\nadyen.com\n", role=None)
    page.radio[0].set_value(Kind.LOOKUP_BUSINESS_EMAIL).run()

    assert any("domain's own word" in box.label for box in page.checkbox)
    assert '"company_name": "Adyen"' in page.code[0].value


def test_only_a_part_of_the_rows_is_sent_when_asked_and_the_rest_is_skipped(desk: Desk) -> None:
    page = uploaded(desk, "Website,Email\nadyen.com,\ntableau.com,a@tableau.com\nsap.com,\n")

    selectbox(page, "Send only rows where this column is empty").set_value(1).run()
    assert "**2 companies** to look up + **1** skipped + **0** rejected = 3 rows" in texts(page)

    next(one for one in page.number_input if one.label.startswith("Send only the first")).set_value(1).run()

    assert "**1 company** to look up + **2** skipped + **0** rejected = 3 rows" in texts(page)
    assert "Submit 1 task in 1 batch" in labels(page)


def test_a_draft_that_is_gone_is_said(desk: Desk) -> None:
    page = desk.open(draft="aaaaaaaaaaaaaaaa")

    assert "This draft is not kept any more" in texts(page)
    assert drafts.load(submit_draft.folder(), "aaaaaaaaaaaaaaaa") is None
