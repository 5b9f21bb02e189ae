"""Pacing: the engine's waits in one place, shorter on the sandbox, where time runs faster."""

from __future__ import annotations

from dataclasses import dataclass

from openmart_lib.settings import Settings


@dataclass(frozen=True)
class Pacing:
    """Waits in seconds, as they are on the real API."""

    outage_backoff: float = 30.0  # after an unknown submission, doubling
    first_poll: float = 20.0  # until a typical duration has been seen
    longest_first_poll: float = 300.0  # a typical duration may have a night's sleep in it
    min_poll: float = 5.0
    max_poll: float = 30.0
    missing_after: float = 600.0  # a ready batch whose lists stay without a task
    stall_after: float = 1200.0  # no change at all: a person should look
    probe_every: float = 5.0  # between reads, in all, while the server does not answer
    balance_every: float = 60.0  # between looks at the balance while something is under way

    @classmethod
    def of(cls, settings: Settings) -> Pacing:
        """Return the waits for these settings."""
        if not settings.simulated:
            return cls(stall_after=settings.stall_after)
        speed = settings.sandbox_speed
        return cls(  # the floors keep a fast sandbox from being asked without pause
            outage_backoff=max(0.2, cls.outage_backoff / speed),
            first_poll=max(0.05, cls.first_poll / speed),
            longest_first_poll=max(0.5, cls.longest_first_poll / speed),
            min_poll=max(0.05, cls.min_poll / speed),
            max_poll=max(0.2, cls.max_poll / speed),
            missing_after=max(1.0, cls.missing_after / speed),
            stall_after=settings.effective_stall_after,
            probe_every=max(0.2, cls.probe_every / speed),
            balance_every=max(0.5, cls.balance_every / speed),
        )
