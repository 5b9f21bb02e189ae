"""Reused rows of a run: whose results they show, and where those are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from sqlalchemy import column, func, select, text

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.overview import RunInfo, run_info
from openmart_lib.ledger.row_reads import read_frame
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import event, reused_row, run, uploaded_row
from openmart_lib.ledger.states import BatchState, Outcome, RunState

SOURCE_SCHEMA: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "source_run_id": pl.String,
    "source_seq": pl.UInt32,
    "task_no": pl.UInt32,
    "person_no": pl.UInt32,
    "shares_task": pl.UInt8,
    "outcome": pl.String,
    "result": pl.String,
}
_TIES: Final = text(
    # Every tie of the row that bought it, so that an answer to a resend is found too.
    "SELECT r.seq AS seq, source.public_id AS source_run_id, t.seq AS source_seq, every.task_no AS task_no, "
    "every.person_no AS person_no, "
    "EXISTS (SELECT 1 FROM row_task o WHERE o.run_id = every.run_id AND o.task_no = every.task_no "
    "AND o.person_no <> every.person_no) AS shares_task, every.outcome AS outcome, theirs.outcome AS result "
    "FROM reused_row r "
    "CROSS JOIN row_task t ON t.run_id = r.source_run_id AND t.task_no = r.source_task_no "
    "AND t.person_no = r.source_person_no "
    "CROSS JOIN row_task every INDEXED BY ix_row_task_run_id_seq "
    "ON every.run_id = t.run_id AND every.seq = t.seq "
    "CROSS JOIN run source ON source.id = r.source_run_id "
    "CROSS JOIN uploaded_row theirs ON theirs.run_id = t.run_id AND theirs.seq = t.seq "
    "WHERE r.run_id = :run ORDER BY r.seq, every.task_no"
)


@in_plain_words
def reused_from(ledger: Ledger, run_id: str) -> dict[str, float | None]:
    """Return the runs (public ids) whose results a run reuses, each with when its data was deleted (UTC s).

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        mine = reused_row.c.run_id == run_pk(connection, run_id)
        sources = select(reused_row.c.source_run_id).where(mine).distinct()
        gone = select(func.min(event.c.at)).where(event.c.run_id == run.c.id, event.c.kind == "run_erased")
        found = select(run.c.public_id, gone.scalar_subquery()).where(run.c.id.in_(sources))
        return {public_id: at for public_id, at in connection.execute(found.order_by(run.c.id))}  # noqa: C416 - a Row is no pair for mypy


@dataclass(frozen=True, slots=True)
class StandingSource:
    """A run that stands still while ``rows`` of another one wait for its answers; ``why`` ends a sentence."""

    source: RunInfo
    rows: int
    why: str


def standing_still(
    ledger: Ledger, run_id: str, *, key_fingerprint: str | None = None, stall_after: float = 1200.0
) -> list[StandingSource]:
    """Return the runs that a run's reused rows wait for and that a person has to move on, oldest first.

    Args:
        key_fingerprint, stall_after: As for ``queries.run_info``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    found = []
    for source_id, rows in _waits(ledger, run_id):
        source = run_info(ledger, source_id, key_fingerprint=key_fingerprint, stall_after=stall_after)
        if (why := _why(source)) is not None:
            found.append(StandingSource(source, rows, why))
    return found


def _why(source: RunInfo) -> str | None:
    """Return why a source does not go on by itself, None when it does."""
    if source.other_key:
        return "which was planned with another key"
    if source.stalled_batches:
        return "which has stalled batches"
    if source.moving and source.state is not RunState.PAUSED:
        return None if source.hold is None or not source.needs_person else f"which is held ({source.hold})"
    if source.state is RunState.PAUSED and source.batches[BatchState.PLANNED]:
        return f"which is paused: {source.pause_reason}" if source.pause_reason else "which is paused"
    if source.state is RunState.CANCELLED and not source.moving:
        return "which was cancelled"
    return None


def waited_for(ledger: Ledger, run_id: str) -> list[str]:
    """Return the runs (public ids) whose answers the pending reused rows of a run wait for, oldest first.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    return [source_id for source_id, _ in _waits(ledger, run_id)]


@in_plain_words
def _waits(ledger: Ledger, run_id: str) -> list[tuple[str, int]]:
    """Return the runs (public ids) that pending reused rows wait for, and how many rows do, oldest first."""
    row = (uploaded_row.c.run_id == reused_row.c.run_id) & (uploaded_row.c.seq == reused_row.c.seq)
    with ledger.read() as connection:
        mine = reused_row.c.run_id == run_pk(connection, run_id)
        waits = select(run.c.public_id, func.count()).join(reused_row, reused_row.c.source_run_id == run.c.id)
        waits = waits.join(uploaded_row, row).where(mine, uploaded_row.c.outcome == Outcome.PENDING)
        found = connection.execute(waits.group_by(run.c.id).order_by(run.c.id))
        return [(public_id, rows) for public_id, rows in found]


@in_plain_words
def sources(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per tie of a source row, by reusing row: several where it was sent more than once.

    Columns: seq (of the reusing row), source_run_id (public), source_seq, task_no and person_no (in the
    source run), shares_task (1 where other rows are tied to that task), outcome (of the tie), result (of the
    source row).

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        ties = _TIES.bindparams(run=run_pk(connection, run_id)).columns(*map(column, SOURCE_SCHEMA))
        return read_frame(connection, select(ties.subquery()), SOURCE_SCHEMA)
