"""Bodies: what leaves for a batch, byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from openmart_lib.ledger.schema import task
from openmart_lib.ledger.spans import spans
from openmart_lib.ledger.tracking import tracking_id


def batch_body(connection: Connection, pk: int, run_id: str) -> tuple[bytes, str]:
    """Return the body of a batch, and the numbers of its tasks as ``spans``.

    The tasks with their tracking ids, in task order, always the same bytes.
    """
    tasks, numbers = [], []
    query = select(task.c.task_no, task.c.request).where(task.c.batch_pk == pk).order_by(task.c.task_no)
    for task_no, request in connection.execute(query):
        decoded: dict[str, Any] = msgspec.json.decode(request)
        numbers.append(task_no)
        tasks.append(decoded | {"tracking_id": tracking_id(run_id, task_no)})
    return msgspec.json.encode(tasks), spans(numbers)
