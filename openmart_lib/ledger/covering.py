"""Covering: when the credits run short, the first rows that the balance still pays for are sent alone.

Counted with the worst case of each row, so that the account is not turned away a second time, and never
beyond the run's own limit. The batch in which the balance ends is divided: its first tasks stay, the others
become a batch that waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import copies
from openmart_lib.ledger.dividing import divide, rows_of
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.runs import resume_run, run_pk
from openmart_lib.ledger.schema import account, balance, batch, run
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
    """Return the first unsent rows that the balance covers in the worst case, within the run's limit.

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
                "What the balance that was read last and the run's limit allow covers no row of this run. "
                "Nothing was sent. Ask for the balance again after credits were added, or raise the limit, "
                "then resume."
            )
        if found.divided is not None:
            divide(ledger, connection, found.divided, found.kept)
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
    room = left - _gone(connection, one.account_id)
    if one.spend_at_most is not None:
        room = min(room, one.spend_at_most - one.credits_spent - one.credits_out)
    rows, credits = 0, 0.0
    planned = (batch.c.run_id == pk) & (batch.c.state == BatchState.PLANNED)
    for each in connection.execute(select(batch).where(planned).order_by(batch.c.id)):
        if credits + each.worst_credits <= room + CENT:
            rows, credits = rows + each.open_rows, credits + each.worst_credits
            continue
        kept, cost = _first_tasks(connection, each, tariff, room - credits)
        rows += rows_of(connection, pk, kept)
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


def _gone(connection: Connection, account_id: int) -> float:
    """Return what was charged since the balance was read, and what may still be for what is with Openmart.

    What nobody knows of is a part of it only where the team keeps a reserve: there every claim counts it.
    """
    then = select(balance.c.credits_spent).where(balance.c.account_id == account_id)
    spent_then = connection.execute(then.order_by(balance.c.at.desc()).limit(1)).scalar() or 0.0
    sums = select(func.sum(run.c.credits_spent), func.sum(run.c.credits_out))
    spent, out = connection.execute(sums.where(run.c.account_id == account_id)).one()
    reserve = connection.execute(select(account.c.reserve).where(account.c.id == account_id)).scalar_one()
    if reserve <= 0:
        going = batch.c.state.in_([BatchState.SENDING, BatchState.ACCEPTED])
        worst = select(func.sum(batch.c.worst_credits)).where(batch.c.account_id == account_id, going)
        out = connection.execute(worst).scalar()
    return max(0.0, (spent or 0.0) - spent_then) + (out or 0.0)


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
