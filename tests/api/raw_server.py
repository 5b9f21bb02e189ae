"""A server on a raw socket that does exactly what a test scripts, byte by byte, and records what it got."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Behaviour = Callable[[socket.socket, "Request", threading.Event], bool]
"""Answers one request; True keeps the connection open for the next."""


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class RawServer:
    """Listens on a free port; plays one behaviour per request, the last one for all that follow."""

    def __init__(
        self,
        *behaviours: Behaviour,
        tls: ssl.SSLContext | None = None,
        greet: Callable[[socket.socket], None] | None = None,
    ) -> None:
        self._behaviours = behaviours
        self._tls = tls
        self._greet = greet
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.requests: list[Request] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def count(self, expected: int) -> int:
        """How many requests arrived, once as many as expected have: a hasty client leaves before that."""
        limit = time.monotonic() + 60.0
        while len(self.requests) < expected and time.monotonic() < limit:
            time.sleep(0.005)
        return len(self.requests)

    def close(self) -> None:
        self._stopping.set()
        with self._lock:
            open_ones = [self._listener, *self._connections]
        for one in open_ones:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(60)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._greet is not None:
                self._greet(connection)
                return
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
            with reader:
                while (request := _read_request(reader)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        behaviour = self._behaviours[min(len(self.requests), len(self._behaviours)) - 1]
                    if not behaviour(connection, request, self._stopping):
                        return
        except (OSError, ValueError):
            pass  # the client went away, which is what many tests are about
        finally:
            connection.close()


def _read_request(reader: object) -> Request | None:
    line = reader.readline().decode("latin-1").split()  # type: ignore[attr-defined]
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while header := reader.readline().decode("latin-1").strip():  # type: ignore[attr-defined]
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
    return Request(line[0], line[1], headers, body)


def answer(status: int, body: object = None, **headers: str) -> bytes:
    """A whole HTTP answer; ``body`` is text or bytes as they are, anything else becomes JSON."""
    if isinstance(body, str):
        body = body.encode()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def reply(status: int, body: object = None, **headers: str) -> Behaviour:
    """Answer and keep the connection."""

    def behave(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        connection.sendall(answer(status, body, **headers))
        return True

    return behave


def send_and_close(data: bytes) -> Behaviour:
    """Send these bytes and close: an answer cut short."""

    def behave(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        connection.sendall(data)
        return False

    return behave


def drip(first: bytes, drops: bytes = b"x", every: float = 0.02) -> Behaviour:
    """Send ``first`` at once, then one byte at a time for ever."""

    def behave(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        connection.sendall(first)
        position = 0
        while not stopping.wait(every):
            connection.sendall(drops[position % len(drops) :][:1])
            position += 1
        return False

    return behave


def silence(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
    """Read the request and say nothing until the client hangs up."""
    connection.recv(1)
    return False


def reset(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
    """Read the request, then reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    return False


def break_tls(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
    """Read the whole request, then send what is no TLS: the client raises the error of a bad handshake."""
    with socket.socket(fileno=socket.dup(connection.fileno())) as below:
        below.sendall(b"this is no TLS record" * 10)
    return False


def tunnel_to(port: int) -> Behaviour:
    """Be a proxy: accept the CONNECT and relay."""

    def behave(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as target:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, connection), daemon=True)
            back.start()
            _pump(connection, target)
            back.join(60)
        return False

    return behave


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def babble(connection: socket.socket) -> None:
    """Greet a TLS client with what is no TLS: the handshake fails."""
    connection.recv(4096)
    connection.sendall(b"this is no TLS record" * 10)


def hang(connection: socket.socket) -> None:
    """Take a connection and never say a word in it: a handshake without end."""
    while connection.recv(4096):
        pass
