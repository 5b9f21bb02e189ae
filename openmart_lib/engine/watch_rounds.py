"""Watch lists are asked here: one round after the other, in a thread of its own beside the dispatcher.

It shares nothing with the money path but the ledger, to whose writes it gives way: an outage of Lance
disturbs nothing of Openmart, and the other way round. Nothing is remembered outside the ledger but how
often Lance failed in a row.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api import LanceClient, RetryPolicy, is_transient
from openmart_lib.api.lance import Answered
from openmart_lib.api.lance_states import NEVER, NOT_SEEN, EnrichmentState, Triple, read_state
from openmart_lib.api.wire import MAX_LANCE_QUERY
from openmart_lib.engine.clients import READ_TIMEOUTS, lance_client
from openmart_lib.errors import InputError, NoAnswerError, OpenmartError, RateLimitedError, RefusedError
from openmart_lib.ledger import Ledger, asking
from openmart_lib.ledger.asking import DueWatch
from openmart_lib.ledger.watching import WatchMode, lance_environment, note_counts, sweep
from openmart_lib.settings import Settings

log = logging.getLogger(__name__)

RETRY: Final = RetryPolicy(max_attempts=3, max_backoff=2.0, max_wait=10.0)  # longer waits are the ledger's
STORE_AT_MOST: Final = 1_000  # states in one write, which are 2,000 changes
STORE_EVERY: Final = 1.0  # seconds; what a kill costs of a slow round
COUNT_EVERY: Final = 3.0  # seconds between two counts in a long round
FAILURES: Final = 3  # queries in a row without an answer: the round stops, Lance is down
LONGEST_LANCE_WAIT: Final = 3_000.0  # seconds; a longer Retry-After waits for a person, who sees until when
LEDGER_PAUSE: Final = 1.0  # seconds after a write that the ledger could not take
NO_ORGANISATION: Final = (
    "The Lance token belongs to no organisation, so Lance answers nothing. Nothing was spent, and what was "
    "known of this list stays. Make a token inside an organisation, set LANCE_TOKEN, restart, then refresh."
)


@dataclass(frozen=True)
class WatchPacing:
    """Waits in seconds, as they are at the real Lance.

    Attributes:
        min_wait, max_wait: Between two rounds of a list: full jitter over a limit that doubles.
        patience: So long an omitted record is asked again, and a list without any change goes on.
        look_every: Between two looks at the ledger for a list that is due.
    """

    min_wait: float = 5.0
    max_wait: float = 300.0
    patience: float = 1800.0
    look_every: float = 0.5

    @classmethod
    def of(cls, settings: Settings) -> WatchPacing:
        """Return the waits for these settings; the sandbox lives faster."""
        if not settings.lance_simulated:
            return cls()
        speed = settings.sandbox_speed
        return cls(
            min_wait=max(0.2, cls.min_wait / speed),
            max_wait=max(1.0, cls.max_wait / speed),
            patience=max(5.0, cls.patience / speed),
            look_every=0.25,
        )

    def wait(self, waits: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Return the seconds until the next round after so many waits."""
        limit = self.min_wait * 2.0 ** min(waits + 1, 30)
        return uniform(self.min_wait, min(self.max_wait, limit))


class WatchRounds:
    """Asks Lance about every list that is due, until it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        client: Callable[[], LanceClient],
        *,
        environment: str,
        connections: int,
        pacing: WatchPacing,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            client: Makes a client for a round; it is closed after it.
            environment: Lance's: only lists bound to it are asked.
            connections: Queries under way at a time.
        """
        self._ledger = ledger
        self._client = client
        self._environment = environment
        self._connections = connections
        self._pacing = pacing
        self._uniform = uniform
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-lists", daemon=True)
        self._failures = 0  # rounds in a row that Lance did not answer

    @classmethod
    def of(cls, ledger: Ledger, settings: Settings) -> WatchRounds:
        """Return the rounds for these settings."""
        return cls(
            ledger,
            lambda: lance_client(settings, timeouts=READ_TIMEOUTS, retry=RETRY),
            environment=lance_environment(settings),
            connections=settings.read_concurrency,
            pacing=WatchPacing.of(settings),
        )

    def start(self) -> WatchRounds:
        """Ask in a thread of its own; returns at once."""
        self._thread.start()
        return self

    def stop(self, *, grace: float = 5.0) -> None:
        """Begin nothing more; wait up to ``grace`` seconds for what has come back to be stored."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(grace)

    def begin(self) -> None:
        """Settle what a worker before this one left; end holds, as the settings may be others now."""
        sweep(self._ledger)
        asking.end_trouble(self._ledger, self._environment)

    def step(self) -> bool:
        """Do one round of the list that has been due longest; return whether there was one."""
        due = asking.due_watch(self._ledger, self._environment)
        if due is None:
            return False
        try:
            with self._client() as client:
                wait = self._pacing.wait(due.waits, self._uniform)
                round_ = _Round(self._ledger, due, self._pacing, wait, self._stopping)
                with contextlib.closing(self._answers(client, due)) as answers:
                    round_.ask(answers)
        except _StoppedError:
            return True
        except _FailedError as failed:
            self._note_failure(due, failed)
        except OpenmartError as error:  # no client: no sandbox yet, or a setting that cannot be used
            self._note_failure(due, _FailedError(error))
        else:
            self._failures = 0
            asking.end_trouble(self._ledger, self._environment)
        return True

    def _run(self) -> None:
        begun = False
        while not self._stopping.is_set():
            pause = self._pacing.look_every
            try:
                if not begun:
                    self.begin()
                    begun = True
                while not self._stopping.is_set() and self.step():
                    pass
            except SQLAlchemyError as error:
                log.warning("watch lists wait for the ledger (%s)", type(error).__name__)
                pause = LEDGER_PAUSE
            except Exception:
                log.exception("a round of a watch list failed; trying again")
                pause = LEDGER_PAUSE
            self._stopping.wait(pause)

    def _answers(self, client: LanceClient, due: DueWatch) -> Generator[Answered]:
        """Give the answers of a round; after a failure one query goes first, to see whether Lance is back."""
        source = asking.open_triples(self._ledger, due)
        if self._failures:
            for answered in client.query_each(itertools.islice(source, MAX_LANCE_QUERY), connections=1):
                yield answered
                if answered.error is not None:
                    raise _FailedError(answered.error)
        yield from client.query_each(source, connections=self._connections)

    def _note_failure(self, due: DueWatch, failed: _FailedError) -> None:
        error = failed.error
        no_organisation = isinstance(error, RefusedError) and "organi" in error.detail.lower()
        if isinstance(error, RefusedError | InputError) and not no_organisation:
            asking.refuse_list(self._ledger, due.pk, str(error))
        elif not is_transient(error) or _asks_for_long(error):
            words = NO_ORGANISATION if no_organisation else f"{error} Then refresh the list."
            asking.hold_lists(self._ledger, self._environment, words)
        else:
            self._failures += 1
            wait = self._pacing.wait(due.waits, self._uniform)
            if isinstance(error, RateLimitedError):
                wait += error.retry_after or 0.0
            asking.note_trouble(
                self._ledger,
                self._environment,
                f"{error} The list goes on by itself.",
                until=self._ledger.now() + wait,
                pk=None if failed.for_all else due.pk,
            )


def _asks_for_long(error: OpenmartError) -> bool:
    return isinstance(error, RateLimitedError) and (error.retry_after or 0.0) > LONGEST_LANCE_WAIT


class _FailedError(Exception):
    """A round that could not be ended."""

    def __init__(self, error: OpenmartError, *, in_a_row: int = 1) -> None:
        super().__init__(str(error))
        self.error = error
        self._in_a_row = in_a_row

    @property
    def for_all(self) -> bool:
        """Whether it tells about Lance, not about one question that it cannot answer."""
        return self._in_a_row >= FAILURES or isinstance(self.error, NoAnswerError | RateLimitedError)

    @property
    def ends_round(self) -> bool:
        """Whether asking on makes no sense now."""
        return (
            self._in_a_row >= FAILURES
            or isinstance(self.error, RateLimitedError)
            or not is_transient(self.error)
        )


class _StoppedError(Exception):
    """The worker ends, or the list was closed meanwhile."""


class _Round:
    """One round of one list: answers become states, many to a write."""

    def __init__(
        self, ledger: Ledger, due: DueWatch, pacing: WatchPacing, wait: float, stopping: threading.Event
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._wait = wait
        self._patience = pacing.patience
        self._stopping = stopping
        waited = ledger.now() - due.begun_at
        patient = due.mode is WatchMode.WAIT and waited < pacing.patience
        self._without = NOT_SEEN if patient else NEVER
        self._states: list[tuple[Triple, EnrichmentState]] = []
        self._changed = 0
        self._stored_at = self._counted_at = time.monotonic()

    def ask(self, answers: Iterator[Answered]) -> None:
        """Store every answer; end the round when all are in.

        Raises:
            _FailedError: If some or all got no answer; what came is stored, the rest is asked next time.
            _StoppedError: If it was cut off; what came is stored.
        """
        try:
            failure = self._take(answers)
        finally:
            self._store()
        if failure is not None:
            if self._changed:
                note_counts(self._ledger, self._due.pk)
            raise failure
        asking.end_round(
            self._ledger,
            self._due,
            changed=self._changed > 0,
            wait=self._wait,
            unchanged_after=self._patience,
        )

    def _take(self, answers: Iterator[Answered]) -> _FailedError | None:
        failure, in_a_row = None, 0
        for answered in answers:
            if answered.error is not None:
                in_a_row += 1
                failure = _FailedError(answered.error, in_a_row=in_a_row)
                if failure.ends_round:
                    break
            else:
                in_a_row = 0
                self._states += [
                    (triple, read_state(answered.records.get(triple), without=self._without))
                    for triple in answered.asked
                ]
            self._keep_up()
        return failure

    def _keep_up(self) -> None:
        now = time.monotonic()
        full = len(self._states) > STORE_AT_MOST - MAX_LANCE_QUERY
        if full or now - self._stored_at >= STORE_EVERY or self._stopping.is_set():
            self._store()
            self._stored_at = now
        if self._stopping.is_set():
            raise _StoppedError
        if now - self._counted_at >= COUNT_EVERY:
            note_counts(self._ledger, self._due.pk)
            self._counted_at = now

    def _store(self) -> None:
        states, self._states = self._states, []
        if not states:
            return
        changed = asking.store_states(self._ledger, self._due, states)
        if changed < 0:
            raise _StoppedError
        self._changed += changed
