"""Hit rates: how often earlier runs of this ledger found what was asked for, per kind and field.

Counted from the counters of runs that were sent from here; the newest ones, until they tell enough.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.schema import counter, run
from openmart_lib.ledger.states import Outcome

ENOUGH: Final = 5_000  # finished rows; older runs would say little more
RUNS: Final = 20  # looked at, at most
# Rows that Openmart finished: of these it is known what was found, and so what the rest may cost.
_FINISHED: Final = (Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH, Outcome.ERRORED)
_COUNTERS: Final = {"email": "found:emails", "phone": "found:phones", "mailbox": "found:mailboxes"}


@dataclass(frozen=True, slots=True)
class HitRates:
    """What earlier runs found.

    Attributes:
        runs, rows: How many runs and finished rows it rests on.
        found: By what is paid ("email", "phone", "mailbox", "technology"), how many were found for each one
            asked for: for each person wanted, or for each company (mailboxes, technologies).
    """

    runs: int = 0
    rows: int = 0
    found: dict[str, float] = field(default_factory=dict)


@in_plain_words
def hit_rates(ledger: Ledger, kind: Kind, *, info_access: Collection[str] = ()) -> HitRates:
    """Return the hit rates of the newest runs of a kind that asked for the same contact fields.

    Args:
        info_access: Contact fields that are asked for; matters for people only.
    """
    query = (
        select(run.c.id, run.c.options)
        .where(run.c.environment == ledger.environment, run.c.kind == kind, run.c.planned_at.is_not(None))
        .order_by(run.c.id.desc())
    )
    by_person = kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE)
    runs = rows = asked = 0
    found: dict[str, int] = defaultdict(int)
    with ledger.read() as connection:
        for one in connection.execute(query):
            options: dict[str, Any] = json.loads(one.options)
            same = set(options.get("info_access", ())) == set(info_access)
            if options.get("made_elsewhere") or (by_person and not same):
                continue
            counted = select(counter.c.name, counter.c.n).where(counter.c.run_id == one.id)
            counts = {name: n for name, n in connection.execute(counted)}  # noqa: C416 - a Row is no pair
            finished = sum(counts.get(f"outcome:{each}", 0) for each in _FINISHED)
            if not finished:
                continue
            runs, rows = runs + 1, rows + finished
            asked += finished * (options.get("max_k", 1) if kind is Kind.FIND_PEOPLE else 1)
            for thing, name in _COUNTERS.items():
                found[thing] += counts.get(name, 0)
            found["technology"] += finished - counts.get(f"outcome:{Outcome.ERRORED}", 0)
            if rows >= ENOUGH or runs >= RUNS:
                break
    return HitRates(runs, rows, {thing: n / asked for thing, n in found.items()} if asked else {})
