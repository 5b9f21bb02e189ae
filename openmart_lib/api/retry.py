"""When to try again: the policy for reads, the Retry-After header, and the breaker.

Only decisions; ``transport`` sleeps and sends. A submission is never repeated, so nothing here is asked
about one.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from openmart_lib.errors import (
    InvalidAnswerError,
    NoAnswerError,
    OpenmartError,
    RateLimitedError,
    ServerError,
)

MAX_RETRY_AFTER: Final = 10 * 365.25 * 86_400  # seconds; longer is a mistake, and would overflow a date
# 408 is a server or gateway that gave up waiting for us: as passing as a 504.
TRANSIENT_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a read is tried, and after how many seconds.

    Attributes:
        max_attempts: Tries in all; 1 = no repeat.
        base_wait: Seconds the first wait may last at most; doubled with every further try.
        max_backoff: Seconds a wait of our own choice never exceeds.
        max_wait: Longest Retry-After, in seconds, that is waited out; a longer one ends the tries.
    """

    max_attempts: int = 4
    base_wait: float = 0.5
    max_backoff: float = 20.0
    max_wait: float = 300.0

    def wait(
        self,
        attempt: int,
        *,
        retry_after: float | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Return the seconds to wait after try number ``attempt`` (1-based), or None to give up.

        Full jitter: anything between 0 and the doubling limit, so that many clients do not return
        together. ``retry_after`` is a floor: the jitter comes on top and it is never shortened.
        """
        if attempt >= self.max_attempts:
            return None
        floor = retry_after or 0.0
        if floor > self.max_wait:
            return None
        return floor + uniform(0.0, min(self.max_backoff, self.base_wait * 2.0 ** min(attempt - 1, 60)))


DEFAULT_RETRY: Final = RetryPolicy()


def is_transient(error: OpenmartError) -> bool:
    """Return whether the same read may go well in a moment."""
    if isinstance(error, ServerError):
        return error.status in TRANSIENT_STATUSES
    return isinstance(error, NoAnswerError | InvalidAnswerError | RateLimitedError)


def parse_retry_after(text: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header as seconds from ``now``.

    Returns:
        Seconds; 0.0 for a date in the past; None when absent, negative or neither whole seconds nor a
        date. Absurdly far ones become ten years.
    Source: RFC 9110, 10.2.3.
    """
    text = (text or "").strip(" \t")
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), MAX_RETRY_AFTER)
    if not re.match(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)", text):
        return None  # every form of an HTTP date begins with the day; the parser below is more lenient
    try:
        moment = parsedate_to_datetime(text)
        return min(max(0.0, (_as_utc(moment) - _as_utc(now)).total_seconds()), MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


class Breaker:
    """Stops asking a server that is down: one shared by all reads of an account. Thread-safe.

    Closed, everything is allowed. ``threshold`` transient failures in a row open it; then one probe is
    allowed every ``probe_every`` seconds, over all threads, until one succeeds.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        probe_every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._probe_every = probe_every
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether reads are held back."""
        with self._lock:
            return self._is_open()

    def allow(self) -> bool:
        """Return whether a read may be sent now; while open, True is a probe."""
        with self._lock:
            if not self._is_open():
                return True
            now = self._clock()
            if now < self._next_probe:
                return False
            self._next_probe = now + self._probe_every
            return True

    def success(self) -> bool:
        """Note a success (any answer of the server's that is no outage); True when this closed it."""
        with self._lock:
            was_open = self._is_open()
            self._failures = 0
            return was_open

    def failure(self) -> None:
        """Note a transient failure."""
        with self._lock:
            self._failures += 1
            if self._failures == self._threshold:
                self._next_probe = self._clock() + self._probe_every

    def _is_open(self) -> bool:
        return self._failures >= self._threshold
