"""Attaching: a batch that another tool submitted becomes a run that is only collected, never sent.

Its credits were spent elsewhere, what it asked for is not known, and its tracking ids are that tool's: a task
is known by the server's ``task_id`` alone. Nothing here leads to a submission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl
from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from openmart_lib.api.wire import BatchCounts
from openmart_lib.ledger import moves
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.planning import NewRun, find_or_insert, write_rows
from openmart_lib.ledger.schema import batch, remote_task, run, task
from openmart_lib.ledger.states import BatchState
from openmart_lib.ledger.tracking import parse_tracking_id

IN_DOUBT: Final = (BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED)
OPTIONS: Final = {"made_elsewhere": True}  # of such a run, instead of what was asked for
NOT_ASKED: Final = "{}"  # the request of a task whose request is not known


@dataclass(frozen=True, slots=True)
class ForeignTask:
    """A task as the server showed it; ``tracking_id`` None: whoever made it gave it none."""

    task_id: str
    tracking_id: str | None
    status: str


@dataclass(frozen=True, slots=True)
class ForeignBatch:
    """A batch as the server showed it: its counters and every one of its tasks."""

    batch_id: str
    counts: BatchCounts
    tasks: tuple[ForeignTask, ...]

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The server's ids of its tasks."""
        return tuple(each.task_id for each in self.tasks)


@dataclass(frozen=True, slots=True)
class Place:
    """A batch of this ledger, as people find it."""

    pk: int
    run_id: str
    run_name: str
    batch_no: int
    state: BatchState
    batch_id: str | None
    made_elsewhere: bool

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows yet if the server took it, so that its id is welcome."""
        return self.state in IN_DOUBT

    @property
    def words(self) -> str:
        """Return "batch 2 of run abc (Spring list)"."""
        return f"batch {self.batch_no} of run {self.run_id} ({self.run_name})"


class _TakenError(Exception):
    """The batch was attached elsewhere while its rows were being written."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


@in_plain_words
def place_of_id(ledger: Ledger, batch_id: str) -> Place | None:
    """Return the batch that has this id of the server's, None when no batch here has it."""
    with ledger.read() as connection:
        return _with_id(connection, ledger, batch_id)


@in_plain_words
def place_of_task(ledger: Ledger, tracking_id: str | None) -> Place | None:
    """Return the batch that holds the task of this tracking id, None when it is none of this ledger's."""
    parsed = parse_tracking_id(tracking_id)
    if parsed is None:
        return None
    run_id, task_no = parsed
    mine = select(task.c.batch_pk).join(run, run.c.id == task.c.run_id)
    holder = mine.where(run.c.public_id == run_id, task.c.task_no == task_no).scalar_subquery()
    with ledger.read() as connection:
        place = _place(connection, batch.c.id == holder)
    # A run made of another tool's batch has numbers too, but no tracking id of ours was ever sent for it.
    return None if place is None or place.made_elsewhere else place


@in_plain_words
def attach_run(
    ledger: Ledger,
    new: NewRun,
    found: ForeignBatch,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write a run whose only batch is this one; return its public id. Nothing is sent.

    A batch is attached once: asked for again, however it is asked for, the run that has it is returned.
    ``progress`` is told (rows written, rows in all).

    Args:
        new: As for ``plan_run``; its tasks are ``tasks_of(found)``.

    Raises:
        LedgerError: If it could not be stored; no part of it is collected then.
    """
    with ledger.write() as connection:
        taken = _with_id(connection, ledger, found.batch_id)
        if taken is not None:
            return taken.run_id
        pk, run_id, _ = find_or_insert(ledger, connection, new)
    try:
        write_rows(ledger, pk, new, progress, at_end=partial(_accept, ledger, pk, found))
    except _TakenError as error:
        with ledger.write() as connection:
            connection.execute(update(run).where(run.c.id == pk).values(cancelled_at=ledger.now()))
            append_event(connection, ledger.now(), "run_cancelled", run=pk)
        return error.place.run_id
    return run_id


def tasks_of(found: ForeignBatch) -> pl.DataFrame:
    """Return one row per task, numbered as in ``found``: task_no (UInt32), request and domain (String)."""
    number = pl.int_range(1, len(found.tasks) + 1, dtype=pl.UInt32, eager=True).alias("task_no")
    return pl.DataFrame(number).with_columns(pl.lit(NOT_ASKED).alias("request"), pl.lit("").alias("domain"))


def _accept(ledger: Ledger, pk: int, found: ForeignBatch, connection: Connection) -> None:
    """Give the run's batch its id, in the transaction that shows the run to the worker, and not before."""
    taken = _with_id(connection, ledger, found.batch_id)
    if taken is not None:
        raise _TakenError(taken)
    now = ledger.now()
    row = connection.execute(select(batch).where(batch.c.run_id == pk)).one()
    moves.accept(connection, row, found.batch_id, found.counts, now=now, poll_after=0.0)
    connection.execute(update(batch).where(batch.c.id == row.id).values(made_elsewhere=True))
    numbered = list(enumerate(found.tasks, 1))
    connection.execute(
        update(task)
        .where(task.c.run_id == pk, task.c.task_no == bindparam("b_no"))
        .values(task_id=bindparam("b_id")),
        [{"b_no": number, "b_id": each.task_id} for number, each in numbered],
    )
    connection.execute(
        insert(remote_task),
        [
            {
                "batch_pk": row.id,
                "task_id": each.task_id,
                "run_id": pk,
                "tracking_id": each.tracking_id,
                "status": each.status,
                "listed_at": now,
            }
            for _, each in numbered
        ],
    )
    append_event(connection, now, "batch_attached", run=pk, batch=row.id, tasks=len(numbered))


def _with_id(connection: Connection, ledger: Ledger, batch_id: str) -> Place | None:
    same = (batch.c.environment == ledger.environment) & (batch.c.batch_id == batch_id)
    return _place(connection, same)


def _place(connection: Connection, condition: ColumnElement[bool]) -> Place | None:
    query = select(batch, run.c.public_id, run.c.name).join(run, run.c.id == batch.c.run_id).where(condition)
    row: Any = connection.execute(query).first()
    if row is None:
        return None
    return Place(
        pk=row.id,
        run_id=row.public_id,
        run_name=row.name,
        batch_no=row.batch_no,
        state=BatchState(row.state),
        batch_id=row.batch_id,
        made_elsewhere=row.made_elsewhere,
    )
