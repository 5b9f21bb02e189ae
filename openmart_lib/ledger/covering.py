"""Covering: when the credits run short, the first rows that the balance still pays for are sent alone.

Counted with the worst case of each row, so that the account is not turned away a second time. The batch in
which the balance ends is divided: its first tasks stay, the others become a batch that waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import copies
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.runs import resume_run, run_pk
from openmart_lib.ledger.schema import account, balance, batch, row_task, run, task
from openmart_lib.ledger.states import BatchState
from openmart_lib.ledger.tariff import CENT, Tariff

_WAITS: Final = "paused so that the balance goes to another run"


@dataclass(frozen=True, slots=True)
class Covered:
    """The first rows of a run that the last known balance covers, and what they cost at most, in credits."""

    rows: int
    credits: float
    balance: float


@in_plain_words
def covered(ledger: Ledger, run_id: str) -> Covered | None:
    """Return the first unsent rows that the balance covers in the worst case.

    None where nothing can be said: the balance is not known or not metered, or the run counts no credits.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        found = _look(connection, run_pk(connection, run_id))
    return None if found is None else Covered(found.rows, found.credits, found.balance)


@in_plain_words
def send_covered(ledger: Ledger, run_id: str) -> Covered:
    """Send the first rows that the balance covers, and pause before the others; end the account's hold.

    Other runs of the account that have something to send are paused, so that they do not take the balance.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If the balance covers no row, or is not known.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        found = _look(connection, pk)
        if found is None or not found.rows:
            raise LedgerError(
                "The balance that was read last covers no row of this run. Nothing was sent. "
                "Ask for the balance again after credits were added, then resume."
            )
        if found.divided is not None:
            _divide(ledger, connection, found.divided, found.kept)
        one = connection.execute(select(run).where(run.c.id == pk)).one()
        limit = one.credits_spent + one.credits_out + found.credits
        connection.execute(update(run).where(run.c.id == pk).values(spend_at_most=limit))
        _pause_others(ledger, connection, one)
        append_event(connection, ledger.now(), "limit_set", run=pk, credits=limit, rows_covered=found.rows)
        resume_run(ledger, run_id)
    return Covered(found.rows, found.credits, found.balance)


@dataclass(frozen=True, slots=True)
class _Found:
    rows: int
    credits: float
    balance: float
    divided: Any  # the batch in which the balance ends, None when it ends between two
    kept: Sequence[int]  # numbers of its first tasks, which are covered


def _look(connection: Connection, pk: int) -> _Found | None:
    one = connection.execute(select(run).where(run.c.id == pk)).one()
    tariff = Tariff.from_estimate(one.estimate)
    left = _balance(connection, one.account_id)
    if tariff is None or left is None:
        return None
    room = left - _out(connection, one.account_id)
    rows, credits = 0, 0.0
    planned = (batch.c.run_id == pk) & (batch.c.state == BatchState.PLANNED)
    for each in connection.execute(select(batch).where(planned).order_by(batch.c.id)):
        if credits + each.worst_credits <= room + CENT:
            rows, credits = rows + each.open_rows, credits + each.worst_credits
            continue
        kept, cost = _first_tasks(connection, each, tariff, room - credits)
        rows += _rows_of(connection, pk, kept)
        return _Found(rows, credits + cost, left, each if kept else None, kept)
    return _Found(rows, credits, left, None, ())


def _balance(connection: Connection, account_id: int) -> float | None:
    """Return the last known balance without the reserve, None where it is not metered or never was read."""
    newest = select(balance.c.credits).where(balance.c.account_id == account_id)
    credits = connection.execute(newest.order_by(balance.c.at.desc()).limit(1)).scalar()
    if credits is None:
        return None
    reserve = connection.execute(select(account.c.reserve).where(account.c.id == account_id)).scalar_one()
    return float(credits) - float(reserve)


def _out(connection: Connection, account_id: int) -> float:
    """Return what may still be charged for what is with Openmart; what nobody knows of is no part of it."""
    going = batch.c.state.in_([BatchState.SENDING, BatchState.ACCEPTED])
    query = select(func.coalesce(func.sum(batch.c.worst_credits), 0.0))
    return float(connection.execute(query.where(batch.c.account_id == account_id, going)).scalar_one())


def _first_tasks(connection: Connection, row: Any, tariff: Tariff, room: float) -> tuple[list[int], float]:
    """Return the first tasks of a batch that fit into ``room`` credits, and their worst case."""
    kept, cost = [], 0.0
    for each in copies.open_tasks(connection, row.id):
        worst = tariff.at_most(msgspec.json.decode(each.request))
        if cost + worst > room + CENT:
            break
        kept.append(each.task_no)
        cost += worst
    return kept, cost


def _divide(ledger: Ledger, connection: Connection, row: Any, kept: Sequence[int]) -> None:
    """Leave these tasks in a PLANNED batch and move the others to a new one, under their own numbers."""
    batch_no, _ = copies.free_numbers(ledger, connection, row.run_id)
    same = ("run_id", "account_id", "environment", "kind", "state", "resend_of", "search_of")
    moved = [each for each in copies.open_tasks(connection, row.id) if each.task_no not in set(kept)]
    tariff = Tariff.from_estimate(
        connection.execute(select(run.c.estimate).where(run.c.id == row.run_id)).scalar()
    )
    worst = sum(tariff.at_most(msgspec.json.decode(each.request)) for each in moved) if tariff else 0.0
    numbers = [each.task_no for each in moved]
    rows = _rows_of(connection, row.run_id, numbers)
    values = {name: getattr(row, name) for name in same} | {"batch_no": batch_no, "worst_credits": worst}
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


def _rows_of(connection: Connection, run_id: int, task_numbers: Sequence[int]) -> int:
    mine = (row_task.c.run_id == run_id) & row_task.c.task_no.in_(list(task_numbers))
    return int(connection.execute(select(func.count()).where(mine)).scalar_one())


def _pause_others(ledger: Ledger, connection: Connection, one: Any) -> None:
    unsent = select(batch.c.id).where(batch.c.run_id == run.c.id, batch.c.state == BatchState.PLANNED)
    others = connection.execute(
        update(run)
        .where(
            run.c.account_id == one.account_id,
            run.c.id != one.id,
            run.c.paused_at.is_(None),
            run.c.cancelled_at.is_(None),
            unsent.exists(),
        )
        .values(paused_at=ledger.now(), pause_reason=_WAITS)
        .returning(run.c.id)
    ).scalars()
    for other in others.all():
        append_event(connection, ledger.now(), "run_paused", run=other, reason=_WAITS)
