"""The dispatcher: one loop that asks the ledger what is due, claims it and hands it to executors.

Nothing is remembered outside the ledger but what is running right now, so the program may stop at any
line. The executors are the standard ``concurrent.futures`` interface; anything that offers it can stand in.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api import Breaker
from openmart_lib.engine.balances import BalanceWatch
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.clocks import elapsed
from openmart_lib.engine.collect import Collection, list_tasks, note_trouble
from openmart_lib.engine.pacing import Pacing
from openmart_lib.engine.poll import TypicalDurations, is_stalled, wait
from openmart_lib.engine.reading import HeldBackError, Reader
from openmart_lib.engine.recording import Recorder
from openmart_lib.engine.right_of_way import RightOfWay
from openmart_lib.engine.submit import send, write_down
from openmart_lib.errors import NoAnswerError, OpenmartError
from openmart_lib.ledger import Ledger, accounts, answers, balances, queries, submissions
from openmart_lib.ledger.answers import DueBatch
from openmart_lib.ledger.interruptions import note_sleep
from openmart_lib.ledger.journal import Journal
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.submissions import Claim

log = logging.getLogger(__name__)

TICK: Final = 0.25  # seconds; an own job that ends wakes the loop earlier
SLEPT: Final = 30.0  # seconds; a shorter sleep explains nothing
BACKLOG: Final = 4  # reads per connection that may wait in the executor's queue
COMPLAIN_EVERY: Final = 60.0  # seconds
COMPARED_AT_ONCE: Final = 100  # batches; what the loop does about never-contact lists takes a blink
LEDGER_PAUSE: Final = 1.0  # seconds without new polls after one that the ledger could not take


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
        breaker = Breaker(probe_every=pacing.probe_every)
        self._first = RightOfWay()  # taken while a batch is claimed, and while its answer is written down
        self._read = Reader(ledger, clients, account_id, rate=read_rate, breaker=breaker)
        every = pacing.balance_every
        self._balances = BalanceWatch(ledger, self._read, account_id, read_executor, every=every)
        self._recorder = Recorder(ledger)
        self._typical = TypicalDurations(ledger)
        self._submit_slots = submit_slots
        self._read_slots = read_slots
        self._submit_executor = submit_executor
        self._read_executor = read_executor
        self._on_step = on_step
        self._stopping = threading.Event()
        self._abandoning = threading.Event()  # a write that still fails now is left to the next worker
        self._wake = threading.Event()
        self._ended = threading.Event()  # no step is under way that could claim a batch
        self._ended.set()
        self._lock = threading.Lock()
        self._submitting: set[Future[None]] = set()
        self._slot_freed = False  # a submission ended since the loop last looked for the next one
        self._collecting: dict[int, Collection | None] = {}  # None: still polling or listing
        self._probing = False
        self._next_probe = 0.0  # monotonic seconds
        self._next_poll = 0.0
        self._next_complaint = 0.0
        self._clocks = (elapsed(), time.monotonic())

    def run(self) -> None:
        """Step until ``stop``; what fails is logged and tried again."""
        self._ended.clear()
        next_look = 0.0
        try:
            while not self._stopping.is_set():
                self._on_step()
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + TICK
                    self.step()
                else:  # woken by an own job that ended: only what keeps the slots full
                    self._refill()
                self._wake.wait(TICK)
                self._wake.clear()
        finally:
            self._ended.set()

    def stop(self, *, grace: float) -> int:
        """Claim nothing more, wait up to ``grace`` seconds for POSTs in flight; return how many are left."""
        self._stopping.set()
        self._wake.set()
        end = time.monotonic() + grace
        # A claim under way still leads to its POST, so the loop has to end first.
        while (self.in_flight or not self._ended.is_set()) and time.monotonic() < end:
            self._on_step()
            time.sleep(0.02)
        self._do(self._balances.finish)
        self._abandoning.set()
        return self.in_flight

    @property
    def in_flight(self) -> int:
        """POSTs that have not come back."""
        with self._lock:
            return len(self._submitting)

    @property
    def reading(self) -> int:
        """Batches that are being polled or collected, the probe of an outage, and a look at the balance."""
        with self._lock:
            return len(self._collecting) + self._probing + self._balances.reading

    def step(self) -> None:
        """Do what is due now."""
        self._do(
            self._notice_sleep,
            self._lift_holds,
            self._probe_if_needed,
            self._submit_due,
            self._poll_due,
            self._balances.step,
        )

    def _refill(self) -> None:
        if self._slot_freed:
            self._slot_freed = False
            self._do(self._submit_due)
        self._do(self._poll_due)

    def _do(self, *parts: Callable[[], None]) -> None:
        """Do these parts. One that fails is logged, and the others are done all the same."""
        for part in parts:
            try:
                part()
            except SQLAlchemyError as error:
                self._complain(error)
            except Exception:
                log.exception("a step of the dispatcher failed; trying again")

    def _complain(self, error: SQLAlchemyError) -> None:
        self._warn(f"the ledger cannot be used ({type(error).__name__}); trying again")

    def _warn(self, words: str) -> None:
        """Say what stands in the way: at once, and again every minute that it lasts."""
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + COMPLAIN_EVERY
            log.warning("%s", words)

    def _lift_holds(self) -> None:
        accounts.lift_expired_holds(self._ledger)

    def _submit_due(self) -> None:
        if self.in_flight < self._submit_slots:
            with self._first.taken():
                self._submit_while_slots_are_free()

    def _submit_while_slots_are_free(self) -> None:
        while not self._stopping.is_set() and self.in_flight < self._submit_slots:
            if (obstacle := self._ledger.obstacle()) is not None:
                self._warn(obstacle)
                return
            candidate = submissions.next_candidate(self._ledger, self._account_id)
            if candidate is None:
                pause_what_waits(self._ledger, self._account_id)
                return
            if not candidate.checked:
                self._compare_with_never_lists(candidate.run_id)
                continue
            self._balances.before_submission()
            claim = submissions.claim(
                self._ledger,
                candidate,
                account_id=self._account_id,
                worker_id=self._worker_id,
                slots=self._submit_slots,
            )
            if claim is None:
                unreadable = self._balances.unreadable
                if pause_what_waits(self._ledger, self._account_id, unreadable=unreadable):
                    self._balances.wait_anew()
                return
            self._hand_over(claim)

    def _compare_with_never_lists(self, run_id: str) -> None:
        """Take what is on a never-contact list out of a run's next batches, which came to wait uncompared."""
        # Imported only now: it reads lists, which a worker hardly ever needs, and so starts quicker.
        from openmart_lib.suppression import withdraw_listed

        gone = withdraw_listed(self._ledger, run_id=run_id, batches=COMPARED_AT_ONCE)
        if gone:
            log.warning("%d rows are not sent: they are on a never-contact list", gone)

    def _hand_over(self, claim: Claim) -> None:
        turn = threading.Lock()  # taken once: by the thread that sends, or here when there is none
        try:
            with self._lock:
                future = self._submit_executor.submit(self._send, claim, turn)
                self._submitting.add(future)
        except RuntimeError as error:
            # An executor that could start no thread may have queued the job all the same.
            if turn.acquire(blocking=False):
                log.warning("batch %s could not be handed over (%s)", claim.pk, error)
                words = "This computer could not start a thread to send this batch. Nothing was sent."
                self._write_down(claim, NoAnswerError(words))
            return
        future.add_done_callback(self._submitted)

    def _send(self, claim: Claim, turn: threading.Lock) -> None:
        if turn.acquire(blocking=False):
            send(
                self._ledger,
                self._journal,
                self._clients,
                claim,
                pacing=self._pacing,
                wait=self._abandoning.wait,
                first=self._first,
            )

    def _write_down(self, claim: Claim, error: OpenmartError) -> None:
        write_down(
            self._ledger, claim.pk, error, pacing=self._pacing, wait=self._abandoning.wait, first=self._first
        )

    def _submitted(self, future: Future[None]) -> None:
        with self._lock:
            self._submitting.discard(future)
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error is not None:
            # The batch stays SENDING; whoever holds the lock next makes it unknown.
            log.error("a submission ended without its word written (%s)", type(error).__name__)
        self._slot_freed = True
        self._wake.set()

    def _poll_due(self) -> None:
        room = self._read_slots * BACKLOG - self._reads_waiting()
        if room <= 0 or time.monotonic() < self._next_poll:
            return
        probe = self._read.held_back
        limit = 1 if probe else room
        for due in answers.due_batches(self._ledger, self._account_id, limit=limit + len(self._collecting)):
            if limit <= 0:
                return
            with self._lock:
                if due.pk in self._collecting:
                    continue
                if probe and not self._read.allow_probe():
                    return
                self._collecting[due.pk] = None
            limit -= 1
            # When no thread can be started the job is queued all the same, for the threads there are.
            with contextlib.suppress(RuntimeError):
                self._read_executor.submit(self._poll_and_collect, due, probe)

    def _reads_waiting(self) -> int:
        with self._lock:
            return sum(1 if each is None else each.outstanding for each in self._collecting.values())

    def _poll_and_collect(self, due: DueBatch, probe: bool) -> None:
        try:
            counts = self._read(lambda client: client.batch_status(due.batch_id), probe=probe)
            now = self._ledger.now()
            finished = (counts["completed"] or 0) + (counts["errored"] or 0)
            readable = counts["batch_ready"] or (is_stalled(due, self._pacing, now) and finished)
            later = now + wait(due, self._typical.of(due), self._pacing, now)
            self._recorder.record(
                lambda: answers.store_counts(self._ledger, due.pk, counts, next_poll_at=later),
                lambda error: self._counted(due, error, over=not readable),
            )
            if readable:
                self._collect(due, ready=counts["batch_ready"])
        except HeldBackError:
            self._collected(due)  # still due, for the moment the server is back
        except OpenmartError as error:
            self._read_failed(due, error)
        except Exception as error:
            self._not_written(error)
            self._collected(due)

    def _collect(self, due: DueBatch, *, ready: bool) -> None:
        found, trouble = list_tasks(self._read, due.batch_id, expected=due.task_count)
        if trouble is not None:
            words = functools.partial(note_trouble, self._ledger, due.pk, "a list of its tasks", trouble)
            self._recorder.record(words, lambda error: self._counted(due, error, over=False))
        round_ = Collection(
            self._ledger,
            self._recorder,
            self._read,
            due,
            first=self._first,
            sure=ready and trouble is None,
            pacing=self._pacing,
            done=self._collected,
        )
        with self._lock:
            self._collecting[due.pk] = round_
        round_.start(self._read_executor, found, at_once=self._read_slots)

    def _counted(self, due: DueBatch, error: Exception | None, *, over: bool) -> None:
        if error is not None:
            self._not_written(error)
        if over:
            self._collected(due)

    def _not_written(self, error: Exception) -> None:
        """Say that polling failed here, not at the server; as the batch is still due, pause."""
        if isinstance(error, SQLAlchemyError):
            self._complain(error)
        else:
            log.error("polling a batch failed", exc_info=error)
        self._next_poll = time.monotonic() + LEDGER_PAUSE

    def _read_failed(self, due: DueBatch, error: OpenmartError) -> None:
        try:
            now = self._ledger.now()
            later = now + wait(due, None, self._pacing, now)
            answers.store_read_error(self._ledger, due.pk, str(error), next_poll_at=later)
        except SQLAlchemyError as failure:
            self._complain(failure)
            self._next_poll = time.monotonic() + LEDGER_PAUSE
        finally:
            self._collected(due)

    def _collected(self, due: DueBatch) -> None:
        with self._lock:
            self._collecting.pop(due.pk, None)
        self._wake.set()

    def _probe_if_needed(self) -> None:
        """Ask for the balance when an outage's hold waits for a free read to succeed.

        In a thread of its own: it must not wait behind the reads in the executor's queue.
        """
        mine = [each for each in queries.accounts(self._ledger) if each.id == self._account_id]
        self._read.wanted = bool(mine) and mine[0].needs_read
        if not self._read.wanted or self._probing or time.monotonic() < self._next_probe:
            return
        if self._read.held_back and not self._read.allow_probe():
            return
        self._next_probe = time.monotonic() + self._pacing.probe_every
        self._probing = True
        try:
            threading.Thread(target=self._probe, name="probe", daemon=True).start()
        except RuntimeError:
            self._probing = False
            raise

    def _probe(self) -> None:
        try:
            self._balances.read(balances.UNKNOWN, probe=True)
        except OpenmartError as error:
            log.info("Openmart does not answer yet (%s)", type(error).__name__)
        except Exception:
            log.exception("the probe failed")
        finally:
            self._probing = False
            self._wake.set()

    def _notice_sleep(self) -> None:
        """Write down when this computer slept: time passed, and its monotonic clock stood still."""
        passed, awake = elapsed(), time.monotonic()
        before_passed, before_awake = self._clocks
        self._clocks = (passed, awake)
        slept = (passed - before_passed) - (awake - before_awake)
        if slept > SLEPT:
            note_sleep(self._ledger, slept)
