"""Openmart's routes: four submissions, three reads of a batch, and the balance.

Keys: anything in visible ASCII is good, but ``bad-...`` is unknown (401), ``banned-...`` is banned (403),
and ``other-...`` belongs to another team, which cannot see the ids of the rest (404).
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openmart_lib.api.wire import (
    CREDIT_BALANCE_PATH,
    TASK_BATCH_PATH,
    TASK_PATH,
    BatchCounts,
    Kind,
    TaskStatus,
)
from openmart_lib.sandbox.batch import Batch
from openmart_lib.sandbox.checks import RefusalError, read_tasks
from openmart_lib.sandbox.delivery import Reply, dropped, json_reply, perform
from openmart_lib.sandbox.faults import Fault, Taken
from openmart_lib.sandbox.simulation import Simulation, bearer, usable
from openmart_lib.sandbox.store import CreditLimitError
from openmart_lib.sandbox.world import find

# 400 (its rules are in checks.py) and 401 are documented word for word, the others are not
DETAILS: Final = {
    400: "invalid request",
    401: "Invalid API Key",
    402: "credit limit reached",
    403: "user is banned",
    404: "not found",
    413: "request entity too large",
    422: "unprocessable entity",
    429: "too many requests",
    500: "internal server error",
    502: "bad gateway",
    503: "service unavailable",
    504: "gateway timeout",
}
# One published example labels a mailbox batch like this, so clients must not trust it (API README).
_SUBMIT_FOR: Final = {kind: kind.value for kind in Kind} | {
    Kind.LOOKUP_BUSINESS_EMAIL: Kind.LOOKUP_PEOPLE.value
}
_BILLING_DAY, _BILLING_TIME = 9, timedelta(hours=8, minutes=15)


def openmart_error(status: int, detail: str = "") -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode({"detail": detail or DETAILS.get(status, "error")})


def openmart_routes(simulation: Simulation) -> list[Route]:
    """Return Openmart's routes, the one asked most often first."""
    api = _Openmart(simulation)
    return [
        Route(f"{TASK_PATH}/{{task_id}}", api.task, methods=["GET"]),
        Route(f"{TASK_BATCH_PATH}/{{batch_id}}/status", api.status, methods=["GET"]),
        Route(f"{TASK_BATCH_PATH}/{{batch_id}}/task_ids", api.task_ids, methods=["GET"]),
        Route(CREDIT_BALANCE_PATH, api.balance, methods=["GET"]),
        *(Route(f"{TASK_BATCH_PATH}/{kind}", partial(api.submit, kind), methods=["POST"]) for kind in Kind),
    ]


class _Openmart:
    def __init__(self, simulation: Simulation) -> None:
        self._sim = simulation

    async def submit(self, kind: Kind, request: Request) -> Response:
        """Wait as long as the real route does, then check the key, the body and the credits, then create."""
        self._sim.traffic.count(kind)
        taken = self._sim.faults.take("submit", kind)
        if (fault := taken.get("drop_before")) and fault["unread"]:
            return dropped(fault)
        body = await request.body()
        self._sim.traffic.keep(kind, body)
        # The body is read first: a client that hangs up during the wait does not undo its submission.
        await asyncio.sleep(self._sim.timing.submit)
        return await perform(taken, partial(self._submit, kind, request, body, taken), openmart_error)

    async def _submit(self, kind: Kind, request: Request, body: bytes, taken: Taken) -> Reply:
        team = _team(request)
        if isinstance(team, Reply):
            return team
        limit = taken["credits_limit"]["limit"] if "credits_limit" in taken else math.inf
        try:
            tasks = read_tasks(kind, body)
            if "bad_row" in taken:
                _refuse_bad_row(tasks, taken["bad_row"])
            batch = await self._sim.store.create(
                kind, tasks, team=team, window=self._sim.timing.task, limit=limit
            )
        except RefusalError as refusal:
            return _error(400, str(refusal))
        except CreditLimitError:
            return _error(402)
        except OSError:
            return _error(500)
        told = next(iter(self._sim.store.batches)) if "stale_batch_id" in taken else batch.batch_id
        answer: dict[str, Any] = {"batch_id": told} if "no_batch_id" not in taken else {}
        answer |= {"submit_for": _SUBMIT_FOR[kind], "status": batch.counts(-math.inf)}
        return json_reply(answer)

    async def status(self, request: Request) -> Response:
        """Answer a batch's counters."""
        self._sim.traffic.count("status")
        taken = self._sim.faults.take("status", "reads")
        return await perform(taken, partial(self._status, request, taken), openmart_error)

    async def _status(self, request: Request, taken: Taken) -> Reply:
        batch = self._batch(request)
        if isinstance(batch, Reply):
            return batch
        counts = batch.counts(-math.inf if "counts_back" in taken else self._sim.now(taken))
        return json_reply(_spoiled_counts(counts, taken))

    async def task_ids(self, request: Request) -> Response:
        """Answer the ids of a batch's tasks, those in one status if asked so."""
        self._sim.traffic.count("task_ids")
        filtered = ("filtered_task_ids",) if "status" in request.query_params else ()
        taken = self._sim.faults.take("task_ids", "reads", *filtered)
        return await perform(taken, partial(self._task_ids, request, taken), openmart_error)

    async def _task_ids(self, request: Request, taken: Taken) -> Reply:
        batch = self._batch(request)
        if isinstance(batch, Reply):
            return batch
        wanted = request.query_params.get("status")
        if "filter_refused" in taken:
            return _error(400, "unknown query parameter: status")
        if wanted is not None and wanted not in list(TaskStatus):
            return _error(400, "invalid status")
        now = self._sim.now(taken)
        indexes = (i for i in batch.in_listing_order() if wanted is None or batch.status(i, now) == wanted)
        return json_reply(_spoiled_ids([batch.task_id(index) for index in indexes], taken))

    async def task(self, request: Request) -> Response:
        """Answer one task as it stands."""
        self._sim.traffic.count("task")
        taken = self._sim.faults.take("task", "reads")
        return await perform(taken, partial(self._task, request, taken), openmart_error)

    async def _task(self, request: Request, taken: Taken) -> Reply:
        team = _team(request)
        if isinstance(team, Reply):
            return team
        task_id = request.path_params["task_id"]
        found = self._sim.store.task(task_id)
        if found is None or found[0].team != team:
            return _error(404, "task not found")
        batch, index = found
        if "other_task" in taken:
            index, task_id = 0, batch.task_id(0)
        status = batch.status(index, self._sim.now(taken))
        sent = self._sim.store.request(batch, index)
        answer: dict[str, Any] = {"task_id": task_id, "status": status}
        if "tracking_id" in sent:
            answer["tracking_id"] = sent["tracking_id"]
        if "foreign_tracking_id" in taken:
            answer["tracking_id"] = f"foreign-{task_id}"
        if status is not TaskStatus.PROCESSING:
            data = None if "data_null" in taken else find(batch.kind, sent).data
            if data is not msgspec.UNSET:
                answer["data"] = data
        return json_reply(answer)

    async def balance(self, request: Request) -> Response:
        """Answer the credits left, and a monthly window as subscription keys have it."""
        self._sim.traffic.count("balance")
        taken = self._sim.faults.take("balance", "reads")
        return await perform(taken, partial(self._balance, request, taken), openmart_error)

    async def _balance(self, request: Request, taken: Taken) -> Reply:
        team = _team(request)
        if isinstance(team, Reply):
            return team
        start, end = _billing_window(datetime.fromtimestamp(self._sim.clock(), UTC))
        left = self._sim.store.balance(self._sim.now(taken))
        return json_reply({"period_start": start, "period_end": end, "balance": left})

    def _batch(self, request: Request) -> Batch | Reply:
        team = _team(request)
        if isinstance(team, Reply):
            return team
        batch = self._sim.store.batches.get(request.path_params["batch_id"])
        return batch if batch is not None and batch.team == team else _error(404, "batch not found")


def _team(request: Request) -> str | Reply:
    """Return the team a request's key belongs to, or the refusal it gets."""
    given = request.headers.get("x-api-key")
    key = bearer(request) if given is None else usable(given)
    if not key or key.startswith("bad-"):
        return _error(401)
    if key.startswith("banned-"):
        return _error(403)
    return "other" if key.startswith("other-") else "main"


def _error(status: int, detail: str = "") -> Reply:
    return Reply(status, openmart_error(status, detail))


def _refuse_bad_row(tasks: list[dict[str, Any]], fault: Fault) -> None:
    domain = fault["domain"]
    if any(task["domain"] == domain or task["domain"].endswith(f".{domain}") for task in tasks):
        raise RefusalError(fault["detail"])


def _spoiled_counts(counts: BatchCounts, taken: Taken) -> BatchCounts:
    if "ready_early" in taken:
        counts["batch_ready"] = True
    if fault := taken.get("flapping_ready"):
        counts["batch_ready"] = fault.used % 2 == 1
    return counts


def _spoiled_ids(ids: list[str], taken: Taken) -> list[str] | dict[str, list[str]] | None:
    if "ids_late" in taken:
        ids = []
    if fault := taken.get("ids_shrink"):
        ids = ids[: max(0, len(ids) - fault["missing"])]
    if "ids_doubled" in taken:
        ids = ids + ids
    if "ids_null" in taken:
        return None
    return {"task_ids": ids} if "ids_wrapped" in taken else ids


def _billing_window(now: datetime) -> tuple[str, str]:
    """The month around now that starts on the 9th, so that it is no calendar year (that means unmetered)."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    starts = first + timedelta(days=_BILLING_DAY - 1) + _BILLING_TIME
    if now < starts:
        first = (first - timedelta(days=1)).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (month + timedelta(days=_BILLING_DAY - 1) + _BILLING_TIME for month in (first, following))
    return (f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}")
