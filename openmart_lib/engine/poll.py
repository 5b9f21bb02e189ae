"""Poll: when to ask a batch for its counters, and when it has stood still for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from openmart_lib.engine.pacing import Pacing
from openmart_lib.ledger import Ledger, answers
from openmart_lib.ledger.answers import DueBatch

REMEMBERED: Final = 1.0  # seconds that a run's typical duration is not asked for again


class TypicalDurations:
    """How long batches of a run take from acceptance to ready, as far as seen. Shared by all threads."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, tuple[float, float | None]] = {}

    def of(self, due: DueBatch) -> float | None:
        """Return the seconds that are typical for the batch's run, None if none is ready yet."""
        with self._lock:
            asked_at, typical = self._known.get(due.run_pk, (float("-inf"), None))
        if self._clock() - asked_at > REMEMBERED:
            typical = answers.typical_duration(self._ledger, due.pk)
            with self._lock:
                self._known[due.run_pk] = (self._clock(), typical)
        return typical


def first_wait(typical: float | None, pacing: Pacing) -> float:
    """Return the seconds from acceptance to the first question: a little before the typical duration."""
    if typical is None:
        return pacing.first_poll
    return min(pacing.longest_first_poll, max(pacing.min_poll, 0.8 * typical))


def wait(due: DueBatch, typical: float | None, pacing: Pacing, now: float) -> float:
    """Return the seconds until a batch is asked again: often around the typical duration, then ever less."""
    age = max(0.0, now - due.accepted_at)
    if typical is not None and age < typical:
        return min(pacing.max_poll, max(pacing.min_poll, typical - age))
    quiet = max(0.0, now - max(due.changed_at, due.accepted_at))
    return min(pacing.max_poll, max(pacing.min_poll, quiet / 4))


def is_stalled(due: DueBatch, pacing: Pacing, now: float) -> bool:
    """Return whether nothing about this batch has changed for so long that a person should look."""
    return now - due.changed_at > pacing.stall_after
