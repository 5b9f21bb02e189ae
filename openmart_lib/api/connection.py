"""Connections that know whether a byte of the request was handed to them.

The type of an exception does not tell: a server that read a whole submission and then broke TLS raises
the same error as a bad certificate, and only one of them may have cost credits. So the connection itself
keeps the record, in the ``Watch`` of the request it is sending.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from openmart_lib.api.deadline import CURRENT_WATCH, Watch

# Home routers drop a connection that is silent for half a minute, and a submission is: it waits 26 s.
_KEEP_ALIVE_AFTER: Final = 15  # seconds

NEVER_AGAIN: Final = Retry(
    total=0, connect=0, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False
)


class WatchedConnection(HTTPConnection):
    """An HTTP connection that records, in the current watch, when the request itself is handed over."""

    debuglevel = 0  # whatever http.client is set to: its debug output prints the key
    _watch: Watch | None = None
    _connecting = False

    def _new_conn(self) -> socket.socket:
        watch = CURRENT_WATCH.get()
        if watch.handed_over:
            raise ConnectionError("a request is handed to one connection and never to a second")
        sock = super()._new_conn()
        try:
            _keep_alive(sock)
            watch.follow(sock)
        except BaseException:
            sock.close()
            raise
        self._watch = watch
        return sock

    def connect(self) -> None:
        """Open the connection; what is sent until it is open (CONNECT, handshake) is not the request."""
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False
        CURRENT_WATCH.get().check()

    def _tunnel(self) -> None:
        super()._tunnel()  # it takes an answer cut by the deadline for a whole one
        CURRENT_WATCH.get().check()

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        """Begin a request; on a connection used before, the new request's watch takes over."""
        watch = CURRENT_WATCH.get()
        if self.sock is not None and self._watch is not watch:
            watch.follow(self.sock)
            self._watch = watch
        super().putrequest(method, url, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding)

    def send(self, data: Any) -> None:
        """Send bytes, and record it first when they belong to the request."""
        if self.sock is None:
            self.connect()
        if not self._connecting:
            watch = CURRENT_WATCH.get()
            watch.handed_over = True
            # urllib3 would allow a slow upload only the seconds meant for connecting.
            self.sock.settimeout(watch.read_timeout)
        super().send(data)

    def leave(self) -> None:
        """End the watch of the request that used this connection: the next one is somebody else's."""
        if self._watch is not None:
            self._watch.end()
            self._watch = None


class WatchedTLSConnection(WatchedConnection, HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        """Open the connection, and make sure that there is TLS on it.

        ssl wraps a connection that was lost a moment ago without a handshake and without an error.
        """
        super().connect()
        version = getattr(self.sock, "version", None)
        if version is None or version() is None:
            raise ConnectionResetError("the connection was lost before the TLS handshake")


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
    if idle is not None:
        sock.setsockopt(socket.IPPROTO_TCP, idle, _KEEP_ALIVE_AFTER)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = WatchedConnection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.leave()
        super()._put_conn(conn)


class _WatchedTLSPool(_WatchedPool, HTTPSConnectionPool):
    ConnectionCls = WatchedTLSConnection


class WatchedAdapter(HTTPAdapter):
    """Sends to one server, directly or through one proxy, and never by itself a second time.

    What requests works out anew for each request (the pool, the form of the address, cookies) is the same
    for all of one server's, or not wanted: without it a read costs two thirds of the processor time.
    """

    def __init__(self, connections: int) -> None:
        self._pool: Any = None
        super().__init__(
            pool_connections=1, pool_maxsize=connections, max_retries=NEVER_AGAIN, pool_block=True
        )

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, of our own connection classes."""
        super().init_poolmanager(*args, **kwargs)
        _use_watched_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make a proxy's pools, of our own connection classes too."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_watched_pools(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the one server's pool."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Return path and query: https goes through a tunnel, and http only to this computer."""
        return "/" + str(request.url).split("/", 3)[3]  # a prepared address: it has a path and no fragment

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Wrap an answer: no cookie is kept, and the request with our key does not travel along."""
        response = Response()
        response.status_code = resp.status
        response.headers = resp.headers  # as indifferent to case as requests' own
        response.raw = resp
        return response

    def close(self) -> None:
        """Close the connections that are not in use."""
        super().close()
        self._pool = None


def _use_watched_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTLSPool}
