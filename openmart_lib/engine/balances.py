"""Balances: the worker's free looks at the account's credits, so that people can compare before and after.

Nothing waits for them and nothing hangs on them: one at a time, as one more read among the others, and a
failed one only means that the next is tried later.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from openmart_lib.api.wire import CreditBalance
from openmart_lib.engine.reading import Reader
from openmart_lib.errors import LedgerError, OpenmartError
from openmart_lib.ledger import Ledger, balances, queries

log = logging.getLogger(__name__)

LOOKS: Final = 60  # looks at the ledger for a reason to read, in the time between two readings


class BalanceWatch:
    """Reads the balance of one account when there is a reason to, and stores it.

    ``every`` (seconds) lies between two readings before submissions, and between a failed one and the next.
    """

    def __init__(
        self, ledger: Ledger, read: Reader, account_id: int, executor: Executor, *, every: float
    ) -> None:
        self._ledger = ledger
        self._read = read
        self._account_id = account_id
        self._executor = executor
        self._every = every
        self._next_start = 0.0  # monotonic seconds
        self._asked_at = 0.0  # UTC seconds
        self._next_look = 0.0
        self._nothing_at = -1  # the ledger's revision at which there was no reason
        self.reading = False

    def before_submission(self) -> None:
        """Begin to read, unless that was done a moment ago and since the newest run was confirmed.

        The submission does not wait for it. Its answer takes a blink, that of a submission half a minute: it
        still tells what was there before.
        """
        due = time.monotonic() >= self._next_start
        if due or balances.planned_since(self._ledger, self._account_id, self._asked_at):
            self._begin(balances.START)

    def step(self) -> None:
        """Begin to read when a hold or a pause began, or results came in, since the last reading."""
        now = time.monotonic()
        if self.reading or now < self._next_look:
            return
        self._next_look = now + self._every / LOOKS
        revision = queries.revision(self._ledger)
        if revision == self._nothing_at:
            return
        why = balances.reading_due(self._ledger, self._account_id, every=self._every)
        if why is None:
            self._nothing_at = revision
        else:
            self._begin(why)

    def note(self, balance: CreditBalance, why: str, *, at: float | None = None) -> None:
        """Store a balance that was read; a ledger that cannot take it now does without."""
        credits = float(balance["balance"]) if balance["metered"] else None
        try:
            balances.note_balance(self._ledger, self._account_id, credits, why, at=at)
        except (LedgerError, SQLAlchemyError) as error:
            log.warning("a balance could not be stored (%s)", type(error).__name__)

    def _begin(self, why: str) -> None:
        if self.reading or self._read.held_back:
            return
        self._next_start = time.monotonic() + self._every
        self._asked_at = self._ledger.now()
        self.reading = True
        try:
            self._executor.submit(self._ask, why)
        except RuntimeError:  # no thread can be started, or the program ends
            self.reading = False

    def _ask(self, why: str) -> None:
        at = self._ledger.now()
        try:
            self.note(self._read(lambda client: client.credit_balance(), quiet=True), why, at=at)
        except OpenmartError as error:
            log.info("the balance could not be read (%s)", type(error).__name__)
            self._next_look = time.monotonic() + self._every
        except Exception:
            log.exception("reading the balance failed")
            self._next_look = time.monotonic() + self._every
        finally:
            self.reading = False
