"""Erasing: delete what a run holds about people and companies; keep what it cost and how it ended.

What goes: the uploaded rows, the raw answers, what the tasks asked for, texts that may quote them, drafts,
derived files and exports. What stays: ids, states, times, counts and outcomes, so that nothing is ever
paid twice and the receipt can still be written. May be cut off at any line and asked for again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import remembered
from openmart_lib.ledger.erased import ERASED, FINISHED, is_erased
from openmart_lib.ledger.exports import LAST_TAKEN
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.overview import RunInfo, run_info
from openmart_lib.ledger.residue import backups_of, compact
from openmart_lib.ledger.runs import mark_cancelled, run_pk
from openmart_lib.ledger.schema import (
    batch,
    event,
    remote_task,
    reused_row,
    row_task,
    run,
    task,
    upload,
    uploaded_row,
)
from openmart_lib.ledger.states import BatchState, RunState
from openmart_lib.ledger.traces import erase_files, remove_derived

CHUNK: Final = 2_000  # rows in one write transaction: the worker writes in between
_WRITTEN_FOR: Final = 600.0  # seconds in which another program may still be writing a run that is not whole
_DELETED: Final = "deleted with the run's personal data"
_QUOTING: Final = ("batch_unknown", "batch_not_sent")  # events whose detail says what was seen
_EDITS: Final = ("overrides", "edits")  # options that quote cells


@dataclass(frozen=True, slots=True)
class Erased:
    """What was deleted. ``backups`` still hold it: files and folders that only their owner can delete.

    Attributes:
        at: When it was first asked for (UTC seconds).
        rows, answers: Uploaded rows emptied; answers emptied by this call.
        files: Files and drafts deleted by this call.
        postponed: Why the database's file could not be rewritten yet, so that traces may be left in unused
            parts of it; "" when it was.
    """

    run_id: str
    at: float
    rows: int
    answers: int
    files: int
    postponed: str
    backups: list[Path]

    def sentence(self) -> str:
        """Return what happened, what stays, and what a person still has to do."""
        said = (
            f"The personal data of run {self.run_id} is deleted: {self.rows:,} uploaded rows, "
            f"{self.answers:,} answers, {self.files:,} files. Its counts, batch ids and receipt stay."
        )
        if self.postponed:
            said += f" {self.postponed}"
        if self.backups:
            named = ", ".join(str(one) for one in self.backups)
            said += f" These may still hold it; delete them yourself if it must be gone there too: {named}."
        return f"{said} Files that were downloaded, and what Openmart keeps, cannot be reached from here."


def obstacle(ledger: Ledger, info: RunInfo) -> str | None:
    """Return in words why a run's personal data cannot be deleted now, or None."""
    whole = info.planned_at is not None
    waiting = info.batches[BatchState.PLANNED] if whole else 0
    going = info.batches[BatchState.SENDING] + info.batches[BatchState.ACCEPTED]
    if info.state is RunState.PLANNING or (not whole and ledger.now() - info.created_at < _WRITTEN_FOR):
        return (
            f"Run {info.run_id} is still being written. Nothing was deleted. "
            f"Cancel it (`openmart cancel {info.run_id}`), wait ten minutes, then delete."
        )
    if going:
        return (
            f"{going:,} batches of run {info.run_id} are with Openmart and may be charged. Nothing was "
            "deleted: their answers would be lost. Wait until they are collected, or close them in Monitor; "
            "then delete."
        )
    if waiting:
        return (
            f"{waiting:,} batches of run {info.run_id} wait to be sent. Nothing was deleted. "
            f"Cancel what was not sent (`openmart cancel {info.run_id}`), then delete."
        )
    return None


@in_plain_words
def erase_run(ledger: Ledger, run_id: str, *, progress: Callable[[int, int], None] | None = None) -> Erased:
    """Delete a run's personal data, also the bytes in the database's files; see the module.

    Asked for again it deletes what an interruption left, and compacts the file if that was postponed.

    Args:
        progress: Told (rows done, rows in all).

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If the run is still moving (then nothing was deleted), or a file cannot be deleted.
    """
    _begin(ledger, run_id)
    return _delete(ledger, run_id, progress or (lambda done, of: None))


@in_plain_words
def erase_again(ledger: Ledger, run_ids: Collection[str]) -> list[Erased]:
    """Delete the data of runs that were erased in a newer copy of this ledger, as far as this one has them.

    Whatever waits to be sent of them is cancelled: what its rows asked for is gone. Answers that still come
    are counted and not kept. For a ledger that nobody else has open.

    Raises:
        LedgerError: If a file cannot be deleted.
    """
    with ledger.read() as connection:
        wanted = select(run.c.id, run.c.public_id).where(run.c.public_id.in_(list(run_ids)))
        found = [one.public_id for one in connection.execute(wanted) if not is_erased(connection, one.id)]
    for run_id in found:
        _begin(ledger, run_id, cancelling=True)
    return [_delete(ledger, run_id, lambda done, of: None) for run_id in found]


def _delete(ledger: Ledger, run_id: str, progress: Callable[[int, int], None]) -> Erased:
    """Delete everything of a run that is marked as erased."""
    with ledger.read() as connection:
        info, pk = run_info(ledger, run_id), run_pk(connection, run_id)
        mine = select(upload.c.parquet).join(run, run.c.upload_id == upload.c.id).where(run.c.id == pk)
        rows = ledger.uploads_dir / connection.execute(mine).scalar_one()
    try:
        files = erase_files(ledger, info, rows)
        answers = _erase_rows(ledger, pk, info, progress)
        postponed = compact(ledger)
        files += remove_derived(ledger, run_id)  # a page may have written one from what it had already read
    except OSError as error:
        raise LedgerError(
            f"A file of run {run_id} cannot be deleted ({error.strerror}: {error.filename}). A part of its "
            "data is still there; nothing was sent or spent. Mend that, then delete again."
        ) from error
    remembered.forget(ledger, LAST_TAKEN, run_id)
    with ledger.write() as connection:
        append_event(connection, ledger.now(), FINISHED, run=pk, compacted=not postponed)
        begun = (event.c.run_id == pk) & (event.c.kind == ERASED)
        at = connection.execute(select(func.min(event.c.at)).where(begun)).scalar_one()
    return Erased(run_id, at, info.row_count, answers, files, postponed, backups_of(ledger.folder))


def _begin(ledger: Ledger, run_id: str, *, cancelling: bool = False) -> None:
    """Check and mark in one transaction: from its commit on, nothing personal is stored for the run.

    With ``cancelling`` nothing is checked: what moves is cancelled.
    """
    with ledger.write() as connection:
        info = run_info(ledger, run_id)
        pk = run_pk(connection, run_id)
        now = ledger.now()
        if cancelling:
            mark_cancelled(connection, pk, now=now)
        elif not is_erased(connection, pk) and (seen := obstacle(ledger, info)) is not None:
            raise LedgerError(seen)
        append_event(connection, now, ERASED, run=pk)
        append_event(connection, now, "answers_stored", run=pk, tasks=0)  # derived files are stale from here
        _erase_texts(connection, pk)
        if info.planned_at is None:
            _make_unrepeatable(connection, pk)


def _erase_texts(connection: Connection, pk: int) -> None:
    """Empty the few texts beside the rows that may quote a cell."""
    mine = batch.c.run_id == pk
    connection.execute(update(batch).where(mine, batch.c.detail.is_not(None)).values(detail=_DELETED))
    connection.execute(update(batch).where(mine, batch.c.read_error.is_not(None)).values(read_error=_DELETED))
    quoting = (event.c.run_id == pk) & event.c.kind.in_(_QUOTING)
    connection.execute(update(event).where(quoting).values(detail=None))
    connection.execute(update(run).where(run.c.id == pk).values(decisions=None))  # edits quote cells
    options = json.loads(connection.execute(select(run.c.options).where(run.c.id == pk)).scalar_one())
    if any(name in options for name in _EDITS):
        kept = {name: value for name, value in options.items() if name not in _EDITS}
        connection.execute(update(run).where(run.c.id == pk).values(options=json.dumps(kept)))


def _make_unrepeatable(connection: Connection, pk: int) -> None:
    """Keep a planning that was cut off from being gone on with: its emptied tasks would be sent."""
    token = f"erased {secrets.token_hex(16)}"
    connection.execute(
        update(run)
        .where(run.c.id == pk)
        .values(content_key=token, confirm_token=token, cancelled_at=func.coalesce(run.c.cancelled_at, 0.0))
    )


def _erase_rows(ledger: Ledger, pk: int, info: RunInfo, progress: Callable[[int, int], None]) -> int:
    """Empty answers, tasks and rows in chunks; return how many answers there were."""
    with ledger.read() as connection:
        tasks = _highest(connection, task.c.task_no, task.c.run_id == pk)
        rows = _highest(connection, uploaded_row.c.seq, uploaded_row.c.run_id == pk)
    steps, done = tasks + 2 * rows, 0
    for low, high in _ranges(rows):
        with ledger.write(patient=True) as connection:
            _empty_rows(connection, pk, low, high)
        progress(done := done + CHUNK, steps)
    for low, high in _ranges(tasks):
        with ledger.write(patient=True) as connection:
            _empty_tasks(connection, pk, low, high)
        progress(done := done + CHUNK, steps)
    answers = 0
    for ids in _answer_ids(ledger, pk):
        with ledger.write(patient=True) as connection:
            answers += _empty_answers(connection, pk, ids)
        progress(min(steps, done := done + CHUNK), steps)
    if info.planned_at is None:
        _delete_plan(ledger, pk, tasks, rows)
    return answers


def _empty_rows(connection: Connection, pk: int, low: int, high: int) -> None:
    mine = (uploaded_row.c.run_id == pk) & uploaded_row.c.seq.between(low, high)
    nothing = {"reason": None, "domain": None, "asked_title": None, "outcome_reason": None}
    connection.execute(update(uploaded_row).where(mine).values(nothing))


def _empty_tasks(connection: Connection, pk: int, low: int, high: int) -> None:
    mine = (task.c.run_id == pk) & task.c.task_no.between(low, high)
    asked = connection.execute(select(task.c.task_no, task.c.request).where(mine)).all()
    emptied = [{"b_no": one.task_no, "b_request": _shape_of(one.request)} for one in asked]
    one_task = (task.c.run_id == pk) & (task.c.task_no == bindparam("b_no"))
    if emptied:  # without a list the statement would run once, with no number
        values: dict[str, Any] = {"request": bindparam("b_request"), "domain": "", "likeness": None}
        connection.execute(update(task).where(one_task).values(values), emptied)
    ties = (row_task.c.run_id == pk) & row_task.c.task_no.between(low, high)
    connection.execute(update(row_task).where(ties).values(reason=None))


def _shape_of(request: str) -> str:
    """Return what a late answer is judged by, and nothing about anybody: what was bought, for how many."""
    asked: dict[str, Any] = json.loads(request)
    kept: dict[str, Any] = {"info_access": asked["info_access"]} if "info_access" in asked else {}
    if "people" in asked:
        kept["people"] = [{} for _ in asked["people"]]
    return json.dumps(kept)


def _empty_answers(connection: Connection, pk: int, ids: list[int]) -> int:
    mine = remote_task.c.id.in_(ids)
    held = mine & (remote_task.c.payload != "")
    count = connection.execute(select(func.count()).select_from(remote_task).where(held)).scalar_one()
    # A tracking id that is not ours was given by another tool, and may name somebody.
    connection.execute(update(remote_task).where(mine).values(payload="", tracking_id=None))
    return int(count)


def _answer_ids(ledger: Ledger, pk: int) -> Iterator[list[int]]:
    last = 0
    while True:
        query = select(remote_task.c.id).where(remote_task.c.run_id == pk, remote_task.c.id > last)
        with ledger.read() as connection:
            ids = list(connection.execute(query.order_by(remote_task.c.id).limit(CHUNK)).scalars())
        if not ids:
            return
        yield ids
        last = ids[-1]


def _delete_plan(ledger: Ledger, pk: int, tasks: int, rows: int) -> None:
    """Delete the batches of a run that was never whole: nothing of it was sent, and nothing ever will be."""
    for low, high in _ranges(tasks):
        with ledger.write(patient=True) as connection:
            for table in (row_task, task):
                part = (table.c.run_id == pk) & table.c.task_no.between(low, high)
                connection.execute(delete(table).where(part))
    with ledger.write() as connection:
        connection.execute(delete(batch).where(batch.c.run_id == pk, batch.c.state == BatchState.PLANNED))
    for low, high in _ranges(rows):
        with ledger.write(patient=True) as connection:
            mine = (uploaded_row.c.run_id == pk) & uploaded_row.c.seq.between(low, high)
            connection.execute(delete(uploaded_row).where(mine))
            follows = (reused_row.c.run_id == pk) & reused_row.c.seq.between(low, high)
            connection.execute(delete(reused_row).where(follows))  # nobody waits for a source any more


def _ranges(highest: int) -> Iterator[tuple[int, int]]:
    for low in range(1, highest + 1, CHUNK):
        yield low, low + CHUNK - 1


def _highest(connection: Connection, column: Any, mine: Any) -> int:
    return int(connection.execute(select(func.max(column)).where(mine)).scalar() or 0)
