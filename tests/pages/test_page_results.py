"""Results: every row with its outcome, filters in the address, and files to take away."""

from __future__ import annotations

import polars as pl
import pytest

from openmart_lib.dashboard import results_table, results_view
from tests.pages.conftest import Desk, texts


@pytest.fixture
def run_id(finished_desk: Desk) -> str:
    """The finished run of the data folder."""
    return finished_desk.newest


def test_an_empty_results_page_says_what_it_will_show_and_where_to_begin(desk: Desk) -> None:
    page = desk.open("results")

    assert "Here every row of your lists stands with its outcome" in texts(page)
    assert page.page_link[0].value == "Submit a first list"


def test_the_headline_and_the_outcomes_add_up(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["Rows matched"] == ("2", "of 6 rows")
    assert figures["With email"] == ("1", "of 6 rows")
    said = texts(page)
    assert "matched **1**" in said
    assert "= 6 rows" in said
    assert "1 duplicate repeats a matched row, so 2 rows have what you asked for." in said


def test_every_uploaded_row_is_in_the_table_with_its_outcome(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id)

    table = page.dataframe[0].value
    assert table["row"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [one[0] for one in table["outcome"]] == [
        "matched",
        "no match",
        "partial",
        "errored",
        "duplicate",
        "rejected",
    ]
    assert table["found_email"].tolist()[0].startswith("mailto:")
    assert table["found_email"].tolist()[4] == table["found_email"].tolist()[0]


def test_the_filter_comes_from_the_address_and_goes_into_it(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id, outcome="rejected,nonsense,%3Cb%3E")
    assert page.dataframe[0].value["row"].tolist() == [6]
    assert page.query_params["outcome"] == "rejected"

    page.checkbox(key=f"outcome_{run_id}_matched").check().run()

    assert page.dataframe[0].value["row"].tolist() == [1, 6]
    assert page.query_params["outcome"] == "matched,rejected"


def test_a_row_in_the_address_opens_its_story(finished_desk: Desk, run_id: str) -> None:
    page = finished_desk.open("results", run=run_id, row="5")

    assert page.header[-1].value == "row 5 (line 6 in your file)"
    said = texts(page)
    assert "The same task as row 1: it carries that row's answer and was paid once." in said
    assert "Clean domain: everything.example" in said
    assert f'"tracking_id": "{run_id}-1"' in page.code[1].value


@pytest.mark.parametrize("row", ["0", "7", "x", "99999999999999999999", "-1"])
def test_a_row_that_is_none_opens_nothing(finished_desk: Desk, run_id: str, row: str) -> None:
    page = finished_desk.open("results", run=run_id, row=row)

    assert not any("line" in header.value for header in page.header)


def test_a_run_that_still_runs_shows_what_is_there(desk: Desk) -> None:
    run_id = desk.plan()

    page = desk.open("results", run=run_id)

    assert "4 rows without an answer yet" in texts(page)
    assert page.dataframe[0].value["row"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_link_is_shown_only_where_every_value_earned_it() -> None:
    good = pl.DataFrame({"row": [1], "outcome": ["matched"], "found_email": ["a@b.example"]})
    bad = pl.DataFrame({"row": [1], "outcome": ["matched"], "found_email": ["javascript:alert(1)"]})

    assert "display_text" in results_table.column_config(good)["found_email"]["type_config"]
    assert "display_text" not in results_table.column_config(bad)["found_email"].get("type_config", {})


def test_columns_to_group_by_have_few_values() -> None:
    frame = pl.DataFrame(
        {
            "id": [str(n) for n in range(40)],
            "segment": ["A", "B"] * 20,
            "same": ["x"] * 40,
            "outcome": ["matched"] * 40,
        }
    )

    assert results_view.groupings(frame) == ["segment"]
