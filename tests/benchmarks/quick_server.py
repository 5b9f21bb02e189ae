"""A server quick enough to measure clients with: fixed JSON over keep-alive, after a wait. Not the sandbox.

Run as ``python quick_server.py SECONDS_TO_WAIT``; prints its port and serves until standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

PERSON: Final = {
    "first_name": "Ann",
    "last_name": "Lee",
    "title": "Owner",
    "linkedin_url": "https://www.linkedin.com/in/ann-lee-000",
    "email": {"email": "ann.lee@company.invalid", "verified": True},
    "phones": [{"phone_number": "+12015550123", "line_type": "MOBILE", "valid": True}],
}


def answer(task_id: str) -> bytes:
    """Return a finished task of some 600 bytes."""
    body = json.dumps(
        {
            "task_id": task_id,
            "status": "COMPLETED",
            "tracking_id": f"benchmark-{task_id}",
            "created_at": "2026-11-22T00:00:00Z",
            "data": [PERSON, PERSON],
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


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
        """Answer each request that is complete; a GET has no body."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            task_id = head.split(b" ", 2)[1].rsplit(b"/", 1)[-1].decode()
            if self._wait:
                asyncio.get_running_loop().call_later(self._wait, self._answer, task_id)
            else:
                self._answer(task_id)

    def _answer(self, task_id: str) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer(task_id))


async def serve(wait: float) -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(wait), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
