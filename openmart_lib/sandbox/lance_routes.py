"""Lance's one route that this project uses: the state of up to 200 enrichments.

Tokens: anything in visible ASCII is good, but ``bad-...`` and ``banned-...`` are unknown (401), and one that
holds ``no-org`` has no organisation (400).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openmart_lib.api.wire import LANCE_QUERY_PATH, MAX_LANCE_QUERY, LanceEntityType, LanceField
from openmart_lib.sandbox.delivery import Reply, json_reply, perform
from openmart_lib.sandbox.enrichments import records, waits
from openmart_lib.sandbox.faults import Taken
from openmart_lib.sandbox.simulation import Simulation, bearer

NO_ORGANISATION: Final = "Organization ID is missing"
_CODES: Final = {400: "VALIDATION_ERROR", 401: "UNAUTHORIZED", 500: "INTERNAL_ERROR"}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MEMBERS: Final = frozenset({"entityId", "field", "entityType"})


class _QueryError(Exception):
    """A query that the contract does not allow; the text is the answer's message."""


def lance_error(status: int, message: str = "") -> bytes:
    """Return the body of a refusal; its real layout is not documented, its codes are."""
    if message == NO_ORGANISATION:
        return msgspec.json.encode({"message": message})  # the contract shows it without a code
    body = {"code": _CODES[status]} if status in _CODES else {}
    return msgspec.json.encode(body | {"message": message or f"request failed with status {status}"})


def lance_routes(simulation: Simulation) -> list[Route]:
    """Return Lance's query; the routes that start an enrichment are not simulated, as nothing calls them."""

    async def query(request: Request) -> Response:
        simulation.traffic.count("lance")
        body = await request.body()
        taken = simulation.faults.take("lance")
        return await perform(taken, partial(_query, simulation, request, body, taken), lance_error)

    return [Route(LANCE_QUERY_PATH, query, methods=["POST"])]


async def _query(simulation: Simulation, request: Request, body: bytes, taken: Taken) -> Reply:
    token = bearer(request)
    if not token or token.startswith(("bad-", "banned-")):
        return _error(401, "the token is missing or not valid")
    if "no-org" in token:
        return _error(400, NO_ORGANISATION)
    try:
        keys = _keys(body)
    except _QueryError as refusal:
        return _error(400, str(refusal))
    store, now = simulation.store, simulation.now(taken)
    first_asked = {key: now for key in keys if waits(key) and key not in store.first_asked}
    if first_asked:
        try:
            await store.remember_lance(first_asked)
        except OSError:
            return _error(500, "the state could not be kept")
    answer = [
        record
        for key in keys
        for record in records(key, store.first_asked.get(key), now, simulation.timing.lance)
    ]
    # Nothing promises the order of the request, so this is an order of the server's own.
    return json_reply(sorted(answer, key=lambda record: record["id"] or ""))


def _keys(body: bytes) -> list[str]:
    """Return the different enrichments a query asks about."""
    try:
        query = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise _QueryError("the body is not JSON") from None
    if not isinstance(query, dict) or set(query) != {"tasks"} or not isinstance(query["tasks"], list):
        raise _QueryError("the body must be an object with the array tasks and nothing else")
    if not 1 <= len(query["tasks"]) <= MAX_LANCE_QUERY:
        raise _QueryError(f"tasks must hold 1 to {MAX_LANCE_QUERY} elements")
    return list(dict.fromkeys(_key(task) for task in query["tasks"]))


def _key(task: Any) -> str:
    if not isinstance(task, dict) or not set(task) <= _MEMBERS:
        raise _QueryError("a task must hold entityId, field and at most entityType")
    entity_id, field = task.get("entityId"), task.get("field")
    entity_type = task.get("entityType", LanceEntityType.PERSON)
    if not isinstance(entity_id, str) or not _UUID.fullmatch(entity_id.lower()):
        raise _QueryError("entityId must be a UUID")
    if field not in list(LanceField):
        raise _QueryError(f"field must be one of: {', '.join(LanceField)}")
    if entity_type not in list(LanceEntityType):
        raise _QueryError(f"entityType must be one of: {', '.join(LanceEntityType)}")
    return f"{entity_id.lower()}|{field}|{entity_type}"


def _error(status: int, message: str) -> Reply:
    return Reply(status, lance_error(status, message))
