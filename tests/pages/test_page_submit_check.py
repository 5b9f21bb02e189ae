"""Submit, step 3: the reckoning, the rows behind it, and every decision about them."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, submit_table
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.ledger import queries, remembered
from openmart_lib.ledger.overview import runs
from tests.pages.conftest import Desk, button, labels, texts
from tests.pages.submit_kit import decide, draft_of, opened_folds, table, text_input, uploaded

MESSY = (
    "Company,Website,Country\n"
    "Adyen,https://www.adyen.com/about,Netherlands\n"
    'Acme,"acme,com",Germany\n'
    "Private,someone@gmail.com,Georgia\n"
    "Also private,other@gmail.com,\n"
    "Empty,,France\n"
    "Adyen again,adyen.com,Netherlands\n"
)


def rows(page: AppTest) -> Any:
    return table(page, "seq")


def view(page: AppTest, name: str) -> AppTest:
    """Choose which rows the table shows."""
    radio = next(one for one in page.radio if one.label == "Show")
    return radio.set_value(next(one for one in submit_table.View if one.value == name)).run()


def reopened(desk: Desk, page: AppTest, **query: str) -> AppTest:
    return desk.open(draft=draft_of(page).draft_id, **query)


def test_a_clean_list_folds_the_check_to_one_line(desk: Desk) -> None:
    page = uploaded(desk, "Website\nadyen.com\ntableau.com\n")

    assert "Every row can be used." in texts(page)
    assert not [one for one in page.dataframe if "seq" in one.value.columns]


def test_rows_that_cannot_be_used_are_listed_with_reason_and_suggestion(desk: Desk) -> None:
    page = uploaded(desk, MESSY)

    shown = rows(page)
    assert shown["seq"].tolist() == [2, 3, 4, 5]
    assert shown["suggestion"].tolist()[0] == "acme.com"
    assert "gmail.com is a private mailbox provider" in shown["why"].tolist()[1]
    assert table(page, "rows")["why"].tolist()[0] == "private mailbox"


def test_a_reason_filters_the_rows_and_is_kept_in_the_address(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, MESSY), reason="free_mail")

    assert rows(page)["seq"].tolist() == [3, 4]
    assert "Send all 2 anyway" in labels(page)


def test_an_address_with_an_unknown_reason_shows_all(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, MESSY), reason="<b>", view="nonsense")

    assert rows(page)["seq"].tolist() == [2, 3, 4, 5]


def test_a_whole_class_is_sent_anyway_and_undone(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, MESSY), reason="free_mail")

    button(page, "Send all 2 anyway").click()
    page.run()

    # gmail.com in two countries are two tasks.
    assert "**3 companies** to look up + **1 row** that shares one (same answer, free) + **2** rej" in texts(
        page
    )
    assert "**1 change** of yours" in texts(page)

    button(page, "Undo all").click()
    page.run()

    assert (
        "**1 company** to look up + **1 row** that shares one (same answer, free) + **4** rejected"
        in texts(page)
    )
    assert "change** of yours" not in texts(page)


def test_a_whole_class_is_left_out_and_counts_as_skipped(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, MESSY), reason="blank")

    button(page, "Leave it out").click()
    page.run()

    assert "**1** skipped + **3** rejected = 6 rows" in texts(page)
    assert not any(label.startswith("Send it") for label in labels(page)), "there is nothing to send"


def test_an_edited_cell_is_judged_like_any_other_and_the_last_change_can_be_undone(desk: Desk) -> None:
    page = decide(uploaded(desk, MESSY), Overrides().with_edit(2, "domain", "https://sap.com/x"))

    assert "**2 companies** to look up" in texts(page)
    view(page, "changed")
    assert rows(page)["cell"].tolist() == ["https://sap.com/x"]
    assert rows(page)["becomes"].tolist() == ["sap.com"]
    assert rows(page)["u1"].tolist() == ["acme,com"], "the uploaded cell stays as it is"
    assert "row 2: website or domain is “https://sap.com/x”" in texts(page)


def test_how_every_row_was_read_can_be_seen_and_searched(desk: Desk) -> None:
    page = view(uploaded(desk, MESSY), "all")

    shown = rows(page)
    assert shown["becomes"].tolist()[0] == "adyen.com"
    assert shown["rule"].tolist()[0] == "took the host of a URL"
    assert shown["what"].tolist() == ["look up", *["cannot be used"] * 4, "shares one"]

    text_input(page, "Find a row").set_value("6").run()
    assert rows(page)["seq"].tolist() == [6]
    text_input(page, "Find a row").set_value("PRIVATE").run()
    assert rows(page)["seq"].tolist() == [3, 4]
    text_input(page, "Find a row").set_value("no such text").run()
    assert "No row has this text" in texts(page)


def test_the_table_is_shown_in_pages(desk: Desk) -> None:
    page = uploaded(desk, "Website\n" + "".join(f"name-{number}@gmail.com\n" for number in range(120)))

    assert len(rows(page)) == 50
    assert "Rows 1 to 50 of 120" in texts(page)
    page.pagination[0].set_value(3).run()

    assert rows(page)["seq"].tolist() == list(range(101, 121))


def test_countries_that_became_codes_and_those_that_did_not_are_told(desk: Desk) -> None:
    said = texts(uploaded(desk, MESSY))

    assert "Netherlands → NL" in said
    assert "Not turned into a country code, sent as written: “Georgia” (1 row)" in said


def test_a_doubtful_name_is_held_and_its_split_can_be_corrected(desk: Desk) -> None:
    page = uploaded(
        desk, "Full name,Website\nGabriel García Márquez,adyen.com\nAda Lovelace,sap.com\n", role=None
    )
    page.radio[0].set_value(Kind.LOOKUP_PEOPLE).run()

    assert rows(page)["seq"].tolist() == [1]
    assert "Name in doubt" in rows(page)["why"].tolist()[0]

    decide(
        page, Overrides().with_edit(1, "first_name", "Gabriel").with_edit(1, "last_name", "García Márquez")
    )

    assert "**2 people** to look up" in texts(page)


def test_decisions_survive_a_reload_and_are_in_the_run(desk: Desk) -> None:
    page = decide(uploaded(desk, MESSY), Overrides().with_rows([3], Choice.SEND).with_rows([2], Choice.DROP))

    again = reopened(desk, page)
    assert "**2 changes** of yours" in texts(again)
    button(again, "Submit 2 tasks in 1 batch").click()
    again.run()

    (run,) = runs(desk.ledger)
    assert run.row_count == 6
    assert run.task_count == 2


def test_choices_are_remembered_for_the_next_file_when_asked(desk: Desk) -> None:
    first = decide(
        uploaded(desk, MESSY), Overrides().with_edit(2, "domain", "sap.com").with_rows([3], Choice.DROP)
    )
    button(first, "Remember these 2 choices").click()
    first.run()
    assert "Remember these 2 choices" not in labels(first)

    second = uploaded(desk, 'Website\nadyen.com\n"ACME,com "\n', name="next.csv")

    assert "**1 change** of yours, 1 as in earlier files" in texts(second)
    assert "**2 companies** to look up" in texts(second)

    button(second, "Undo all").click()
    second.run()
    assert "**1** rejected = 2 rows" in texts(reopened(desk, second)), "it is not applied once more"

    button(first, "Forget what I chose for earlier files").click()
    first.run()
    assert remembered.recall_all(resources.ledger(), remembered.DOMAIN_CHOICE) == {}


def test_corrected_rejects_join_the_list_by_row_number_and_can_be_taken_back(desk: Desk) -> None:
    page = uploaded(desk, MESSY)
    corrected = "Company,Website,Country,row\nAcme,acme.com,Germany,2\nPrivate,sap.com,,3\nNobody,x.com,,99\n"

    page.file_uploader[0].upload("rejected-rows.csv", corrected.encode()).run()

    assert not page.exception
    assert "Corrected rows of rejected-rows.csv have joined this list" in texts(page)
    assert (
        "**3 companies** to look up + **1 row** that shares one (same answer, free) + **2** rejected"
        in texts(page)
    )
    opened_folds(page, "file")
    assert "the list has no row '99'" in texts(page)

    button(page, "Take them back").click()
    page.run()

    assert "+ **4** rejected = 6 rows" in texts(page)


def test_a_corrected_row_wins_over_an_edit_of_the_same_row(desk: Desk) -> None:
    page = decide(
        uploaded(desk, MESSY), Overrides().with_edit(2, "domain", "oracle.com").with_rows([4], Choice.DROP)
    )

    page.file_uploader[0].upload("fixed.csv", b"Company,Website,row\nAcme,sap.com,2\n").run()

    view(page, "accepted")
    assert "sap.com" in rows(page)["becomes"].tolist()
    assert "**1 change** of yours" in texts(page), "the decision about row 4 holds"


@pytest.mark.parametrize("content", [b"Website\nacme.com\n", b"row,Other\n1,x\n"])
def test_a_corrected_file_that_does_not_fit_is_refused_and_changes_nothing(
    desk: Desk, content: bytes
) -> None:
    page = uploaded(desk, MESSY)

    page.file_uploader[0].upload("fixed.csv", content).run()

    assert not page.exception
    assert "Nothing was changed" in texts(page)
    assert "+ **4** rejected = 6 rows" in texts(page)


SEVERAL = (
    "Website,Company\n"
    "acme.com; beta.de,Acme\n"
    "beta.de,Beta\n"
    '"a@gmail.com, facebook.com/x",Nobody\n'
    "gamma.fr / facebook.com/gamma,Gamma\n"
)


def test_of_several_websites_in_a_cell_the_first_can_be_taken(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, SEVERAL), reason="multiple")

    button(page, "Take the first of each").click()
    page.run()

    assert "**3 companies** to look up + **1** rejected = 4 rows" in texts(page)
    assert "all rows with “several websites in one cell”: the first is taken" in texts(page)


def test_each_of_several_websites_can_be_looked_up_and_taken_back(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, SEVERAL), reason="multiple")

    button(page, "Look up each of them").click()
    page.run()

    assert not page.exception
    assert (
        "**3 companies** to look up + **1 row** that shares one (same answer, free) + **1** rejected = 5 rows "
        "(4 of yours, 1 added)"
    ) in texts(page)
    assert "2 cells name several websites" in texts(page)
    view(page, "all")
    assert rows(page)["u2"].dropna().to_dict() == {0: "1", 3: "4", 4: "1"}, "the column parent_row"

    button(page, "Take them back").click()
    page.run()

    assert "**1 company** to look up + **3** rejected = 4 rows" in texts(page)


def test_a_decision_about_an_added_row_goes_with_it(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, SEVERAL), reason="multiple")
    button(page, "Look up each of them").click()
    page.run()
    decide(page, Overrides().with_rows([2, 5], Choice.DROP))

    button(page, "Take them back").click()
    page.run()

    assert draft_of(page).choices["overrides"]["rows"] == {"2": "drop"}


def test_websites_that_cannot_be_sent_are_not_divided(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, "Website\ngmail.com facebook.com/x\nsap.com\n"), reason="multiple")

    button(page, "Look up each of them").click()
    page.run()

    assert "None of these websites can be sent" in page.toast[0].value
    assert "+ **1** rejected = 2 rows" in texts(page)


def test_the_run_of_a_divided_list_has_every_row_and_pays_each_website_once(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, SEVERAL), reason="multiple")
    button(page, "Look up each of them").click()
    page.run()

    button(page, "Submit 3 tasks in 1 batch").click()
    page.run()

    (run,) = runs(desk.ledger)
    assert (run.row_count, run.task_count, run.columns) == (5, 3, ["Website", "Company", "parent_row"])


def test_the_columns_of_a_divided_list_are_remembered_for_the_undivided_next_one(desk: Desk) -> None:
    page = reopened(desk, uploaded(desk, SEVERAL), reason="multiple")
    button(page, "Look up each of them").click()
    page.run()
    button(page, "Submit 3 tasks in 1 batch").click()
    page.run()

    assert "Columns as you chose last time" in texts(uploaded(desk, SEVERAL, name="next.csv"))


def test_decisions_are_kept_with_the_run_and_by_using_the_list_again(desk: Desk) -> None:
    page = decide(uploaded(desk, MESSY), Overrides().with_rows([3], Choice.SEND).with_rows([2], Choice.DROP))
    draft = draft_of(page)
    button(page, "Submit 2 tasks in 1 batch").click()
    page.run()

    (run,) = runs(desk.ledger)
    assert queries.decisions(desk.ledger, run.run_id)["rows"] == {"2": "drop", "3": "send"}

    again = desk.open(draft=draft.draft_id)
    button(again, "Use this list again").click()
    again.run()

    assert "**2 changes** of yours" in texts(again)
