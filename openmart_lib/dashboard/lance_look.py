"""A look at Lance: entity ids in any text, the questions they make, and the states in words. No streamlit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from openmart_lib.api.wire import MAX_LANCE_QUERY, Enrichment, LanceEntityType, LanceField, LanceQueryTask

FOUND: Final = "found"
NOTHING: Final = "nothing found"
RUNNING: Final = "still running"
TIMED_OUT: Final = "timed out"
FAILED: Final = "failed"
NEVER: Final = "never requested"
UNCLEAR: Final = "unclear"
STATES: Final = (FOUND, NOTHING, RUNNING, TIMED_OUT, FAILED, NEVER, UNCLEAR)

STATE_SENTENCES: Final = {
    FOUND: "Lance finished and has this data.",
    NOTHING: "Lance finished and found nothing.",
    RUNNING: "Lance is working on it; look again later.",
    TIMED_OUT: "Lance gave up after too long a time.",
    FAILED: "Lance reports an error.",
    NEVER: "Nobody has asked Lance for this yet.",
    UNCLEAR: "Lance gave a state we do not know; its own word is shown.",
}

_UUID: Final = re.compile(
    r"(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f-])"
)
_WORD: Final = re.compile(r"[^\s,;|\"'<>()\[\]]+")


def read_ids(text: str) -> tuple[list[str], list[str]]:
    """Return (entity ids in order, each once, lower case; lines or words that hold none)."""
    ids: dict[str, None] = {}
    others: list[str] = []
    for line in text.splitlines():
        found = _UUID.findall(line.lower())
        ids.update(dict.fromkeys(found))
        if not found and _WORD.search(line):
            others.append(line.strip()[:80])
    return list(ids), others


def questions(
    ids: Sequence[str], fields: Sequence[LanceField], entity_type: LanceEntityType
) -> list[LanceQueryTask]:
    """Return one question per id and field, at most ``MAX_LANCE_QUERY`` of them."""
    tasks: list[LanceQueryTask] = [
        {"entityId": one, "field": field.value, "entityType": entity_type.value}
        for one in ids
        for field in fields
    ]
    return tasks[:MAX_LANCE_QUERY]


def states(asked: Sequence[LanceQueryTask], records: Sequence[Enrichment]) -> pl.DataFrame:
    """Return one row per question, in order: Entity id, Field, State, Lance's word, Updated (ISO text).

    Records are joined on entity, type and field; a question without a record was never requested.
    """
    by_key = {
        (str(one["entityId"]).lower(), one.get("entityType") or "person", one["field"]): one
        for one in records
    }
    rows = []
    for task in asked:
        record = by_key.get((task["entityId"].lower(), task["entityType"], task["field"]))
        rows.append(
            {
                "Entity id": task["entityId"],
                "Field": task["field"],
                "State": NEVER if record is None else state_of(record),
                "Lance's word": "" if record is None else record["status"],
                "Updated": "" if record is None else record.get("updatedAt") or "",
            }
        )
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("Entity id", "Field", "State", "Lance's word", "Updated"), pl.String)
    )


def state_of(record: Enrichment) -> str:
    """Return one record's state in words."""
    status = record["status"].lower()
    if status in ("finished", "completed"):
        found = record.get("dataFound")
        return UNCLEAR if found is None else FOUND if found else NOTHING
    known = {"pending": RUNNING, "running": RUNNING, "timeout": TIMED_OUT, "failed": FAILED, "error": FAILED}
    return known.get(status, UNCLEAR)
