"""The money path's writes: one function per thing that can happen to a submission.

The order is law: ``claim`` commits before the first byte leaves; after it exactly one of the others
commits what became of it. A worker that dies in between leaves SENDING, which ``lose_orphans`` turns
into UNKNOWN, never back into PLANNED.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from openmart_lib.api.wire import BatchCounts, Kind
from openmart_lib.ledger import accounts, claiming, moves, searching, spending
from openmart_lib.ledger.bodies import batch_body
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import account, batch, run
from openmart_lib.ledger.settling import mark_open_rows, reopen_rows
from openmart_lib.ledger.states import BatchState, Event, Hold, Outcome

NOT_SENT_BACKOFF: Final = 1.0  # seconds, doubling to 64; then a free read must succeed before the next try
DEFAULT_RATE_LIMIT_WAIT: Final = 5.0  # seconds after a 429 that named no time
MIN_RATE_LIMIT_WAIT: Final = 1.0  # seconds after a 429 that asks for none: never a loop without a pause
NOTHING_CREATED: Final = "Openmart created nothing for it in the end; nothing was spent, it can be sent again"
# Built once: they run for every submission.
_HOLD: Final = select(account.c.hold).where(account.c.id == bindparam("b_account"))
_OWNER: Final = (
    select(batch.c.id, batch.c.batch_no, run.c.public_id)
    .join(run, run.c.id == batch.c.run_id)
    .where(batch.c.environment == bindparam("b_environment"), batch.c.batch_id == bindparam("b_batch_id"))
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that this worker, and nobody else, may send once. ``body`` is what leaves, byte for byte.

    ``attempt`` is the batch's ``attempts`` as committed by this claim: the journal's lines name it, so that a
    ledger that knows fewer is found out to be an older copy. ``tasks`` and ``repeats`` as in ``Candidate``.
    """

    pk: int
    account_id: int
    run_id: str
    batch_no: int
    kind: Kind
    body: bytes
    body_sha256: str
    attempt: int
    tasks: str = ""
    repeats: int | None = None

    def line(self) -> dict[str, Any]:
        """Return what each of its lines in the journal names."""
        return {"run_id": self.run_id, "batch_no": self.batch_no, "attempt": self.attempt}

    def sent_line(self) -> dict[str, Any]:
        """Return what its ``sent`` line names: what left is known by it, whatever becomes of the ledger."""
        more = {} if self.repeats is None else {"repeats": self.repeats}
        return self.line() | {"sha256": self.body_sha256, "tasks": self.tasks} | more


@dataclass(frozen=True, slots=True)
class Candidate:
    """A batch that could be claimed now, with the body it would send: that of ``task_count`` tasks.

    One that is not ``checked`` is to be compared with the never-contact lists first: no claim takes it.
    ``tasks`` are the numbers of its tasks as ``spans``, ``repeats`` that of the batch that it repeats.
    """

    pk: int
    run_id: str
    batch_no: int
    kind: Kind
    body: bytes
    task_count: int
    checked: bool
    tasks: str = ""
    repeats: int | None = None


def next_candidate(ledger: Ledger, account_id: int) -> Candidate | None:
    """Return the next batch to send: the first one due of the run whose last submission is oldest.

    Parts of a search for a bad row come first, the newest of them before all: so a search comes down to
    single rows at once, and sees early when no row is at fault.
    """
    with ledger.read() as connection:
        if connection.execute(_HOLD, {"b_account": account_id}).scalar() is not None:
            return None
        wanted = {"b_account": account_id, "b_now": ledger.now()}
        chosen = connection.execute(claiming.NEXT_RUN, wanted).first()
        if chosen is None:
            return None
        due = {"b_run": chosen.id, "b_now": ledger.now()}
        first = connection.execute(claiming.NEWEST_DUE, due).one()
        if first.search_of is None:
            first = connection.execute(claiming.OLDEST_DUE, due).one()
        body, tasks = batch_body(connection, first.id, chosen.public_id)
    kind = Kind(chosen.kind)
    return Candidate(
        pk=first.id,
        run_id=chosen.public_id,
        batch_no=first.batch_no,
        kind=kind,
        body=body,
        task_count=first.task_count,
        checked=bool(first.checked),
        tasks=tasks,
        repeats=first.repeats,
    )


def claim(
    ledger: Ledger, candidate: Candidate, *, account_id: int, worker_id: str, slots: int
) -> Claim | None:
    """Claim a batch in one statement that tests run, environment, hold, time, a free slot and the money.

    The money: the run's limit and the account's reserve, with the worst case of all that is out; and of a
    pilot's run nothing beyond the pilot. Returns None when any of them says no. When it returns a claim,
    SENDING is on disk.
    """
    digest = hashlib.sha256(candidate.body).hexdigest()
    now = ledger.now()
    values = {
        "b_pk": candidate.pk,
        "b_account": account_id,
        "b_environment": ledger.environment,
        "b_now": now,
        "b_slots": slots,
        "b_worker": worker_id,
        "b_digest": digest,
        "b_tasks": candidate.task_count,
    }
    with ledger.write() as connection:
        row = connection.execute(claiming.CLAIM, values).first()
        if row is None:
            return None
        spending.follow(connection, row, BatchState.SENDING)
        append_event(connection, now, "batch_sending", run=row.run_id, batch=candidate.pk, worker=worker_id)
    return Claim(
        pk=candidate.pk,
        account_id=account_id,
        run_id=candidate.run_id,
        batch_no=candidate.batch_no,
        kind=candidate.kind,
        body=candidate.body,
        body_sha256=digest,
        attempt=row.attempts,
        tasks=candidate.tasks,
        repeats=candidate.repeats,
    )


def accept(ledger: Ledger, pk: int, batch_id: str, counts: BatchCounts | None, *, poll_after: float) -> None:
    """Store the server's batch id. Also for a batch already unknown, resent or given up: a late answer wins.

    It wins over an id that a person attached, too. An id that another batch here already has cannot be
    stored twice: the batch becomes (or stays) UNKNOWN and says so.

    Raises:
        LedgerError: If the batch was never sent, or was refused or cancelled.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.ACCEPT)
        other = _owner_of(connection, ledger, batch_id)
        if other is not None and other.id != pk:
            seen = f"Openmart answered with the id of batch {other.batch_no} of run {other.public_id}"
            if row.state == BatchState.SENDING:
                moves.lose(connection, row, now=now, seen=seen)
                backoff = accounts.OUTAGE_BACKOFF
                accounts.note_unknown(connection, row.account_id, now=now, backoff=backoff, seen=seen)
            append_event(connection, now, "batch_id_taken", run=row.run_id, batch=pk, batch_id=batch_id)
        elif row.state not in (BatchState.ACCEPTED, BatchState.COLLECTED):
            moves.accept(connection, row, batch_id, counts, now=now, poll_after=poll_after)
        elif row.batch_id != batch_id:
            moves.replace_id(connection, row, batch_id, now=now)


def accept_by_number(ledger: Ledger, run_id: str, batch_no: int, batch_id: str) -> bool:
    """Store an accepted id that the journal remembers; return whether the ledger had missed it.

    The journal may be newer than the ledger (a backup was restored): what was accepted then is neither
    planned nor cancelled, whatever the ledger says.
    """
    with ledger.read() as connection:
        row = _by_number(connection, run_id, batch_no)
    if row is None or row.batch_id == batch_id:
        return False
    never_sent = BatchState.PLANNED, BatchState.REFUSED, BatchState.CANCELLED
    if row.state in never_sent:
        with ledger.write() as connection:
            _recover(connection, row, now=ledger.now())
    accept(ledger, row.id, batch_id, None, poll_after=0.0)
    with ledger.read() as connection:
        after = _by_number(connection, run_id, batch_no)
    return after is not None and after.batch_id == batch_id


def release_not_sent(ledger: Ledger, pk: int, seen: str) -> None:
    """Put a batch back: nothing of the request was handed over, nothing was spent.

    The account waits until a free read succeeds, so that ten thousand batches do not knock at a closed door.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.NOT_SENT)
        until = now + NOT_SENT_BACKOFF * 2 ** min(row.attempts - 1, 4)
        moves.back_to_planned(connection, row, now=now, detail=seen, not_before=until)
        accounts.hold(
            connection,
            row.account_id,
            Hold.OUTAGE,
            now=now,
            detail=seen,
            until=until,
            needs_read=True,
        )
        append_event(connection, now, "batch_not_sent", run=row.run_id, batch=pk, seen=seen)


def release_rate_limited(ledger: Ledger, pk: int, retry_after: float | None, detail: str) -> None:
    """Put a batch back after a 429; the account waits as long as asked, never shorter."""
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.RATE_LIMIT)
        wait = retry_after if retry_after is not None else DEFAULT_RATE_LIMIT_WAIT * min(12, row.attempts)
        wait = max(wait, MIN_RATE_LIMIT_WAIT)
        moves.back_to_planned(connection, row, now=now, detail=detail, not_before=now + wait, status=429)
        accounts.hold(connection, row.account_id, Hold.RATE_LIMITED, now=now, detail=detail, until=now + wait)
        append_event(connection, now, "batch_rate_limited", run=row.run_id, batch=pk, wait=wait)


def release_and_hold(ledger: Ledger, pk: int, reason: Hold, *, status: int, detail: str) -> None:
    """Put a batch back after a definite no that holds for the whole account, and hold the account."""
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.HOLD)
        moves.back_to_planned(connection, row, now=now, detail=detail, not_before=0.0, status=status)
        accounts.hold(connection, row.account_id, reason, now=now, detail=detail)
        append_event(connection, now, "batch_held", run=row.run_id, batch=pk, hold=reason)


def refuse(ledger: Ledger, pk: int, *, status: int, detail: str) -> None:
    """Store a definite no to this body, with the server's words; nothing was created or spent.

    A part of a search for a bad row is planned again as two halves in the same transaction.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.REFUSE)
        spending.follow(connection, row, BatchState.REFUSED)
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(state=BatchState.REFUSED, answered_at=now, http_status=status, detail=detail)
        )
        words = searching.reason(connection, row, detail)
        rows = mark_open_rows(connection, pk, Outcome.REFUSED, words, final=True)
        append_event(connection, now, "batch_refused", run=row.run_id, batch=pk, rows=rows, status=status)
        searching.split(ledger, connection, row, now=now)


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
        row = moves.check(connection, pk, Event.LOSE)
        moves.lose(connection, row, now=now, seen=seen, status=status)
        accounts.note_unknown(connection, row.account_id, now=now, backoff=backoff, seen=seen)


def note_late_no(ledger: Ledger, pk: int, *, status: int | None, detail: str) -> None:
    """Mark an unknown batch whose POST ended in a definite no after all: nothing was created."""
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.check(connection, pk, Event.LATE_NO)
        spending.follow(connection, row, BatchState.UNKNOWN, nothing_created=True)
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(nothing_created=True, http_status=status, detail=detail, answered_at=now)
        )
        mark_open_rows(connection, pk, Outcome.UNKNOWN, NOTHING_CREATED)
        append_event(connection, now, "batch_late_no", run=row.run_id, batch=pk, status=status)


def lose_orphans(ledger: Ledger, worker_id: str, *, backoff: float = accounts.OUTAGE_BACKOFF) -> list[int]:
    """Turn every SENDING batch of another worker into UNKNOWN; return their keys.

    Only the holder of the worker lock may call this: the others are gone, or will be told by their lock.
    For its account a worker that went counts as one unclear submission, however many were in flight: a
    program that dies of every submission must not lose a handful each time it is started.
    """
    now = ledger.now()
    seen = "the program stopped while this batch was being sent"
    with ledger.write() as connection:
        rows = connection.execute(
            select(batch).where(batch.c.state == BatchState.SENDING, batch.c.worker_id != worker_id)
        ).all()
        for row in rows:
            moves.lose(connection, row, now=now, seen=seen)
        for account_id in sorted({row.account_id for row in rows}):
            accounts.note_unknown(connection, account_id, now=now, backoff=backoff, seen=seen)
    return [row.id for row in rows]


def _owner_of(connection: Connection, ledger: Ledger, batch_id: str) -> Any:
    return connection.execute(_OWNER, {"b_environment": ledger.environment, "b_batch_id": batch_id}).first()


def _by_number(connection: Connection, run_id: str, batch_no: int) -> Any:
    return connection.execute(
        select(batch)
        .join(run, run.c.id == batch.c.run_id)
        .where(run.c.public_id == run_id, batch.c.batch_no == batch_no)
    ).first()


def _recover(connection: Connection, row: Any, *, now: float) -> None:
    """Make a batch UNKNOWN that an old copy of the ledger believes was not sent."""
    reopen_rows(connection, row.id)
    seen = "the journal knows that this batch was sent, and this ledger did not"
    moves.lose(connection, row, now=now, seen=seen)
