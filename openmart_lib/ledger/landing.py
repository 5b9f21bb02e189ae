"""Landing: an answer is written where it belongs: its raw text, its task's last word, its rows' verdicts.

All in the transaction of ``answers.store_answers``, which knows whose answer it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.api.wire import Kind, TaskAnswer, TaskStatus
from openmart_lib.ledger.schema import batch, remote_task, row_task, task
from openmart_lib.ledger.settling import add_to_counters, settle
from openmart_lib.ledger.spending import count_answers
from openmart_lib.ledger.tariff import count_found
from openmart_lib.ledger.verdicts import judge


def news(now: Any) -> Any:
    """Before a batch is ready only its counters tell that it moves, not what we read of it."""
    return case((batch.c.ready_at.is_(None), batch.c.changed_at), else_=now)


def _raw_statement() -> Any:
    statement = insert(remote_task)
    new = statement.excluded
    changes: dict[str, Any] = {name: new[name] for name in ("task_no", "status", "payload", "fetched_at")}
    changes["tracking_id"] = func.coalesce(remote_task.c.tracking_id, new.tracking_id)  # the first counts
    return statement.on_conflict_do_update(
        index_elements=["batch_pk", "task_id"], set_=changes, where=remote_task.c.fetched_at.is_(None)
    )


# Built once: putting a statement together costs as much as running it, and these run for every answer.
_STORE_RAW: Final = _raw_statement()
_FINISH_TASK: Final = (
    update(task)
    .where(task.c.run_id == bindparam("b_run"), task.c.task_no == bindparam("b_no"))
    .values(task_id=bindparam("b_id"), status=bindparam("b_status"), final_at=bindparam("b_now"))
)
_JUDGE_LINK: Final = (
    update(row_task)
    .where(
        row_task.c.run_id == bindparam("b_run"),
        row_task.c.task_no == bindparam("b_no"),
        row_task.c.person_no == bindparam("b_person"),
    )
    .values(outcome=bindparam("b_outcome"), reason=bindparam("b_reason"), flags=bindparam("b_flags"))
)
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
    run_id: int,
    answers: list[TaskAnswer],
    numbers: dict[str, int | None],
    known: set[int],
    now: float,
) -> None:
    """Store answers as they came; of a task told twice the first last word stays.

    ``numbers`` are task numbers by the answer's task id, ``known`` those that the run has.
    """
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
    connection.execute(_STORE_RAW, values)


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
    tasks: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for row, answer in fresh:
        tasks.append(
            {
                "b_run": owner.run_id,
                "b_no": row.task_no,
                "b_id": answer["task_id"],
                "b_status": answer["status"],
                "b_now": now,
            }
        )
        links.extend(
            {
                "b_run": owner.run_id,
                "b_no": row.task_no,
                "b_person": verdict.person_no,
                "b_outcome": verdict.outcome,
                "b_reason": verdict.reason,
                "b_flags": int(verdict.flags),
            }
            for verdict in judge(kind, msgspec.json.decode(row.request), answer["status"], answer["data"])
        )
        if answer["status"] == TaskStatus.COMPLETED:
            found.update(count_found(kind, answer["data"]))
    connection.execute(_FINISH_TASK, tasks)
    connection.execute(_JUDGE_LINK, links)
    ties = connection.execute(
        _TIES, {"b_run": owner.run_id, "b_numbers": [row.task_no for row, _ in fresh]}
    ).all()
    worst = count_answers(connection, owner.run_id, kind, fresh)
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
