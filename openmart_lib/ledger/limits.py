"""Limits: what a run may cost at most, and what an account keeps for the team; tested in the claim itself.

What a batch could cost counts in full until its answers are here (``spending`` counts it), so a limit holds
however many submissions are in flight and whatever comes back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import pilots
from openmart_lib.ledger.accounts import ensure_account
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import account, balance, batch, run
from openmart_lib.ledger.states import BatchState, Pause
from openmart_lib.ledger.tariff import CENT


def fits(worst_credits: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether a batch of this worst case stays within its run's limit, whatever is out comes to."""
    most = run.c.credits_spent + run.c.credits_out + worst_credits
    return or_(run.c.spend_at_most.is_(None), most <= run.c.spend_at_most + CENT)


def next_worst() -> ColumnElement[Any]:
    """The worst case of a run's next batch: the oldest that may go, or the newest part of a search.

    The larger of the two, NULL when none may go. Strictly in order: no smaller batch goes ahead of one that
    does not fit.
    """
    planned = (batch.c.run_id == run.c.id) & (batch.c.state == BatchState.PLANNED) & pilots.may_go()
    oldest = select(batch.c.worst_credits).where(planned).order_by(batch.c.id).limit(1)
    part = case((batch.c.search_of.is_(None), 0.0), else_=batch.c.worst_credits)
    newest = select(part).where(planned).order_by(batch.c.id.desc()).limit(1)
    return func.max(oldest.correlate(run).scalar_subquery(), newest.correlate(run).scalar_subquery())


def next_fits() -> ColumnElement[bool]:
    """Whether a run's next batch stays within its limit."""
    return or_(run.c.spend_at_most.is_(None), fits(func.coalesce(next_worst(), 0.0)))


def keeps_reserve(account_id: ColumnElement[int], worst_credits: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether the last balance, less all that may have gone since, leaves the reserve after such a batch.

    A balance that is not metered keeps no reserve; one that was never read keeps everything.
    """
    mine = run.alias("of_account")
    newest = balance.c.account_id == account_id
    last = select(balance.c.credits).where(newest).order_by(balance.c.at.desc()).limit(1)
    spent_then = select(balance.c.credits_spent).where(newest).order_by(balance.c.at.desc()).limit(1)
    spent = select(func.coalesce(func.sum(mine.c.credits_spent), 0.0)).where(mine.c.account_id == account_id)
    out = select(func.coalesce(func.sum(mine.c.credits_out), 0.0)).where(mine.c.account_id == account_id)
    since = func.max(0.0, spent.scalar_subquery() - spent_then.scalar_subquery())
    left = last.scalar_subquery() - since - out.scalar_subquery() - worst_credits
    kept = select(account.c.reserve).where(account.c.id == account_id).scalar_subquery()
    known = exists(select(balance.c.id).where(newest))
    return or_(kept <= 0, and_(known, or_(last.scalar_subquery().is_(None), left >= kept - CENT)))


@in_plain_words
def set_limit(ledger: Ledger, run_id: str, credits: float) -> None:
    """Let a run cost at most so many credits in all, and go on if its limit was what paused it.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If the number is negative or none.
    """
    _check(credits)
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(update(run).where(run.c.id == pk).values(spend_at_most=credits))
        by_limit = (run.c.id == pk) & run.c.pause_reason.startswith(Pause.LIMIT)
        connection.execute(update(run).where(by_limit).values(paused_at=None, pause_reason=None))
        append_event(connection, ledger.now(), "limit_set", run=pk, credits=credits)


@in_plain_words
def set_reserve(ledger: Ledger, credits: float, *, key_fingerprint: str, key_last4: str) -> None:
    """Keep so many credits for the team: no run with this key sends what could take them; 0: none.

    Raises:
        LedgerError: If the number is negative or none.
    """
    _check(credits)
    with ledger.write() as connection:
        account_id = ensure_account(connection, ledger.environment, key_fingerprint, key_last4)
        connection.execute(update(account).where(account.c.id == account_id).values(reserve=credits))
        by_reserve = (run.c.account_id == account_id) & run.c.pause_reason.startswith(Pause.RESERVE)
        connection.execute(update(run).where(by_reserve).values(paused_at=None, pause_reason=None))
        append_event(connection, ledger.now(), "reserve_set", account=account_id, credits=credits)


@in_plain_words
def reserve(ledger: Ledger, key_fingerprint: str) -> float:
    """Return how many credits are kept for the team of this key; 0: none."""
    mine = (account.c.environment == ledger.environment) & (account.c.key_fingerprint == key_fingerprint)
    with ledger.read() as connection:
        return float(connection.execute(select(account.c.reserve).where(mine)).scalar() or 0.0)


def _check(credits: float) -> None:
    if not 0 <= credits < float("inf"):  # NaN compares with nothing
        raise LedgerError(
            f"{credits} is no number of credits. Nothing was changed. Give a number from 0 upwards."
        )
