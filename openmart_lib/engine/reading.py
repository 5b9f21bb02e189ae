"""Reading: every free read of the worker goes through here: paced, counted by the breaker, sorted.

A breaker per account: after five failures in a row one probe every 5 s, in all; the first success makes
all polls due. A wait that the server asks for (Retry-After) is never shortened, not even by a probe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api import Breaker, OpenmartClient, TokenBucket
from openmart_lib.engine.clients import Clients
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    NoAnswerError,
    NotFoundError,
    OpenmartError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    WrongAddressError,
)
from openmart_lib.ledger import Hold, Ledger, accounts, answers

log = logging.getLogger(__name__)
T = TypeVar("T")

LONGEST_QUIET_WAIT: Final = 300.0  # seconds; a longer Retry-After holds the account, where people see it
HOLD_OF: Final[dict[type[ResponseError], Hold]] = {
    AuthError: Hold.UNAUTHORIZED,
    CreditsError: Hold.CREDIT_LIMIT,
    BannedError: Hold.BANNED,
    WrongAddressError: Hold.WRONG_ADDRESS,
}


class HeldBackError(NoAnswerError):
    """A read that was not sent: the server is down, or it asked us to wait."""


class Reader:
    """Reads for one account. Shared by all threads of the worker.

    Attributes:
        wanted: An outage's hold waits for a read to succeed; the next one that does ends the waiting.
    """

    def __init__(
        self,
        ledger: Ledger,
        clients: Clients,
        account_id: int,
        *,
        rate: float,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._clients = clients
        self._account_id = account_id
        self._bucket = TokenBucket(rate)
        self._breaker = breaker or Breaker()
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = float("-inf")
        self.wanted = False

    def __call__(self, read: Callable[[OpenmartClient], T], *, probe: bool = False, quiet: bool = False) -> T:
        """Send one read now and return its answer.

        ``probe`` sends it although the server is believed to be down; ``allow_probe`` said yes to it.
        ``quiet`` is for what nobody waits for: its failure says nothing about key or server, and only a
        wait that the server asks for counts.

        Raises:
            HeldBackError: If it was not sent, because the server is down or asked us to wait.
            OpenmartError: What went wrong; the breaker has counted it.
        """
        self._bucket.take()
        if self._asked_to_wait or (self._breaker.is_open and not probe):
            raise HeldBackError("Openmart does not answer at the moment. Nothing was spent.")
        try:
            answer = read(self._clients.for_reads())
        except OpenmartError as error:
            if not quiet or isinstance(error, RateLimitedError):
                self._note_failure(error)
            raise
        self._note_success()
        return answer

    @property
    def held_back(self) -> bool:
        """Whether reads wait: only a probe may go out."""
        return self._asked_to_wait or self._breaker.is_open

    def allow_probe(self) -> bool:
        """Return whether one read may go out now although reads wait; True uses this moment up."""
        return not self._asked_to_wait and self._breaker.allow()

    @property
    def _asked_to_wait(self) -> bool:
        return self._clock() < self._not_before

    def _note_failure(self, error: OpenmartError) -> None:
        if isinstance(error, NotFoundError | RefusedError):
            self._close_breaker()  # a definite word about this id alone: the server is up
            return
        self._breaker.failure()  # also for a wrong key or address: asking on at full pace changes nothing
        try:
            if isinstance(error, RateLimitedError):
                self._wait_as_asked(error)
            elif isinstance(error, AuthError | CreditsError | BannedError):
                self._hold(HOLD_OF[type(error)], error)
        except SQLAlchemyError as failure:
            log.warning("a hold could not be stored (%s)", type(failure).__name__)

    def _wait_as_asked(self, error: RateLimitedError) -> None:
        if error.retry_after is None:
            return
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + error.retry_after)
        if error.retry_after > LONGEST_QUIET_WAIT:
            self._hold(Hold.RATE_LIMITED, error, until=self._ledger.now() + error.retry_after)

    def _hold(self, reason: Hold, error: ResponseError, *, until: float | None = None) -> None:
        words = error.detail or str(error)
        with self._ledger.write() as connection:
            accounts.hold(
                connection, self._account_id, reason, now=self._ledger.now(), detail=words, until=until
            )

    def _note_success(self) -> None:
        self._close_breaker()
        if not self.wanted:
            return
        try:
            accounts.note_read_succeeded(self._ledger, self._account_id)
            self.wanted = False
        except SQLAlchemyError as error:
            log.warning("a read's success could not be stored (%s)", type(error).__name__)

    def _close_breaker(self) -> None:
        if not self._breaker.success():
            return
        try:
            answers.make_all_due(self._ledger, self._account_id)
        except SQLAlchemyError as error:  # they are due within the longest poll interval anyway
            log.warning("polls could not be made due (%s)", type(error).__name__)
