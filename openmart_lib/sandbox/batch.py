"""A created batch: what its tasks end with, and when, computed from its id and the clock alone.

Nothing runs in the background: a task is PROCESSING until its own duration has passed since the batch was
created, and then it is what the world says. So the state needs no timers and survives any restart.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from openmart_lib.api.wire import BatchCounts, Kind, TaskStatus

RESERVED_SHARE = 0.25  # of the worst case, while a task runs; "part is reserved at submit" (API README)

_LETTERS = {
    "P": TaskStatus.PROCESSING,
    "C": TaskStatus.COMPLETED,
    "E": TaskStatus.ERRORED,
    "X": TaskStatus.CANCELLED,
}
LETTER_OF = {status: letter for letter, status in _LETTERS.items()}
_ID_LENGTH = 36
_NUMBER_LENGTH = 4  # hexadecimal digits at the end of a task id


@dataclass(slots=True)
class Batch:
    """One accepted submission. Times are UTC seconds, money is credits."""

    batch_id: str
    kind: Kind
    team: str
    created_at: float
    window: tuple[float, float]  # shortest and longest duration of a task, seconds
    endings: str  # one letter per task: C completed, E errored, X cancelled, P never ends
    credits: bytes  # per task, due when it ends
    worst: bytes  # per task, the most it could have cost
    ends: array[float] = field(init=False)  # per task, infinity for never

    def __post_init__(self) -> None:
        low, high = self.window
        noise = hashlib.shake_256(self.batch_id.encode()).digest(2 * len(self.endings))
        self.ends = array(
            "d",
            (
                math.inf
                if letter == "P"
                else self.created_at + low + (high - low) * (noise[2 * i] << 8 | noise[2 * i + 1]) / 65536
                for i, letter in enumerate(self.endings)
            ),
        )

    def __len__(self) -> int:
        return len(self.endings)

    def task_id(self, index: int) -> str:
        """Return the id of a task. Like the real ones it only looks like a UUID."""
        return join_task_id(self.batch_id, index)

    def status(self, index: int, now: float) -> TaskStatus:
        """Return what a task is at a moment."""
        return _LETTERS[self.endings[index]] if self.ends[index] <= now else TaskStatus.PROCESSING

    def counts(self, now: float) -> BatchCounts:
        """Return the counters at a moment; cancelled tasks are in none but ``total``."""
        ended = [letter for letter, end in zip(self.endings, self.ends, strict=True) if end <= now]
        processing = len(self) - len(ended)
        return {
            "processing": processing,
            "completed": ended.count("C"),
            "errored": ended.count("E"),
            "total": len(self),
            "batch_ready": processing == 0,
        }

    def in_listing_order(self) -> Iterator[int]:
        """Yield the tasks' indexes in the order they end, not the order they were sent in."""
        return iter(sorted(range(len(self)), key=self.ends.__getitem__))

    def charged(self, now: float) -> int:
        """Return the credits charged by a moment."""
        return sum(due for due, end in zip(self.credits, self.ends, strict=True) if end <= now)

    def reserved(self, now: float) -> int:
        """Return the credits held back for tasks that still run, rounded up."""
        running = sum(most for most, end in zip(self.worst, self.ends, strict=True) if end > now)
        return math.ceil(RESERVED_SHARE * running)

    def settled(self, now: float) -> bool:
        """Return whether every task has ended, so that its money no longer changes."""
        return all(end <= now for end in self.ends)


def join_task_id(batch_id: str, index: int) -> str:
    """Return the id of the task at an index of a batch; ``split_task_id`` takes it apart."""
    return f"{batch_id[:-_NUMBER_LENGTH]}{index + 1:0{_NUMBER_LENGTH}x}"


def split_task_id(task_id: str) -> tuple[str, int] | None:
    """Return the batch id and the index that a task id stands for, None if it cannot be one."""
    if len(task_id) != _ID_LENGTH:
        return None
    try:
        number = int(task_id[-_NUMBER_LENGTH:], 16)
    except ValueError:
        return None
    return f"{task_id[:-_NUMBER_LENGTH]}{0:0{_NUMBER_LENGTH}x}", number - 1


def new_batch_id(noise: bytes) -> str:
    """Return a batch id made of 12 random bytes."""
    text = noise.hex()
    return f"{text[:8]}-{text[8:12]}-0000-8000-{text[12:20]}0000"
