"""What the matrix is measured against: a client as most are written, and what faults make of it.

It sends one batch after the other, repeats a POST up to three times when the server fails or is silent, and
passes over what it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import requests

PATIENCE: Final = 4.0  # seconds
TRIES: Final = 4
FAILURES: Final = (requests.RequestException, ValueError, RecursionError)
FINAL: Final = ("COMPLETED", "ERRORED", "CANCELLED")


def enrich(
    url: str, kind: str, batches: Iterable[Sequence[dict[str, Any]]], wait: Callable[[float], None]
) -> set[str]:
    """Send batches and collect them; return the tracking ids of the tasks whose last word came."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-API-Key"] = "any-key"
        sent = [_submit(session, url, kind, tasks, wait) for tasks in batches]
        return {name for batch_id in sent if batch_id for name in _collect(session, url, batch_id, wait)}


def _submit(session: requests.Session, url: str, kind: str, tasks: Any, wait: Any) -> str | None:
    for attempt in range(TRIES):
        wait(float(attempt))
        try:
            answer = session.post(f"{url}/api/v1/task/batch/{kind}", json=tasks, timeout=PATIENCE)
            if answer.status_code < 500 and answer.status_code != 429:
                return answer.json().get("batch_id")  # type: ignore[no-any-return]  # as such clients do
        except (*FAILURES, AttributeError):
            continue
    return None


def _collect(session: requests.Session, url: str, batch_id: str, wait: Any) -> set[str]:
    path = f"/api/v1/task/batch/{batch_id}"
    for _ in range(60):
        if (_get(session, url, f"{path}/status") or {}).get("batch_ready"):
            break
        wait(10.0)
    ids = _get(session, url, f"{path}/task_ids")
    answers = [_get(session, url, f"/api/v1/task/{task_id}") for task_id in ids or ()]
    return {answer["tracking_id"] for answer in answers if answer and answer["status"] in FINAL}


def _get(session: requests.Session, url: str, path: str) -> Any:
    try:
        answer = session.get(url + path, timeout=PATIENCE)
        return answer.json() if answer.ok else None
    except FAILURES:
        return None
