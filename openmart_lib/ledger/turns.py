"""Turns: which thread may write next. What is patient waits until nobody else wants to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock for the threads of one process. Not reentrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self.waiting = 0  # threads that want a turn now; patient ones are not counted

    @contextmanager
    def take(self, *, patient: bool = False) -> Iterator[None]:
        """Wait for a turn and hold it for the block; a ``patient`` one comes after all others."""
        with self._changed:
            self.waiting += not patient
            try:
                self._changed.wait_for(lambda: not self._taken and not (patient and self.waiting))
            finally:
                self.waiting -= not patient
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
