"""uvicorn in a thread of its own: starts at once, stops at once, and shows its routes the bare connection."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any, Final, cast

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from openmart_lib.errors import ConfigError

_KEEP_ALIVE: Final = 75  # seconds; long, so that a pooled connection is rarely closed under a request
_TURNS_TO_CONNECT: Final = 3  # of asyncio's loop, from accepting a connection to its protocol
_START_PATIENCE: Final = 10.0  # seconds


class _Protocol(H11Protocol):
    """uvicorn's HTTP, with the transport in ``scope["state"]`` so that a fault can cut it anywhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("openmart_lib.sandbox")
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """uvicorn without its clock ticks: it waits to be stopped, and then waits for nobody."""

    def __init__(self, config: uvicorn.Config, running: threading.Event) -> None:
        super().__init__(config)
        self._running = running
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Stop; only from the server's own event loop."""
        self._stopping.set()

    async def main_loop(self) -> None:
        self._running.set()
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for _ in range(_TURNS_TO_CONNECT):  # a connection just accepted is in no list yet
            await asyncio.sleep(0)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets every connection learn that it is gone
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ServerThread:
    """An ASGI application on a listening socket, served by a thread."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._app = _quiet(app)
        self._listener = listener
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="openmart-sandbox", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None

    def start(self) -> None:
        """Serve; return once connections are answered.

        Raises:
            ConfigError: If the server does not come up.
        """
        self._thread.start()
        if not self._running.wait(_START_PATIENCE):
            raise ConfigError("The sandbox's server did not start. Try again.")

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        if self._loop is not None and self._server is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join()

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._loop, self._server = asyncio.get_running_loop(), _Server(config, self._running)
        await self._server.serve(sockets=[self._listener])


def _quiet(app: ASGIApp) -> ASGIApp:
    """Let a request end silently when the server stops or its client hangs up half-way."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except (asyncio.CancelledError, ClientDisconnect):
            return

    return cast(ASGIApp, quiet)
