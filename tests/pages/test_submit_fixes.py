"""What is typed and ticked in the table of rows becomes decisions; nothing else does."""

from __future__ import annotations

import polars as pl
import pytest

from openmart_lib.dashboard import submit_fixes
from openmart_lib.dashboard.submit_fixes import DO, DROP, EDITED, SEND, UNDO, USE
from openmart_lib.intake.overrides import Choice, Overrides

PAGE = pl.DataFrame(
    {
        "seq": [7, 9],
        "cell": ["acme,com", None],
        "suggestion": ["acme.com", None],
        "first_name": ["Ada", None],
    },
    schema={"seq": pl.UInt32, "cell": pl.String, "suggestion": pl.String, "first_name": pl.String},
)


def edited(edits: dict[int, dict[str, object]], before: Overrides | None = None) -> Overrides:
    return submit_fixes.with_table_edits(before or Overrides(), PAGE, edits)


def test_a_typed_cell_is_an_edit_of_its_row_and_field() -> None:
    after = edited({0: {"cell": " sap.com "}, 1: {"first_name": "Grace"}})

    assert after.edits == {7: {"domain": "sap.com"}, 9: {"first_name": "Grace"}}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_emptied_cell_is_an_edit_too(value: str | None) -> None:
    assert edited({0: {"cell": value}}).edits == {7: {"domain": ""}}


def test_a_ticked_suggestion_is_used_and_one_that_is_not_there_is_not() -> None:
    after = edited({0: {USE: True}, 1: {USE: True}})

    assert after.edits == {7: {"domain": "acme.com"}}
    assert edited({0: {USE: False}}) == Overrides()


@pytest.mark.parametrize(("said", "choice"), [(SEND, Choice.SEND), (DROP, Choice.DROP)])
def test_a_choice_is_one_about_the_row(said: str, choice: Choice) -> None:
    assert edited({1: {DO: said}}).rows == {9: choice}


@pytest.mark.parametrize("said", [UNDO, None])
def test_as_uploaded_takes_back_all_that_was_decided_about_the_row(said: str | None) -> None:
    before = Overrides().with_edit(7, "domain", "sap.com").with_rows([7, 9], Choice.DROP)

    assert edited({0: {DO: said}}, before) == Overrides().with_rows([9], Choice.DROP)


def test_the_word_for_an_edited_row_is_no_choice() -> None:
    before = Overrides().with_edit(7, "domain", "sap.com")

    assert edited({0: {DO: EDITED}}, before) == before


def test_editing_a_row_that_was_left_out_means_to_send_it() -> None:
    before = Overrides().with_rows([7], Choice.DROP)

    assert edited({0: {"cell": "sap.com"}}, before) == Overrides().with_edit(7, "domain", "sap.com")


def test_edits_beyond_the_page_are_passed_over() -> None:
    assert edited({2: {"cell": "sap.com"}, -1: {"cell": "sap.com"}}) == Overrides()


def test_all_suggestions_of_a_page_are_used_at_once() -> None:
    assert submit_fixes.with_suggestions(Overrides(), PAGE).edits == {7: {"domain": "acme.com"}}


def test_changes_are_counted_and_told_classes_first() -> None:
    overrides = (
        Overrides()
        .with_edit(7, "domain", "")
        .with_rows([9], Choice.SEND)
        .with_class("free_mail", Choice.DROP)
    )

    assert submit_fixes.number(overrides) == 3
    assert list(submit_fixes.sentences(overrides)) == [
        "all rows with “private mailbox”: left out",
        "row 7: website or domain is empty",
        "row 9: sent anyway",
    ]
    assert list(submit_fixes.sentences(overrides, most=1))[-1] == "and 2 more"


def test_rows_whose_websites_are_each_looked_up_are_named_and_no_decision() -> None:
    edits = {
        1: {"choice": submit_fixes.EACH},
        0: {"choice": submit_fixes.DROP},
        5: {"choice": submit_fixes.EACH},
    }

    assert submit_fixes.rows_with(submit_fixes.EACH, PAGE, edits) == [int(PAGE["seq"][1])]
    assert edited({1: {"choice": submit_fixes.EACH}}) == Overrides()


@pytest.mark.parametrize(
    ("code", "cell", "can"),
    [
        ("multiple", "a@gmail.com, acme.com", True),
        ("multiple", "a@gmail.com, facebook.com/x", False),
        ("suffix_only", "www.de", True),
        ("suffix_only", "co.uk", False),
        ("free_mail", "a@gmail.com", True),
        ("blank", None, False),
        ("name", "acme.com", True),
        ("in_first_run", "acme.com", True),
    ],
)
def test_whether_there_is_something_to_send(code: str, cell: str | None, can: bool) -> None:
    assert submit_fixes.can_be_sent(code, cell) is can
