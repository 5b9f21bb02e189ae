"""Attach: free looks at a batch whose id a person brings, before anything is collected under that id.

``look_at`` reads a batch that another tool made; ``verify`` checks the id found for a lost batch of ours.
What Openmart does not show yet is not guessed: both then say so, change nothing, and can be tried again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Final, TypeVar

from openmart_lib.api import OpenmartClient, TokenBucket
from openmart_lib.api.wire import FINAL_TASK_STATUSES, BatchCounts
from openmart_lib.engine.ask import PATIENCE, TWICE
from openmart_lib.engine.clients import openmart_client
from openmart_lib.engine.collect import list_tasks
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    InputError,
    NoAnswerError,
    NotFoundError,
    OpenmartError,
)
from openmart_lib.ledger import Ledger, attaching
from openmart_lib.ledger.attaching import ForeignBatch, ForeignTask, Place
from openmart_lib.settings import Settings

T = TypeVar("T")

LOOK_LIMIT: Final = 60.0  # seconds for all reads of a look: up to 100 tasks at the pace that is allowed
CHECK_LIMIT: Final = 15.0  # seconds to find one task that tells whose a batch is
AT_ONCE: Final = 8  # reads under way: a person waits, and the worker reads too
TRY_LATER: Final = "Nothing was changed. Try again in a few minutes: looking is free."
_FOR_ALL: Final = (AuthError, BannedError, CreditsError)  # what one read is told holds for every read


class NotYetError(NoAnswerError):
    """Openmart does not show enough of a batch yet to tell what is in it."""


class _Reads:
    """Reads for one person, at the pace that is allowed."""

    def __init__(self, client: OpenmartClient, rate: float) -> None:
        self._client = client
        self._bucket = TokenBucket(rate)

    def __call__(self, question: Callable[[OpenmartClient], T]) -> T:
        self._bucket.take()
        return question(self._client)


def look_at(
    settings: Settings, batch_id: str, *, progress: Callable[[int, int], None] | None = None
) -> ForeignBatch:
    """Read a batch and every one of its tasks; free, at most about a minute.

    Args:
        progress: Told (tasks read, tasks in all).

    Returns:
        The batch, its tasks by tracking id (numbers in it by value), then by the server's id.
    Raises:
        InputError: If there is no id, or the server does not know it.
        NotYetError: If the list of tasks is not complete, or a task or its tracking id cannot be read yet.
        OpenmartError: If the server cannot be asked.
    """
    wanted = _cleaned(batch_id)
    end = time.monotonic() + LOOK_LIMIT
    with openmart_client(settings, timeouts=PATIENCE, retry=TWICE) as client:
        read = _Reads(client, settings.effective_read_rate)
        counts = _counts(read, wanted)
        ids = _listed(read, wanted, counts)
        tasks = _read_all(read, ids, end, progress)
    return ForeignBatch(wanted, counts, tuple(sorted(tasks, key=_order)))


def verify(settings: Settings, ledger: Ledger, pk: int, batch_id: str) -> None:
    """Check that the server's batch of this id holds the tasks of our batch ``pk``; free, changes nothing.

    Raises:
        InputError: If there is no id, the server does not know it, or it is another batch's: the message says
            whose.
        NotYetError: If no task of it can be read yet.
        OpenmartError: If the server cannot be asked.
    """
    wanted = _cleaned(batch_id)
    taken = attaching.place_of_id(ledger, wanted)
    if taken is not None and taken.pk != pk:
        raise InputError(_other_words(taken))
    end = time.monotonic() + CHECK_LIMIT
    with openmart_client(settings, timeouts=PATIENCE, retry=TWICE) as client:
        read = _Reads(client, settings.effective_read_rate)
        ids = _listed(read, wanted, _counts(read, wanted), complete=False)
        tracking = _first_tracking_id(read, ids, end)
    place = attaching.place_of_task(ledger, tracking)
    if place is None:
        raise InputError(
            "This batch was not sent from here: its tracking ids are none of ours. Nothing was changed. "
            "Look for another id, or collect this batch as one made by another tool."
        )
    if place.pk != pk:
        raise InputError(_other_words(place))


def _other_words(place: Place) -> str:
    return (
        f"This id belongs to {place.words}, not to the batch you are looking at. Nothing was changed. "
        "Look for another id."
    )


def _cleaned(batch_id: str) -> str:
    wanted = batch_id.strip()
    if not wanted:
        raise InputError("No batch id was given. Nothing was changed. Paste the id that Openmart gave.")
    return wanted


def _counts(read: _Reads, batch_id: str) -> BatchCounts:
    try:
        return read(lambda client: client.batch_status(batch_id))
    except NotFoundError as error:
        # The id is not repeated: people paste the wrong thing, a key for example.
        raise InputError(
            "Openmart does not know a batch of this id (HTTP 404). Nothing was changed. Check the id, and "
            "that your key is of the team that sent it; a batch made just now may show a little later."
        ) from error


def _listed(read: _Reads, batch_id: str, counts: BatchCounts, *, complete: bool = True) -> list[str]:
    """Return the ids of a batch's tasks, listed as the worker lists them.

    Raises:
        NotYetError: If there is none, or fewer than the batch has while ``complete``.
    """
    total = counts["total"]
    found, trouble = list_tasks(read, batch_id, expected=total)
    if trouble is not None:
        raise trouble
    if not found:
        raise NotYetError(f"Openmart lists no task of this batch yet. {TRY_LATER}")
    if complete and (len(found) < total if total is not None else not counts["batch_ready"]):
        whole = "its tasks" if total is None else f"its {total} tasks"
        raise NotYetError(f"Openmart lists only {len(found)} of {whole} so far. {TRY_LATER}")
    return found


def _read_all(
    read: _Reads, ids: list[str], end: float, progress: Callable[[int, int], None] | None
) -> list[ForeignTask]:
    """Read tasks, several at once.

    Raises:
        NotYetError: If one of them cannot be read before ``end``, or is unfinished and unnamed.
    """
    tasks: list[ForeignTask] = []
    cause: OpenmartError | None = None
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        futures = [pool.submit(_task, read, task_id) for task_id in ids]
        for future in _until(futures, end):
            try:
                tasks.append(future.result())
            except _FOR_ALL:
                raise
            except OpenmartError as error:
                cause = error
            if progress is not None:
                progress(len(tasks), len(ids))
    finally:
        pool.shutdown(cancel_futures=True)
    if len(tasks) < len(ids):
        raise NotYetError(
            f"{len(ids) - len(tasks)} of the {len(ids)} tasks of this batch cannot be read now. {TRY_LATER}"
        ) from cause
    unnamed = sum(each.tracking_id is None and each.status not in FINAL_TASK_STATUSES for each in tasks)
    if unnamed:
        raise NotYetError(
            f"{unnamed} of the {len(ids)} tasks of this batch are still being worked on, and Openmart does "
            f"not show their tracking ids yet. {TRY_LATER}"
        )
    return tasks


def _until(futures: Iterable[Future[ForeignTask]], end: float) -> Iterable[Future[ForeignTask]]:
    with suppress(TimeoutError):
        yield from as_completed(futures, timeout=max(0.0, end - time.monotonic()))


def _task(read: _Reads, task_id: str) -> ForeignTask:
    answer = read(lambda client: client.task(task_id))
    return ForeignTask(task_id, answer["tracking_id"] or None, answer["status"])


def _first_tracking_id(read: _Reads, ids: list[str], end: float) -> str | None:
    """Return the first tracking id that a task shows; None when all are finished and none has one.

    Raises:
        NotYetError: If none shows one, and not all could be read before ``end`` or are finished.
    """
    finished, cause = 0, None
    for task_id in ids:
        if time.monotonic() > end:
            break
        try:
            task = _task(read, task_id)
        except _FOR_ALL:
            raise
        except OpenmartError as error:
            cause = error
            continue
        if task.tracking_id is not None:
            return task.tracking_id
        finished += task.status in FINAL_TASK_STATUSES
    if finished < len(ids):
        raise NotYetError(
            f"Openmart shows the tracking id of no task of this batch yet, so nobody can tell whose it is. "
            f"{TRY_LATER}"
        ) from cause
    return None


def _order(task: ForeignTask) -> tuple[bool, str, str]:
    """Return what tasks are sorted by: the same tasks always come in the same order, row-2 before row-10."""
    name = re.sub(r"[0-9]+", lambda digits: digits[0].zfill(12), task.tracking_id or "")
    return task.tracking_id is None, name, task.task_id
