"""What a task costs at most, and what its answer cost: by the price list that was shown at Confirm.

The prices of a run are those of its estimate, kept with the run: a price list changed later changes neither
its limit nor its counters. Every figure is an estimate; Openmart's own bill counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from openmart_lib.api.payload import Record
from openmart_lib.api.wire import Kind, TaskStatus
from openmart_lib.settings import Prices

CENT: Final = 0.005  # credits; sums of prices such as 0.3 differ by less, real amounts by more


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one run.

    Attributes:
        each: Credits at most for one task; with ``per_person`` for each person asked for in it.
        prices: Credits per found value.
    """

    each: float
    per_person: bool
    prices: Prices

    def to_dict(self) -> dict[str, Any]:
        """Return it as a part of a run's estimate, JSON types."""
        return {"each": self.each, "per_person": self.per_person, "prices": asdict(self.prices)}

    @classmethod
    def from_estimate(cls, estimate: Mapping[str, Any] | str | None) -> Tariff | None:
        """Return the tariff in a run's estimate (or its JSON text), None when there is none in it."""
        known: Any = msgspec.json.decode(estimate) if isinstance(estimate, str) else estimate
        if not known or "each" not in known:
            return None
        return cls(known["each"], known["per_person"], Prices(**known["prices"]))

    def at_most(self, request: Mapping[str, Any]) -> float:
        """Return the credits at most for the task of this request."""
        return self.each * len(request.get("people", ())) if self.per_person else self.each

    def spent(self, kind: Kind, status: str, found: Mapping[str, int]) -> float:
        """Return the credits that an answer cost; ``found`` is what ``count_found`` counted in it."""
        if kind is Kind.FIND_TECH:  # paid per check, whatever it finds
            return self.prices.technology if status == TaskStatus.COMPLETED else 0.0
        return (
            found.get("found:emails", 0) * self.prices.email
            + found.get("found:phones", 0) * self.prices.phone
            + found.get("found:mailboxes", 0) * self.prices.mailbox
        )


def count_found(kind: Kind, records: Sequence[Record]) -> Counter[str]:
    """Count what the records of a task's ``data`` hold, by the names of the run's counters."""
    found: Counter[str] = Counter()
    for record in records:
        found["found:records"] += 1
        found["found:phones"] += bool(record.phones)  # paid once a person, however many numbers
        found["found:technologies"] += kind is Kind.FIND_TECH
        if record.email and kind is Kind.LOOKUP_BUSINESS_EMAIL:
            found["found:mailboxes"] += 1
        elif record.email:
            found["found:emails"] += 1
            found["found:verified_emails"] += bool(record.email_verified)
    return found
