"""Withdrawing: tasks that wait to be sent, and must not be any more, are cancelled; the others go on."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, func, select, update

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import copies, moves
from openmart_lib.ledger.dividing import divide, rows_of
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.row_reads import read_frame
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import batch, row_task, run, task
from openmart_lib.ledger.states import BatchState
from openmart_lib.ledger.suppressing import is_checked

UNSENT_SCHEMA: Final[dict[str, Any]] = {
    "batch_pk": pl.Int64,
    "task_no": pl.UInt32,
    "person_no": pl.UInt32,
    "seq": pl.UInt32,
    "domain": pl.String,
    "request": pl.String,
}
_WAITS: Final = batch.c.state == BatchState.PLANNED
_TIE: Final = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)


@in_plain_words
def waiting_runs(ledger: Ledger) -> list[tuple[str, Kind]]:
    """Return the runs (public id, kind), oldest first, of which something waits that is to be compared."""
    waits = select(batch.c.id).where(batch.c.run_id == run.c.id, _WAITS, ~is_checked()).exists()
    query = select(run.c.public_id, run.c.kind).where(run.c.planned_at.is_not(None), waits)
    with ledger.read() as connection:
        return [(public_id, Kind(kind)) for public_id, kind in connection.execute(query.order_by(run.c.id))]


@in_plain_words
def unchecked(ledger: Ledger, run_id: str) -> list[int]:
    """Return the batches (keys) of a run that wait and are to be compared with the lists, the first first.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        of_run = batch.c.run_id == run_pk(connection, run_id)
        found = connection.execute(
            select(batch.c.id).where(of_run, _WAITS, ~is_checked()).order_by(batch.c.id)
        )
        return list(found.scalars())


@in_plain_words
def unsent(ledger: Ledger, batch_pks: list[int]) -> pl.DataFrame:
    """Return one row per uploaded row of these batches.

    Columns: batch_pk, task_no, person_no, seq, domain, request (JSON).
    """
    columns = (
        task.c.batch_pk,
        task.c.task_no,
        row_task.c.person_no,
        row_task.c.seq,
        task.c.domain,
        task.c.request,
    )
    query = select(*columns).join(batch, batch.c.id == task.c.batch_pk).join(row_task, _TIE)
    with ledger.read() as connection:
        mine = batch.c.id.in_(batch_pks) & task.c.final_at.is_(None)
        ordered = query.where(mine).order_by(task.c.task_no, row_task.c.person_no)
        return read_frame(connection, ordered, UNSENT_SCHEMA)


@in_plain_words
def withdraw(ledger: Ledger, run_id: str, tasks: pl.DataFrame, reason: str, *, checked: int) -> int:
    """Cancel these tasks of a run as far as they are not sent; return how many rows that were.

    Args:
        tasks: batch_pk and task_no, as ``unsent`` gives them.
        checked: What the others of these batches were compared with: changes of the lists.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:  # the journal is read once, not for every batch
        free, _ = copies.free_numbers(ledger, connection, run_pk(connection, run_id))
    wanted = tasks.group_by("batch_pk", maintain_order=True).agg(pl.col("task_no").unique())
    rows = 0
    for pk, task_nos in wanted.select("batch_pk", "task_no").iter_rows():
        with ledger.write() as connection:
            connection.execute(update(batch).where(batch.c.id == pk, _WAITS).values(never_checked=checked))
            rows += _withdraw_from(ledger, connection, pk, set(task_nos), free, reason)
    return rows


def _withdraw_from(
    ledger: Ledger, connection: Connection, pk: int, unwanted: set[int], free: int, reason: str
) -> int:
    row = moves.the_batch(connection, pk)
    mine = [each.task_no for each in copies.open_tasks(connection, pk)]
    out = unwanted.intersection(mine)
    if row.state != BatchState.PLANNED or not out:
        return 0
    rows, ended = rows_of(connection, row.run_id, out), pk
    if kept := [task_no for task_no in mine if task_no not in out]:
        highest = connection.execute(select(func.max(batch.c.batch_no)).where(batch.c.run_id == row.run_id))
        number = max(free, highest.scalar_one() + 1)
        ended = divide(ledger, connection, row, kept, batch_no=number)
    moves.cancel(connection, ended, reason, now=ledger.now())
    return rows
