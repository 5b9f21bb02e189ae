"""Public ids: what a run is called outside, and how a task's answer finds its way back."""

from __future__ import annotations

import re
import secrets
from typing import Final

RUN_ID_LENGTH: Final = 10
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lower case
_TRACKING_ID: Final = re.compile(rf"([a-z2-7]{{{RUN_ID_LENGTH}}})-([1-9][0-9]{{0,8}})")


def random_id(length: int = RUN_ID_LENGTH) -> str:
    """Return random base32 characters, 5 bits each: URL-safe, no personal data."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def tracking_id(run_id: str, task_no: int) -> str:
    """Return the tracking id sent with a task: the run's public id and the task's number."""
    return f"{run_id}-{task_no}"


def parse_tracking_id(text: str | None) -> tuple[str, int] | None:
    """Return (run id, task number) of a tracking id of ours, None for any other text."""
    match = _TRACKING_ID.fullmatch(text or "")
    return (match[1], int(match[2])) if match else None
