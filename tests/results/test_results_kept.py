"""Kept files: a finished run is joined once, new answers flatten only their own part, erased means gone."""

from __future__ import annotations

import stat
from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import queries, row_reads
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.results import cache, join, records


@pytest.fixture
def finished(tmp_path: Path) -> Story:
    """Three rows, all with their last word."""
    story = Story(tmp_path, companies("a-1.com", "b-2.com", ""))
    story.send_all({1: [person("Ana", email="a@a-1.com"), person("Bo")], 2: []})
    return story


def kept_file(story: Story, form: str) -> Path:
    return story.ledger.results_dir / f"{story.run_id}.{form}.parquet"


def test_the_joined_frame_of_a_finished_run_is_kept_and_the_same_when_read_again(finished: Story) -> None:
    expected = join.results(finished.ledger, finished.run_id)

    first = join.results_lazy(finished.ledger, finished.run_id, keep_from=1).collect()
    written = kept_file(finished, "wide").stat()
    again = join.results_lazy(finished.ledger, finished.run_id, keep_from=1).collect()

    assert first.equals(expected) and again.equals(expected)
    assert first.schema == expected.schema
    assert kept_file(finished, "wide").stat().st_ino == written.st_ino
    assert stat.S_IMODE(written.st_mode) == 0o600


@pytest.mark.parametrize(("shape", "contacts", "form"), [("rows", False, "rows"), ("long", True, "long")])
def test_each_shape_is_kept_by_itself(finished: Story, shape: join.Shape, contacts: bool, form: str) -> None:
    expected = join.results(finished.ledger, finished.run_id, shape, contacts=contacts)

    told = join.results_lazy(finished.ledger, finished.run_id, shape, contacts=contacts, keep_from=1)

    assert kept_file(finished, form).exists()
    assert told.collect().equals(expected)


def test_only_the_columns_that_are_used_are_read(finished: Story) -> None:
    lazy = join.results_lazy(finished.ledger, finished.run_id, keep_from=1)

    plan = lazy.select("row", "found_email").explain()

    assert "PARQUET SCAN" in plan.upper()
    assert "PROJECT 2/" in plan


def test_a_kept_frame_is_joined_anew_when_the_ledger_has_changed(finished: Story) -> None:
    join.results_lazy(finished.ledger, finished.run_id, keep_from=1)
    with finished.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE uploaded_row SET outcome_reason = 'looked at again' WHERE seq = 2")
    cancel_run(finished.ledger, finished.run_id)  # whatever changes a row writes an event

    frame = join.results_lazy(finished.ledger, finished.run_id, keep_from=1).collect()

    assert frame["outcome_reason"][1] == "looked at again"


def test_a_run_with_pending_rows_is_never_kept(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "b-2.com"))
    story.answer(story.send(), 1, [person()])

    frame = join.results_lazy(story.ledger, story.run_id, "long", keep_from=1).collect()

    assert frame["outcome"].to_list() == ["partial", "pending"]
    assert not kept_file(story, "long").exists()


def test_erased_rows_are_not_shown_from_a_kept_file(finished: Story) -> None:
    join.results_lazy(finished.ledger, finished.run_id, keep_from=1)
    for path in finished.ledger.uploads_dir.iterdir():
        path.unlink()

    with pytest.raises(LedgerError, match="are gone"):
        join.results_lazy(finished.ledger, finished.run_id, keep_from=1)


def test_forget_deletes_every_derived_file_of_one_run_and_of_no_other(finished: Story) -> None:
    for shape in ("rows", "long"):
        join.results_lazy(finished.ledger, finished.run_id, shape, keep_from=1)  # type: ignore[arg-type]  # shapes
    other = finished.ledger.results_dir / "otherrunid-0.parquet"
    other.write_bytes(b"")
    assert len(list(finished.ledger.results_dir.iterdir())) == 4

    cache.forget(finished.ledger, finished.run_id)

    assert list(finished.ledger.results_dir.iterdir()) == [other]


def test_new_answers_flatten_only_their_own_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_reads, "BATCHES_PER_PART", 2)
    story = Story(tmp_path, companies(*[f"firm-{nth}.com" for nth in range(6)]), tasks_per_batch=1)
    keys = [story.send() for _ in range(6)]
    for task_no, key in enumerate(keys[:5], 1):
        story.answer(key, task_no, [person(f"P{task_no}")])
    before = records.records(story.ledger, story.run_id)
    files = {path.name: path.stat().st_ino for path in story.ledger.results_dir.iterdir()}

    story.answer(keys[5], 6, [person("P6")])
    after = records.records(story.ledger, story.run_id)

    now = {path.name: path.stat().st_ino for path in story.ledger.results_dir.iterdir()}
    assert before["found_first_name"].to_list() == ["P1", "P2", "P3", "P4", "P5"]
    assert after["found_first_name"].to_list() == ["P1", "P2", "P3", "P4", "P5", "P6"]
    assert len(now) > 2
    assert sum(now[name] != files.get(name) for name in now) == 1


def test_records_of_all_parts_come_in_order_of_their_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's record in an early part, and an answer that another batch gave back."""
    monkeypatch.setattr(row_reads, "BATCHES_PER_PART", 1)
    story = Story(tmp_path, companies("a-1.com", "b-2.com"), tasks_per_batch=1)
    first, second = story.send(), story.send()
    story.answer(second, 2, [person("Bo")])
    story.answer(second, 1, [person("Ana")])
    story.answer(first, 0, [person("Stranger")], tracking="somebody-elses-1")

    lines = records.answer_lines(story.ledger, story.run_id)

    assert lines.select("task_no", "found_first_name").rows() == [(None, "Stranger"), (1, "Ana"), (2, "Bo")]
    rows = join.results(story.ledger, story.run_id)
    assert rows["found_first_name"].to_list() == ["Ana", "Bo"]


def test_a_folder_that_cannot_be_written_does_not_hide_a_finished_run(finished: Story) -> None:
    finished.ledger.results_dir.rmdir()

    assert join.results_lazy(finished.ledger, finished.run_id, keep_from=1).collect().height == 3


def test_one_rows_story_is_read_without_the_rest_of_the_run(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "b-2.com", "c-3.com"))
    story.send_all({1: [person("Ana")], 2: [person("Bo")], 3: []})

    ties = queries.links(story.ledger, story.run_id, seq=2)
    answers = queries.answers(story.ledger, story.run_id, task_nos=ties["task_no"].to_list())

    assert ties.select("seq", "task_no").rows() == [(2, 2)]
    assert answers["task_no"].to_list() == [2]
    assert "Bo" in answers["payload"].item()
    assert queries.answers(story.ledger, story.run_id, task_nos=[]).is_empty()
    assert queries.links(story.ledger, story.run_id, task_nos=[1, 3])["seq"].to_list() == [1, 3]


def test_a_part_tells_when_an_answer_in_it_was_stored(finished: Story) -> None:
    before = queries.answer_parts(finished.ledger, finished.run_id)

    with finished.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM remote_task WHERE task_no = 2")
    after = queries.answer_parts(finished.ledger, finished.run_id)

    assert before["listed"].to_list() == [2]
    assert after["listed"].to_list() == [1]
    assert before.drop("listed").equals(after.drop("listed"))
    assert before.schema["stored_at"] == pl.Float64
