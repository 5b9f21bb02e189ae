"""The money path's writes: one function per thing that can happen to a submission.

The order is law: ``claim`` commits before the first byte leaves; after it exactly one of the others
commits what became of it. A worker that dies in between leaves SENDING, which ``lose_orphans`` turns
into UNKNOWN, never back into PLANNED.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, case, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from openmart_lib.api.wire import BatchCounts, Kind
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import accounts
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import account, batch, run, task
from openmart_lib.ledger.settling import mark_open_rows
from openmart_lib.ledger.states import BatchState, Event, Hold, Outcome, moved
from openmart_lib.ledger.tracking import tracking_id

NOT_SENT_BACKOFF: Final = 1.0  # seconds; after it a free read must succeed before the next try
DEFAULT_RATE_LIMIT_WAIT: Final = 5.0  # seconds after a 429 that named no time


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that this worker, and nobody else, may send once. ``body`` is what leaves, byte for byte."""

    pk: int
    account_id: int
    run_id: str
    batch_no: int
    kind: Kind
    body: bytes
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A batch that could be claimed now, with the body it would send."""

    pk: int
    run_id: str
    batch_no: int
    kind: Kind
    body: bytes


def next_candidate(ledger: Ledger, account_id: int) -> Candidate | None:
    """Return the next batch to send: the first one due of the run whose last submission is oldest."""
    with ledger.read() as connection:
        if connection.execute(select(account.c.hold).where(account.c.id == account_id)).scalar() is not None:
            return None
        latest = (
            select(func.max(batch.c.sent_at))
            .where(batch.c.run_id == run.c.id)
            .correlate(run)
            .scalar_subquery()
        )
        planned = select(batch.c.id).where(
            batch.c.run_id == run.c.id,
            batch.c.state == BatchState.PLANNED,
            batch.c.not_before <= ledger.now(),
        )
        chosen = connection.execute(
            select(run.c.id, run.c.public_id, run.c.kind)
            .where(
                run.c.account_id == account_id,
                run.c.planned_at.is_not(None),
                run.c.paused_at.is_(None),
                run.c.cancelled_at.is_(None),
                exists(planned),
            )
            .order_by(latest.asc().nulls_first(), run.c.id)
            .limit(1)
        ).first()
        if chosen is None:
            return None
        first = connection.execute(
            select(batch.c.id, batch.c.batch_no)
            .where(
                batch.c.run_id == chosen.id,
                batch.c.state == BatchState.PLANNED,
                batch.c.not_before <= ledger.now(),
            )
            .order_by(batch.c.id)
            .limit(1)
        ).one()
        body = batch_body(connection, first.id, chosen.public_id)
    return Candidate(first.id, chosen.public_id, first.batch_no, Kind(chosen.kind), body)


def claim(
    ledger: Ledger, candidate: Candidate, *, account_id: int, worker_id: str, slots: int
) -> Claim | None:
    """Claim a batch in one statement that tests run, environment, hold, time and a free slot.

    Returns None when any of them says no. When it returns a claim, SENDING is on disk.
    """
    digest = hashlib.sha256(candidate.body).hexdigest()
    now = ledger.now()
    sending = batch.alias("sending")
    in_flight = (
        select(func.count())
        .where(sending.c.account_id == account_id, sending.c.state == BatchState.SENDING)
        .scalar_subquery()
    )
    # NULL while the account is held, and nothing is smaller than NULL.
    free_slots = (
        select(case((account.c.cautious, 1), else_=slots))
        .where(account.c.id == account_id, account.c.hold.is_(None))
        .scalar_subquery()
    )
    allowed = exists(
        select(run.c.id).where(
            run.c.id == batch.c.run_id,
            run.c.account_id == account_id,
            run.c.environment == ledger.environment,
            run.c.planned_at.is_not(None),
            run.c.paused_at.is_(None),
            run.c.cancelled_at.is_(None),
        )
    )
    statement = (
        update(batch)
        .where(
            batch.c.id == candidate.pk,
            batch.c.state == BatchState.PLANNED,
            batch.c.not_before <= now,
            allowed,
            in_flight < free_slots,
        )
        .values(
            state=BatchState.SENDING,
            worker_id=worker_id,
            sent_at=now,
            body_sha256=digest,
            attempts=batch.c.attempts + 1,
            answered_at=None,
            http_status=None,
            detail=None,
        )
        .returning(batch.c.run_id)
    )
    with ledger.write() as connection:
        row = connection.execute(statement).first()
        if row is None:
            return None
        append_event(connection, now, "batch_sending", run=row.run_id, batch=candidate.pk, worker=worker_id)
    return Claim(
        candidate.pk, account_id, candidate.run_id, candidate.batch_no, candidate.kind, candidate.body, digest
    )


def accept(ledger: Ledger, pk: int, batch_id: str, counts: BatchCounts | None, *, poll_after: float) -> None:
    """Store the server's batch id. Also for a batch already unknown, resent or given up: a late answer wins.

    Raises:
        LedgerError: If another batch of this environment already has that id.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.ACCEPT)
        if row.state in (BatchState.ACCEPTED, BatchState.COLLECTED):
            return  # told before: by the journal, or by the answer itself
        values: dict[str, Any] = {
            "state": BatchState.ACCEPTED,
            "batch_id": batch_id,
            "answered_at": now,
            "changed_at": now,
            "next_poll_at": now + poll_after,
            "nothing_created": False,
            "detail": None,
        }
        for name in ("processing", "completed", "errored", "total"):
            values[name] = counts[name] if counts else None
        try:
            connection.execute(update(batch).where(batch.c.id == pk).values(values))
        except IntegrityError as error:
            raise LedgerError(
                "This batch id already belongs to another batch here, so its rows are already being "
                "collected there. Nothing was changed. Check the id."
            ) from error
        accounts.note_accepted(connection, row.account_id)
        rows = 0
        if row.state != BatchState.SENDING:
            rows = mark_open_rows(connection, pk, Outcome.PENDING, None)
        append_event(connection, now, "batch_accepted", run=row.run_id, batch=pk, rows=rows or None)


def accept_by_number(ledger: Ledger, run_id: str, batch_no: int, batch_id: str) -> bool:
    """Store an accepted id that the journal remembers; return whether the ledger had missed it."""
    with ledger.read() as connection:
        row = connection.execute(
            select(batch.c.id, batch.c.batch_id)
            .join(run, run.c.id == batch.c.run_id)
            .where(run.c.public_id == run_id, batch.c.batch_no == batch_no)
        ).first()
    if row is None or row.batch_id == batch_id:
        return False
    if row.batch_id is not None:
        raise LedgerError(f"batch {row.id} has another id in the ledger than in the journal")
    lost = BatchState.SENDING, BatchState.PLANNED
    with ledger.write() as connection:  # a ledger older than the journal: what was sent is not planned
        connection.execute(
            update(batch)
            .where(batch.c.id == row.id, batch.c.state.in_(lost))
            .values(state=BatchState.UNKNOWN)
        )
    accept(ledger, row.id, batch_id, None, poll_after=0.0)
    return True


def release_not_sent(ledger: Ledger, pk: int, seen: str) -> None:
    """Put a batch back: nothing of the request was handed over, nothing was spent.

    The account waits until a free read succeeds, so that ten thousand batches do not knock at a closed door.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.NOT_SENT)
        _back_to_planned(connection, pk, detail=seen, not_before=now + NOT_SENT_BACKOFF)
        accounts.hold(
            connection,
            row.account_id,
            Hold.OUTAGE,
            now=now,
            detail=seen,
            until=now + NOT_SENT_BACKOFF,
            needs_read=True,
        )
        append_event(connection, now, "batch_not_sent", run=row.run_id, batch=pk, seen=seen)


def release_rate_limited(ledger: Ledger, pk: int, retry_after: float | None, detail: str) -> None:
    """Put a batch back after a 429; the account waits as long as asked, never shorter."""
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.RATE_LIMIT)
        wait = retry_after if retry_after is not None else DEFAULT_RATE_LIMIT_WAIT * min(12, row.attempts)
        _back_to_planned(connection, pk, detail=detail, not_before=now + wait, status=429)
        accounts.hold(connection, row.account_id, Hold.RATE_LIMITED, now=now, detail=detail, until=now + wait)
        append_event(connection, now, "batch_rate_limited", run=row.run_id, batch=pk, wait=wait)


def release_and_hold(ledger: Ledger, pk: int, reason: Hold, *, status: int, detail: str) -> None:
    """Put a batch back after a definite no that holds for the whole account, and hold the account."""
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.HOLD)
        _back_to_planned(connection, pk, detail=detail, not_before=0.0, status=status)
        accounts.hold(connection, row.account_id, reason, now=now, detail=detail)
        append_event(connection, now, "batch_held", run=row.run_id, batch=pk, hold=reason)


def refuse(ledger: Ledger, pk: int, *, status: int, detail: str) -> None:
    """Store a definite no to this body, with the server's words; nothing was created or spent."""
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.REFUSE)
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(state=BatchState.REFUSED, answered_at=now, http_status=status, detail=detail)
        )
        words = f"Openmart refused this batch: {detail}" if detail else "Openmart refused this batch"
        rows = mark_open_rows(connection, pk, Outcome.REFUSED, words, final=True)
        append_event(connection, now, "batch_refused", run=row.run_id, batch=pk, rows=rows, status=status)


def lose(
    ledger: Ledger,
    pk: int,
    *,
    seen: str,
    status: int | None = None,
    backoff: float = accounts.OUTAGE_BACKOFF,
) -> None:
    """Store that we cannot know whether the server took it; only a person or a late answer moves it on."""
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.LOSE)
        _lose(connection, row, now=now, seen=seen, status=status)
        accounts.note_unknown(connection, row.account_id, now=now, backoff=backoff, seen=seen)


def note_late_no(ledger: Ledger, pk: int, *, status: int, detail: str) -> None:
    """Mark an unknown batch whose POST ended in a definite no after all: nothing was created."""
    now = ledger.now()
    with ledger.write() as connection:
        row = _move(connection, pk, Event.LATE_NO)
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(nothing_created=True, http_status=status, detail=detail, answered_at=now)
        )
        append_event(connection, now, "batch_late_no", run=row.run_id, batch=pk, status=status)


def lose_orphans(ledger: Ledger, worker_id: str) -> list[int]:
    """Turn every SENDING batch of another worker into UNKNOWN; return their keys.

    Only the holder of the worker lock may call this: the others are gone, or will be told by their lock.
    """
    now = ledger.now()
    with ledger.write() as connection:
        rows = connection.execute(
            select(batch).where(batch.c.state == BatchState.SENDING, batch.c.worker_id != worker_id)
        ).all()
        for row in rows:
            _lose(connection, row, now=now, seen="the program stopped while this batch was being sent")
    return [row.id for row in rows]


def batch_body(connection: Connection, pk: int, run_id: str) -> bytes:
    """Return the body of a batch: its tasks with their tracking ids, in task order, always the same bytes."""
    tasks = []
    query = select(task.c.task_no, task.c.request).where(task.c.batch_pk == pk).order_by(task.c.task_no)
    for task_no, request in connection.execute(query):
        decoded: dict[str, Any] = msgspec.json.decode(request)
        tasks.append(decoded | {"tracking_id": tracking_id(run_id, task_no)})
    return msgspec.json.encode(tasks)


def _move(connection: Connection, pk: int, event: Event) -> Any:
    """Return the batch as it is, after checking that the money path allows this event."""
    row = connection.execute(select(batch).where(batch.c.id == pk)).one()
    state = BatchState(row.state)
    if event is Event.ACCEPT and state in (BatchState.ACCEPTED, BatchState.COLLECTED):
        return row
    if moved(state, event) is None:
        raise LedgerError(f"batch {pk} is {state}: {event} is no move of the money path")
    return row


def _back_to_planned(
    connection: Connection, pk: int, *, detail: str, not_before: float, status: int | None = None
) -> None:
    connection.execute(
        update(batch)
        .where(batch.c.id == pk)
        .values(state=BatchState.PLANNED, not_before=not_before, http_status=status, detail=detail)
    )


def _lose(connection: Connection, row: Any, *, now: float, seen: str, status: int | None = None) -> None:
    connection.execute(
        update(batch)
        .where(batch.c.id == row.id)
        .values(state=BatchState.UNKNOWN, detail=seen, http_status=status, answered_at=now)
    )
    reason = "we don't know whether Openmart took this batch; it may have been charged"
    rows = mark_open_rows(connection, row.id, Outcome.UNKNOWN, reason)
    append_event(connection, now, "batch_unknown", run=row.run_id, batch=row.id, rows=rows, seen=seen)
