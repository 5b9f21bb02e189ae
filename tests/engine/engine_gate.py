"""A gate for answers: what a test does "while the answer is on its way" happens then, however slow the machine is."""

from __future__ import annotations

import math
import threading
from typing import Any

from engine_rig import PATIENT, Rig

from openmart_lib.engine.clients import Clients


class Gate:
    """Clients whose answers to one method, once the server has given them, wait until the gate is open."""

    def __init__(self, clients: Clients, method: str) -> None:
        self._clients, self._method = clients, method
        self._moved = threading.Condition()
        self._left = 0.0  # answers that may still pass

    def open(self, answers: float = math.inf) -> None:
        """Let so many answers pass, those that wait already the first of them."""
        with self._moved:
            self._left = answers
            self._moved.notify_all()

    def pass_through(self) -> None:
        """Wait for leave to pass."""
        with self._moved:
            self._moved.wait_for(lambda: self._left > 0, PATIENT)
            self._left -= 1

    def for_submissions(self) -> Any:
        return _Gated(self._clients.for_submissions(), self._method, self)

    def for_reads(self) -> Any:
        return _Gated(self._clients.for_reads(), self._method, self)

    def close(self) -> None:
        self._clients.close()


class _Gated:
    def __init__(self, client: Any, method: str, gate: Gate) -> None:
        self._client, self._method, self._gate = client, method, gate

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def gated(*given: Any, **named: Any) -> Any:
            try:
                return real(*given, **named)
            finally:
                self._gate.pass_through()

        return gated


def gate(rig: Rig, method: str, **changes: Any) -> Gate:
    """Begin again with a worker whose answers to this method of the client wait behind a shut gate."""
    rig.clients = Gate(rig.clients, method)
    rig.restart_worker(**changes)
    return rig.clients  # type: ignore[no-any-return]  # the rig takes any clients
