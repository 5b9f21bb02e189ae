"""Whose answer it is: our own tasks by their tracking id, another tool's by the server's id of the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from openmart_lib.api.wire import TaskAnswer
from openmart_lib.ledger.schema import task
from openmart_lib.ledger.tracking import parse_tracking_id


def owners(
    connection: Connection, pk: int, owner: Any, answers: Sequence[TaskAnswer]
) -> tuple[dict[str, int | None], dict[int, Any]]:
    """Return (task number by the answer's task id, None for a stranger; the tasks of these numbers).

    ``owner`` is of the batch ``pk``: run_id, public_id, made_elsewhere.
    """
    if owner.made_elsewhere:  # its tracking ids may be missing, doubled, or look like ours
        ids = [answer["task_id"] for answer in answers]
        query = select(task).where(task.c.batch_pk == pk, task.c.task_id.in_(ids))
        rows = connection.execute(query).all()
        return dict.fromkeys(ids) | {row.task_id: row.task_no for row in rows}, _by_number(rows)
    numbers = {answer["task_id"]: _own_number(answer["tracking_id"], owner.public_id) for answer in answers}
    wanted = [number for number in numbers.values() if number]
    query = select(task).where(task.c.run_id == owner.run_id, task.c.task_no.in_(wanted))
    return numbers, _by_number(connection.execute(query).all())


def _own_number(tracking: str | None, run_id: str) -> int | None:
    parsed = parse_tracking_id(tracking)
    return parsed[1] if parsed and parsed[0] == run_id else None


def _by_number(rows: Sequence[Any]) -> dict[int, Any]:
    return {row.task_no: row for row in rows}
