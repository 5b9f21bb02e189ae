"""Lance: free, whether data exists, and nothing lost between question and answer."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import MAX_LANCE_QUERY, LanceEntityType, LanceField
from openmart_lib.dashboard import lance_look
from tests.pages.conftest import Desk, button, texts

ID = "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d%04x"


def test_the_page_says_first_that_it_is_free(desk: Desk) -> None:
    page = desk.open("lance")

    assert page.markdown[1].value.startswith("**Free: this page never spends credits.**")
    assert "Paste entity ids" in texts(page)


def test_a_look_shows_one_state_per_question_and_the_states_add_up(desk: Desk) -> None:
    page = desk.open("lance")

    page.text_area[0].set_value("\n".join(ID % n for n in range(60)) + "\nno id here").run()
    assert "60 ids x 2 fields = 120 questions" in texts(page)
    button(page, "Look at 120 states").click()
    page.run()

    table = page.dataframe[0].value
    assert len(table) == 120
    assert set(table["State"]) <= set(lance_look.STATES)
    assert "= 120 questions" in texts(page)
    assert "1 line without an entity id" in texts(page)
    assert desk.sandbox.credits_spent() == 0


def test_more_than_one_look_takes_is_said(desk: Desk) -> None:
    page = desk.open("lance")

    page.text_area[0].set_value("\n".join(ID % n for n in range(150))).run()

    assert f"the first {MAX_LANCE_QUERY} are asked in one look" in texts(page)
    assert any(one.label == f"Look at {MAX_LANCE_QUERY} states" for one in page.button)


def test_a_lance_that_does_not_answer_is_a_message(desk: Desk) -> None:
    page = desk.open("lance")
    page.text_area[0].set_value(ID % 1).run()
    desk.sandbox.stop()

    button(page, "Look at 2 states").click()
    page.run()

    assert not page.exception
    assert len(page.error) == 1


def test_states_are_told_in_words() -> None:
    record = {"entityId": "a", "field": "emails"}

    told = [
        lance_look.state_of({**record, "status": status, "dataFound": found})  # type: ignore[typeddict-item] # a test's shorthand
        for status, found in [
            ("finished", True),
            ("finished", False),
            ("pending", None),
            ("timeout", None),
            ("failed", None),
            ("finished", None),
            ("brand new", None),
        ]
    ]

    assert told == ["found", "nothing found", "still running", "timed out", "failed", "unclear", "unclear"]


@given(st.lists(st.integers(0, 40), max_size=30), st.booleans())
def test_each_question_has_exactly_one_answer_whatever_comes_back(found: list[int], upper: bool) -> None:
    asked = lance_look.questions([ID % n for n in range(20)], [LanceField.EMAILS], LanceEntityType.PERSON)
    records = [
        {
            "entityId": (ID % n).upper() if upper else ID % n,
            "field": "emails",
            "status": "finished",
            "dataFound": True,
        }
        for n in found
    ]

    states = lance_look.states(asked, records)  # type: ignore[arg-type] # a test's shorthand

    assert states["Entity id"].to_list() == [ID % n for n in range(20)]
    assert states.filter(pl.col("State") == "found").height == len({n for n in found if n < 20})


@given(st.text())
def test_ids_are_found_in_any_text_and_every_other_line_is_counted(noise: str) -> None:
    ids, others = lance_look.read_ids(f"{noise}\n{ID % 7}, {ID % 8}; {ID % 7}\n")

    assert ids[-2:] == [ID % 7, ID % 8]
    assert len(others) <= len(noise.splitlines())
