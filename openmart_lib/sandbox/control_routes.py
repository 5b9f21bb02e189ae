"""The sandbox's own routes, for tests, demonstrations and other processes; no key is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.sandbox.delivery import json_reply
from openmart_lib.sandbox.fault_table import FAULTS
from openmart_lib.sandbox.faults import Fault
from openmart_lib.sandbox.journal import read_journal
from openmart_lib.sandbox.magic import MAGIC_DOMAINS
from openmart_lib.sandbox.simulation import Simulation
from openmart_lib.sandbox.traffic import ROUTES

CONTRACT: Final = "2026-11-reading-1"  # the version of the contract that is simulated
_BODIES_SHOWN: Final = 20


def control_routes(simulation: Simulation, state_dir: Path, instance: str) -> list[Route]:
    """Return ``/_sandbox/health``, ``journal``, ``requests`` and ``faults``."""

    async def health(_: Request) -> Response:
        speed = simulation.timing.speed
        return json_reply({"instance": instance, "version": CONTRACT, "speed": speed}).response()

    async def journal(request: Request) -> Response:
        now = simulation.clock()
        batches = simulation.store.batches
        answer: dict[str, Any] = {
            "batches": len(batches),
            "tasks": sum(map(len, batches.values())),
            "credits": sum(sum(batch.credits) for batch in batches.values()),
            "credits_spent": simulation.store.spent(now),
            "balance": simulation.store.balance(now),
        }
        if request.query_params.get("full") == "1":
            answer["created"] = await run_in_threadpool(read_journal, state_dir)
        return json_reply(answer).response()

    async def requests(request: Request) -> Response:
        try:
            last = max(0, int(request.query_params.get("last", _BODIES_SHOWN)))
        except ValueError:
            return json_reply({"detail": "last must be a whole number"}, 400).response()
        traffic = simulation.traffic
        bodies = {
            kind: [body.decode(errors="replace") for body in traffic.bodies(kind)[-last:] if last]
            for kind in Kind
        }
        counts = {route: traffic.requests(route) for route in ("submit", *ROUTES)}
        return json_reply({"requests": counts, "bodies": bodies}).response()

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            return await _add_fault(simulation, request)
        if request.method == "DELETE":
            number = request.query_params.get("number")
            if number is None:
                simulation.faults.clear()
            elif number.isdecimal():
                simulation.faults.remove(int(number))
        active = [_shown(fault) for fault in simulation.faults.active()]
        return json_reply({"active": active, "faults": dict(FAULTS), "domains": MAGIC_DOMAINS}).response()

    return [
        Route("/_sandbox/health", health),
        Route("/_sandbox/journal", journal),
        Route("/_sandbox/requests", requests),
        Route("/_sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
    ]


async def _add_fault(simulation: Simulation, request: Request) -> Response:
    """Switch a fault on: ``{"name": ..., "on": ..., "times": ..., "after": ..., its own values ...}``."""
    try:
        given = msgspec.json.decode(await request.body(), type=dict[str, Any])
        fault = simulation.faults.add(given.pop("name", ""), **given)
    except (msgspec.DecodeError, InputError, TypeError) as error:
        return json_reply({"detail": str(error)}, 400).response()
    return json_reply(_shown(fault), 201).response()


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "number": fault.number,
        "name": fault.name,
        "on": fault.on,
        "times": fault.times,
        "after": fault.after,
        "used": fault.used,
        **fault.values,
    }
