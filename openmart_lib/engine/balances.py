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

GIVE_UP: Final = 2.5  # times between two readings without one that came back
LAST: Final = 2.0  # seconds that the end of the program waits for a last reading
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
        self._wanted_at = self._read_at = time.monotonic()  # the latter: read, or wanted for the first time
        self._nothing_at = -1  # the ledger's revision at which there was no reason
        self.reading = False

    def before_submission(self) -> None:
        """Begin to read, unless that was done a moment ago and since the newest run was confirmed.

        The submission does not wait for it. Its answer takes a blink, that of a submission half a minute: it
        still tells what was there before.
        """
        now = time.monotonic()
        if now - self._wanted_at > self._every:  # until now nothing waited for it
            self._read_at = now
        self._wanted_at = now
        due = now >= self._next_start
        if due or balances.planned_since(self._ledger, self._account_id, self._asked_at):
            self._begin(balances.START)

    @property
    def unreadable(self) -> bool:
        """Whether submissions want a balance, and for some time every try to read it failed."""
        return time.monotonic() - self._read_at > GIVE_UP * self._every

    def wait_anew(self) -> None:
        """Give whoever wants a balance next as long again: a person was told."""
        self._read_at = time.monotonic()

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

    def finish(self) -> None:
        """Read what there is a reason for, now that nothing more is begun; wait ``LAST`` seconds at most.

        A program that waits for one run ends with it, before the next look would be due.
        """
        end = time.monotonic() + LAST
        self._wait(end)
        why = balances.reading_due(self._ledger, self._account_id, every=0.0)
        if why is not None:
            self._begin(why)
            self._wait(end)

    def _wait(self, end: float) -> None:
        while self.reading and time.monotonic() < end:
            time.sleep(0.01)

    def read(self, why: str, *, at: float | None = None, **how: bool) -> None:
        """Ask for the balance now and store it.

        Args:
            at: When it was wanted (UTC seconds); default: now.
            how: As the ``Reader`` takes it.

        Raises:
            OpenmartError: If it could not be read.
        """
        at = self._ledger.now() if at is None else at
        spent = balances.spent_so_far(self._ledger, self._account_id)
        balance = self._read(lambda client: client.credit_balance(), **how)
        self._read_at = time.monotonic()
        self.note(balance, why, at=at, spent=spent)

    def note(
        self, balance: CreditBalance, why: str, *, at: float | None = None, spent: float | None = None
    ) -> None:
        """Store a balance that was read; a ledger that cannot take it now does without."""
        credits = float(balance["balance"]) if balance["metered"] else None
        try:
            balances.note_balance(self._ledger, self._account_id, credits, why, at=at, spent=spent)
        except (LedgerError, SQLAlchemyError) as error:
            log.warning("a balance could not be stored (%s)", type(error).__name__)

    def _begin(self, why: str) -> None:
        if self.reading or self._read.held_back:
            return
        self._next_start = time.monotonic() + self._every
        # Noted here and not in the thread: the submission that this precedes is claimed meanwhile.
        self._asked_at = self._ledger.now()
        self.reading = True
        try:
            self._executor.submit(self._ask, why, self._asked_at)
        except RuntimeError:  # no thread can be started, or the program ends
            self.reading = False

    def _ask(self, why: str, at: float) -> None:
        try:
            self.read(why, at=at, quiet=True)
        except OpenmartError as error:
            log.info("the balance could not be read (%s)", type(error).__name__)
            self._next_look = time.monotonic() + self._every
        except Exception:
            log.exception("reading the balance failed")
            self._next_look = time.monotonic() + self._every
        finally:
            self.reading = False
