"""How long a run still takes, told honestly: a rule of thumb first, then what was measured. No streamlit."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from openmart_lib.api.wire import SUBMIT_SECONDS
from openmart_lib.dashboard import words
from openmart_lib.ledger.states import BatchState


@dataclass(frozen=True, slots=True)
class Pace:
    """Time left in seconds, for its two phases; None = not known yet."""

    to_send: int  # batches not accepted yet
    with_openmart: int  # batches accepted and not collected
    sending_seconds: float  # until the last batch is accepted; 0 when all are
    openmart_seconds: float | None  # from now until the last batch is collected

    @property
    def left(self) -> str:
        """The time left in words, the unknown part named."""
        if self.openmart_seconds is not None:
            return f"about {words.duration(self.openmart_seconds)} left"
        if self.sending_seconds:
            return (
                f"{words.duration(self.sending_seconds)} to send; Openmart's own time is unknown "
                "until the first batch is back"
            )
        return "Openmart's own time is unknown until the first batch is back"

    @property
    def phase(self) -> str:
        """What is going on and what it asks of the reader."""
        if self.to_send:
            return f"Sending: keep this computer awake, about {words.duration(self.sending_seconds)}."
        if self.with_openmart:
            return (
                "Openmart is working: you may close the lid. Results are fetched when this computer is on "
                "and the dashboard runs."
            )
        return ""


def pace(batches: pl.DataFrame, *, now: float, lanes: int, speed: float = 1.0) -> Pace:
    """Return the time a run still takes.

    Args:
        batches: One row per batch, as ``ledger.queries.batches``.
        now: UTC seconds.
        lanes: Submissions at the same time.
        speed: How many times faster than life the sandbox is; 1 for the real API.
    """
    state = pl.col("state")
    waiting = batches.filter(state.is_in([BatchState.PLANNED, BatchState.SENDING])).height
    accepted = batches.filter(state == BatchState.ACCEPTED)
    per_submission = _median(batches, pl.col("answered_at") - pl.col("sent_at")) or SUBMIT_SECONDS / speed
    sending = -(-waiting // max(1, lanes)) * per_submission
    own_time = _median(
        batches.filter(state == BatchState.COLLECTED), pl.col("collected_at") - pl.col("answered_at")
    )
    if own_time is None:
        return Pace(waiting, accepted.height, sending, None)
    newest = accepted["answered_at"].max() if accepted.height else None
    of_accepted = max(1.0, float(newest) + own_time - now) if newest is not None else 0.0  # type: ignore[arg-type]  # Float64
    return Pace(waiting, accepted.height, sending, max(of_accepted, sending + own_time if waiting else 0.0))


def _median(frame: pl.DataFrame, length: pl.Expr) -> float | None:
    value = frame.select(length.cast(pl.Float64).median()).item() if frame.height else None
    return None if value is None else float(value)
