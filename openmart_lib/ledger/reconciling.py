"""Reconciliation: what a run cost by our own counting, beside what became of the account's balance.

The whole team shares a balance, and charges can land late: a difference of two readings is a hint. What can
be said is how much all runs of this key could have cost between them, by price list; what is gone beyond
that went elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, or_, select

from openmart_lib.ledger.balances import Balance, balance_after, balance_before, newest_balance
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.money import Money, money
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.states import MAYBE_CREATED, BatchState
from openmart_lib.ledger.tariff import CENT, Tariff

SHARED: Final = "Your team shares this balance; charges can land late."
STILL_CHARGED: Final = 86_400.0  # seconds; a batch that nobody heard of for so long is not charged any more
_CREATED: Final = and_(batch.c.state.in_(MAYBE_CREATED), batch.c.nothing_created.is_(False))
_OURS: Final = batch.c.made_elsewhere.is_(False)
_FIRST: Final = batch.alias("first")
# Tasks as they were confirmed: those of a batch sent again, or of a search, are further tasks of the run.
_FIRST_TASKS: Final = (
    select(func.sum(_FIRST.c.task_count))
    .where(_FIRST.c.run_id == run.c.id, _FIRST.c.resend_of.is_(None), _FIRST.c.search_of.is_(None))
    .correlate(run)
    .scalar_subquery()
)
_OPEN_SHARE: Final = run.c.worst_credits * batch.c.open_tasks / _FIRST_TASKS


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A run's estimate, its cost as we count it, and the account's balance around it; all in credits.

    Attributes:
        money: What was expected and what came back, by the prices of the run's Confirm.
        in_doubt: The worst case of what may have been charged and nobody waits for any more.
        before: The last balance read before the first submission.
        after: The first one read after the run ended; while it goes on or a batch waits for a decision, the
            newest since it began.
        ended: Whether ``after`` was read after the run ended.
        at_most: What all runs of the account could have cost between the two readings.
        other_runs: Runs among them besides this one.
    """

    money: Money
    in_doubt: float
    before: Balance | None = None
    after: Balance | None = None
    ended: bool = False
    at_most: float = 0.0
    other_runs: int = 0

    @property
    def metered(self) -> bool:
        """Whether the readings that there are tell anything."""
        return all(one.credits is not None for one in (self.before, self.after) if one is not None)

    @property
    def difference(self) -> float | None:
        """Credits that the balance fell by; negative where it rose; None where that is not known."""
        before, after = (one.credits if one else None for one in (self.before, self.after))
        return None if before is None or after is None else before - after

    @property
    def beyond(self) -> float:
        """Credits of the difference that no run of this account can explain; 0: it can be explained."""
        more = (self.difference or 0.0) - self.at_most
        return more if more > CENT else 0.0

    def verdict(self) -> str:
        """Say what the readings tell about this run, "" while there are none."""
        if self.before is None and self.after is None:
            return ""
        if not self.metered:
            return "Your plan is not metered, so the balance tells nothing."
        if self.before is None:
            return "It was not read before the first submission, so nothing can be compared."
        if self.difference is None:
            return "It was not read since the first submission, so nothing can be compared yet."
        if self.difference < -CENT:
            return "Credits came in between, so the difference does not tell what was spent."
        if self.beyond:
            return f"More than your runs can explain: {self.beyond:,.0f} credits. {self.explanation()}"
        return f"{self.explanation()}, so it adds up."

    def explanation(self) -> str:
        """Say what of the difference the runs of this account can explain."""
        ours = "this run and your others" if self.other_runs else "this run"
        could = f"By price list {ours} can have cost up to {self.at_most:,.0f} in that time"
        return f"{could}; your team may have spent the rest." if self.beyond else could

    def as_json(self) -> dict[str, Any]:
        """Return its figures as JSON types, without the readings."""
        return {
            "expected": self.money.expected,
            "spent_by_our_count": self.money.spent if self.money.counted else None,
            "in_doubt": self.in_doubt,
            "balance_metered": self.metered if self.before or self.after else None,
            "balance_difference": self.difference,
            "all_our_runs_at_most": None if self.difference is None else self.at_most,
            "beyond_our_runs": None if self.difference is None else self.beyond,
        }


@in_plain_words
def reconcile(ledger: Ledger, info: RunInfo) -> Reconciliation:
    """Return what a run cost by our counting and by the balance, as far as it was read.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    cash = money(ledger, info.run_id)
    with ledger.read() as connection:
        pk = run_pk(connection, info.run_id)
        doubt = connection.execute(_in_doubt(pk, counted=cash.counted)).scalar() or 0.0
        began = select(func.min(batch.c.sent_at)).where(batch.c.run_id == pk, _OURS)
        begun_at = connection.execute(began).scalar()
    in_doubt = doubt if doubt > CENT else 0.0
    if begun_at is None:  # nothing of it left this computer
        return Reconciliation(cash, in_doubt)
    before = balance_before(ledger, info.account_id, begun_at)
    # A batch in doubt may still be charged, so the run's end is not yet known to be the end of its cost.
    ended_at = None if info.batches[BatchState.UNKNOWN] else info.finished_at
    after = None if ended_at is None else balance_after(ledger, info.account_id, ended_at)
    ended = after is not None
    newest = newest_balance(ledger, info.account_id)
    if after is None and newest is not None and newest.at > begun_at:
        after = newest
    if before is None or after is None:
        return Reconciliation(cash, in_doubt, before, after, ended)
    with ledger.read() as connection:
        costs = _costs_between(connection, info.account_id, before.at, after.at)
    others = len(costs.keys() - {pk})
    return Reconciliation(cash, in_doubt, before, after, ended, sum(costs.values()), others)


def _in_doubt(pk: int, *, counted: bool) -> Select[Any]:
    """Sum what the lost, given up and closed batches of a run may have cost, as far as nothing came back."""
    nobody_waits = batch.c.state.not_in((BatchState.SENDING, BatchState.ACCEPTED))
    worst = batch.c.worst_credits if counted else _OPEN_SHARE
    query = select(func.sum(worst)).join(run, run.c.id == batch.c.run_id)
    return query.where(batch.c.run_id == pk, _CREATED, _OURS, nobody_waits)


def _costs_between(connection: Connection, account_id: int, start: float, end: float) -> dict[int, float]:
    """Return by run what its batches at Openmart between two moments (UTC seconds) could cost at most."""
    unheard = and_(
        batch.c.collected_at.is_(None),
        or_(batch.c.state == BatchState.ACCEPTED, batch.c.sent_at > start - STILL_CHARGED),
    )
    query = (
        select(run.c.id, run.c.worst_credits, run.c.estimate, run.c.options)
        .add_columns(_FIRST_TASKS.label("first_tasks"), func.sum(batch.c.task_count).label("tasks"))
        .join(run, run.c.id == batch.c.run_id)
        .where(batch.c.account_id == account_id, _CREATED, _OURS)
        .where(batch.c.sent_at <= end, or_(batch.c.collected_at > start, unheard))
        .group_by(run.c.id)
    )
    return {row.id: _cost(row) for row in connection.execute(query)}


def _cost(row: Any) -> float:
    """Return what these tasks of a run could cost; without prices of its own, its share of what was shown."""
    tariff = Tariff.from_estimate(row.estimate)
    if tariff is None:
        return float(row.worst_credits * row.tasks / max(1, row.first_tasks))
    people = json.loads(row.options).get("people_per_task", 1) if tariff.per_person else 1
    return float(tariff.each * people * row.tasks)
