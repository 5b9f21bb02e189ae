"""A gate for answers: what a test does "while the answer is on its way" happens then, however slow the machine is."""

from __future__ import annotations

import threading
from typing import Any

from engine_rig import PATIENT, Rig

from openmart_lib.engine.clients import Clients


class Gate:
    """Clients whose answers to one method, once the server has given them, wait until the gate is open."""

    def __init__(self, clients: Clients, method: str) -> None:
        self._clients, self._method = clients, method
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def for_submissions(self) -> Any:
        return _Gated(self._clients.for_submissions(), self._method, self._open)

    def for_reads(self) -> Any:
        return _Gated(self._clients.for_reads(), self._method, self._open)

    def close(self) -> None:
        self._clients.close()


class _Gated:
    def __init__(self, client: Any, method: str, is_open: threading.Event) -> None:
        self._client, self._method, self._is_open = client, method, is_open

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def gated(*given: Any, **named: Any) -> Any:
            try:
                return real(*given, **named)
            finally:
                self._is_open.wait(PATIENT)

        return gated


def gate(rig: Rig, method: str, **changes: Any) -> Gate:
    """Begin again with a worker whose answers to this method of the client wait behind a shut gate."""
    rig.clients = Gate(rig.clients, method)
    rig.restart_worker(**changes)
    return rig.clients  # type: ignore[no-any-return]  # the rig takes any clients
