"""Whose answer it is: our own tasks by their tracking id, another tool's by the server's id of the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from openmart_lib.api.wire import TaskAnswer
from openmart_lib.ledger.schema import task
from openmart_lib.ledger.tracking import parse_tracking_id

_BY_ID: Final = select(task).where(
    task.c.batch_pk == bindparam("b_pk"), task.c.task_id.in_(bindparam("b_ids", expanding=True))
)
# Built once, and only what is looked at: it runs for every hundred answers.
_BY_NUMBER: Final = select(
    task.c.task_no, task.c.batch_pk, task.c.request, task.c.task_id, task.c.final_at
).where(task.c.run_id == bindparam("b_run"), task.c.task_no.in_(bindparam("b_numbers", expanding=True)))


def owners(
    connection: Connection, pk: int, owner: Any, answers: Sequence[TaskAnswer]
) -> tuple[dict[str, int | None], dict[int, Any]]:
    """Return (task number by the answer's task id, None for a stranger; the tasks of these numbers).

    ``owner`` is of the batch ``pk``: run_id, public_id, made_elsewhere.
    """
    if owner.made_elsewhere:  # its tracking ids may be missing, doubled, or look like ours
        ids = [answer["task_id"] for answer in answers]
        rows = connection.execute(_BY_ID, {"b_pk": pk, "b_ids": ids}).all()
        return dict.fromkeys(ids) | {row.task_id: row.task_no for row in rows}, _by_number(rows)
    numbers = {answer["task_id"]: _own_number(answer["tracking_id"], owner.public_id) for answer in answers}
    wanted = [number for number in numbers.values() if number]
    rows = connection.execute(_BY_NUMBER, {"b_run": owner.run_id, "b_numbers": wanted}).all()
    return numbers, _by_number(rows)


def _own_number(tracking: str | None, run_id: str) -> int | None:
    parsed = parse_tracking_id(tracking)
    return parsed[1] if parsed and parsed[0] == run_id else None


def _by_number(rows: Sequence[Any]) -> dict[int, Any]:
    return {row.task_no: row for row in rows}
