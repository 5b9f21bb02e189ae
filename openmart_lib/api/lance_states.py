"""Lance's states in our words: what a record, or the lack of one, says about an enrichment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from openmart_lib.api.wire import Enrichment, LanceEntityType, LanceField

FOUND: Final = "found"
NOTHING: Final = "nothing found"
RUNNING: Final = "still running"
TIMED_OUT: Final = "timed out"
FAILED: Final = "failed"
NEVER: Final = "never requested"
NOT_SEEN: Final = "not seen yet"
UNCLEAR: Final = "unclear"
NOT_ASKED: Final = "not asked"
STATES: Final = (FOUND, NOTHING, RUNNING, TIMED_OUT, FAILED, NEVER, NOT_SEEN, UNCLEAR, NOT_ASKED)

STATE_SENTENCES: Final = {
    FOUND: "Lance finished and has this data.",
    NOTHING: "Lance finished and found nothing.",
    RUNNING: "Lance is working on it; look again later.",
    TIMED_OUT: "Lance gave up after too long a time.",
    FAILED: "Lance reports an error.",
    NEVER: "Nobody has asked Lance for this yet.",
    NOT_SEEN: "Lance has no record of this yet; it is asked again for half an hour.",
    UNCLEAR: "Lance gave a state we do not know; its own word is shown.",
    NOT_ASKED: "We have not asked Lance about this yet.",
}

_FINISHED: Final = frozenset({"finished", "completed"})
_KNOWN: Final = {
    "pending": RUNNING,
    "running": RUNNING,
    "timeout": TIMED_OUT,
    "failed": FAILED,
    "error": FAILED,
}
_LONGEST_ERROR: Final = 500  # characters of a record's error that are kept


class Triple(NamedTuple):
    """What one question to Lance is about; answers are joined on all three, never on position."""

    entity_id: str  # a UUID, lower case
    entity_type: str  # a LanceEntityType
    field: str  # a LanceField


@dataclass(frozen=True, slots=True)
class EnrichmentState:
    """One enrichment as Lance has it now.

    Attributes:
        state: One of ``STATES``.
        final: It does not change by itself any more.
        status: Lance's own word; None without a record.
        data_found: Whether anything was found; None while that is not known.
        error: What went wrong, as Lance says it (objects as JSON).
        created_at, updated_at: As Lance says it (ISO 8601).
        enrichment_id: The record's id.
        credit_transaction_id: Opaque; no proof of a charge.
    """

    state: str
    final: bool = False
    status: str | None = None
    data_found: bool | None = None
    error: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    enrichment_id: str | None = None
    credit_transaction_id: str | None = None

    @property
    def shown(self) -> str:
        """The state as people read it: Lance's own word where we have none for it."""
        return shown_state(self.state, self.status)


def triples(
    ids: Iterable[str],
    fields: Iterable[LanceField | str],
    entity_type: LanceEntityType | str = LanceEntityType.PERSON,
) -> list[Triple]:
    """Return one triple per id and field, each once, in order."""
    wanted = [str(field) for field in fields]
    return list(
        dict.fromkeys(Triple(one.strip().lower(), str(entity_type), field) for one in ids for field in wanted)
    )


def shown_state(state: str, status: str | None) -> str:
    """Return a state as people read it: an unknown status is shown as it is."""
    return status if state == UNCLEAR and status else state


def state_of(record: Enrichment) -> str:
    """Return one record's state, one of ``STATES``. A record with an error failed, whatever else it says."""
    if record.get("error"):
        return FAILED
    status, found = record["status"].lower(), record.get("dataFound")
    if status not in _FINISHED and status in _KNOWN:
        return _KNOWN[status]
    return UNCLEAR if found is None else FOUND if found else NOTHING


def is_final(record: Enrichment) -> bool:
    """Return whether a record changes no more: finished, timed out, or ``error`` or ``dataFound`` set."""
    status = record["status"].lower()
    if status in _FINISHED or status == "timeout" or record.get("error"):
        return True
    return status not in _KNOWN and record.get("dataFound") is not None


def read_state(record: Enrichment | None, *, without: str = NEVER) -> EnrichmentState:
    """Return what a record says; ``without`` is the state where Lance has none, final if never requested."""
    if record is None:
        return EnrichmentState(without, final=without == NEVER)
    found = record.get("dataFound")
    return EnrichmentState(
        state_of(record),
        final=is_final(record),
        status=record["status"],
        data_found=found if isinstance(found, bool) else None,
        error=_error_text(record.get("error")),
        created_at=_text(record.get("createdAt")),
        updated_at=_text(record.get("updatedAt")),
        enrichment_id=_text(record.get("id")),
        credit_transaction_id=_text(record.get("creditTransactionId")),
    )


def _error_text(error: Any) -> str | None:
    if not error:
        return None
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
    return text[:_LONGEST_ERROR]


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None
