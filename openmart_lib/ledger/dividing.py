"""Dividing: a batch that waits to be sent becomes two; its tasks keep their numbers, and nothing is sent."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from openmart_lib.ledger import copies
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import batch, row_task, run, task
from openmart_lib.ledger.tariff import Tariff

_SAME = (
    *("run_id", "account_id", "environment", "kind", "state", "resend_of", "search_of"),
    "never_checked",
)


def divide(
    ledger: Ledger, connection: Connection, row: Any, kept: Collection[int], *, batch_no: int | None = None
) -> int:
    """Leave these tasks in a PLANNED batch and move the others to a new one; return the new one's key.

    Whoever had chosen the batch to send it finds another number of tasks when claiming it.

    Args:
        row: The batch as stored.
        kept: Numbers of some of its tasks, not of all.
        batch_no: A number of the run that no batch has and none had; None: it is looked for, in the journal.
    """
    if batch_no is None:
        batch_no, _ = copies.free_numbers(ledger, connection, row.run_id)
    moved = [each for each in copies.open_tasks(connection, row.id) if each.task_no not in set(kept)]
    tariff = Tariff.from_estimate(
        connection.execute(select(run.c.estimate).where(run.c.id == row.run_id)).scalar()
    )
    worst = sum(tariff.at_most(msgspec.json.decode(each.request)) for each in moved) if tariff else 0.0
    numbers = [each.task_no for each in moved]
    rows = rows_of(connection, row.run_id, numbers)
    values = {name: getattr(row, name) for name in _SAME} | {"batch_no": batch_no, "worst_credits": worst}
    values |= {"task_count": len(moved), "open_tasks": len(moved), "open_rows": rows}
    key = connection.execute(insert(batch).values(values)).inserted_primary_key
    assert key is not None
    mine = (task.c.run_id == row.run_id) & task.c.task_no.in_(numbers)
    connection.execute(update(task).where(mine).values(batch_pk=key[0]))
    connection.execute(
        update(batch)
        .where(batch.c.id == row.id)
        .values(
            task_count=row.task_count - len(moved),
            open_tasks=row.open_tasks - len(moved),
            open_rows=row.open_rows - rows,
            worst_credits=row.worst_credits - worst,
        )
    )
    append_event(connection, ledger.now(), "batch_divided", run=row.run_id, batch=row.id, rest=key[0])
    return int(key[0])


def rows_of(connection: Connection, run_pk: int, task_numbers: Collection[int]) -> int:
    """Return how many ties to uploaded rows these tasks have."""
    mine = (row_task.c.run_id == run_pk) & row_task.c.task_no.in_(list(task_numbers))
    return int(connection.execute(select(func.count()).where(mine)).scalar_one())
