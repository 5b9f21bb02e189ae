"""Landing: an answer is written where it belongs: its raw text, its task's last word, its rows' verdicts.

All in the transaction of ``answers.store_answers``, which knows whose answer it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, case, func, select, update

from openmart_lib.api.payload import read_records
from openmart_lib.api.wire import Kind, TaskAnswer, TaskStatus
from openmart_lib.ledger.schema import batch, row_task
from openmart_lib.ledger.settling import add_to_counters, settle
from openmart_lib.ledger.spending import Answered, count_answers
from openmart_lib.ledger.tariff import count_found
from openmart_lib.ledger.verdicts import judge_records


def news(now: Any) -> Any:
    """Before a batch is ready only its counters tell that it moves, not what we read of it."""
    return case((batch.c.ready_at.is_(None), batch.c.changed_at), else_=now)


# Driver SQL: for every row it binds, SQLAlchemy costs more than SQLite takes to write it.
_STORE_RAW: Final = """
INSERT INTO remote_task
       (batch_pk, task_id, run_id, task_no, tracking_id, status, payload, listed_at, fetched_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (batch_pk, task_id) DO UPDATE
   SET task_no = excluded.task_no, status = excluded.status, payload = excluded.payload,
       fetched_at = excluded.fetched_at,
       tracking_id = COALESCE(remote_task.tracking_id, excluded.tracking_id)  -- the first counts
 WHERE remote_task.fetched_at IS NULL
"""
_FINISH_TASK: Final = """
UPDATE task SET task_id = ?, status = ?, final_at = ? WHERE run_id = ? AND task_no = ?
"""
_JUDGE_LINK: Final = """
UPDATE row_task SET outcome = ?, reason = ?, flags = ? WHERE run_id = ? AND task_no = ? AND person_no = ?
"""
# Built once: putting a statement together costs as much as running it, and these run for every batch.
_TIES: Final = select(row_task.c.task_no, row_task.c.seq).where(
    row_task.c.run_id == bindparam("b_run"), row_task.c.task_no.in_(bindparam("b_numbers", expanding=True))
)
_COUNT_DOWN: Final = (
    update(batch)
    .where(batch.c.id == bindparam("b_pk"))
    .values(
        open_tasks=func.max(0, batch.c.open_tasks - bindparam("b_tasks")),
        open_rows=func.max(0, batch.c.open_rows - bindparam("b_rows")),
        worst_credits=func.max(0.0, batch.c.worst_credits - bindparam("b_worst")),
        changed_at=news(bindparam("b_now")),
    )
)


def store_raw(
    connection: Connection,
    pk: int,
    run_pk: int,
    answers: list[TaskAnswer],
    numbers: dict[str, int | None],
    known: set[int],
    now: float,
) -> None:
    """Store answers as they came; of a task told twice the first last word stays.

    ``numbers`` are task numbers by the answer's task id, ``known`` those that the run has.
    """
    values = []
    for answer in answers:
        number = numbers[answer["task_id"]]
        own = number if number in known else None
        told = answer["task_id"], run_pk, own, answer["tracking_id"], answer["status"], answer["raw"]
        values.append((pk, *told, now, now))
    if values:
        connection.exec_driver_sql(_STORE_RAW, values)


def store_verdicts(
    connection: Connection, owner: Any, fresh: list[tuple[Any, TaskAnswer]], now: float
) -> int:
    """Write status, outcomes and counters of tasks with a last word; return the rows that became final.

    ``fresh`` are (task, its answer); ``owner`` is of their run: run_id, kind.
    """
    if not fresh:
        return 0
    kind = Kind(owner.kind)
    found: Counter[str] = Counter()
    tasks: list[tuple[Any, ...]] = []
    links: list[tuple[Any, ...]] = []
    answered: list[Answered] = []
    for row, answer in fresh:
        status, request = answer["status"], msgspec.json.decode(row.request)
        # Read once: this runs for every answer, and the records are what costs.
        records = read_records(kind, answer["data"])
        tasks.append((answer["task_id"], status, now, owner.run_id, row.task_no))
        for verdict in judge_records(kind, request, status, records):
            meant = str(verdict.outcome), verdict.reason, verdict.flags
            links.append((*meant, owner.run_id, row.task_no, verdict.person_no))
        here = count_found(kind, records)
        answered.append(Answered(row.batch_pk, request, status, here))
        if status == TaskStatus.COMPLETED:
            found.update(here)
    connection.exec_driver_sql(_FINISH_TASK, tasks)
    connection.exec_driver_sql(_JUDGE_LINK, links)
    ties = connection.execute(
        _TIES, {"b_run": owner.run_id, "b_numbers": [row.task_no for row, _ in fresh]}
    ).all()
    worst = count_answers(connection, owner.run_id, kind, answered)
    _count_down(connection, {row.task_no: row.batch_pk for row, _ in fresh}, ties, worst, now)
    add_to_counters(connection, owner.run_id, found.items())
    return settle(connection, owner.run_id, [seq for _, seq in ties])


def _count_down(
    connection: Connection,
    batch_of: dict[int, int],
    ties: Sequence[Any],
    worst: dict[int, float],
    now: float,
) -> None:
    """Take answered tasks, the rows tied to them and their worst case off what their batches wait for."""
    tasks = Counter(batch_of.values())
    rows = Counter(batch_of[task_no] for task_no, _ in ties)
    connection.execute(
        _COUNT_DOWN,
        [
            {"b_pk": pk, "b_tasks": n, "b_rows": rows[pk], "b_worst": worst.get(pk, 0.0), "b_now": now}
            for pk, n in tasks.items()
        ],
    )
