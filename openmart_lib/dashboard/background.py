"""Work that outlives a rerun of the page: one job per key, found again by every click, reload and tab.

Streamlit may stop a script in the middle when something is clicked; what writes the ledger or a large file
must not run there. ``start`` and ``find`` are for work that a page looks at again later, ``run`` is for work
that it waits for.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

import streamlit as st

from openmart_lib.dashboard import words

T = TypeVar("T")
Progress = Callable[[int, int], None]

_KEPT: Final = 100  # finished jobs remembered


class Job(Generic[T]):
    """One piece of work: how far it is, and what came out."""

    def __init__(self) -> None:
        self.future: Future[T] = Future()
        self._done = 0
        self._of = 0

    def progress(self, done: int, of: int) -> None:
        """Note how far the work is; called by the work itself."""
        self._done, self._of = done, of

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self._done / self._of) if self._of else 0.0

    @property
    def finished(self) -> bool:
        """Whether there is a result or an error."""
        return self.future.done()

    def wait(self, seconds: float) -> bool:
        """Wait a moment for the end; return whether it came."""
        try:
            self.future.exception(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def result(self) -> T:
        """Return the result of finished work, or raise its error."""
        return self.future.result()


_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="dashboard")
_lock = threading.Lock()
_jobs: OrderedDict[str, Job[Any]] = OrderedDict()


def start(key: str, work: Callable[[Progress], T]) -> Job[T]:
    """Start ``work`` once for ``key`` and return its job; where it is known already, return that one.

    ``work`` is given a function to tell (units done, units in all).
    """
    with _lock:
        known = _jobs.get(key)
        if known is not None:
            return known
        job: Job[T] = Job()
        _jobs[key] = job
        for old in [name for name, one in _jobs.items() if one.finished][:-_KEPT]:
            del _jobs[old]
    _pool.submit(_work_off, job, work)
    return job


def find(key: str) -> Job[Any] | None:
    """Return the job of ``key``, if it was started and not forgotten."""
    with _lock:
        return _jobs.get(key)


def forget(key: str) -> None:
    """Let the next ``start`` of ``key`` begin anew, unless the work is still going on."""
    with _lock:
        known = _jobs.get(key)
        if known is not None and known.finished:
            del _jobs[key]


def run(key: str, work: Callable[[Progress], T], doing: str) -> T:
    """Do ``work`` once for ``key`` while the page waits, as ``follow`` shows it, and forget it afterwards."""
    try:
        return follow(start(key, work), doing)
    finally:
        forget(key)


def follow(job: Job[T], doing: str) -> T:
    """Show that work goes on, with its time so far, until it is done; return its result or raise its error.

    Quick work shows nothing.
    """
    begun = time.monotonic()
    if not job.wait(0.4):
        slot = st.empty()
        while not job.wait(0.25):
            slot.progress(job.share, text=f"{doing} ({words.duration(time.monotonic() - begun)} so far)")
        slot.empty()
    return job.result()


def _work_off(job: Job[T], work: Callable[[Progress], T]) -> None:
    try:
        job.future.set_result(work(job.progress))
    except BaseException as error:  # the page that asks for the result raises it
        job.future.set_exception(error)
