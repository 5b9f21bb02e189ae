"""Files too large for a download button: served from disk, each under a random address that expires.

An address stands for one file and ends with its time, with the tab that asked for it, and with this
process; the file is deleted with it, so that contacts are not left behind.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from openmart_lib.results.files import sweep

LIFETIME: Final = 900.0  # seconds a prepared file can be fetched; after that it is prepared again
_PATH: Final = "/api/exports/"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that can be fetched until ``expires`` (UTC seconds), under this ``name``, by its ``owner``.

    ``taken`` is called once, when its last byte was served.
    """

    path: Path
    name: str
    owner: str
    expires: float
    taken: Callable[[], object] | None = None


class Offers:
    """The addresses of this process. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Offer] = {}

    def add(
        self,
        path: Path,
        name: str,
        owner: str,
        *,
        lifetime: float = LIFETIME,
        taken: Callable[[], object] | None = None,
    ) -> str:
        """Offer a file for so many seconds, then delete it; return its address.

        Args:
            name: What the file is called where it is saved.
            owner: Whose it is; ``withdraw`` ends all of an owner.
            taken: Called once, when somebody has it.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._known[token] = Offer(path, name, owner, time.time() + lifetime, taken)
        timer = threading.Timer(lifetime, self._end, [token])
        timer.daemon = True
        timer.start()
        return f"{_PATH}{token}"

    def find(self, address: str) -> Offer | None:
        """Return what an address, or its last part, stands for; None where it expired or never was."""
        token = address.rsplit("/", 1)[-1]
        with self._lock:
            offer = self._known.get(token)
        if offer is not None and offer.expires <= time.time():  # the computer slept over the timer
            self._end(token)
            return None
        return offer if offer is not None and offer.path.is_file() else None

    def note_taken(self, address: str) -> None:
        """Call what is to be called once an offer was fetched, unless it was before."""
        token = address.rsplit("/", 1)[-1]
        with self._lock:
            offer = self._known.get(token)
            if offer is None or offer.taken is None:
                return
            self._known[token] = replace(offer, taken=None)
        offer.taken()

    def withdraw(self, owner: str) -> None:
        """End all addresses of an owner and delete their files."""
        with self._lock:
            mine = [token for token, offer in self._known.items() if offer.owner == owner]
        for token in mine:
            self._end(token)

    def end(self, address: str) -> None:
        """End an address and delete its file."""
        self._end(address.rsplit("/", 1)[-1])

    def _end(self, token: str) -> None:
        with self._lock:
            offer = self._known.pop(token, None)
        if offer is not None:
            offer.path.unlink(missing_ok=True)  # who is fetching it now still gets all of it


OFFERS: Final = Offers()


def sweep_exports(folder: Path, *, at_start: bool = False) -> int:
    """Delete prepared files that can no longer be fetched; return how many.

    Args:
        at_start: No address is known yet, so nothing finished can be fetched.
    """
    return sweep(folder, older_than=0.0 if at_start else 2 * LIFETIME, now=time.time())


class _Download(FileResponse):
    """A file that tells when its last byte was served to somebody who was still there."""

    def __init__(self, offer: Offer, taken: Callable[[], object]) -> None:
        super().__init__(offer.path, filename=offer.name, headers=_HEADERS)
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve all of it or the part that was asked for."""
        request, last = Request(scope, receive), False

        async def watched(message: Message) -> None:
            nonlocal last
            if message["type"] == "http.response.start":
                last = _ends_the_file(message)
            elif last and not message.get("more_body", False):
                last = not await request.is_disconnected()  # of an answer that is over it is always true
            await send(message)

        await super().__call__(scope, receive, watched)
        if last and request.method == "GET":
            await run_in_threadpool(self._taken)


def _ends_the_file(start: Message) -> bool:
    """Return whether an answer holds the last byte of the file: all of it, or a range up to its end."""
    ranges = [value.decode("latin-1") for name, value in start["headers"] if name == b"content-range"]
    if not ranges:
        return bool(start["status"] == 200)
    place, _, size = ranges[0].rpartition("/")
    return bool(start["status"] == 206) and place.endswith(f"-{int(size) - 1}")


async def export_file(request: Request) -> Response:
    """Serve one prepared file as a download; what is to be noted of it is noted when it was served."""
    token = request.path_params["token"]
    offer = OFFERS.find(token)
    if offer is None:
        return PlainTextResponse(
            "This download has expired. Nothing is lost: open Results and prepare it again.", status_code=410
        )
    return _Download(offer, partial(OFFERS.note_taken, token))


ROUTES: Final = [Route(f"{_PATH}{{token}}", export_file)]
