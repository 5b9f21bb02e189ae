"""Runs: planned once per Confirm, paused, resumed and cancelled by people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, update

from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger.accounts import ensure_account, resume_account
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.moves import RUN_CANCELLED, cancel
from openmart_lib.ledger.planning import NewRun, find_or_insert, planned_run, write_rows
from openmart_lib.ledger.schema import balance, batch, run
from openmart_lib.ledger.states import OPEN_STATES, BatchState

__all__ = [
    "CancelCount",
    "EarlierRun",
    "NewRun",
    "adopt_run",
    "cancel_run",
    "find_confirmed",
    "find_same_content",
    "finish_cancelling",
    "mark_cancelled",
    "pause_run",
    "plan_run",
    "resume_run",
    "run_pk",
]

BATCHES_AT_ONCE: Final = 20  # cancelled in one write transaction: about 2,000 rows
PAUSED_BY_PERSON: Final = "paused by you"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run of the same content."""

    run_id: str
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class CancelCount:
    """What a cancel could stop, and what it could not."""

    cancelled_batches: int
    with_openmart_batches: int


@in_plain_words
def plan_run(ledger: Ledger, new: NewRun, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Write a run into the ledger; return its public id. Nothing is sent before the last row is written.

    The same ``confirm_token`` gives the same run, however often it is asked for; a planning that was
    interrupted goes on where it stopped. ``progress`` is told (rows written, rows in all).

    Raises:
        RunExistsError: If the same content was submitted before and ``again`` is not set.
        LedgerError: If it could not be stored; nothing of it is sent.
    """
    with ledger.write() as connection:
        pk, run_id, planned = find_or_insert(ledger, connection, new)
    if not planned:
        write_rows(ledger, pk, new, progress)
        finish_cancelling(ledger)  # it may have been cancelled while it was being written
    return run_id


@in_plain_words
def find_same_content(ledger: Ledger, content_key: str) -> EarlierRun | None:
    """Return the newest run of the same content, if there is one; one that was never planned is none."""
    with ledger.read() as connection:
        row = planned_run(connection, ledger.environment, content_key)
    return EarlierRun(row.public_id, row.name, row.created_at) if row else None


@in_plain_words
def find_confirmed(ledger: Ledger, confirm_token: str) -> str | None:
    """Return the run (public id) that was planned by this Confirm, None where there is none."""
    mine = (run.c.confirm_token == confirm_token) & run.c.planned_at.is_not(None)
    with ledger.read() as connection:
        return connection.execute(select(run.c.public_id).where(mine)).scalar()


@in_plain_words
def pause_run(ledger: Ledger, run_id: str, *, reason: str = PAUSED_BY_PERSON) -> None:
    """Stop claiming this run's batches; what is with Openmart goes on and is collected.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(
            update(run).where(run.c.id == pk).values(paused_at=ledger.now(), pause_reason=reason)
        )
        append_event(connection, ledger.now(), "run_paused", run=pk, reason=reason)


@in_plain_words
def resume_run(ledger: Ledger, run_id: str) -> None:
    """Go on with a paused run, and end its account's hold if one waits for a person.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(update(run).where(run.c.id == pk).values(paused_at=None, pause_reason=None))
        account_id = connection.execute(select(run.c.account_id).where(run.c.id == pk)).scalar_one()
        resume_account(connection, account_id, now=ledger.now())
        append_event(connection, ledger.now(), "run_resumed", run=pk)


@in_plain_words
def cancel_run(ledger: Ledger, run_id: str) -> CancelCount:
    """Cancel what was not sent; what is with Openmart cannot be recalled and will be collected.

    A run that is done stays done.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        mark_cancelled(connection, pk, now=ledger.now())
    stopped = finish_cancelling(ledger, pk)
    with ledger.read() as connection:
        sent = connection.execute(
            select(func.count()).where(
                batch.c.run_id == pk, batch.c.state.in_([BatchState.SENDING, BatchState.ACCEPTED])
            )
        ).scalar_one()
    return CancelCount(stopped, int(sent))


def mark_cancelled(connection: Connection, pk: int, *, now: float) -> None:
    """Cancel a run unless it is done: from the commit on nothing of it is claimed."""
    going = select(batch.c.id).where(batch.c.run_id == run.c.id, batch.c.state.in_(OPEN_STATES)).exists()
    cancelled = connection.execute(
        update(run)
        .where(run.c.id == pk, run.c.cancelled_at.is_(None), run.c.planned_at.is_(None) | going)
        .values(cancelled_at=now)
    )
    if cancelled.rowcount:
        append_event(connection, now, "run_cancelled", run=pk)


def finish_cancelling(ledger: Ledger, pk: int | None = None) -> int:
    """Cancel the batches of cancelled runs that are still PLANNED; return how many there were.

    A cancel that was cut off half-way leaves such batches: no worker sends them, and this ends them. Of
    one run (its integer key) or of all. A run that is still being written waits until it is whole.
    """
    ended = 0
    while True:  # one transaction per few batches: a million rows must not hold the write lock
        with ledger.read() as connection:
            found = _cancelled_but_planned(connection, pk)
        if not found:
            return ended
        with ledger.write() as connection:
            still = select(batch.c.id).where(batch.c.id.in_(found), batch.c.state == BatchState.PLANNED)
            for batch_pk in connection.execute(still).scalars().all():
                cancel(connection, batch_pk, RUN_CANCELLED, now=ledger.now())
                ended += 1


@in_plain_words
def adopt_run(ledger: Ledger, run_id: str, *, key_fingerprint: str, key_last4: str) -> None:
    """Let a run that was planned with another key go on with the present one.

    Its unsent batches are sent, and its sent ones read, with the present key; what another team's key
    sent cannot be read with it, which then shows as those batches' read errors.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        account_id = ensure_account(connection, ledger.environment, key_fingerprint, key_last4)
        _move_spent(connection, pk, account_id)
        connection.execute(update(run).where(run.c.id == pk).values(account_id=account_id))
        connection.execute(update(batch).where(batch.c.run_id == pk).values(account_id=account_id))
        append_event(connection, ledger.now(), "run_adopted", run=pk, account=account_id)


def _move_spent(connection: Connection, pk: int, account_id: int) -> None:
    """Count what a run has spent as spent before the balances of its new account, and not of its old one."""
    one = connection.execute(select(run.c.account_id, run.c.credits_spent).where(run.c.id == pk)).one()
    for account, change in ((one.account_id, -one.credits_spent), (account_id, one.credits_spent)):
        moved = {"credits_spent": balance.c.credits_spent + change}
        connection.execute(update(balance).where(balance.c.account_id == account).values(moved))


def run_pk(connection: Connection, run_id: str) -> int:
    """Return the integer key of a run.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    found = connection.execute(select(run.c.id).where(run.c.public_id == run_id)).scalar()
    if found is None:
        raise RunNotFoundError(
            f"There is no run {run_id!r} in this environment. Nothing was changed. "
            "List the runs with `openmart status`, or open Monitor."
        )
    return int(found)


def _cancelled_but_planned(connection: Connection, pk: int | None) -> list[int]:
    query = (
        select(batch.c.id)
        .join(run, run.c.id == batch.c.run_id)
        .where(
            batch.c.state == BatchState.PLANNED,
            run.c.cancelled_at.is_not(None),
            run.c.planned_at.is_not(None),
        )
        .order_by(batch.c.id)
        .limit(BATCHES_AT_ONCE)
    )
    if pk is not None:
        query = query.where(batch.c.run_id == pk)
    return list(connection.execute(query).scalars())
