"""Lance's records: the state of an enrichment, from a hash of what it is about and the clock.

A record never holds the data that was found, only whether there is any.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from openmart_lib.api.wire import Enrichment
from openmart_lib.sandbox.dice import Dice

_LONG_AGO: Final = 1_767_225_600.0  # 2026-01-01, seconds: before it nothing was asked in this world
_DAY: Final = 86_400.0
_LONGEST_RUN: Final = 800.0  # seconds (API README, "Limits")

# per 100: what becomes of an enrichment
_FATES: Final = (
    ("never", 20),  # nobody ever asked for it: no record
    ("old hit", 8),  # finished long ago
    ("old miss", 4),
    ("hit", 38),  # pending when first looked at, finished later
    ("miss", 15),
    ("timeout", 8),
    ("error", 7),
)
_FATE_OF: Final = tuple(fate for fate, percent in _FATES for _ in range(percent))
_OLDER_RECORD_PERCENT: Final = 6
_ERRORS: Final[tuple[Any, ...]] = (
    "provider unavailable",
    {"code": "PROVIDER_ERROR", "message": "the provider gave no answer"},
)


def waits(key: str) -> bool:
    """Return whether an enrichment is pending when first looked at, so that the moment matters."""
    return not Dice("lance", key).pick(_FATE_OF).startswith(("never", "old"))


def records(key: str, first_asked: float | None, now: float, window: tuple[float, float]) -> list[Enrichment]:
    """Return the records of one enrichment: none, one, or rarely an older one beside it.

    Args:
        key: ``entityId|field|entityType``, lower-case.
        first_asked: When it was first looked at, UTC seconds; None for one that does not wait.
        window: Shortest and longest time until it is finished, seconds.
    """
    dice = Dice("lance", key)
    fate = dice.pick(_FATE_OF)
    if fate == "never":
        return []
    started = _LONG_AGO + dice.between(0, 30 * _DAY) if first_asked is None else first_asked
    ends, before = started + dice.between(*window), started - dice.between(1, 90) * _DAY
    done = ends <= now or first_asked is None
    newest = _record(key, fate if done else "pending", started, ends if done else started)
    if not dice.chance(_OLDER_RECORD_PERCENT):
        return [newest]
    return [newest, _record(key, "timeout", before, before + _LONGEST_RUN, which="older")]


def _record(key: str, state: str, created: float, updated: float, *, which: str = "newest") -> Enrichment:
    entity_id, field, entity_type = key.split("|")
    hit, miss = state.endswith("hit"), state.endswith("miss")
    dice = Dice("lance record", key, which)
    record_id, error, charge = _uuid(dice), dice.pick(_ERRORS), f"credit_{dice.roll(1 << 32):08x}"
    finished = f"global_{dice.roll(1 << 32):08x}" if hit or miss else None
    return {
        "id": record_id,
        "createdAt": _iso(created),
        "updatedAt": _iso(updated),
        "entityId": entity_id,
        "entityType": entity_type,
        "field": field,
        "status": "finished" if hit or miss else "failed" if state == "error" else state,
        "error": error if state == "error" else None,
        "dataFound": hit if hit or miss else None,
        "createdBy": "user_sandbox",
        "orgId": "org_sandbox",
        "globalEnrichmentId": finished,
        "creditTransactionId": charge if dice.chance(60) else None,
    }


def _uuid(dice: Dice) -> str:
    text = f"{dice.roll(1 << 60):015x}{dice.roll(1 << 60):015x}"
    return f"{text[:8]}-{text[8:12]}-4{text[12:15]}-8{text[15:18]}-{text[18:30]}"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
