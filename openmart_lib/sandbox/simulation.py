"""Everything the routes share: the state, the faults, the clock and the counters of one running sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from openmart_lib.sandbox.faults import Faults, Taken
from openmart_lib.sandbox.store import Store
from openmart_lib.sandbox.timing import Timing
from openmart_lib.sandbox.traffic import Traffic

_KEY: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Simulation:
    """One running sandbox."""

    store: Store
    faults: Faults
    timing: Timing
    traffic: Traffic
    clock: Callable[[], float]

    def now(self, taken: Taken) -> float:
        """Return the moment a read sees; the fault ``stuck`` holds it still."""
        now = self.clock()
        return min(now, taken["stuck"].added_at) if "stuck" in taken else now


def bearer(request: Request) -> str:
    """Return the token of ``Authorization: Bearer``, "" if there is none or no key looks like it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return usable(token) if scheme.lower() == "bearer" else ""


def usable(key: str) -> str:
    """Return a key if it is visible ASCII, else ""."""
    key = key.strip()
    return key if _KEY.fullmatch(key) else ""
