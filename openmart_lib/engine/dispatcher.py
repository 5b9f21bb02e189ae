"""The dispatcher: one loop that asks the ledger what is due, claims it and hands it to executors.

Nothing is remembered outside the ledger but what is running right now, so the program may stop at any
line. The executors are the standard ``concurrent.futures`` interface; anything that offers it can stand in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Final

from sqlalchemy.exc import DBAPIError

from openmart_lib.engine.clients import Clients
from openmart_lib.engine.collect import Collection, list_tasks
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.poll import is_stalled, poll_batch
from openmart_lib.engine.reading import Reader
from openmart_lib.engine.submit import send
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import Ledger, accounts, answers, queries, submissions
from openmart_lib.ledger.answers import DueBatch
from openmart_lib.ledger.journal import Journal
from openmart_lib.ledger.ledger import append_event

log = logging.getLogger(__name__)

TICK: Final = 0.25  # seconds; an own job that ends wakes the loop earlier
SLEPT: Final = 30.0  # seconds that the wall clock may run ahead of the monotonic one
BACKLOG: Final = 4  # reads per connection that may wait in the executor's queue


class Dispatcher:
    """Moves all runs of one account forward until it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal,
        clients: Clients,
        *,
        account_id: int,
        worker_id: str,
        pacing: Pacing,
        read_rate: float,
        submit_slots: int,
        read_slots: int,
        submit_executor: Executor,
        read_executor: Executor,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._clients = clients
        self._account_id = account_id
        self._worker_id = worker_id
        self._pacing = pacing
        self._read = Reader(ledger, clients, account_id, rate=read_rate)
        self._submit_slots = submit_slots
        self._read_slots = read_slots
        self._submit_executor = submit_executor
        self._read_executor = read_executor
        self._on_step = on_step
        self._stopping = threading.Event()
        self._abandoning = threading.Event()  # a write that still fails now is left to the next worker
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._submitting: set[Future[None]] = set()
        self._collecting: dict[int, Collection | None] = {}  # None: still polling or listing
        self._probing = False
        self._clocks = (time.time(), time.monotonic())

    def run(self) -> None:
        """Step until ``stop``; a ledger that cannot be used for a while only delays."""
        while not self._stopping.is_set():
            try:
                self._on_step()
                self.step()
            except DBAPIError as error:
                log.warning("the ledger cannot be used (%s); trying again", type(error.orig).__name__)
            except Exception:
                log.exception("a step of the dispatcher failed; trying again")
            self._wake.wait(TICK)
            self._wake.clear()

    def stop(self, *, grace: float) -> int:
        """Claim nothing more, wait up to ``grace`` seconds for POSTs in flight; return how many are left."""
        self._stopping.set()
        self._wake.set()
        end = time.monotonic() + grace
        while self.in_flight and time.monotonic() < end:
            time.sleep(0.05)
        self._abandoning.set()
        return self.in_flight

    @property
    def in_flight(self) -> int:
        """POSTs that have not come back."""
        with self._lock:
            return len(self._submitting)

    def step(self) -> None:
        """Do what is due now."""
        self._notice_sleep()
        accounts.lift_expired_holds(self._ledger)
        self._probe_if_needed()
        self._submit_due()
        self._poll_due()

    def _submit_due(self) -> None:
        while not self._stopping.is_set() and self.in_flight < self._submit_slots:
            candidate = submissions.next_candidate(self._ledger, self._account_id)
            if candidate is None:
                return
            claim = submissions.claim(
                self._ledger,
                candidate,
                account_id=self._account_id,
                worker_id=self._worker_id,
                slots=self._submit_slots,
            )
            if claim is None:
                return
            with self._lock:
                future = self._submit_executor.submit(
                    send,
                    self._ledger,
                    self._journal,
                    self._clients,
                    claim,
                    pacing=self._pacing,
                    wait=self._abandoning.wait,
                )
                self._submitting.add(future)
            future.add_done_callback(self._submitted)

    def _submitted(self, future: Future[None]) -> None:
        with self._lock:
            self._submitting.discard(future)
        if error := future.exception():
            # The batch stays SENDING; whoever holds the lock next makes it unknown.
            log.error("a submission ended without its word written (%s)", type(error).__name__)
        self._wake.set()

    def _poll_due(self) -> None:
        room = self._read_slots * BACKLOG - self._reads_waiting()
        if room <= 0 or not self._poll_allowed():
            return
        limit = 1 if self._read.breaker.is_open else room
        for due in answers.due_batches(self._ledger, self._account_id, limit=limit + len(self._collecting)):
            with self._lock:
                if due.pk in self._collecting or limit <= 0:
                    continue
                self._collecting[due.pk] = None
            limit -= 1
            self._read_executor.submit(self._poll_and_collect, due)

    def _poll_allowed(self) -> bool:
        """While the breaker is open only the probe of an outage, or one poll, goes out."""
        if not self._read.breaker.is_open:
            return True
        return not self._probing and self._read.breaker.allow()

    def _reads_waiting(self) -> int:
        with self._lock:
            return sum(1 if each is None else each.outstanding for each in self._collecting.values())

    def _poll_and_collect(self, due: DueBatch) -> None:
        try:
            counts = poll_batch(self._ledger, self._read, due, pacing=self._pacing)
            finished = (counts["completed"] or 0) + (counts["errored"] or 0)
            stalled = is_stalled(due, self._pacing, self._ledger.now())
            if not counts["batch_ready"] and not (stalled and finished):
                self._collected(due)
                return
            list_tasks(self._ledger, self._read, due)
            round_ = Collection(
                self._ledger, self._read, due, counts, pacing=self._pacing, done=self._collected
            )
            with self._lock:
                self._collecting[due.pk] = round_
            round_.start(self._read_executor)
        except OpenmartError as error:
            self._read_failed(due, error)
        except Exception:
            log.exception("polling a batch failed")
            self._collected(due)

    def _read_failed(self, due: DueBatch, error: OpenmartError) -> None:
        try:
            later = self._ledger.now() + self._pacing.min_poll
            answers.store_read_error(self._ledger, due.pk, str(error), next_poll_at=later)
        finally:
            self._collected(due)

    def _collected(self, due: DueBatch) -> None:
        with self._lock:
            self._collecting.pop(due.pk, None)
        self._wake.set()

    def _probe_if_needed(self) -> None:
        """Ask for the balance when an outage's hold waits for a free read to succeed."""
        if self._probing:
            return
        mine = [each for each in queries.accounts(self._ledger) if each.id == self._account_id]
        if not mine or not mine[0].needs_read:
            return
        if self._read.breaker.is_open and not self._read.breaker.allow():
            return
        self._probing = True
        self._read_executor.submit(self._probe)

    def _probe(self) -> None:
        try:
            self._read(lambda client: client.credit_balance())
            accounts.note_read_succeeded(self._ledger, self._account_id)
        except OpenmartError as error:
            log.info("Openmart does not answer yet (%s)", type(error).__name__)
        except Exception:
            log.exception("the probe failed")
        finally:
            self._probing = False
            self._wake.set()

    def _notice_sleep(self) -> None:
        """Write down when this computer slept: the wall clock ran on while the monotonic one stood still."""
        wall, monotonic = time.time(), time.monotonic()
        before_wall, before_monotonic = self._clocks
        self._clocks = (wall, monotonic)
        if (wall - before_wall) - (monotonic - before_monotonic) > SLEPT:
            with self._ledger.write() as connection:
                append_event(connection, self._ledger.now(), "computer_slept", since=before_wall, until=wall)
