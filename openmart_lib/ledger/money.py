"""The money of runs as it stands: what was expected, what is out, what came back, and what it may come to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from openmart_lib.ledger import limits
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import account, batch, run
from openmart_lib.ledger.states import MAYBE_CREATED, BatchState
from openmart_lib.ledger.tariff import CENT

_NOBODY_WAITS: Final = frozenset(MAYBE_CREATED) - {BatchState.SENDING, BatchState.ACCEPTED}
_NAMES: Final = ("public_id", "worst_credits", "spend_at_most", "credits_out", "credits_spent", "estimate")


@dataclass(frozen=True, slots=True)
class Money:
    """A run in credits; every figure is an estimate by the prices of its Confirm.

    Attributes:
        expected, at_most: As shown at Confirm; ``expected`` is None for runs of before it was kept.
        limit: What it may cost at most; None: no limit.
        out: The worst case of what may be at Openmart without an answer.
        in_doubt: The part of ``out`` that nobody waits for any more: unknown, given up, sent again, missing.
            It may have been charged, so it counts against the limit.
        spent: What came back.
        waiting: The worst case of what is not sent.
        next_batch: The worst case of the batch that is sent next; None: nothing may be sent now.
        reserve: What its account keeps for the team; 0: nothing.
        pilot_waits: Whether it has a pilot and nobody has decided about the rest.
        counted: Whether ``out`` and ``spent`` are counted for this run.
    """

    run_id: str
    expected: float | None
    at_most: float
    limit: float | None
    out: float
    spent: float
    waiting: float
    next_batch: float | None
    reserve: float
    pilot_waits: bool
    counted: bool
    in_doubt: float = 0.0

    @property
    def room(self) -> float | None:
        """Credits that the limit still allows; None without a limit."""
        return None if self.limit is None else max(0.0, self.limit - self.out - self.spent)

    @property
    def full(self) -> bool:
        """Whether the next batch could take the run over its limit."""
        return self.room is not None and self.next_batch is not None and self.next_batch > self.room + CENT

    def as_json(self) -> dict[str, Any]:
        """Return the part ``credits`` of a run's report."""
        return {
            "expected": None if self.expected is None else round(self.expected, 2),
            "at_most": self.at_most,
            "limit": self.limit,
            "out": self.out if self.counted else None,
            "in_doubt": self.in_doubt if self.counted else None,
            "spent": self.spent if self.counted else None,
            "reserve": self.reserve or None,
        }


@in_plain_words
def money(ledger: Ledger, run_id: str) -> Money:
    """Return the money of one run.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        return _moneys(connection, _query().where(run.c.id == run_pk(connection, run_id)))[run_id]


@in_plain_words
def moneys(ledger: Ledger) -> dict[str, Money]:
    """Return the money of all runs of this environment, by run id."""
    with ledger.read() as connection:
        return _moneys(connection, _query())


def _query() -> Select[Any]:
    planned = (batch.c.run_id == run.c.id) & (batch.c.state == BatchState.PLANNED)
    rest = select(func.coalesce(func.sum(batch.c.worst_credits), 0.0)).where(planned).correlate(run)
    nobody_waits = (batch.c.run_id == run.c.id) & batch.c.state.in_(_NOBODY_WAITS)
    lost = select(func.coalesce(func.sum(batch.c.worst_credits), 0.0)).correlate(run)
    lost = lost.where(nobody_waits, batch.c.nothing_created.is_(False))
    undecided = run.c.pilot_batches.is_not(None) & run.c.pilot_decided_at.is_(None)
    return select(
        *(run.c[name] for name in _NAMES),
        limits.next_worst().label("next_batch"),
        rest.scalar_subquery().label("waiting"),
        lost.scalar_subquery().label("in_doubt"),
        func.coalesce(undecided & run.c.cancelled_at.is_(None), False).label("pilot_waits"),
        account.c.reserve,
    ).join(account, account.c.id == run.c.account_id)


def _moneys(connection: Connection, query: Select[Any]) -> dict[str, Money]:
    return {row.public_id: _money(row) for row in connection.execute(query)}


def _money(row: Any) -> Money:
    estimate: dict[str, Any] = json.loads(row.estimate) if row.estimate else {}
    return Money(
        run_id=row.public_id,
        expected=estimate.get("expected"),
        at_most=row.worst_credits,
        limit=row.spend_at_most,
        out=row.credits_out,
        spent=row.credits_spent,
        waiting=row.waiting,
        next_batch=row.next_batch,
        reserve=row.reserve,
        pilot_waits=bool(row.pilot_waits),
        counted=bool(estimate),
        in_doubt=row.in_doubt if row.in_doubt > CENT else 0.0,
    )
