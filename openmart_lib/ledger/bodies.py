"""Bodies: what leaves for a batch, byte for byte."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from openmart_lib.ledger.schema import task
from openmart_lib.ledger.spans import spans
from openmart_lib.ledger.tracking import tracking_id

# Built once: it runs before every claim.
_TASKS: Final = (
    select(task.c.task_no, task.c.request)
    .where(task.c.batch_pk == bindparam("b_pk"))
    .order_by(task.c.task_no)
)


def batch_body(connection: Connection, pk: int, run_id: str) -> tuple[bytes, str]:
    """Return the body of a batch, and the numbers of its tasks as ``spans``.

    The tasks with their tracking ids, in task order, always the same bytes.
    """
    tasks, numbers = [], []
    for task_no, request in connection.execute(_TASKS, {"b_pk": pk}).all():
        decoded: dict[str, Any] = msgspec.json.decode(request)
        numbers.append(task_no)
        tasks.append(decoded | {"tracking_id": tracking_id(run_id, task_no)})
    return msgspec.json.encode(tasks), spans(numbers)
