"""New since the last download: rows that became final, or say something else, since a file was taken."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from results_story import NOW, Story, companies, person

from openmart_lib.ledger import Outcome
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results import export, join, since


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Five rows in two batches, and a duplicate of the first; the first batch is answered."""
    story = Story(
        tmp_path / "ledger", companies("a-one.com", "b-two.com", "c-three.com", "d-four.com", "", "a-one.com")
    )
    story.pks = [story.send(), story.send()]  # type: ignore[attr-defined] # kept for the tests
    story.answer(story.pks[0], 1, [person(email="a@a-one.com")])  # type: ignore[attr-defined]
    return story


def new(story: Story) -> list[int]:
    """The new rows, by number."""
    frame = join.results(story.ledger, story.run_id, "rows")
    return since.new_rows(story.ledger, story.run_id, frame).to_list()


def test_before_any_download_every_final_row_is_new(story: Story) -> None:
    assert since.taken_at(story.ledger, story.run_id) is None
    assert new(story) == [1, 5, 6]


def test_after_a_download_only_what_became_final_since_is_new(story: Story, tmp_path: Path) -> None:
    export.export_run(story.ledger, story.run_id, tmp_path / "all.csv", shape="rows")
    assert new(story) == []
    assert since.taken_at(story.ledger, story.run_id) == NOW

    story.answer(story.pks[1], 3, [])  # type: ignore[attr-defined]

    assert new(story) == [3]


def test_a_row_that_was_not_in_the_file_stays_new(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    export.export_run(story.ledger, story.run_id, path, shape="long", outcomes=[Outcome.MATCHED])

    assert new(story) == [5, 6]


def test_a_duplicate_is_new_when_the_row_it_repeats_is(story: Story, tmp_path: Path) -> None:
    rows = pl.Series([1], dtype=pl.Int64)
    export.export_run(story.ledger, story.run_id, tmp_path / "one.csv", shape="rows", rows=rows)

    assert new(story) == [5, 6]


def test_a_result_that_changed_afterwards_is_new_again(story: Story, tmp_path: Path) -> None:
    from openmart_lib.ledger.decisions import close_batch

    close_batch(story.ledger, story.pks[1])  # type: ignore[attr-defined]
    export.export_run(story.ledger, story.run_id, tmp_path / "all.csv", shape="rows")
    assert new(story) == []

    story.answer(story.pks[1], 4, [person(email="late@d-four.com")])  # type: ignore[attr-defined]

    assert new(story) == [4]


def test_a_file_of_the_new_rows_holds_them_only_and_is_the_next_mark(story: Story, tmp_path: Path) -> None:
    export.export_run(story.ledger, story.run_id, tmp_path / "first.csv", shape="rows")
    story.answer(story.pks[0], 2, [person(email="b@b-two.com")])  # type: ignore[attr-defined]
    rows = pl.Series(new(story), dtype=pl.Int64)

    path = tmp_path / "second.jsonl"
    info = export.export_run(story.ledger, story.run_id, path, shape="rows", rows=rows)

    assert pl.read_ndjson(path)["row"].to_list() == [2]
    assert (info.lines, info.rows) == (1, 1)
    assert new(story) == []
    assert [one.partial for one in exports_of(story.ledger, story.run_id)] == [True, True]


def test_taking_what_was_left_out_of_an_import_marks_nothing(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "apart.csv"
    export.export_preset(story.ledger, story.run_id, path, "hubspot", apart=True)

    assert new(story) == [1, 5, 6]
