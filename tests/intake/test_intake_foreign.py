"""A list and the tasks of a batch made elsewhere: every row has one outcome, joined by tracking id."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.errors import InputError
from openmart_lib.intake import foreign
from openmart_lib.intake.files import read_upload

IDS = st.sampled_from(["a", "b", "row-1", "row-10", " a ", "", None])


def listed(*cells: str | None) -> pl.DataFrame:
    """A list with its ids in the second column."""
    numbers = pl.int_range(1, len(cells) + 1, dtype=pl.UInt32, eager=True)
    return pl.DataFrame(
        {"seq": numbers, "file_line": numbers + 1, "Company": [f"Shop {n}" for n in numbers], "Ref": cells},
        schema={"seq": pl.UInt32, "file_line": pl.UInt32, "Company": pl.String, "Ref": pl.String},
    )


def test_rows_named_in_the_batch_are_accepted_and_the_others_skipped_with_the_reason() -> None:
    rows, links = foreign.join_rows(listed("x-2", "x-9", None, " x-1 ", "x-2"), "Ref", ["x-1", "x-2"])

    assert rows.select("intake", "duplicate_of").rows() == [
        ("accepted", None),
        ("skipped", None),
        ("skipped", None),
        ("accepted", None),
        ("duplicate", 1),
    ]
    assert rows["reason"].to_list() == [
        None,
        foreign.NO_TASK,
        foreign.NO_TRACKING_ID,
        None,
        "Same tracking id as row 1: it gets that row's result.",
    ]
    assert links.rows() == [(1, 2, 0), (4, 1, 0)]


def test_a_tracking_id_that_the_other_tool_gave_twice_ties_both_tasks_to_the_row() -> None:
    _, links = foreign.join_rows(listed("x", "y"), "Ref", ["x", None, "x"])

    assert links.rows() == [(1, 1, 0), (1, 3, 0)]


@given(cells=st.lists(IDS, min_size=1, max_size=12), tracking_ids=st.lists(IDS, min_size=1, max_size=8))
def test_no_row_is_lost_and_every_tie_joins_equal_ids(
    cells: list[str | None], tracking_ids: list[str | None]
) -> None:
    frame = listed(*cells)
    named = [(text or "").strip() for text in cells]
    tasks = [(text or "").strip() for text in tracking_ids]

    rows, links = foreign.join_rows(frame, "Ref", tracking_ids)
    fit = foreign.fit(frame, "Ref", tracking_ids)

    assert rows["seq"].to_list() == frame["seq"].to_list()
    first = {text: seq for seq, text in reversed(list(enumerate(named, 1)))}
    for seq, intake, twin in rows.select("seq", "intake", "duplicate_of").rows():
        text = named[seq - 1]
        if not text or text not in tasks:
            assert (intake, twin) == ("skipped", None)
        elif first[text] == seq:
            assert (intake, twin) == ("accepted", None)
        else:
            assert (intake, twin) == ("duplicate", first[text])
    assert set(links.rows()) == {
        (first[text], number, 0) for number, text in enumerate(tasks, 1) if text and text in first
    }
    assert links.height == links.unique().height
    assert fit.rows == rows.filter(pl.col("intake") != "skipped").height
    assert fit.tasks == links["task_no"].n_unique()


def test_the_column_is_the_one_in_which_most_rows_name_a_task() -> None:
    text = b"Name,Ref,Other\nx-1,n-1,x-1\nanna,n-2,x-2\nbert,n-3,x-3\n"
    frame = read_upload(text, "list.csv").frame

    assert foreign.guess_column(frame, ["x-1", "x-2"]) == "Other"
    assert foreign.guess_column(frame, ["none"]) is None
    assert foreign.usable_column(frame, None, ["n-1", "n-2"]) == "Ref"
    assert foreign.usable_column(frame, "Name", ["x-1", "x-2"]) == "Name"


def test_a_column_that_names_no_task_is_refused_before_anything_is_written() -> None:
    frame = listed("x-1")

    with pytest.raises(InputError, match="not in column 'Company'"):
        foreign.usable_column(frame, "Company", ["x-1"])
    with pytest.raises(InputError, match="none of its columns"):
        foreign.usable_column(frame, None, ["y-1", None])
    with pytest.raises(InputError, match="has no column 'Reference'"):
        foreign.usable_column(frame, "Reference", ["x-1"])


def test_without_a_list_every_task_is_a_row_also_those_without_a_tracking_id() -> None:
    frame, rows, links = foreign.tasks_as_rows(["x", None, "x"], ["t1", "t2", "t3"])

    assert frame.columns == ["seq", "file_line", "Tracking id", "Task id"]
    assert frame["Tracking id"].to_list() == ["x", None, "x"]
    assert frame["Task id"].to_list() == ["t1", "t2", "t3"]
    assert rows["intake"].to_list() == ["accepted"] * 3 and rows["reason"].is_null().all()
    assert links.rows() == [(1, 1, 0), (2, 2, 0), (3, 3, 0)]
