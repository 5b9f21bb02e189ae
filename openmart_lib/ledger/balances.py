"""Balances: what the account's credits were, and when; every one is a free read that was made anyway.

The whole team shares a balance, and part of a batch is charged while it runs: a difference of two balances
is a hint about what a batch cost, never a proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, UnaryExpression, func, insert, select

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.schema import account, balance, batch
from openmart_lib.ledger.states import BatchState, Hold

START: Final = "start"  # before a submission: the first one, then now and then while they go on
UNKNOWN: Final = "unknown"  # after a submission without a clear answer
HOLD: Final = "hold"  # when the credit limit was reached
END: Final = "end"  # after the last results
PERSON: Final = "person"  # a person asked
_READ_AT: Final = {Hold.CREDIT_LIMIT: HOLD, Hold.UNKNOWNS: UNKNOWN, Hold.OUTAGE: UNKNOWN}
# Whoever is refused, or asked to wait, does not ask for more. (Nor while an outage's probe asks: it stores
# what it reads.)
_NOT_READABLE: Final = frozenset(Hold) - _READ_AT.keys()
_WITH_OPENMART: Final = (BatchState.SENDING, BatchState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's credits at a moment (UTC seconds); ``credits`` is None where nothing is metered."""

    at: float
    credits: float | None
    why: str


@in_plain_words
def note_balance(
    ledger: Ledger, account_id: int, credits: float | None, why: str, *, at: float | None = None
) -> None:
    """Store what the account's balance was; ``credits`` None: not metered.

    Args:
        why: What it was read for: one of this module's words.
        at: When the question was sent (UTC seconds); default: now.
    """
    moment = ledger.now() if at is None else at
    values = {"account_id": account_id, "at": moment, "credits": credits, "why": why}
    with ledger.write() as connection:
        connection.execute(insert(balance).values(values))


@in_plain_words
def newest_balance(ledger: Ledger, account_id: int) -> Balance | None:
    """Return the balance that was read last, None if none ever was."""
    with ledger.read() as connection:
        return _first(connection, account_id, balance.c.at.desc())


@in_plain_words
def balance_before(ledger: Ledger, account_id: int, at: float) -> Balance | None:
    """Return the last balance that was asked for at this moment or before it."""
    with ledger.read() as connection:
        return _first(connection, account_id, balance.c.at.desc(), balance.c.at <= at)


@in_plain_words
def balance_after(ledger: Ledger, account_id: int, at: float) -> Balance | None:
    """Return the first balance that was asked for after this moment."""
    with ledger.read() as connection:
        return _first(connection, account_id, balance.c.at.asc(), balance.c.at > at)


def reading_due(ledger: Ledger, account_id: int, *, every: float) -> str | None:
    """Return what a balance should be read for now, None while the newest one still tells enough.

    After a hold began, and after results came in: at once when nothing is with Openmart any more, else
    ``every`` so many seconds. Before a submission is not decided here: whoever claims a batch knows it.
    """
    with ledger.read() as connection:
        newest = _first(connection, account_id, balance.c.at.desc())
        read_at = newest.at if newest else 0.0
        held = connection.execute(
            select(account.c.hold, account.c.held_at, account.c.needs_read).where(account.c.id == account_id)
        ).one()
        if held.hold in _NOT_READABLE or held.needs_read:
            return None
        if held.hold is not None and held.held_at > read_at:
            return _READ_AT[Hold(held.hold)]
        going = select(batch.c.id).where(batch.c.account_id == account_id, batch.c.state.in_(_WITH_OPENMART))
        moving = connection.execute(going.limit(1)).first() is not None
        if moving and 0 <= ledger.now() - read_at < every:
            return None
        latest = select(func.max(batch.c.collected_at)).where(batch.c.account_id == account_id)
        collected_at = connection.execute(latest).scalar() or 0.0
    return END if collected_at > read_at else None


def _first(
    connection: Connection, account_id: int, order: UnaryExpression[Any], *more: ColumnElement[bool]
) -> Balance | None:
    query = select(balance.c.at, balance.c.credits, balance.c.why)
    mine = query.where(balance.c.account_id == account_id, *more).order_by(order).limit(1)
    row = connection.execute(mine).first()
    return Balance(row.at, row.credits, row.why) if row else None
