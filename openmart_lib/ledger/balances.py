"""Balances: what the account's credits were, and when; every one is a free read that was made anyway.

The whole team shares a balance, and part of a batch is charged while it runs: a difference of two balances
is a hint about what a batch cost, never a proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    UnaryExpression,
    bindparam,
    case,
    exists,
    func,
    insert,
    not_,
    select,
)

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.schema import account, balance, batch, run
from openmart_lib.ledger.states import WITH_OPENMART, BatchState, Hold

START: Final = "start"  # before a submission: a run's first one, then now and then while they go on
PAUSE: Final = "pause"  # when a run was paused, by a person or by its limit, reserve or pilot
UNKNOWN: Final = "unknown"  # after a submission without a clear answer
HOLD: Final = "hold"  # when the credit limit was reached
END: Final = "end"  # after the last results, or the refusal that ended a run
PERSON: Final = "person"  # a person asked
_READ_AT: Final = {Hold.CREDIT_LIMIT: HOLD, Hold.UNKNOWNS: UNKNOWN, Hold.OUTAGE: UNKNOWN}
# Whoever is refused, or asked to wait, does not ask for more. (Nor while an outage's probe asks: it stores
# what it reads.)
_NOT_READABLE: Final = frozenset(Hold) - _READ_AT.keys()
_OTHER: Final = batch.alias("other")
_UNSENT: Final = exists(
    select(_OTHER.c.id).where(_OTHER.c.run_id == batch.c.run_id, _OTHER.c.state == BatchState.PLANNED)
)
# A refusal ends a run when nothing of it is left to send; before that it may be a step of a search.
_ENDED: Final = case(
    (batch.c.state != BatchState.REFUSED, batch.c.collected_at), (not_(_UNSENT), batch.c.answered_at)
)

# Built once: asked before every claim.
_NEWEST_PLANNED: Final = select(func.max(run.c.planned_at)).where(
    run.c.account_id == bindparam("b_account"), run.c.planned_at <= bindparam("b_now", type_=Float)
)


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's credits at a moment (UTC seconds); ``credits`` is None where nothing is metered."""

    at: float
    credits: float | None
    why: str


@in_plain_words
def note_balance(
    ledger: Ledger,
    account_id: int,
    credits: float | None,
    why: str,
    *,
    at: float | None = None,
    spent: float | None = None,
) -> None:
    """Store what the account's balance was; ``credits`` None: not metered.

    Args:
        why: What it was read for: one of this module's words.
        at: When the question was sent (UTC seconds); default: now.
        spent: What ``spent_so_far`` gave then; default: what it gives now. What came in between may be no
            part of the balance, and a reserve must count it.
    """
    moment = ledger.now() if at is None else at
    values: dict[str, Any] = {"account_id": account_id, "at": moment, "credits": credits, "why": why}
    values["credits_spent"] = _spent(account_id).scalar_subquery() if spent is None else spent
    with ledger.write() as connection:
        connection.execute(insert(balance).values(values))


def spent_so_far(ledger: Ledger, account_id: int) -> float:
    """Return what the account's runs have spent in all, in credits, as far as their answers are here."""
    with ledger.read() as connection:
        return float(connection.execute(_spent(account_id)).scalar_one())


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

    After a hold began, after a run was paused, and after results came in: these at once when nothing is with
    Openmart any more, else ``every`` so many seconds. Before a submission is not decided here: whoever
    claims a batch knows it. What happened later than it is now, by a clock that was set back, is no reason:
    it would be one again and again.
    """
    now = ledger.now()
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
        paused = select(func.max(run.c.paused_at)).where(run.c.account_id == account_id)
        if read_at < (connection.execute(paused.where(run.c.paused_at <= now)).scalar() or 0.0):
            return PAUSE
        going = select(batch.c.id).where(batch.c.account_id == account_id, batch.c.state.in_(WITH_OPENMART))
        moving = connection.execute(going.limit(1)).first() is not None
        if moving and 0 <= now - read_at < every:
            return None
        latest = select(func.max(_ENDED)).where(batch.c.account_id == account_id, now >= _ENDED)
        ended_at = connection.execute(latest).scalar() or 0.0
    return END if ended_at > read_at else None


def planned_since(ledger: Ledger, account_id: int, at: float) -> bool:
    """Return whether a run of the account was confirmed between this moment (UTC seconds) and now."""
    values = {"b_account": account_id, "b_now": ledger.now()}
    with ledger.read() as connection:
        return (connection.execute(_NEWEST_PLANNED, values).scalar() or 0.0) >= at


def _spent(account_id: int) -> Select[Any]:
    return select(func.coalesce(func.sum(run.c.credits_spent), 0.0)).where(run.c.account_id == account_id)


def _first(
    connection: Connection, account_id: int, order: UnaryExpression[Any], *more: ColumnElement[bool]
) -> Balance | None:
    query = select(balance.c.at, balance.c.credits, balance.c.why)
    mine = query.where(balance.c.account_id == account_id, *more).order_by(order).limit(1)
    row = connection.execute(mine).first()
    return Balance(row.at, row.credits, row.why) if row else None
