"""Reading: every free read of the worker goes through here: paced, counted by the breaker, sorted.

A breaker per account: after five passing failures in a row one probe every 5 s, in all; the first
success makes all polls due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from openmart_lib.api import Breaker, OpenmartClient, TokenBucket, is_transient
from openmart_lib.engine.clients import Clients
from openmart_lib.errors import (
    AuthError,
    BannedError,
    CreditsError,
    OpenmartError,
    ResponseError,
    WrongAddressError,
)
from openmart_lib.ledger import Hold, Ledger, accounts, answers

T = TypeVar("T")

HOLD_OF: Final[dict[type[ResponseError], Hold]] = {
    AuthError: Hold.UNAUTHORIZED,
    CreditsError: Hold.CREDIT_LIMIT,
    BannedError: Hold.BANNED,
    WrongAddressError: Hold.WRONG_ADDRESS,
}


class Reader:
    """Reads for one account. Shared by all threads of the worker."""

    def __init__(
        self,
        ledger: Ledger,
        clients: Clients,
        account_id: int,
        *,
        rate: float,
        breaker: Breaker | None = None,
    ) -> None:
        self._ledger = ledger
        self._clients = clients
        self._account_id = account_id
        self._bucket = TokenBucket(rate)
        self.breaker = breaker or Breaker()

    def __call__(self, read: Callable[[OpenmartClient], T]) -> T:
        """Send one read now and return its answer.

        Raises:
            OpenmartError: What went wrong; transient ones have been counted by the breaker.
        """
        self._bucket.take()
        try:
            answer = read(self._clients.openmart())
        except OpenmartError as error:
            self._note_failure(error)
            raise
        self._note_success()
        return answer

    def _note_failure(self, error: OpenmartError) -> None:
        if isinstance(error, AuthError | CreditsError | BannedError):
            self.breaker.failure()  # asking on at full pace would change nothing
            self._hold(error)
        elif is_transient(error):
            self.breaker.failure()
        else:  # the server answered: it is not down
            self._note_success()

    def _hold(self, error: AuthError | CreditsError | BannedError) -> None:
        with self._ledger.write() as connection:
            accounts.hold(
                connection,
                self._account_id,
                HOLD_OF[type(error)],
                now=self._ledger.now(),
                detail=error.detail or str(error),
            )

    def _note_success(self) -> None:
        if self.breaker.success():
            answers.make_all_due(self._ledger, self._account_id)
