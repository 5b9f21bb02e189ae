"""Clocks: tell a clock that was set from time that passed.

The time of day jumps when a person or a time server sets it. Elapsed time does not, and it runs on while the
computer sleeps; so what the two disagree about is by how much the time of day was set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

NOTICED: Final = 5.0  # seconds; less shortens or lengthens no wait that matters


def elapsed() -> float:
    """Return seconds since a fixed moment, those slept included."""
    # Where there is no such clock (macOS), the monotonic one of the C library counts sleep.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SetClock:
    """Notices that the time of day was set."""

    def __init__(
        self, wall: Callable[[], float] = lambda: time.time(), passed: Callable[[], float] = elapsed
    ) -> None:
        self._wall = wall
        self._passed = passed
        self._before = wall() - passed()

    def look(self) -> float:
        """Return by how many seconds the clock was set since the last look, 0.0 when it was not."""
        now = self._wall() - self._passed()
        by, self._before = now - self._before, now
        return by if abs(by) > NOTICED else 0.0
