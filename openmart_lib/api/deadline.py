"""The total deadline of a request: a timer that shuts its socket, because requests has none.

A read timeout starts anew with every byte, so an answer dripped byte by byte would hold a thread for
ever. Here every request has a ``Watch``; one background thread shuts the sockets of those whose time is
up, which wakes whatever was waiting on them.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from contextvars import ContextVar
from typing import Final


class Watch:
    """One request: whether a byte of it was handed over, and the connection to shut when time is up.

    It shuts a *duplicate* of the connection's descriptor. Only this object closes the duplicate, and only
    under its lock, so the number can never have become another connection's by the time it is shut.

    Attributes:
        handed_over: A byte of the HTTP request was given to the connection. Those of a proxy's CONNECT
            and of a TLS handshake do not count.
        expired: The deadline passed while the request was under way.
        read_timeout: Seconds to wait for the next byte, kept here for the sending side too.
    """

    __slots__ = ("_descriptor", "_ended", "_lock", "expired", "handed_over", "read_timeout")

    def __init__(self, read_timeout: float) -> None:
        self.handed_over = False
        self.expired = False
        self.read_timeout = read_timeout
        self._lock = threading.Lock()
        self._descriptor = -1
        self._ended = False

    def follow(self, sock: socket.socket) -> None:
        """Take charge of the connection this request uses.

        Raises:
            TimeoutError: If the deadline has passed already.
        """
        with self._lock:
            self._drop()
            self.check()
            self._descriptor = os.dup(sock.fileno())

    def check(self) -> None:
        """Raise TimeoutError if the deadline has passed: nothing may be sent any more."""
        if self.expired:
            raise TimeoutError("the deadline has passed")

    def end(self) -> None:
        """Let go of the connection: it is closed, or about to serve another request."""
        with self._lock:
            self._ended = True
            self._drop()

    def expire(self) -> None:
        """Shut the connection, unless the request has ended."""
        with self._lock:
            if self._ended:
                return
            self.expired = True
            if self._descriptor >= 0:
                # The family is not used by shutdown; naming it saves asking a connection that may be gone.
                duplicate = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=self._descriptor)
                self._descriptor = -1
                # An error means that the other side was faster: there is nothing left to shut.
                with duplicate, contextlib.suppress(OSError):
                    duplicate.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Deadlines:
    """A thread that expires watches at their time; it sleeps while none is due."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Watch, float] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch, seconds: float) -> None:
        """Expire ``watch`` in so many seconds."""
        when = time.monotonic() + seconds
        with self._changed:
            self._due[watch] = when
            if self._thread is None or not self._thread.is_alive():  # not alive: after a fork
                self._thread = threading.Thread(target=self._run, name="openmart-deadlines", daemon=True)
                self._thread.start()
            if when < self._wakes_at:
                self._wakes_at = when
                self._changed.notify()

    def remove(self, watch: Watch) -> None:
        """Forget ``watch``; it is never expired after this returns."""
        with self._changed:
            self._due.pop(watch, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for watch in [watch for watch, when in self._due.items() if when <= now]:
                    del self._due[watch]
                    watch.expire()
                self._wakes_at = min(self._due.values(), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


DEADLINES: Final = Deadlines()
CURRENT_WATCH: Final[ContextVar[Watch]] = ContextVar("openmart_lib.api.watch")
"""The watch of the request this thread is sending; connections look it up."""
