"""Interruptions: when this computer slept, or its clock was set. They explain gaps in a run's course."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.schema import event

SLEPT: Final = "computer_slept"
CLOCK_SET: Final = "clock_set"
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something that happened to this computer: ended ``at`` (UTC s), ``seconds`` long or far."""

    kind: str
    at: float
    seconds: float


def note_sleep(ledger: Ledger, seconds: float) -> None:
    """Write down that this computer slept until now."""
    with ledger.write() as connection:
        append_event(connection, ledger.now(), SLEPT, seconds=seconds)


@in_plain_words
def interruptions(ledger: Ledger, *, since: float, until: float | None = None) -> list[Interruption]:
    """Return the newest interruptions that ended in this time (UTC seconds), newest first."""
    of_the_computer = event.c.run_id.is_(None) & event.c.kind.in_([SLEPT, CLOCK_SET])
    query = select(event.c.kind, event.c.at, event.c.detail).where(of_the_computer, event.c.at >= since)
    if until is not None:
        query = query.where(event.c.at <= until)
    with ledger.read() as connection:
        found = connection.execute(query.order_by(event.c.id.desc()).limit(SHOWN)).all()
    return [Interruption(row.kind, row.at, _seconds(row.kind, row.detail)) for row in found]


def _seconds(kind: str, detail: str | None) -> float:
    told = json.loads(detail or "{}")
    if kind == CLOCK_SET:
        return float(told.get("by", 0.0))
    return float(told.get("seconds", told.get("until", 0.0) - told.get("since", 0.0)))
