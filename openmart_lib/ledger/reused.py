"""Reused rows of a run: whose results they show, and where those are read from."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from sqlalchemy import column, func, select, text

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.row_reads import read_frame
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import event, reused_row, run, uploaded_row
from openmart_lib.ledger.states import Outcome

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


@in_plain_words
def waited_for(ledger: Ledger, run_id: str) -> list[str]:
    """Return the runs (public ids) whose answers the pending reused rows of a run wait for, oldest first.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    row = (uploaded_row.c.run_id == reused_row.c.run_id) & (uploaded_row.c.seq == reused_row.c.seq)
    with ledger.read() as connection:
        mine = reused_row.c.run_id == run_pk(connection, run_id)
        waits = select(reused_row.c.source_run_id).join(uploaded_row, row)
        waits = waits.where(mine, uploaded_row.c.outcome == Outcome.PENDING).distinct()
        found = select(run.c.public_id).where(run.c.id.in_(waits)).order_by(run.c.id)
        return list(connection.execute(found).scalars())


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
