"""Pausing: a run that can only wait for a person is paused, with the reason.

Its limit or the team's reserve leaves no room for the next batch and nothing that is out can make room any
more, the balance that a reserve is counted from cannot be read, or its pilot is over. A batch is never held
back here: the claim does that, exactly. This only tells, so it may come late, and a run that nothing was said
about waits all the same.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)

from openmart_lib.ledger import limits, pilots
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import balance, batch, run
from openmart_lib.ledger.states import WITH_OPENMART, BatchState, Pause
from openmart_lib.settings import DEFAULT_STALL_AFTER

FRESH: Final = 120.0  # seconds; a run is paused for the reserve on a balance that was just read
_ACCOUNT: Final = bindparam("b_account", type_=Integer)
_OF_RUN: Final = batch.c.run_id == run.c.id
_ACCOUNT_MOVING: Final = exists(
    select(batch.c.id).where(
        batch.c.account_id == _ACCOUNT,
        batch.c.state.in_(WITH_OPENMART),
        # A batch that stood still for longer will make no room by itself.
        func.coalesce(batch.c.asked_at - batch.c.changed_at, 0.0) <= DEFAULT_STALL_AFTER,
    )
)
_MOVING: Final = exists(select(batch.c.id).where(_OF_RUN, batch.c.state.in_(WITH_OPENMART)))
_PLANNED: Final = exists(select(batch.c.id).where(_OF_RUN, batch.c.state == BatchState.PLANNED))
_ALLOWED: Final = exists(
    select(batch.c.id).where(_OF_RUN, batch.c.state == BatchState.PLANNED, pilots.may_go())
)


def _reserve_kept() -> ColumnElement[bool]:
    """Whether the next batch leaves the reserve, or what is out for any run may still make room for it."""
    worst = func.coalesce(limits.next_worst(), 0.0)
    return or_(_ACCOUNT_MOVING, limits.keeps_reserve(_ACCOUNT, worst))


def _waiting() -> Select[Any]:
    undecided = and_(run.c.pilot_batches.is_not(None), run.c.pilot_decided_at.is_(None))
    kept_back = not_(_reserve_kept())
    stuck = and_(not_(_MOVING), or_(not_(limits.next_fits()), kept_back, not_(_ALLOWED)))
    return select(run.c.id).where(
        run.c.account_id == _ACCOUNT,
        run.c.planned_at.is_not(None),
        run.c.paused_at.is_(None),
        run.c.cancelled_at.is_(None),
        _PLANNED,
        or_(stuck, undecided),
    )


def _facts() -> Select[Any]:
    return select(
        run.c.spend_at_most,
        and_(run.c.pilot_batches.is_not(None), run.c.pilot_decided_at.is_(None)).label("undecided"),
        _MOVING.label("moving"),
        _ALLOWED.label("allowed"),
        limits.next_fits().label("fits"),
        _reserve_kept().label("kept"),
    ).where(run.c.id == bindparam("b_run"), run.c.paused_at.is_(None), run.c.cancelled_at.is_(None))


# Built once: the dispatcher asks whenever there is nothing to claim.
_WAITING: Final = _waiting()
_FACTS: Final = _facts()


def pause_what_waits(ledger: Ledger, account_id: int, *, unreadable: bool = False) -> int:
    """Pause the account's runs that only a person can move on; return how many. Cheap when there is none.

    Args:
        unreadable: The balance was asked for again and again and could not be read.
    """
    with ledger.read() as connection:
        waiting = connection.execute(_WAITING, {"b_account": account_id}).all()
        about = account_id, ledger.now(), unreadable
        waiting = [one for one in waiting if _reason(connection, one.id, *about) is not None]
    paused = 0
    for one in waiting:
        with ledger.write() as connection:
            reason = _reason(connection, one.id, *about)  # it may have changed meanwhile
            if reason is not None:
                values = {"paused_at": ledger.now(), "pause_reason": reason}
                connection.execute(update(run).where(run.c.id == one.id).values(values))
                append_event(connection, ledger.now(), "run_paused", run=one.id, reason=reason)
                paused += 1
    return paused


def _reason(connection: Connection, pk: int, account_id: int, now: float, unreadable: bool) -> str | None:
    """Return why a run can only wait, None when it can go on after all."""
    seen = connection.execute(_FACTS, {"b_run": pk, "b_account": account_id}).first()
    if seen is None:
        return None
    if seen.undecided and pilots.has_strangers(connection, pk):
        return Pause.NOT_OURS
    if seen.moving:
        return None
    if seen.undecided and not seen.allowed:
        return Pause.NOT_OURS if pilots.has_missing(connection, pk) else Pause.PILOT_OVER
    if not seen.fits:
        return f"{Pause.LIMIT}: the next batch could take it over {seen.spend_at_most:,.10g} credits"
    if not seen.kept and _is_fresh(connection, account_id, now):
        return f"{Pause.RESERVE}: the next batch could take the balance below it"
    if not seen.kept and unreadable:
        return f"{Pause.RESERVE}, as far as is known: the balance cannot be read"
    return None


def _is_fresh(connection: Connection, account_id: int, now: float) -> bool:
    newest = select(balance.c.at).where(balance.c.account_id == account_id).order_by(balance.c.at.desc())
    at = connection.execute(newest.limit(1)).scalar()
    return at is not None and now - at < FRESH
