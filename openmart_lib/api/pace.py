"""Pace: so many requests per second over all threads, evenly spaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """One token every ``1 / rate`` seconds; whoever asks first is served first. Thread-safe.

    Tokens are not saved up while nobody asks: a burst after a pause would break a per-second limit.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set the pace.

        Args:
            rate: Tokens per second; 0 = no limit.
        Raises:
            ValueError: If ``rate`` is negative.
        """
        if not rate >= 0:
            raise ValueError("a rate is 0 (no limit) or more")
        self._spacing = 1.0 / rate if rate else 0.0
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = float("-inf")

    def take(self) -> None:
        """Block until a token is free, and take it."""
        if not self._spacing:
            return
        with self._lock:  # reserve a place in the line; wait for it outside the lock
            now = self._clock()
            place = max(now, self._next)
            self._next = place + self._spacing
        if place > now:
            self._sleep(place - now)
