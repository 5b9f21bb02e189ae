"""Lance's query, quick enough to measure clients with: every triple is found, after a wait. Not the sandbox.

Run as ``python quick_lance.py SECONDS_TO_WAIT``; prints its port and serves until standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec


def answer(body: bytes) -> bytes:
    """Return a finished record for each triple of a query."""
    said = {"status": "finished", "dataFound": True, "error": None, "updatedAt": "2026-11-22T00:00:00.000Z"}
    records = [task | said | {"id": task["entityId"]} for task in msgspec.json.decode(body)["tasks"]]
    data = msgspec.json.encode(records)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


async def serve(wait: float) -> None:
    """Serve until standard input closes."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                await asyncio.sleep(wait)
                writer.write(answer(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
