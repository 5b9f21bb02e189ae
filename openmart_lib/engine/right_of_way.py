"""Right of way: what is paid for goes first. The read of a task that has not begun waits a blink.

Python runs one thread at a time: beside the threads that read, a claim of a few milliseconds takes some tens
of them, and every slot that waits for one stands empty. This orders, it promises nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONGEST: Final = 0.1  # seconds that a read waits at most: a disk that hangs must not hold up the reads


class RightOfWay:
    """Taken by threads that go first, given by the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0  # threads that go first now
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Go first for the block. Several may do so at once."""
        with self._lock:
            self._ahead += 1
            self._free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._ahead -= 1
                if not self._ahead:
                    self._free.set()

    def give(self) -> None:
        """Return once nobody goes first, or after ``LONGEST``."""
        if not self._free.is_set():
            self._free.wait(LONGEST)
