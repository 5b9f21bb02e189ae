"""A server quick enough to measure clients with: fixed JSON over keep-alive, after a wait. Not the sandbox.

A GET is answered with a finished task, a POST (Lance's query) with a finished record for each of its triples.
``quick_server`` starts it: ``python quick_server.py SECONDS_TO_WAIT`` prints its port and serves until
standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

PERSON: Final = {
    "first_name": "Ann",
    "last_name": "Lee",
    "title": "Owner",
    "linkedin_url": "https://www.linkedin.com/in/ann-lee-000",
    "email": {"email": "ann.lee@company.invalid", "verified": True},
    "phones": [{"phone_number": "+12015550123", "line_type": "MOBILE", "valid": True}],
}
FINISHED: Final = {
    "status": "finished",
    "dataFound": True,
    "error": None,
    "updatedAt": "2026-11-22T00:00:00.000Z",
}


@contextmanager
def quick_server(wait: float) -> Iterator[str]:
    """Serve from a process of its own; give its address."""
    command = [sys.executable, __file__, str(wait)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.stdin.close()
        server.stdout.close()
        server.wait(timeout=60)


def answer(head: bytes, body: bytes) -> bytes:
    """Return a finished task of some 600 bytes, or a finished record for each triple of a query."""
    if body:
        tasks = msgspec.json.decode(body)["tasks"]
        data = msgspec.json.encode([task | FINISHED | {"id": task["entityId"]} for task in tasks])
    else:
        task_id = head.split(b" ", 2)[1].rsplit(b"/", 1)[-1].decode()
        data = json.dumps(
            {
                "task_id": task_id,
                "status": "COMPLETED",
                "tracking_id": f"benchmark-{task_id}",
                "created_at": "2026-11-22T00:00:00Z",
                "data": [PERSON, PERSON],
            }
        ).encode()
    lines = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return lines.encode() + data


class Answering(asyncio.Protocol):
    """One connection: every request gets its answer after the wait, in order."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            _, found, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n", 1)[0]) if found else 0
            if len(rest) < size:
                return
            self._received = rest[size:]
            if self._wait:
                asyncio.get_running_loop().call_later(self._wait, self._answer, head, rest[:size])
            else:
                self._answer(head, rest[:size])

    def _answer(self, head: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer(head, body))


async def serve(wait: float) -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(wait), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
