"""Files too large for a download button: served from disk, each under a random address that expires.

An address stands for one file and ends with its time, with the tab that asked for it, and with this
process; the file is deleted with it, so that contacts are not left behind.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

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
    """A file that can be fetched until ``expires`` (UTC seconds), under this ``name``, by its ``owner``."""

    path: Path
    name: str
    owner: str
    expires: float


class Offers:
    """The addresses of this process. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Offer] = {}

    def add(self, path: Path, name: str, owner: str, *, lifetime: float = LIFETIME) -> str:
        """Offer a file for so many seconds, then delete it; return its address.

        Args:
            name: What the file is called where it is saved.
            owner: Whose it is; ``withdraw`` ends all of an owner.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._known[token] = Offer(path, name, owner, time.time() + lifetime)
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


async def export_file(request: Request) -> Response:
    """Serve one prepared file as a download."""
    offer = OFFERS.find(request.path_params["token"])
    if offer is None:
        return PlainTextResponse(
            "This download has expired. Nothing is lost: open Results and prepare it again.", status_code=410
        )
    return FileResponse(offer.path, filename=offer.name, headers=_HEADERS)


ROUTES: Final = [Route(f"{_PATH}{{token}}", export_file)]
