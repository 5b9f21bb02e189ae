"""What the sandbox was asked: requests per route since the start, and the last bodies of submissions."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError

ROUTES: Final = (*Kind, "status", "task_ids", "task", "balance", "lance")
BODIES_KEPT: Final = 500  # per kind


class Traffic:
    """Counters of one server; whether a request was good or not plays no part."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._bodies: dict[str, deque[bytes]] = {kind: deque(maxlen=BODIES_KEPT) for kind in Kind}

    def count(self, route: str) -> None:
        """Note one request."""
        self._counts[route] += 1

    def keep(self, kind: Kind, body: bytes) -> None:
        """Keep the body of a submission."""
        self._bodies[kind].append(body)

    def requests(self, route: str) -> int:
        """Return how many requests a route had; ``submit`` is all four submissions together.

        Raises:
            InputError: If there is no such route.
        """
        if route == "submit":
            return sum(self._counts[kind] for kind in Kind)
        if route not in ROUTES:
            raise InputError(f"There is no route {route!r}. Choose submit or one of: {', '.join(ROUTES)}.")
        return self._counts[route]

    def bodies(self, kind: str) -> list[bytes]:
        """Return the last bodies sent to a submit route, oldest first, those refused included.

        Raises:
            InputError: If there is no such kind.
        """
        if kind not in self._bodies:
            raise InputError(f"There is no kind {kind!r}. Choose one of: {', '.join(Kind)}.")
        return list(self._bodies[kind])
