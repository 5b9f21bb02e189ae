"""What reads bring back: counters, lists of task ids, tasks. Each may come late, twice or not at all.

A payload and the status it came with are stored in one transaction, and exactly once per task. Later
results still land: nothing here looks at the batch's state before it stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Boolean, Connection, Float, Integer, and_, bindparam, case, func, or_, select, update

from openmart_lib.api.wire import FINAL_TASK_STATUSES, BatchCounts, Kind, TaskAnswer
from openmart_lib.ledger import moves
from openmart_lib.ledger.claiming import FAR_AHEAD
from openmart_lib.ledger.erased import bare, is_erased
from openmart_lib.ledger.landing import news, store_raw, store_verdicts
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.owners import owners
from openmart_lib.ledger.schema import batch, remote_task, run
from openmart_lib.ledger.settling import mark_open_rows
from openmart_lib.ledger.states import BatchState, Event, Outcome, moved

RECENT: Final = 20  # batches whose durations say what is typical for a run


@dataclass(frozen=True, slots=True)
class DueBatch:
    """An accepted batch whose counters are due to be asked for."""

    pk: int
    batch_id: str
    run_pk: int
    kind: Kind
    task_count: int
    polls: int
    accepted_at: float
    changed_at: float
    ready_at: float | None


# Built once: the dispatcher asks many times a second.
_DUE: Final = (
    select(batch)
    .where(
        batch.c.account_id == bindparam("b_account"),
        batch.c.state == BatchState.ACCEPTED,
        or_(
            batch.c.next_poll_at <= bindparam("b_now", type_=Float),
            batch.c.next_poll_at > bindparam("b_now", type_=Float) + FAR_AHEAD,
        ),
    )
    .order_by(batch.c.next_poll_at)
    .limit(bindparam("b_limit", type_=Integer))
)
_OF_THIS_RUN: Final = batch.alias("this")
_READY_AFTER: Final = (
    select(batch.c.ready_at - batch.c.answered_at)
    .where(
        batch.c.run_id
        == select(_OF_THIS_RUN.c.run_id).where(_OF_THIS_RUN.c.id == bindparam("b_pk")).scalar_subquery(),
        batch.c.ready_at.is_not(None),
        batch.c.answered_at.is_not(None),
    )
    .order_by(batch.c.ready_at.desc())
    .limit(RECENT)
)

_COUNTERS: Final = ("processing", "completed", "errored", "total")
_UNCHANGED: Final = and_(
    *(batch.c[name].is_not_distinct_from(bindparam(f"b_{name}", type_=Integer)) for name in _COUNTERS[:3])
)
_SEEN_AT: Final = bindparam("b_now", type_=Float)
_STORE_COUNTS: Final = (
    update(batch)
    .where(batch.c.id == bindparam("b_pk"))
    .values({batch.c[name]: bindparam(f"b_{name}", type_=Integer) for name in _COUNTERS})
    .values(
        asked_at=_SEEN_AT,
        polls=batch.c.polls + 1,
        changed_at=case((_UNCHANGED, batch.c.changed_at), else_=_SEEN_AT),
        ready_at=case((bindparam("b_ready", type_=Boolean), func.coalesce(batch.c.ready_at, _SEEN_AT))),
        next_poll_at=bindparam("b_next"),
        read_error=None,
    )
)
_RUN_OF: Final = select(batch.c.run_id).where(batch.c.id == bindparam("b_pk"))
_OWNER: Final = (
    select(batch.c.run_id, batch.c.kind, batch.c.made_elsewhere, run.c.public_id)
    .join(run, run.c.id == batch.c.run_id)
    .where(batch.c.id == bindparam("b_pk"))
)
_LISTED: Final = (
    select(remote_task.c.task_id, remote_task.c.fetched_at.is_not(None))
    .where(remote_task.c.batch_pk == bindparam("b_pk"))
    .order_by(remote_task.c.id)
)
_COUNT_LISTED: Final = select(func.count()).where(remote_task.c.batch_pk == bindparam("b_pk"))
_NEWS: Final = (
    update(batch).where(batch.c.id == bindparam("b_pk")).values(changed_at=news(bindparam("b_now")))
)
_FINISH: Final = (
    update(batch)
    .where(batch.c.id == bindparam("b_pk"), batch.c.state == BatchState.ACCEPTED, batch.c.open_tasks <= 0)
    .values(
        state=moved(BatchState.ACCEPTED, Event.FINISH),
        collected_at=bindparam("b_now"),
        next_poll_at=None,
    )
    .returning(batch.c.run_id)
)

# Driver SQL: for every row it binds, SQLAlchemy costs more than SQLite takes to write it.
_LIST: Final = """
INSERT INTO remote_task (batch_pk, task_id, run_id, listed_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


def due_batches(ledger: Ledger, account_id: int, *, limit: int) -> list[DueBatch]:
    """Return accepted batches whose next poll is due, the longest overdue first.

    A time more than an hour ahead counts as due: the clock was set back.
    """
    now = ledger.now()
    with ledger.read() as connection:
        return [
            DueBatch(
                pk=row.id,
                batch_id=row.batch_id,
                run_pk=row.run_id,
                kind=Kind(row.kind),
                task_count=row.task_count,
                polls=row.polls,
                accepted_at=row.answered_at or now,
                changed_at=row.changed_at or row.answered_at or now,
                ready_at=row.ready_at,
            )
            for row in connection.execute(_DUE, {"b_account": account_id, "b_now": now, "b_limit": limit})
        ]


def make_all_due(ledger: Ledger, account_id: int) -> None:
    """Make every accepted batch due now: the server is back after an outage."""
    with ledger.write() as connection:
        connection.execute(
            update(batch)
            .where(batch.c.account_id == account_id, batch.c.state == BatchState.ACCEPTED)
            .values(next_poll_at=ledger.now())
        )


def make_due(ledger: Ledger, pk: int) -> None:
    """Make one batch due now, on a person's word ("Check now")."""
    with ledger.write() as connection:
        connection.execute(update(batch).where(batch.c.id == pk).values(next_poll_at=ledger.now()))


def store_counts(ledger: Ledger, pk: int, counts: BatchCounts, *, next_poll_at: float) -> None:
    """Store a batch's counters as seen; ``changed_at`` moves only when one of them changed."""
    values: dict[str, Any] = {"b_pk": pk, "b_now": ledger.now(), "b_next": next_poll_at}
    values |= {"b_ready": counts["batch_ready"], "b_processing": counts["processing"]}
    values |= {"b_completed": counts["completed"], "b_errored": counts["errored"], "b_total": counts["total"]}
    with ledger.write() as connection:
        connection.execute(_STORE_COUNTS, values)


def store_read_error(ledger: Ledger, pk: int, message: str, *, next_poll_at: float) -> None:
    """Store why a read of this batch failed and when it is tried again."""
    with ledger.write() as connection:
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(read_error=message, next_poll_at=next_poll_at, asked_at=ledger.now())
        )


def note_read_error(ledger: Ledger, pk: int, message: str) -> None:
    """Store why something of an accepted batch could not be read; when it is asked again stays as it is."""
    with ledger.write() as connection:
        connection.execute(
            update(batch)
            .where(batch.c.id == pk, batch.c.state == BatchState.ACCEPTED)
            .values(read_error=message)
        )


def typical_duration(ledger: Ledger, pk: int) -> float | None:
    """Return the seconds from acceptance to ready in this batch's run, None if none is ready yet.

    Of the last ``RECENT`` batches that became ready, the lower quartile: ready is seen late, never early, so
    that a mean would have every late look make the next ones later.
    """
    with ledger.read() as connection:
        seen = connection.execute(_READY_AFTER, {"b_pk": pk}).scalars().all()
    return sorted(seen)[len(seen) // 4] if seen else None


def store_listing(ledger: Ledger, pk: int, task_ids: Sequence[str]) -> None:
    """Remember listed task ids; ids already known, or listed twice, change nothing."""
    if not task_ids:
        return
    now = ledger.now()
    with ledger.write() as connection:
        run_id = connection.execute(_RUN_OF, {"b_pk": pk}).scalar_one()
        values = [(pk, task_id, run_id, now) for task_id in dict.fromkeys(task_ids)]
        # RETURNING cannot be used with several rows of parameters; the count before and after can.
        before = _listed(connection, pk)
        connection.exec_driver_sql(_LIST, values)
        if _listed(connection, pk) > before:
            connection.execute(_NEWS, {"b_pk": pk, "b_now": now})


def listed(ledger: Ledger, pk: int) -> dict[str, bool]:
    """Return the listed task ids of a batch, in order of listing, and whether their last word is stored."""
    with ledger.read() as connection:
        found = connection.execute(_LISTED, {"b_pk": pk}).all()
    return {task_id: bool(stored) for task_id, stored in found}


def store_answers(ledger: Ledger, pk: int, answers: Sequence[TaskAnswer]) -> int:
    """Store fetched tasks: raw payload, status, rows' outcomes and counters, in one transaction.

    Answers that are not final are passed over; of a task told twice the first last word stays. The
    tracking id says whose answer it is, also where it was listed under another batch of this run (a person
    attached the wrong id); of a batch made by another tool the task id says it. Returns how many tasks of
    ours got their last word.
    """
    by_id: dict[str, TaskAnswer] = {}
    for answer in answers:
        if answer["status"] in FINAL_TASK_STATUSES:
            by_id.setdefault(answer["task_id"], answer)
    final = list(by_id.values())
    if not final:
        return 0
    now = ledger.now()
    with ledger.write() as connection:
        owner = connection.execute(_OWNER, {"b_pk": pk}).one()
        numbers, known = owners(connection, pk, owner, final)
        fresh: list[tuple[Any, TaskAnswer]] = []
        new: list[TaskAnswer] = []
        taken: set[int] = set()
        for answer in final:
            row = known.get(numbers[answer["task_id"]] or 0)
            if row is not None and row.final_at is None and row.task_no not in taken:
                taken.add(row.task_no)
                fresh.append((row, answer))
            stored = row is not None and row.final_at is not None and row.task_id == answer["task_id"]
            if not stored:  # under whatever batch
                new.append(answer)
        if is_erased(connection, owner.run_id):  # a late answer brings nothing back that was deleted
            new = [bare(answer) for answer in new]
        store_raw(connection, pk, owner.run_id, new, numbers, set(known), now)
        rows = store_verdicts(connection, owner, fresh, now)
        append_event(
            connection, now, "answers_stored", run=owner.run_id, batch=pk, rows=rows, tasks=len(fresh)
        )
    return len(fresh)


def finish_if_complete(ledger: Ledger, pk: int) -> bool:
    """Move a batch to COLLECTED when every task of ours has its last word; return whether it is there."""
    now = ledger.now()
    with ledger.write() as connection:
        finished = connection.execute(_FINISH, {"b_pk": pk, "b_now": now}).first()
        if finished is not None:
            append_event(connection, now, "batch_collected", run=finished.run_id, batch=pk)
    return finished is not None


def mark_missing(ledger: Ledger, pk: int, *, by_person: bool) -> int:
    """Close a batch whose lists stayed without some tasks; their rows become ``missing``. Return the rows.

    A late result still lands and takes the row out of ``missing``.
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        if moved(BatchState(row.state), Event.FINISH) is None:
            return 0
        reason = (
            "closed by a person before Openmart gave this row back; it may have been charged"
            if by_person
            else "Openmart took the batch but its lists stayed without this row; it may have been charged"
        )
        rows = mark_open_rows(connection, pk, Outcome.MISSING, reason, final=True)
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(
                state=moved(BatchState.ACCEPTED, Event.FINISH),
                collected_at=now,
                next_poll_at=None,
                closed_by_person=by_person,
            )
        )
        append_event(connection, now, "batch_closed", run=row.run_id, batch=pk, rows=rows, person=by_person)
    return rows


def _listed(connection: Connection, pk: int) -> int:
    return int(connection.execute(_COUNT_LISTED, {"b_pk": pk}).scalar_one())
