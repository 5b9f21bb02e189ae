"""Collect: list a batch's tasks, read the ones not stored yet, store them as they come.

Reads run on the shared read executor, a hundred answers are stored in one transaction, and nothing waits
in a thread of its own: the last read to come back finishes the batch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor

from openmart_lib.api.wire import FINAL_TASK_STATUSES, BatchCounts, TaskAnswer
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.reading import Reader
from openmart_lib.errors import NotFoundError, OpenmartError, RefusedError
from openmart_lib.ledger import Ledger, answers
from openmart_lib.ledger.answers import DueBatch

log = logging.getLogger(__name__)
STORE_EVERY = 100  # tasks per transaction


def list_tasks(ledger: Ledger, read: Reader, due: DueBatch) -> None:
    """List a batch's task ids without a filter, and per final status when ids are fewer than tasks sent.

    Raises:
        OpenmartError: If the read failed.
    """
    found = set(read(lambda client: client.task_ids(due.batch_id)))
    if len(found) < due.task_count:
        for status in sorted(FINAL_TASK_STATUSES):
            try:
                found |= set(_by_status(read, due.batch_id, status))
            except (RefusedError, NotFoundError):
                break  # this server does not know the filter; the whole list is all there is
    answers.store_listing(ledger, due.pk, sorted(found))


class Collection:
    """One round of reading a batch's tasks. ``start`` returns at once; ``done`` is called at the end."""

    def __init__(
        self,
        ledger: Ledger,
        read: Reader,
        due: DueBatch,
        counts: BatchCounts,
        *,
        pacing: Pacing,
        done: Callable[[DueBatch], None],
    ) -> None:
        self._ledger = ledger
        self._read = read
        self._due = due
        self._counts = counts
        self._pacing = pacing
        self._done = done
        self._lock = threading.Lock()
        self._buffer: list[TaskAnswer] = []
        self._outstanding = 0
        self._unsettled = 0  # tasks that could not be read, or that the server has not finished

    @property
    def outstanding(self) -> int:
        """Reads not back yet."""
        return self._outstanding

    def start(self, executor: Executor) -> None:
        """Hand one read per task that is not stored yet to the executor."""
        wanted = answers.unfetched(self._ledger, self._due.pk)
        self._outstanding = len(wanted)
        if not wanted:
            self._finish()
            return
        for task_id in wanted:
            executor.submit(self._fetch, task_id)

    def _fetch(self, task_id: str) -> None:
        answer: TaskAnswer | None = None
        try:
            if not self._read.breaker.is_open:
                answer = self._read(lambda client: client.task(task_id))
        except OpenmartError as error:
            log.info("a task could not be read (%s)", type(error).__name__)
        except Exception:
            log.exception("reading a task failed")
        self._arrived(answer)

    def _arrived(self, answer: TaskAnswer | None) -> None:
        full: list[TaskAnswer] = []
        with self._lock:
            self._outstanding -= 1
            if answer is not None and answer["status"] in FINAL_TASK_STATUSES:
                self._buffer.append(answer)
            else:
                self._unsettled += 1
            last = self._outstanding == 0
            if last or len(self._buffer) >= STORE_EVERY:
                full, self._buffer = self._buffer, []
        try:
            answers.store_answers(self._ledger, self._due.pk, full)
        except Exception:
            # Nothing is lost: what is not stored is listed as not fetched and read again.
            log.exception("answers could not be stored")
        if last:
            self._finish()

    def _finish(self) -> None:
        try:
            if not answers.finish_if_complete(self._ledger, self._due.pk):
                self._give_up_on_missing()
        except Exception:
            log.exception("a batch could not be finished")
        finally:
            self._done(self._due)

    def _give_up_on_missing(self) -> None:
        """Call tasks missing whose batch has long been ready, with nothing left that could still come."""
        due, now = self._due, self._ledger.now()
        waited = (
            due.ready_at is not None and now - max(due.ready_at, due.changed_at) > self._pacing.missing_after
        )
        if self._counts["batch_ready"] and self._unsettled == 0 and waited:
            answers.mark_missing(self._ledger, due.pk, by_person=False)


def _by_status(read: Reader, batch_id: str, status: str) -> list[str]:
    return read(lambda client: client.task_ids(batch_id, status=status))
