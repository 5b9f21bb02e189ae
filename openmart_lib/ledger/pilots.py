"""Pilots: a run's first batches, a random sample of its rows, are tried alone; a person sends the rest.

Until then nothing beyond them is claimed. What their results say of the rest is an estimate with an interval;
whether they came back with our tracking ids is a fact, and the reason for trying a new key on a few rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.rates import interval
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import batch, remote_task, row_task, run, task
from openmart_lib.ledger.states import ANSWERED, OPEN_STATES, BatchState, Outcome


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a run's pilot shows, while nobody has decided about the rest. Rates are shares, 0 to 1.

    Attributes:
        rows: Uploaded rows of the pilot; ``open_rows`` of them have no last word yet.
        answered: Rows that Openmart finished; ``matched`` of them, ``rate`` as a share (None without any),
            between ``low`` and ``high`` in 95 of 100 samples.
        missing: Rows that Openmart took and never gave back.
        strangers: Answers in the pilot's batches whose tracking id is none of ours.
        unknown: Rows of which nobody knows whether Openmart took them.
        spent: Credits so far, by the price list.
        rest_rows: Uploaded rows of what waits to be sent.
        rest_expected: Credits for the rest if it goes like the pilot; None while nothing is answered.
        rest_at_most: Credits for the rest if everything asked for is found.
        at_stake: What of that the run's limit lets go: a person agrees to this where it is much.
        over: Whether everything of the pilot has its last word.
    """

    rows: int
    open_rows: int
    answered: int
    matched: int
    rate: float | None
    low: float
    high: float
    missing: int
    strangers: int
    unknown: int
    spent: float
    rest_rows: int
    rest_expected: float | None
    rest_at_most: float
    at_stake: float
    over: bool

    @property
    def came_back(self) -> bool:
        """Whether every answer so far came back under a tracking id of ours, and none is missing."""
        return not self.missing and not self.strangers


def may_go() -> ColumnElement[bool]:
    """Whether a batch may be sent before somebody has decided about its run's pilot."""
    return or_(
        run.c.pilot_batches.is_(None),
        run.c.pilot_decided_at.is_not(None),
        batch.c.batch_no <= run.c.pilot_batches,
        batch.c.resend_of.is_not(None),  # of one of those: nothing else was sent yet
    )


@in_plain_words
def pilot(ledger: Ledger, run_id: str) -> Pilot | None:
    """Return what a run's pilot shows, None where there is none or the rest was decided on.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        one = connection.execute(select(run).where(run.c.id == pk)).one()
        undecided = one.pilot_batches is not None and one.pilot_decided_at is None
        if not undecided or one.cancelled_at is not None or one.planned_at is None:
            return None
        return _pilot(connection, one)


@in_plain_words
def send_rest(ledger: Ledger, run_id: str) -> None:
    """Decide that the rows beyond the pilot are sent too, and go on.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If the run has no pilot that waits for a decision.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        undecided = (run.c.pilot_batches.is_not(None)) & run.c.pilot_decided_at.is_(None)
        decided = connection.execute(
            update(run)
            .where(run.c.id == pk, undecided, run.c.cancelled_at.is_(None))
            .values(pilot_decided_at=ledger.now(), paused_at=None, pause_reason=None)
        )
        if not decided.rowcount:
            raise LedgerError(
                "This run has no pilot that waits for a decision. Nothing was sent by this. "
                "Reload the page to see how the run stands."
            )
        append_event(connection, ledger.now(), "pilot_decided", run=pk)


def has_strangers(connection: Connection, pk: int) -> bool:
    """Whether an answer came back in this run under a tracking id that is none of ours."""
    return bool(connection.execute(_strangers(pk)).scalar_one())


def has_missing(connection: Connection, pk: int) -> bool:
    """Whether Openmart took a row of this run and never gave it back."""
    lost = select(row_task.c.seq).where(row_task.c.run_id == pk, row_task.c.outcome == Outcome.MISSING)
    return connection.execute(lost.limit(1)).first() is not None


def _strangers(pk: int) -> Any:
    stranger = remote_task.c.fetched_at.is_not(None) & remote_task.c.task_no.is_(None)
    return select(func.count()).where(remote_task.c.run_id == pk, stranger)


def _pilot(connection: Connection, one: Any) -> Pilot:
    tried = (batch.c.batch_no <= one.pilot_batches) | batch.c.resend_of.is_not(None)
    mine = batch.c.run_id == one.id
    link = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)
    ties = select(row_task.c.seq, row_task.c.outcome).join(task, link)
    tried_ties = ties.join(batch, batch.c.id == task.c.batch_pk).where(mine, tried).order_by(task.c.task_no)
    # Of a row that was sent again the later task counts.
    by_row = {tie.seq: tie.outcome for tie in connection.execute(tried_ties)}
    outcomes = Counter(by_row.values())
    sums = select(
        func.count().filter(tried, batch.c.state.in_(OPEN_STATES)).label("trying"),
        func.sum(batch.c.task_count).filter(tried, batch.c.resend_of.is_(None)).label("tried_tasks"),
        func.sum(batch.c.task_count).filter(~tried, batch.c.state == BatchState.PLANNED).label("tasks"),
        func.sum(batch.c.open_rows).filter(~tried, batch.c.state == BatchState.PLANNED).label("rows"),
        func.sum(batch.c.worst_credits).filter(~tried, batch.c.state == BatchState.PLANNED).label("worst"),
    ).where(mine)
    all_of = connection.execute(sums).one()
    answered, matched = sum(outcomes[each] for each in ANSWERED), outcomes[Outcome.MATCHED]
    low, high = interval(matched, answered)
    room = float("inf") if one.spend_at_most is None else one.spend_at_most
    room = max(0.0, room - one.credits_spent - one.credits_out)
    each = one.credits_spent / all_of.tried_tasks if answered and all_of.tried_tasks else None
    return Pilot(
        rows=len(by_row),
        open_rows=outcomes[Outcome.PENDING],
        answered=answered,
        matched=matched,
        rate=matched / answered if answered else None,
        low=low,
        high=high,
        missing=outcomes[Outcome.MISSING],
        strangers=connection.execute(_strangers(one.id)).scalar_one(),
        unknown=outcomes[Outcome.UNKNOWN],
        spent=one.credits_spent,
        rest_rows=all_of.rows or 0,
        rest_expected=None if each is None else each * (all_of.tasks or 0),
        rest_at_most=all_of.worst or 0.0,
        at_stake=min(all_of.worst or 0.0, room),
        over=not all_of.trying,
    )
