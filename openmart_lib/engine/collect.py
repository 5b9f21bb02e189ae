"""Collect: list a batch's tasks, read the ones not stored yet, store them as they come.

Reads run on the shared read executor, a hundred answers are stored in one transaction, and nothing waits
in a thread of its own: the last read to come back finishes the batch.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api.wire import FINAL_TASK_STATUSES, TaskAnswer
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.reading import Reader
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    NotFoundError,
    OpenmartError,
    RefusedError,
    WrongAddressError,
)
from openmart_lib.ledger import Ledger, answers
from openmart_lib.ledger.answers import DueBatch

log = logging.getLogger(__name__)
STORE_EVERY = 100  # tasks per transaction


def list_tasks(ledger: Ledger, read: Reader, due: DueBatch) -> bool:
    """List a batch's task ids without a filter, and per final status when ids are fewer than tasks sent.

    What was listed is stored even when a filtered list fails. Returns whether every list came through.

    Raises:
        OpenmartError: If the list without a filter could not be read.
    """
    found = set(read(lambda client: client.task_ids(due.batch_id)))
    complete = True
    if len(found) < due.task_count:
        for status in sorted(FINAL_TASK_STATUSES):
            try:
                found |= set(_by_status(read, due.batch_id, status))
            except (RefusedError, NotFoundError, WrongAddressError):
                break  # this server does not know the filter; the whole list is all there is
            except (AuthError, BannedError, CreditsError):
                raise
            except OpenmartError as error:
                log.info("a filtered list could not be read (%s)", type(error).__name__)
                complete = False
                break
    answers.store_listing(ledger, due.pk, sorted(found))
    return complete


class Collection:
    """One round of reading a batch's tasks. ``start`` returns at once; ``done`` is called at the end.

    ``sure`` says that the batch is ready and every list of its tasks came through: only then may a task
    that is in none of them be called missing.
    """

    def __init__(
        self,
        ledger: Ledger,
        read: Reader,
        due: DueBatch,
        *,
        sure: bool,
        pacing: Pacing,
        done: Callable[[DueBatch], None],
    ) -> None:
        self._ledger = ledger
        self._read = read
        self._due = due
        self._sure = sure
        self._pacing = pacing
        self._done = done
        self._lock = threading.Lock()
        self._buffer: list[TaskAnswer] = []
        self._outstanding = 0

    @property
    def outstanding(self) -> int:
        """Reads whose answer is not stored yet."""
        return self._outstanding

    def start(self, executor: Executor) -> None:
        """Hand one read per task that is not stored yet to the executor."""
        wanted = answers.unfetched(self._ledger, self._due.pk)
        self._outstanding = len(wanted)
        if not wanted:
            self._finish()
            return
        for task_id in wanted:
            # When no thread can be started the read is queued all the same, for the threads there are.
            with contextlib.suppress(RuntimeError):
                executor.submit(self._fetch, task_id)

    def _fetch(self, task_id: str) -> None:
        answer: TaskAnswer | None = None
        try:
            answer = self._read(lambda client: client.task(task_id))
        except OpenmartError as error:
            log.info("a task could not be read (%s)", type(error).__name__)
        except Exception:
            log.exception("reading a task failed")
        self._arrived(answer)

    def _arrived(self, answer: TaskAnswer | None) -> None:
        full: list[TaskAnswer] = []
        with self._lock:
            if answer is not None and answer["status"] in FINAL_TASK_STATUSES:
                self._buffer.append(answer)
            else:
                self._sure = False
            if len(self._buffer) >= STORE_EVERY:
                full, self._buffer = self._buffer, []
        self._store(full)
        with self._lock:  # counted after storing: the last one finishes, and all others are stored by then
            self._outstanding -= 1
            last = self._outstanding == 0
        if last:
            self._store(self._buffer)
            self._finish()

    def _store(self, arrived: list[TaskAnswer]) -> None:
        if not arrived:
            return
        try:
            answers.store_answers(self._ledger, self._due.pk, arrived)
        except Exception as error:
            # Nothing is lost: what is not stored is listed as not fetched and read again.
            log.warning("answers could not be stored (%s)", type(error).__name__, exc_info=_bug(error))
            self._sure = False

    def _finish(self) -> None:
        try:
            if not answers.finish_if_complete(self._ledger, self._due.pk):
                self._give_up_on_missing()
        except Exception as error:
            log.warning("a batch could not be finished (%s)", type(error).__name__, exc_info=_bug(error))
        finally:
            self._done(self._due)

    def _give_up_on_missing(self) -> None:
        """Call tasks missing whose batch has long been ready, with nothing left that could still come."""
        due = self._due
        if due.ready_at is None or not self._sure:
            return
        if self._ledger.now() - max(due.ready_at, due.changed_at) > self._pacing.missing_after:
            answers.mark_missing(self._ledger, due.pk, by_person=False)


def _bug(error: Exception) -> bool:
    """Whether an error deserves its traceback: a database that is full or locked does not."""
    return not isinstance(error, SQLAlchemyError)


def _by_status(read: Reader, batch_id: str, status: str) -> list[str]:
    return read(lambda client: client.task_ids(batch_id, status=status))
