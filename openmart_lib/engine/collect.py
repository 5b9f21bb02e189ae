"""Collect: list a batch's tasks, read the ones not stored yet, store them as they come.

Reads run on the shared read executor, answers are stored a hundred at a time by the recorder, and nothing
waits in a thread of its own: the last read to come back finishes the batch.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api import OpenmartClient
from openmart_lib.api.wire import FINAL_TASK_STATUSES, TaskAnswer
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.reading import HeldBackError, Reader
from openmart_lib.engine.recording import Recorder
from openmart_lib.engine.right_of_way import RightOfWay
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
T = TypeVar("T")
STORE_EVERY = 100  # tasks per transaction
READS_OF_A_JOB = 4  # at most: to hand a read to the executor costs a tenth of it, and jobs take turns


class Reads(Protocol):
    """Whatever sends one read and returns its answer: the worker's ``Reader``, or a person's few reads."""

    def __call__(self, question: Callable[[OpenmartClient], T], /) -> T:
        """Send one read now; raises OpenmartError."""


def list_tasks(read: Reads, batch_id: str, *, expected: int | None) -> tuple[list[str], OpenmartError | None]:
    """List a batch's task ids without a filter, and per final status when ids are fewer than ``expected``.

    Returns what was listed, each id once, and why a filtered list could not be read, None when every list
    came through.

    Raises:
        OpenmartError: If the list without a filter could not be read, or the key is not accepted.
    """
    found = dict.fromkeys(read(lambda client: client.task_ids(batch_id)))
    if expected is not None and len(found) >= expected:
        return list(found), None
    for status in sorted(FINAL_TASK_STATUSES):
        try:
            found |= dict.fromkeys(_by_status(read, batch_id, status))
        except (RefusedError, NotFoundError, WrongAddressError):
            break  # this server does not know the filter; the whole list is all there is
        except (AuthError, BannedError, CreditsError):
            raise
        except OpenmartError as error:
            log.info("a filtered list could not be read (%s)", type(error).__name__)
            return list(found), error
    return list(found), None


class Collection:
    """One round of reading a batch's tasks. ``start`` returns at once; ``done`` is called at the end.

    Each read lets what goes ``first`` go first. ``sure`` says that the batch is ready and every list of its
    tasks came through: only then may a task that is in none of them be called missing.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        read: Reader,
        due: DueBatch,
        *,
        first: RightOfWay,
        sure: bool,
        pacing: Pacing,
        done: Callable[[DueBatch], None],
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._read = read
        self._due = due
        self._first = first
        self._sure = sure
        self._pacing = pacing
        self._done = done
        self._lock = threading.Lock()
        self._buffer: list[TaskAnswer] = []
        self._wanted: deque[str] = deque()
        self._unread = 0
        self._outstanding = 0
        self._trouble: OpenmartError | None = None  # why a task could not be read: the first reason

    @property
    def outstanding(self) -> int:
        """Reads whose answer is not stored yet."""
        return self._outstanding

    def start(self, executor: Executor, found: Sequence[str], *, at_once: int) -> None:
        """Hand the reads of tasks that are not stored yet to the executor.

        Args:
            found: The ids listed now.
            at_once: Reads that may run at the same time; the tasks are spread over as many jobs, or more.
        """
        known = answers.listed(self._ledger, self._due.pk)
        new = sorted(task_id for task_id in found if task_id not in known)
        if new:
            self._record(lambda: answers.store_listing(self._ledger, self._due.pk, new), 0, rows=len(new))
        wanted = [task_id for task_id, fetched in known.items() if not fetched] + new
        self._unread = self._outstanding = len(wanted)
        if not wanted:
            self._recorder.record(self._finish, self._finished)
        self._wanted.extend(wanted)
        jobs = max(min(len(wanted), at_once), math.ceil(len(wanted) / READS_OF_A_JOB))
        for _ in range(jobs):
            # When no thread can be started the job is queued all the same, for the threads there are.
            with contextlib.suppress(RuntimeError):
                executor.submit(self._fetch)

    def _fetch(self) -> None:
        for _ in range(READS_OF_A_JOB):
            try:
                task_id = self._wanted.popleft()
            except IndexError:  # other jobs were faster
                return
            self._first.give()
            self._arrived(task_id, self._answer(task_id))

    def _answer(self, task_id: str) -> TaskAnswer | None:
        try:
            return self._read(lambda client: client.task(task_id))
        except OpenmartError as error:
            log.info("a task could not be read (%s)", type(error).__name__)
            self._trouble = self._trouble or error
        except Exception:
            log.exception("reading a task failed")
        return None

    def _arrived(self, asked: str, answer: TaskAnswer | None) -> None:
        full: list[TaskAnswer] = []
        with self._lock:
            self._unread -= 1
            last = self._unread == 0
            if answer is not None and answer["status"] in FINAL_TASK_STATUSES:
                self._buffer.append(answer)
                # Another task's answer leaves the one that was asked for still to come.
                self._sure = self._sure and answer["task_id"] == asked
            else:
                self._sure = False
                self._outstanding -= 1
            if last or len(self._buffer) >= STORE_EVERY:
                full, self._buffer = self._buffer, []
        if full:
            store = functools.partial(answers.store_answers, self._ledger, self._due.pk, full)
            self._record(store, len(full), rows=len(full))
        if last:  # changes are made in their order, so all answers are stored by then
            self._recorder.record(self._finish, self._finished)

    def _record(self, change: Callable[[], object], answered: int, *, rows: int) -> None:
        def then(error: Exception | None) -> None:
            with self._lock:
                self._outstanding -= answered
                self._sure = self._sure and error is None
            if error is not None:
                # Nothing is lost: what is not stored is listed as not fetched and read again.
                log.warning("answers could not be stored (%s)", type(error).__name__, exc_info=_bug(error))

        self._recorder.record(change, then, rows=rows)

    def _finish(self) -> None:
        if not answers.finish_if_complete(self._ledger, self._due.pk):
            self._give_up_on_missing()
            if self._trouble is not None:
                note_trouble(self._ledger, self._due.pk, "one or more of its tasks", self._trouble)

    def _finished(self, error: Exception | None) -> None:
        if error is not None:
            log.warning("a batch could not be finished (%s)", type(error).__name__, exc_info=_bug(error))
        self._done(self._due)

    def _give_up_on_missing(self) -> None:
        """Call tasks missing whose batch has long been ready, with nothing left that could still come."""
        due = self._due
        if due.ready_at is None or not self._sure:
            return
        if self._ledger.now() - max(due.ready_at, due.changed_at) > self._pacing.missing_after:
            answers.mark_missing(self._ledger, due.pk, by_person=False)


def note_trouble(ledger: Ledger, pk: int, what: str, error: OpenmartError) -> None:
    """Note on a batch why something of it cannot be read; the next poll that succeeds takes it off again."""
    if not isinstance(error, HeldBackError):  # that one only repeats what was noted before
        answers.note_read_error(ledger, pk, f"{what} could not be read: {error}")


def _bug(error: Exception) -> Exception | None:
    """Return the error if it deserves its traceback: a database that is full or locked does not."""
    return None if isinstance(error, SQLAlchemyError) else error


def _by_status(read: Reads, batch_id: str, status: str) -> list[str]:
    return read(lambda client: client.task_ids(batch_id, status=status))
