"""A server that refuses some batches, and a search for the bad rows played against it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ledger_kit import claim, sending
from sqlalchemy import select

from openmart_lib.ledger import Ledger, queries, submissions
from openmart_lib.ledger.schema import batch, row_task, task
from openmart_lib.ledger.searches import Search, searches

WORDS = "Domain is required"
Refuses = Callable[[set[int]], bool]  # whether the server refuses a batch with these rows


def refused(ledger: Ledger) -> int:
    """Claim the next batch and have it refused; return its key."""
    pk = sending(ledger)
    submissions.refuse(ledger, pk, status=400, detail=WORDS)
    return pk


def rows_in(ledger: Ledger, pk: int) -> set[int]:
    """Return the uploaded rows that a batch is about."""
    ties = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)
    query = select(row_task.c.seq).join(task, ties).where(task.c.batch_pk == pk)
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def has_any_of(bad: Collection[int]) -> Refuses:
    return lambda rows: bool(rows & set(bad))


def play(ledger: Ledger, refuses: Refuses, *, lanes: int = 4) -> list[set[int]]:
    """Send what there is, so many at a time, to a server that refuses some batches; return the accepted rows."""
    taken = []
    while True:
        flight = [one.pk for _ in range(lanes) if (one := claim(ledger, slots=lanes))]
        if not flight:
            return taken
        for pk in flight:
            rows = rows_in(ledger, pk)
            if refuses(rows):
                submissions.refuse(ledger, pk, status=400, detail=WORDS)
            else:
                submissions.accept(ledger, pk, f"batch-{pk}", None, poll_after=1.0)
                taken.append(rows)


def the_search(ledger: Ledger, run_id: str) -> Search:
    (only,) = searches(ledger, run_id)
    return only


def states(ledger: Ledger, run_id: str) -> list[str]:
    return queries.batches(ledger, run_id)["state"].to_list()


def heirs(ledger: Ledger, pk: int) -> list[Any]:
    with ledger.read() as connection:
        return list(connection.execute(select(batch).where(batch.c.resend_of == pk)))
