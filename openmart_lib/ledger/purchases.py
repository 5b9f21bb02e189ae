"""What earlier runs of this environment bought, as a list of new tasks is compared with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from sqlalchemy import column, select, text

from openmart_lib.api.wire import Kind
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.row_reads import read_frame
from openmart_lib.ledger.schema import batch, event, run, task

STANDING_SCHEMA: Final[dict[str, Any]] = {
    "task_no": pl.UInt32,
    "person_no": pl.UInt32,
    "outcome": pl.String,
    "at": pl.Float64,
    "request": pl.String,
}
_AT_ONCE: Final = 20_000  # tasks looked up in one statement
# The numbers lead: they come sorted, so each table is walked in its own order.
_STANDING: Final = text(
    "SELECT t.task_no AS task_no, l.person_no AS person_no, u.outcome AS outcome, "
    "COALESCE(t.final_at, :planned_at) AS at, t.request AS request "
    "FROM json_each(:numbers) n "
    "CROSS JOIN task t ON t.run_id = :run AND t.task_no = n.value "
    "CROSS JOIN row_task l ON l.run_id = t.run_id AND l.task_no = t.task_no "
    "CROSS JOIN uploaded_row u ON u.run_id = l.run_id AND u.seq = l.seq"
)


@dataclass(frozen=True, slots=True)
class Buyer:
    """An earlier run: its integer key ``pk``, how it is called, when it was planned (UTC s)."""

    pk: int
    public_id: str
    name: str
    task_count: int
    planned_at: float


@in_plain_words
def buyers(ledger: Ledger, kind: Kind, *, since: float) -> list[Buyer]:
    """Return the runs of this kind that were planned since then (UTC s), newest first.

    Left out: what another tool bought (what it asked for is not known), and runs whose data was deleted.
    """
    gone = select(event.c.id).where(event.c.run_id == run.c.id, event.c.kind == "run_erased").exists()
    elsewhere = select(batch.c.id).where(batch.c.run_id == run.c.id, batch.c.made_elsewhere).exists()
    query = (
        select(run.c.id, run.c.public_id, run.c.name, run.c.task_count, run.c.planned_at)
        .where(run.c.environment == ledger.environment, run.c.kind == kind, run.c.planned_at >= since)
        .where(~gone, ~elsewhere, run.c.task_count > 0)
        .order_by(run.c.planned_at.desc(), run.c.id.desc())
    )
    with ledger.read() as connection:
        return [Buyer(*row) for row in connection.execute(query)]


@in_plain_words
def likenesses(ledger: Ledger, buyer: Buyer) -> pl.DataFrame:
    """Return task_no and likeness (Int64 or null) of a run's tasks, those of resends not among them."""
    mine = (task.c.run_id == buyer.pk) & (task.c.task_no <= buyer.task_count)
    query = select(task.c.task_no, task.c.likeness).where(mine).order_by(task.c.task_no)
    with ledger.read() as connection:
        return read_frame(connection, query, {"task_no": pl.UInt32, "likeness": pl.Int64})


def requests_of(ledger: Ledger, buyer: Buyer, task_nos: pl.Series) -> Iterator[pl.DataFrame]:
    """Yield task_no and request (JSON) of these tasks of a run, some thousand at a time."""
    schema = {"task_no": pl.UInt32, "request": pl.String}
    numbers = text("SELECT value FROM json_each(:numbers)").columns(column("value"))
    for start in range(0, len(task_nos), _AT_ONCE):
        part = json.dumps(task_nos.slice(start, _AT_ONCE).to_list())
        query = (
            select(task.c.task_no, task.c.request)
            .where(task.c.run_id == buyer.pk, task.c.task_no.in_(numbers.bindparams(numbers=part)))
            .order_by(task.c.task_no)
        )
        with ledger.read() as connection:
            yield read_frame(connection, query, schema)


@in_plain_words
def standing(ledger: Ledger, buyer: Buyer, task_nos: pl.Series) -> pl.DataFrame:
    """Return how the rows of these tasks stand, one row per tie.

    Args:
        task_nos: Numbers of tasks, ascending.

    Returns:
        task_no, person_no, outcome (of the uploaded row, so that a resend's answer counts), at (when it was
        answered, else when its run was planned; UTC s), request (JSON).
    """
    frames = [pl.DataFrame(schema=STANDING_SCHEMA)]
    for start in range(0, len(task_nos), _AT_ONCE):
        numbers = json.dumps(task_nos.slice(start, _AT_ONCE).to_list())
        with ledger.read() as connection:
            found = connection.exec_driver_sql(
                str(_STANDING), {"numbers": numbers, "run": buyer.pk, "planned_at": buyer.planned_at}
            )
            columns = list(zip(*found.fetchall(), strict=True))
        if columns:
            series = zip(STANDING_SCHEMA.items(), columns, strict=True)
            frames.append(pl.DataFrame([pl.Series(name, cells, dtype) for (name, dtype), cells in series]))
    return pl.concat(frames)
