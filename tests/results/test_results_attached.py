"""Results of a batch made by another tool: joined to the list, with that tool's tracking ids."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import person

from openmart_lib.api.wire import BatchCounts, Kind, TaskAnswer
from openmart_lib.intake.foreign import join_rows, tasks_as_rows
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.attaching import (
    OPTIONS,
    ForeignBatch,
    ForeignTask,
    attach_run,
    place_of_id,
    tasks_of,
)
from openmart_lib.ledger.runs import NewRun
from openmart_lib.results import assembly, export, join, records

IDS = st.sampled_from(["a", "b", "c", " b ", "", None])
NUMBERS = count(1)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """One ledger for all: each attached batch is a run of its own."""
    return Ledger.open(tmp_path_factory.mktemp("attached"), environment="sandbox")


class Batch:
    """A batch of another tool, attached to a list with these cells, or to none."""

    def __init__(
        self,
        ledger: Ledger,
        tracking_ids: list[str | None],
        cells: list[str | None] | None = None,
        kind: Kind = Kind.FIND_PEOPLE,
    ) -> None:
        self.ledger = ledger
        self.tracking_ids = tracking_ids
        self.batch_id = f"batch-{next(NUMBERS)}"
        tasks = tuple(
            ForeignTask(f"{self.batch_id}-{n}", text, "COMPLETED") for n, text in enumerate(tracking_ids, 1)
        )
        counts = BatchCounts(processing=0, completed=0, errored=0, total=len(tasks), batch_ready=True)
        found = ForeignBatch(self.batch_id, counts, tasks)
        if cells is None:
            frame, rows, links = tasks_as_rows(tracking_ids, found.task_ids)
        else:
            number = pl.int_range(1, len(cells) + 1, dtype=pl.UInt32, eager=True)
            columns = {"seq": number, "file_line": number + 1, "ref": cells, "task_id": ["mine"] * len(cells)}
            frame = pl.DataFrame(columns, schema_overrides={"ref": pl.String})
            rows, links = join_rows(frame, "ref", tracking_ids)
        self.run_id = attach_run(ledger, _new(self.batch_id, kind, frame, rows, links, found), found)

    def answer(self, number: int, data: Any) -> None:
        """Store the last word of one task; whatever tracking id it names, the one seen first counts."""
        place = place_of_id(self.ledger, self.batch_id)
        assert place is not None
        task_id = f"{self.batch_id}-{number}"
        echo = f"echo {number}" if self.tracking_ids[number - 1] is not None else None
        answer = {"task_id": task_id, "status": "COMPLETED", "tracking_id": echo, "data": data}
        store_answers(self.ledger, place.pk, [TaskAnswer(raw=json.dumps(answer), **answer)])  # type: ignore[typeddict-item]  # the fields above

    def results(self, shape: join.Shape = "rows") -> pl.DataFrame:
        return join.results(self.ledger, self.run_id, shape)


def _new(
    name: str, kind: Kind, frame: pl.DataFrame, rows: pl.DataFrame, links: pl.DataFrame, found: ForeignBatch
) -> NewRun:
    return NewRun(
        name="Elsewhere",
        kind=kind,
        mapping={},
        options=dict(OPTIONS),
        content_key=name,
        confirm_token=name,
        upload_name="list.csv",
        upload_sha256="0" * 64,
        upload_format={},
        frame=frame,
        rows=rows,
        tasks=tasks_of(found),
        links=links,
        worst_credits=0.0,
        key_fingerprint="fingerprint",
        key_last4="abcd",
        tasks_per_batch=len(found.tasks),
    )


def test_rows_show_the_other_tools_tracking_id_before_and_after_the_answer(ledger: Ledger) -> None:
    batch = Batch(ledger, ["x-1", "x-2"], ["x-2", "x-9", "x-1", "x-1"])
    before = batch.results().select("tracking_id", "outcome")

    batch.answer(1, [person("Ada", email="ada@one.invalid")])

    assert before.rows() == [("x-2", "pending"), (None, "skipped"), ("x-1", "pending"), ("x-1", "duplicate")]
    after = batch.results()
    assert after["tracking_id"].to_list() == ["x-2", None, "x-1", "x-1"]
    assert after["found_first_name"].to_list() == [None, None, "Ada", "Ada"]
    assert after["task_id (uploaded)"].to_list() == ["mine"] * 4


def test_a_row_has_the_records_of_every_task_of_its_tracking_id(ledger: Ledger) -> None:
    batch = Batch(ledger, ["x", "x"], ["x"])

    batch.answer(1, [person("Ada")])
    batch.answer(2, [person("Bo", email="bo@one.invalid", verified=True)])

    assert batch.results()["found_first_name"].to_list() == ["Bo"]
    assert sorted(batch.results("long")["found_first_name"]) == ["Ada", "Bo"]


def test_several_people_in_one_task_all_belong_to_its_row(ledger: Ledger) -> None:
    """Who was asked for is not known, so nobody can be told apart."""
    batch = Batch(ledger, ["x"], ["x"], Kind.LOOKUP_PEOPLE)

    batch.answer(1, [person("Ada", email="ada@one.invalid"), person("Bo", phone="+15550100")])

    assert batch.results("long").select("row", "found_first_name", "outcome").rows() == [
        (1, "Ada", "matched"),
        (1, "Bo", "matched"),
    ]
    assert join.unmatched(ledger, batch.run_id).is_empty()


def test_what_was_found_for_a_task_that_no_row_names_is_shown_as_unmatched(
    ledger: Ledger, tmp_path: Path
) -> None:
    batch = Batch(ledger, ["x", "y", None], ["x"])

    batch.answer(2, [person("Bo", email="bo@one.invalid")])
    batch.answer(3, [person("Cy", email="cy@one.invalid")])

    stray = join.unmatched(ledger, batch.run_id)
    assert stray.select("why", "tracking_id", "found_first_name").rows() == [
        (assembly.NO_ROW, "y", "Bo"),
        (assembly.NO_ROW, None, "Cy"),
    ]
    assert batch.results("long")["found_first_name"].to_list() == [None]
    written = export.export_run(ledger, batch.run_id, tmp_path / "attached.xlsx", shape="long")
    assert written.rows == 1


@examples(5)
@given(
    tracking_ids=st.lists(IDS, min_size=1, max_size=6),
    cells=st.none() | st.lists(IDS, min_size=1, max_size=8),
    data=st.data(),
)
def test_no_row_and_no_record_is_lost_or_doubled(
    ledger: Ledger, tracking_ids: list[str | None], cells: list[str | None] | None, data: st.DataObject
) -> None:
    batch = Batch(ledger, tracking_ids, cells)
    answered = data.draw(st.sets(st.integers(1, len(tracking_ids))))
    told: Counter[str] = Counter()
    for number in answered:
        people = data.draw(st.integers(0, 2))
        names = [f"P{number}-{nth}" for nth in range(people)]
        told.update(names)
        batch.answer(number, [person(name, email=f"{name}@one.invalid") for name in names])

    rows, long = batch.results(), batch.results("long")
    stray = join.unmatched(ledger, batch.run_id)

    wanted = tracking_ids if cells is None else cells
    assert rows["row"].to_list() == list(range(1, len(wanted) + 1))
    known = {(text or "").strip() for text in tracking_ids} - {""}
    expected = [text if cells is None or (text or "").strip() in known else None for text in wanted]
    assert [(text or "").strip() for text in rows["tracking_id"]] == [
        (text or "").strip() for text in expected
    ]
    own = long.filter(pl.col("outcome") != "duplicate")["found_first_name"].drop_nulls().to_list()
    assert Counter(own) + Counter(stray["found_first_name"].to_list()) == told
    info = queries.run_info(ledger, batch.run_id)
    assert sum(info.outcomes.values()) == info.row_count == len(wanted)
    assert records.records(ledger, batch.run_id).height == told.total()
