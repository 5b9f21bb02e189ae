"""Watch lists -> frames for files: what Lance said beside every uploaded row, and what to do about it.

The advice is about money: an enrichment that Lance finished is not to be paid for again, one that nobody
asked for (or that timed out) is safe to enrich. One that failed is neither: asking again starts a new one,
which may be charged and may fail for the same reason, so a person looks at the error first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from openmart_lib.api.lance_states import (
    FAILED,
    FOUND,
    NEVER,
    NOT_ASKED,
    NOT_SEEN,
    NOTHING,
    RUNNING,
    TIMED_OUT,
    UNCLEAR,
)
from openmart_lib.ledger import Ledger, watched
from openmart_lib.ledger.watched import WatchCard
from openmart_lib.results.export import name_part, stamped


class Advice(StrEnum):
    """What to do about an enrichment."""

    ENRICH = "enrich now"
    WAIT = "wait"
    DO_NOT_PAY = "do not pay"
    LOOK = "look first"


ADVICE_OF: Final[dict[str, Advice]] = {
    NEVER: Advice.ENRICH,
    TIMED_OUT: Advice.ENRICH,
    RUNNING: Advice.WAIT,
    NOT_SEEN: Advice.WAIT,
    NOT_ASKED: Advice.WAIT,
    FOUND: Advice.DO_NOT_PAY,
    NOTHING: Advice.DO_NOT_PAY,
    FAILED: Advice.LOOK,
    UNCLEAR: Advice.LOOK,
}
ADVICE_SENTENCES: Final[dict[Advice, str]] = {
    Advice.ENRICH: "Nobody asked for it, or Lance gave up on it: safe to enrich now.",
    Advice.WAIT: "Lance is working on it, or has not said yet: paying now could buy it twice.",
    Advice.DO_NOT_PAY: "Lance finished: the data is there, or is known not to exist. Read it in Lance.",
    Advice.LOOK: "It failed, or Lance's word is not known to us: read it first. Asking again may be charged.",
}
FIELD_COLUMNS: Final = (
    *("state", "data_found", "error", "created_at", "updated_at"),
    *("enrichment_id", "credit_transaction_id"),
)
"""Per field, after ``<field>_``; times as Lance says them (ISO 8601)."""
ROW_COLUMNS: Final = ("row", "file_line", "intake", "intake_reason", "entity_id", "entity_type")
ADVICE_COLUMNS: Final[dict[Advice, str]] = {
    Advice.ENRICH: "enrich_now",
    Advice.WAIT: "wait_for",
    Advice.DO_NOT_PAY: "do_not_pay",
    Advice.LOOK: "look_first",
}
"""Per row the fields with this advice ("emails, phones"); null for none."""


@dataclass(frozen=True, slots=True)
class AdviceCounts:
    """What a list's states are worth: triples per advice, and rows with at least one such field.

    ``calls_avoided``: triples that need not be paid for, each once however many rows name it.
    """

    triples: dict[Advice, int]
    rows: dict[Advice, int]

    @property
    def calls_avoided(self) -> int:
        """Paid calls that this list shows to be needless."""
        return self.triples[Advice.DO_NOT_PAY]


def joined(ledger: Ledger, list_id: str) -> pl.DataFrame:
    """Return every uploaded row with what Lance said, in upload order.

    Columns: the uploaded ones, unchanged (a name that is ours gets `` (uploaded)``); ``ROW_COLUMNS``; per
    field ``<field>_`` + ``FIELD_COLUMNS`` (data_found Boolean, all others String; null where the row was
    rejected); ``ADVICE_COLUMNS`` (String). Duplicates carry what was said of the row they repeat.

    Raises:
        LedgerError: If there is no such list, or its uploaded rows are gone.
    """
    card = watched.watch_card(ledger, list_id)
    uploaded = watched.watch_upload(ledger, list_id).collect()
    rows = watched.watch_rows(ledger, list_id).rename({"reason": "intake_reason"})
    names = _uploaded_names(card)
    frame = uploaded.drop("file_line").rename(names).join(rows, on="seq", how="left", maintain_order="left")
    states = _by_field(ledger, card)
    frame = frame.join(states, on=["entity_id", "entity_type"], how="left", maintain_order="left")
    frame = frame.rename({"seq": "row"})
    per_field = [f"{field}_{column}" for field in card.fields for column in FIELD_COLUMNS]
    return frame.select(*names.values(), *ROW_COLUMNS, *per_field, *ADVICE_COLUMNS.values())


def advice_counts(frame: pl.DataFrame) -> AdviceCounts:
    """Count what a ``joined`` frame advises."""
    accepted = frame.filter(pl.col("intake") == "accepted")
    triples, rows = {}, {}
    for advice, name in ADVICE_COLUMNS.items():
        filled = accepted.get_column(name).drop_nulls()
        triples[advice] = int(filled.str.split(", ").list.len().sum())
        rows[advice] = len(filled)
    return AdviceCounts(triples, rows)


def selection(frame: pl.DataFrame, advice: Advice, fields: Sequence[str] = ()) -> pl.DataFrame:
    """Return the rows of a ``joined`` frame with this advice for a field, each entity once.

    Args:
        fields: Only these; none = all.

    Duplicates and rejected rows are left out, so that a file of what is safe to enrich buys nothing twice.
    """
    advised = pl.col(ADVICE_COLUMNS[advice]).str.split(", ").list
    wanted = pl.any_horizontal(advised.contains(field) for field in fields) if fields else advised.len() > 0
    return frame.filter(pl.col("intake") == "accepted", wanted.fill_null(False))


def file_name(card: WatchCard, *, ext: str, advice: Advice | None = None, now: float | None = None) -> str:
    """Return ``<list>_lance_<states or advice>[_partial]_<YYYYMMDD-HHMM>Z.<ext>``, sandbox lists marked.

    Args:
        now: UTC seconds; the present when None.
    """
    parts = [name_part(card.name) or "list", "lance", name_part(advice) if advice else "states"]
    if card.standing is not watched.Standing.ENDED:
        parts.append("partial")
    return stamped(parts, card.environment, ext, now)


def _by_field(ledger: Ledger, card: WatchCard) -> pl.DataFrame:
    """One row per entity: its ids, per field what Lance said, per advice the fields."""
    known = watched.watch_items(ledger, card.list_id).with_columns(
        # A state that we have no word for is shown as Lance says it.
        said=pl.when(pl.col("state") == UNCLEAR).then(pl.col("status")).otherwise("state")
    )
    advised = pl.col("state").replace_strict(ADVICE_OF, return_dtype=pl.String)
    frame = known.select("entity_id", "entity_type").unique(maintain_order=True)
    keys = ["entity_id", "entity_type"]
    for field in card.fields:
        columns = [pl.col("said").alias(f"{field}_state")]
        columns += [pl.col(name).alias(f"{field}_{name}") for name in FIELD_COLUMNS[1:]]
        mine = known.filter(pl.col("field") == field)
        frame = frame.join(
            mine.select(*keys, *columns, advised.alias(f"{field} advice")), on=keys, how="left"
        )
    return frame.with_columns(
        pl.concat_str(
            [pl.when(pl.col(f"{field} advice") == advice).then(pl.lit(field)) for field in card.fields],
            separator=", ",
            ignore_nulls=True,
        )
        .replace("", None)
        .alias(name)
        for advice, name in ADVICE_COLUMNS.items()
    )


def _uploaded_names(card: WatchCard) -> dict[str, str]:
    """What each uploaded column is called beside ours; also never ``seq``, which the join needs."""
    per_field = {f"{field}_{column}" for field in card.fields for column in FIELD_COLUMNS}
    taken = {*ROW_COLUMNS, *ADVICE_COLUMNS.values(), *per_field, "seq"}
    used = taken | set(card.columns)
    names: dict[str, str] = {}
    for column in card.columns:
        name, number = column, 1
        while name in taken or (name != column and name in used):
            suffix = "uploaded" if number == 1 else f"uploaded {number}"
            name, number = f"{column} ({suffix})", number + 1
        used.add(name)
        names[column] = name
    return names
