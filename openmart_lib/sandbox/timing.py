"""How long things take in the sandbox: real life divided by a speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from openmart_lib.api.wire import SUBMIT_SECONDS
from openmart_lib.errors import InputError

REAL_TASK_SECONDS: Final = (30.0, 130.0)  # ours: the duration of a batch is not documented
REAL_LANCE_SECONDS: Final = (60.0, 600.0)  # a Lance run takes at most 800 s (API README, "Limits")


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds, as the sandbox keeps them."""

    speed: float
    submit: float
    task: tuple[float, float]
    lance: tuple[float, float]

    @classmethod
    def at(
        cls,
        speed: float,
        *,
        submit_seconds: float | None = None,
        task_seconds: tuple[float, float] | None = None,
    ) -> Timing:
        """Divide real life by a speed; a duration given outright is taken as it is.

        Raises:
            InputError: If the speed is not positive or a duration is negative.
        """
        if not speed > 0:
            raise InputError(
                "The sandbox's speed must be greater than 0. Use 1 for real time, 13 for a demo."
            )
        submit = SUBMIT_SECONDS / speed if submit_seconds is None else submit_seconds
        low, high = task_seconds or (REAL_TASK_SECONDS[0] / speed, REAL_TASK_SECONDS[1] / speed)
        if submit < 0 or not 0 <= low <= high:
            raise InputError("A duration in the sandbox is negative or ends before it starts. Correct it.")
        lance = (REAL_LANCE_SECONDS[0] / speed, REAL_LANCE_SECONDS[1] / speed)
        return cls(speed, submit, (low, high), lance)
