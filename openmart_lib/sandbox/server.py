"""The sandbox itself: its application, and the class that runs it inside a test, a notebook or a process."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.sandbox.control_routes import control_routes
from openmart_lib.sandbox.delivery import json_reply
from openmart_lib.sandbox.faults import Faults
from openmart_lib.sandbox.folder import listening_socket, prepare_dir, write_port
from openmart_lib.sandbox.journal import CreatedBatch, read_journal
from openmart_lib.sandbox.lance_routes import lance_routes
from openmart_lib.sandbox.openmart_routes import openmart_routes
from openmart_lib.sandbox.serving import ServerThread
from openmart_lib.sandbox.simulation import Simulation
from openmart_lib.sandbox.store import Store
from openmart_lib.sandbox.timing import Timing
from openmart_lib.sandbox.traffic import Traffic
from openmart_lib.settings import DEFAULT_SANDBOX_SPEED

_NOT_RUNNING: Final = "This sandbox is not running. Start it, or use it in a with statement."


class Sandbox:
    """Both APIs on one address of this computer, for tests, notebooks and demonstrations.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. What was created stays in
    ``state_dir``; started again on the same folder it goes on, on the same port if that is still free.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        port: int = 0,
        speed: float = DEFAULT_SANDBOX_SPEED,
        host: str = "127.0.0.1",
        submit_seconds: float | None = None,
        task_seconds: tuple[float, float] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a sandbox; nothing is opened yet.

        Args:
            state_dir: Folder of the journal and the port file; None = a temporary one, removed on stop.
            port: The port to use; 0 = the one remembered in the folder, else a free one.
            speed: Divides every real duration: 1 is real time, 13 makes a submission take 2 s.
            submit_seconds: Duration of a submission, instead of 26 s / speed.
            task_seconds: Shortest and longest duration of a task, instead of 30 and 130 s / speed.
            clock: UTC seconds; what tasks and enrichments are timed by.
        Raises:
            InputError: If a duration makes no sense.
        """
        self._timing = Timing.at(speed, submit_seconds=submit_seconds, task_seconds=task_seconds)
        self._given_port, self._host, self._clock = port, host, clock
        self._cleanup = contextlib.ExitStack()
        self._traffic = Traffic()
        self._store: Store | None = None
        self._port = 0
        self._dir = state_dir
        self.faults = Faults(clock)

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the state and serve; return once requests are answered.

        Raises:
            ConfigError: If the folder or the host cannot be used, or another sandbox uses the folder.
        """
        if self._store is not None:
            raise InputError("This sandbox already runs. Stop it first.")
        with contextlib.ExitStack() as opened:
            if self._dir is None:
                folder = tempfile.TemporaryDirectory(prefix="openmart-sandbox-")
                self._dir = Path(opened.enter_context(folder))
                opened.callback(self._forget_dir)
            prepare_dir(self._dir)
            store = Store(self._dir, self._clock)
            opened.callback(store.close)
            listener = opened.enter_context(listening_socket(self._dir, self._host, self._given_port))
            simulation = Simulation(store, self.faults, self._timing, self._traffic, self._clock)
            server = ServerThread(_app(simulation, self._dir), listener)
            opened.callback(server.stop)
            server.start()
            self._port = listener.getsockname()[1]
            write_port(self._dir, self._port)
            self._store, self._cleanup = store, opened.pop_all()

    def stop(self) -> None:
        """Stop serving at once, cutting open connections; a sandbox that is not running stays so."""
        self._store = None
        self._cleanup.close()

    def _forget_dir(self) -> None:
        self._dir = None

    @property
    def state_dir(self) -> Path:
        """The folder of its journal and port file.

        Raises:
            InputError: If it is a temporary one and the sandbox is not running.
        """
        if self._dir is None:
            raise InputError(_NOT_RUNNING)
        return self._dir

    @property
    def url(self) -> str:
        """The address of both APIs, such as ``http://127.0.0.1:40123``.

        Raises:
            InputError: If the sandbox is not running.
        """
        if self._store is None:
            raise InputError(_NOT_RUNNING)
        return f"http://{self._host}:{self._port}"

    def journal(self) -> list[CreatedBatch]:
        """Return every batch ever created in this folder, oldest first."""
        return read_journal(self.state_dir)

    def created_tracking_ids(self) -> list[str]:
        """Return the tracking ids of all created tasks, in the order of creation, repeats included."""
        return [name for batch in self.journal() for name in batch.tracking_ids if name is not None]

    def requests(self, route: str) -> int:
        """Return how many requests a route had since this object was made.

        Args:
            route: ``submit`` (all four), a kind, ``status``, ``task_ids``, ``task``, ``balance``, ``lance``.
        Raises:
            InputError: If there is no such route.
        """
        return self._traffic.requests(route)

    def bodies(self, kind: Kind | str) -> list[bytes]:
        """Return the last 500 bodies sent to a submit route, oldest first, those refused included.

        Raises:
            InputError: If there is no such kind.
        """
        return self._traffic.bodies(kind)

    def credits_spent(self) -> int:
        """Return the credits charged so far: those of the tasks that have ended by now.

        Raises:
            InputError: If the sandbox is not running.
        """
        if self._store is None:
            raise InputError(_NOT_RUNNING)
        now = self._clock()
        return sum(batch.charged(now) for batch in list(self._store.batches.values()))


def _app(simulation: Simulation, state_dir: Path) -> Starlette:
    app = Starlette(
        routes=[
            *openmart_routes(simulation),
            *lance_routes(simulation),
            *control_routes(simulation, state_dir, instance=secrets.token_hex(8)),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    """Answer an unknown path or method the way Openmart words its refusals."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "error")
    return json_reply({"detail": detail}, status).response()
