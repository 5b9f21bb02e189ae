"""Spending: what of a run may be at Openmart without an answer, and what came back, counted along in credits.

``run.credits_out`` is the worst case of everything that may have been created and has no last word, and
``run.credits_spent`` the estimate of what came back; both change in the transaction that changes what they
count, so the claim of a batch knows them exactly, however many submissions are in flight. A batch's own
``worst_credits`` is that of its tasks without a last word.

What is out stays out until its answer is here. What nobody waits for any more (unknown, given up, sent again,
missing) may have been charged, so it counts against the limit for ever: a limit that forgot it could be
overspent. It is told apart (``money.Money.in_doubt``), and a run whose limit it fills is paused, not left
waiting: a person raises the limit or stops. What never left (planned, cancelled, withdrawn), was turned away,
or of which Openmart created nothing counts nothing, also when it was given up.

All are counted by the prices of the run's own
estimate; a run without one (from before there were limits, or made elsewhere) counts nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from openmart_lib.api.wire import Kind
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.states import MAYBE_CREATED, BatchState
from openmart_lib.ledger.tariff import Tariff

_DIGITS: Final = 6  # of a credit: a sum of many prices such as 0.3 stays what it is
_CHANGE: Final = (
    update(run)
    .where(run.c.id == bindparam("b_run"))
    .values(
        credits_out=func.round(run.c.credits_out + bindparam("b_out"), _DIGITS),
        credits_spent=func.round(run.c.credits_spent + bindparam("b_spent"), _DIGITS),
    )
)

_ESTIMATE: Final = select(run.c.estimate).where(run.c.id == bindparam("b_run"))
_EXPOSED: Final = select(batch.c.id, batch.c.state, batch.c.nothing_created).where(
    batch.c.id.in_(bindparam("b_pks", expanding=True))
)


class Answered(NamedTuple):
    """A task with its first last word: what it asked for, and what was found (as ``count_found``)."""

    batch_pk: int
    request: Mapping[str, Any]
    status: str
    found: Mapping[str, int]


def exposure(state: str, nothing_created: bool, worst_credits: float) -> float:
    """Return what a batch in this state may still cost: all of its tasks without an answer, or nothing."""
    return worst_credits if state in MAYBE_CREATED and not nothing_created else 0.0


def follow(connection: Connection, row: Any, state: BatchState, *, nothing_created: bool = False) -> None:
    """Count what a batch's move to ``state`` puts out or takes back; ``row`` is the batch as it was."""
    worst = row.worst_credits
    change = exposure(state, nothing_created, worst) - exposure(row.state, row.nothing_created, worst)
    if change:
        connection.execute(_CHANGE, {"b_run": row.run_id, "b_out": change, "b_spent": 0.0})


def count_answers(
    connection: Connection, run_pk: int, kind: Kind, answers: Iterable[Answered]
) -> dict[int, float]:
    """Count answered tasks as spent, and no longer as out; return by batch what its worst case loses."""
    tariff = Tariff.from_estimate(connection.execute(_ESTIMATE, {"b_run": run_pk}).scalar())
    if tariff is None:
        return {}
    answered: dict[int, float] = defaultdict(float)
    spent = 0.0
    for one in answers:
        answered[one.batch_pk] += tariff.at_most(one.request)
        spent += tariff.spent(kind, one.status, one.found)
    owners = connection.execute(_EXPOSED, {"b_pks": list(answered)}).all()
    out = sum(exposure(row.state, row.nothing_created, answered[row.id]) for row in owners)
    connection.execute(_CHANGE, {"b_run": run_pk, "b_out": -out, "b_spent": spent})
    return answered


def allow_again(connection: Connection, old: Any, new_pk: int) -> None:
    """Let a run cost what a person agreed to pay for a batch again, unless they set it a limit of its own.

    ``old`` is the batch as it was, ``new_pk`` the one that repeats it.
    """
    if old.nothing_created:
        return
    more = select(batch.c.worst_credits).where(batch.c.id == new_pk).scalar_subquery()
    by_default = (run.c.id == old.run_id) & (run.c.spend_at_most >= run.c.worst_credits)
    connection.execute(update(run).where(by_default).values(spend_at_most=run.c.spend_at_most + more))


def worst_of(connection: Connection, run_pk: int, tasks: Sequence[Any]) -> float:
    """Return the credits at most for these tasks of a run."""
    tariff = Tariff.from_estimate(connection.execute(_ESTIMATE, {"b_run": run_pk}).scalar())
    return sum(tariff.at_most(msgspec.json.decode(row.request)) for row in tasks) if tariff else 0.0
