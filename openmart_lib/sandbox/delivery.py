"""Answers on their way out: plain ones, and those a fault spoils, down to single bytes.

``Reply`` is what a route wants to say. :func:`perform` runs a route under the faults taken for a request,
and :func:`deliver` turns its reply into what really leaves.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from http.client import responses
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from openmart_lib.sandbox.faults import Fault, Taken

JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html"
_PAGE: Final = b"<!doctype html><title>Gateway</title><h1>The request could not be completed</h1>"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends a reset
_CHUNK: Final = b" " * 65536

ErrorBody = Callable[[int, str], bytes]  # an API's own way to say no: status, its words or "" -> body


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        """Whether the route did what was asked."""
        return self.status < 300

    def response(self) -> Response:
        """Return it for Starlette."""
        return Response(self.body, self.status, dict(self.headers), self.content_type)

    def on_the_wire(self, connection: str = "close") -> bytes:
        """Return it byte for byte, for faults that count or repeat bytes."""
        head = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in self.headers]
        head += [
            f"content-type: {self.content_type}",
            f"content-length: {len(self.body)}",
            f"connection: {connection}",
        ]
        return "\r\n".join((*head, "", "")).encode("latin-1") + self.body


def json_reply(content: Any, status: int = 200) -> Reply:
    """Return a value as a JSON answer."""
    return Reply(status, msgspec.json.encode(content))


async def perform(taken: Taken, act: Callable[[], Awaitable[Reply]], error_body: ErrorBody) -> Response:
    """Run a route under the faults taken for its request, and return what leaves."""
    if not taken:
        return (await act()).response()
    if fault := taken.get("slow"):
        await asyncio.sleep(fault["seconds"])
    if fault := taken.get("drop_before"):
        return dropped(fault)
    if fault := taken.get("redirect"):
        return Reply(fault["status"], b"", HTML_TYPE, (("location", fault["location"]),)).response()
    if fault := taken.get("status"):
        return _error(fault, error_body).response()
    if "not_found_once" in taken:
        return Reply(404, error_body(404, "")).response()
    return deliver(await act(), taken, error_body)


def deliver(reply: Reply, taken: Taken, error_body: ErrorBody) -> Response:
    """Return a reply as the faults leave it."""
    if fault := taken.get("answer_lost"):
        return _Raw(b"", reset=fault["reset"])
    if fault := taken.get("hang"):
        return _Raw(b"", first_wait=fault["seconds"])
    if reply.done:
        if fault := taken.get("status_created"):
            reply = _error(fault, error_body)
        else:
            reply = _spoiled(reply, taken)
    if fault := taken.get("cut_answer"):
        return _Raw(reply.on_the_wire()[: fault["at"]])
    if fault := taken.get("drip"):
        return _Raw(reply.on_the_wire(), over=fault["seconds"])
    if "answer_twice" in taken:
        return _Raw(2 * reply.on_the_wire("keep-alive"))
    if (fault := taken.get("huge")) and reply.done:
        return _huge(reply, fault)
    return reply.response()


def dropped(fault: Fault) -> Response:
    """Return the end of the connection, without a byte."""
    return _Raw(b"", reset=fault["reset"])


def _spoiled(reply: Reply, taken: Taken) -> Reply:
    """Return a good answer with another body or label."""
    if "invalid_json" in taken:
        return replace(reply, body=b"{batch_id: oops")
    if "truncated_json" in taken:
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    if "empty_body" in taken:
        return replace(reply, body=b"")
    if fault := taken.get("deep_json"):
        return replace(reply, body=b"[" * fault["depth"] + b"]" * fault["depth"])
    if fault := taken.get("wrong_content_type"):
        return replace(reply, body=_PAGE if fault["html"] else reply.body, content_type=HTML_TYPE)
    return reply


def _error(fault: Fault, error_body: ErrorBody) -> Reply:
    status = fault["status"]
    retry_after = fault.values.get("retry_after", "")
    headers = (("retry-after", retry_after),) if retry_after else ()
    if fault["html"]:
        return Reply(status, _PAGE, HTML_TYPE, headers)
    return Reply(status, error_body(status, fault["detail"]), JSON_TYPE, headers)


def _huge(reply: Reply, fault: Fault) -> Response:
    async def plain() -> AsyncIterator[bytes]:
        yield reply.body
        for start in range(0, fault["bytes"], len(_CHUNK)):
            yield _CHUNK[: fault["bytes"] - start]

    async def packed() -> AsyncIterator[bytes]:
        packer = zlib.compressobj(9, wbits=31)  # 31: gzip
        async for chunk in plain():
            yield packer.compress(chunk)
        yield packer.flush()

    if fault["gzip"]:
        return StreamingResponse(packed(), reply.status, {"content-encoding": "gzip"}, reply.content_type)
    length = str(len(reply.body) + fault["bytes"])
    return StreamingResponse(plain(), reply.status, {"content-length": length}, reply.content_type)


class _Raw(Response):
    """Bytes straight to the socket, around HTTP, and then the end of the connection."""

    def __init__(
        self, data: bytes, *, first_wait: float = 0.0, over: float = 0.0, reset: bool = False
    ) -> None:
        super().__init__()
        self._data = data
        self._first_wait = first_wait
        self._over = over
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait([gone], timeout=self._first_wait)
            await self._write(transport, gone)
            if self._reset:
                _reset(transport)
            transport.close()
            # The server takes a route that ends without an answer for a bug, unless the client has gone.
            await gone
        finally:
            gone.cancel()

    async def _write(self, transport: asyncio.Transport, gone: asyncio.Future[None]) -> None:
        if not self._over:
            transport.write(self._data)
            return
        for number in range(len(self._data)):
            transport.write(self._data[number : number + 1])
            await asyncio.wait([gone], timeout=self._over / len(self._data))
            if gone.done():
                return


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
