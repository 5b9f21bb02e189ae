"""Recording: one thread writes what was read, many small changes to a transaction.

Reading threads never wait for the disk, one commit carries what many of them brought, and the money
path's own writes always go first (``Ledger.write(patient=True)``).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import OperationalError

from openmart_lib.ledger import Ledger

log = logging.getLogger(__name__)
Then = Callable[[Exception | None], None]

MOST_ROWS: Final = 200  # of one transaction: a submission that waits for its turn waits some 30 ms


@dataclass(frozen=True, slots=True)
class _Change:
    make: Callable[[], object]
    then: Then
    rows: int


class Recorder:
    """Makes changes of the ledger in the order they are handed in. Shared by all threads of the worker."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def record(self, make: Callable[[], object], then: Then, *, rows: int = 1) -> None:
        """Have ``make()`` called in a write transaction; ``then`` is told the error, or None once committed.

        ``make`` may be called a second time when what it shared a transaction with failed. ``rows`` is
        about how many rows it writes.

        Raises:
            RuntimeError: If this computer cannot start a thread; nothing was handed in.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="record", daemon=True)
                thread.start()
                self._thread = thread
        self._queue.put(_Change(make, then, rows))

    def close(self) -> None:
        """End the thread after what has been handed in so far."""
        if self._thread is not None:
            self._queue.put(None)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, over = [first], False
            while sum(change.rows for change in group) < MOST_ROWS:
                try:
                    change = self._queue.get_nowait()
                except queue.Empty:
                    break
                if change is None:
                    over = True
                    break
                group.append(change)
            self._write(group)
            if over:
                return

    def _write(self, group: list[_Change]) -> None:
        error: Exception | None = None
        try:
            with self._ledger.write(patient=True):
                for change in group:
                    change.make()
        except Exception as failure:
            if len(group) > 1 and not isinstance(failure, OperationalError):
                for change in group:  # one that cannot be made must not take the others with it
                    self._write([change])
                return
            error = failure
        for change in group:
            try:
                change.then(error)
            except Exception:
                log.exception("what follows on a change failed")
