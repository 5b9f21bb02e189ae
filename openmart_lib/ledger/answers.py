"""What reads bring back: counters, lists of task ids, tasks. Each may come late, twice or not at all.

A payload and the status it came with are stored in one transaction, and exactly once per task. Later
results still land: nothing here looks at the batch's state before it stores.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.api.payload import read_records
from openmart_lib.api.wire import FINAL_TASK_STATUSES, BatchCounts, Kind, TaskAnswer, TaskStatus
from openmart_lib.ledger import moves
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import batch, remote_task, row_task, run, task
from openmart_lib.ledger.settling import add_to_counters, mark_open_rows, settle
from openmart_lib.ledger.states import BatchState, Event, Outcome, moved
from openmart_lib.ledger.tracking import parse_tracking_id
from openmart_lib.ledger.verdicts import judge


@dataclass(frozen=True, slots=True)
class DueBatch:
    """An accepted batch whose counters are due to be asked for."""

    pk: int
    batch_id: str
    run_id: int
    kind: Kind
    task_count: int
    polls: int
    accepted_at: float
    changed_at: float
    ready_at: float | None


def due_batches(ledger: Ledger, account_id: int, *, limit: int) -> list[DueBatch]:
    """Return accepted batches whose next poll is due, the longest overdue first.

    A time more than an hour ahead counts as due: the clock was set back.
    """
    now = ledger.now()
    query = (
        select(batch)
        .where(
            batch.c.account_id == account_id,
            batch.c.state == BatchState.ACCEPTED,
            (batch.c.next_poll_at <= now) | (batch.c.next_poll_at > now + 3600),
        )
        .order_by(batch.c.next_poll_at)
        .limit(limit)
    )
    with ledger.read() as connection:
        return [
            DueBatch(
                pk=row.id,
                batch_id=row.batch_id,
                run_id=row.run_id,
                kind=Kind(row.kind),
                task_count=row.task_count,
                polls=row.polls,
                accepted_at=row.answered_at or now,
                changed_at=row.changed_at or row.answered_at or now,
                ready_at=row.ready_at,
            )
            for row in connection.execute(query)
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
    now = ledger.now()
    same = and_(
        batch.c.processing.is_not_distinct_from(counts["processing"]),
        batch.c.completed.is_not_distinct_from(counts["completed"]),
        batch.c.errored.is_not_distinct_from(counts["errored"]),
    )
    with ledger.write() as connection:
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(
                processing=counts["processing"],
                completed=counts["completed"],
                errored=counts["errored"],
                total=counts["total"],
                asked_at=now,
                polls=batch.c.polls + 1,
                changed_at=case((same, batch.c.changed_at), else_=now),
                ready_at=func.coalesce(batch.c.ready_at, now) if counts["batch_ready"] else None,
                next_poll_at=next_poll_at,
                read_error=None,
            )
        )


def store_read_error(ledger: Ledger, pk: int, message: str, *, next_poll_at: float) -> None:
    """Store why a read of this batch failed and when it is tried again."""
    with ledger.write() as connection:
        connection.execute(
            update(batch)
            .where(batch.c.id == pk)
            .values(read_error=message, next_poll_at=next_poll_at, asked_at=ledger.now())
        )


def typical_duration(ledger: Ledger, pk: int) -> float | None:
    """Return the mean seconds from acceptance to ready in this batch's run, None if none is ready yet."""
    run_of = select(batch.c.run_id).where(batch.c.id == pk).scalar_subquery()
    with ledger.read() as connection:
        mean = connection.execute(
            select(func.avg(batch.c.ready_at - batch.c.answered_at)).where(
                batch.c.run_id == run_of, batch.c.ready_at.is_not(None)
            )
        ).scalar()
    return float(mean) if mean is not None else None


def store_listing(ledger: Ledger, pk: int, task_ids: Sequence[str]) -> None:
    """Remember listed task ids; ids already known, or listed twice, change nothing."""
    if not task_ids:
        return
    now = ledger.now()
    with ledger.write() as connection:
        run_id = connection.execute(select(batch.c.run_id).where(batch.c.id == pk)).scalar_one()
        values = [
            {"batch_pk": pk, "task_id": task_id, "run_id": run_id, "listed_at": now}
            for task_id in dict.fromkeys(task_ids)
        ]
        # RETURNING cannot be used with several rows of parameters; the count before and after can.
        before = _listed(connection, pk)
        connection.execute(insert(remote_task).on_conflict_do_nothing(), values)
        if _listed(connection, pk) > before:
            connection.execute(update(batch).where(batch.c.id == pk).values(changed_at=_news(now)))


def unfetched(ledger: Ledger, pk: int) -> list[str]:
    """Return the listed task ids of a batch whose last word is not stored yet."""
    with ledger.read() as connection:
        return list(
            connection.execute(
                select(remote_task.c.task_id)
                .where(remote_task.c.batch_pk == pk, remote_task.c.fetched_at.is_(None))
                .order_by(remote_task.c.id)
            ).scalars()
        )


def store_answers(ledger: Ledger, pk: int, answers: Sequence[TaskAnswer]) -> int:
    """Store fetched tasks: raw payload, status, rows' outcomes and counters, in one transaction.

    Answers that are not final are passed over; of a task told twice the first last word stays. The
    tracking id says whose answer it is, also where it was listed under another batch of this run (a person
    attached the wrong id). Returns how many tasks of ours got their last word.
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
        owner = connection.execute(
            select(batch.c.run_id, batch.c.kind, run.c.public_id)
            .join(run, run.c.id == batch.c.run_id)
            .where(batch.c.id == pk)
        ).one()
        numbers = {answer["task_id"]: _own_number(answer["tracking_id"], owner.public_id) for answer in final}
        known = _known_tasks(connection, owner.run_id, [no for no in numbers.values() if no])
        fresh: list[tuple[Any, TaskAnswer]] = []
        new: list[TaskAnswer] = []
        taken: set[int] = set()
        for answer in final:
            row = known.get(numbers[answer["task_id"]] or 0)
            if row is not None and row.final_at is None and row.task_no not in taken:
                taken.add(row.task_no)
                fresh.append((row, answer))
            if row is None or row.task_id != answer["task_id"]:  # else it is stored, under whatever batch
                new.append(answer)
        _store_raw(connection, pk, owner.run_id, new, numbers, set(known), now)
        rows = _store_verdicts(connection, owner, fresh, now)
        append_event(
            connection, now, "answers_stored", run=owner.run_id, batch=pk, rows=rows, tasks=len(fresh)
        )
    return len(fresh)


def finish_if_complete(ledger: Ledger, pk: int) -> bool:
    """Move a batch to COLLECTED when every task of ours has its last word; return whether it is there."""
    now = ledger.now()
    with ledger.write() as connection:
        finished = connection.execute(
            update(batch)
            .where(batch.c.id == pk, batch.c.state == BatchState.ACCEPTED, batch.c.open_tasks <= 0)
            .values(state=moved(BatchState.ACCEPTED, Event.FINISH), collected_at=now, next_poll_at=None)
            .returning(batch.c.run_id)
        ).first()
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


def _news(now: float) -> Any:
    """Before a batch is ready only its counters tell that it moves, not what we read of it."""
    return case((batch.c.ready_at.is_(None), batch.c.changed_at), else_=now)


def _listed(connection: Connection, pk: int) -> int:
    query = select(func.count()).where(remote_task.c.batch_pk == pk)
    return int(connection.execute(query).scalar_one())


def _own_number(tracking: str | None, run_id: str) -> int | None:
    parsed = parse_tracking_id(tracking)
    return parsed[1] if parsed and parsed[0] == run_id else None


def _known_tasks(connection: Connection, run_id: int, numbers: list[int]) -> dict[int, Any]:
    query = select(task).where(task.c.run_id == run_id, task.c.task_no.in_(numbers))
    return {row.task_no: row for row in connection.execute(query)}


def _store_raw(
    connection: Connection,
    pk: int,
    run_id: int,
    answers: list[TaskAnswer],
    numbers: dict[str, int | None],
    known: set[int],
    now: float,
) -> None:
    statement = insert(remote_task)
    new = statement.excluded
    values = [
        {
            "batch_pk": pk,
            "task_id": answer["task_id"],
            "run_id": run_id,
            "task_no": numbers[answer["task_id"]] if numbers[answer["task_id"]] in known else None,
            "tracking_id": answer["tracking_id"],
            "status": answer["status"],
            "payload": answer["raw"],
            "listed_at": now,
            "fetched_at": now,
        }
        for answer in answers
    ]
    if not values:
        return
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["batch_pk", "task_id"],
            set_={name: new[name] for name in ("task_no", "tracking_id", "status", "payload", "fetched_at")},
            where=remote_task.c.fetched_at.is_(None),
        ),
        values,
    )


def _store_verdicts(
    connection: Connection, owner: Any, fresh: list[tuple[Any, TaskAnswer]], now: float
) -> int:
    """Write status, outcomes and counters of tasks with a last word; return the rows that became final."""
    if not fresh:
        return 0
    kind = Kind(owner.kind)
    found: dict[str, int] = defaultdict(int)
    tasks: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for row, answer in fresh:
        tasks.append({"b_no": row.task_no, "b_id": answer["task_id"], "b_status": answer["status"]})
        links.extend(
            {
                "b_no": row.task_no,
                "b_person": verdict.person_no,
                "b_outcome": verdict.outcome,
                "b_reason": verdict.reason,
                "b_flags": int(verdict.flags),
            }
            for verdict in judge(kind, msgspec.json.decode(row.request), answer["status"], answer["data"])
        )
        if answer["status"] == TaskStatus.COMPLETED:
            _count_found(found, kind, answer["data"])
    connection.execute(
        update(task)
        .where(task.c.run_id == owner.run_id, task.c.task_no == bindparam("b_no"))
        .values(task_id=bindparam("b_id"), status=bindparam("b_status"), final_at=now),
        tasks,
    )
    connection.execute(
        update(row_task)
        .where(
            row_task.c.run_id == owner.run_id,
            row_task.c.task_no == bindparam("b_no"),
            row_task.c.person_no == bindparam("b_person"),
        )
        .values(outcome=bindparam("b_outcome"), reason=bindparam("b_reason"), flags=bindparam("b_flags")),
        links,
    )
    ties = connection.execute(
        select(row_task.c.task_no, row_task.c.seq).where(
            row_task.c.run_id == owner.run_id, row_task.c.task_no.in_([row.task_no for row, _ in fresh])
        )
    ).all()
    _count_down(connection, {row.task_no: row.batch_pk for row, _ in fresh}, ties, now)
    add_to_counters(connection, owner.run_id, found.items())
    return settle(connection, owner.run_id, [seq for _, seq in ties])


def _count_down(connection: Connection, batch_of: dict[int, int], ties: Sequence[Any], now: float) -> None:
    """Take answered tasks, and the rows tied to them, off what their batches wait for."""
    tasks = Counter(batch_of.values())
    rows = Counter(batch_of[task_no] for task_no, _ in ties)
    connection.execute(
        update(batch)
        .where(batch.c.id == bindparam("b_pk"))
        .values(
            open_tasks=func.max(0, batch.c.open_tasks - bindparam("b_tasks")),
            open_rows=func.max(0, batch.c.open_rows - bindparam("b_rows")),
            changed_at=_news(now),
        ),
        [{"b_pk": pk, "b_tasks": n, "b_rows": rows[pk]} for pk, n in tasks.items()],
    )


def _count_found(found: dict[str, int], kind: Kind, data: Any) -> None:
    for record in read_records(kind, data):
        found["found:records"] += 1
        found["found:phones"] += bool(record.phones)  # paid once a person, however many numbers
        found["found:technologies"] += kind is Kind.FIND_TECH
        if record.email and kind is Kind.LOOKUP_BUSINESS_EMAIL:
            found["found:mailboxes"] += 1
        elif record.email:
            found["found:emails"] += 1
            found["found:verified_emails"] += bool(record.email_verified)
