"""What an analyst changes in the table of rows, as decisions that ``intake`` understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from openmart_lib.dashboard.submit_rows import CELL, code_words
from openmart_lib.dashboard.words import count
from openmart_lib.intake.anyway import domains_anyway
from openmart_lib.intake.columns import FIELD_WORDS
from openmart_lib.intake.fields import Field
from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.overrides import (
    DROPPED_CODE,
    EARLIER_CODE,
    NAME_CODE,
    SENDABLE,
    Choice,
    Overrides,
)

SEND: Final = "send anyway"
DROP: Final = "leave out"
UNDO: Final = "as uploaded"
EACH: Final = "look up each"  # of several websites in one cell; changes the list, not the decisions
EDITED: Final = "edited"  # what a row with an edited cell says of itself; no choice
DO: Final = "choice"
USE: Final = "use"


def with_table_edits(
    overrides: Overrides, page: pl.DataFrame, edits: Mapping[int, Mapping[str, Any]]
) -> Overrides:
    """Return the decisions after edits of the table.

    Args:
        page: The page that was shown, as ``submit_rows.page``.
        edits: Per position in it, the new value by column, as Streamlit's editor gives them.
    """
    for position, cells in sorted(edits.items()):
        if not 0 <= position < page.height:
            continue
        row = page.row(position, named=True)
        for name, value in cells.items():
            overrides = _with_cell(overrides, row, name, value)
    return overrides


def rows_with(choice: str, page: pl.DataFrame, edits: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Return the rows (``seq``) of a page for which this was chosen; arguments as ``with_table_edits``."""
    chosen = [position for position, cells in sorted(edits.items()) if cells.get(DO) == choice]
    return [int(page["seq"][position]) for position in chosen if 0 <= position < page.height]


def can_be_sent(code: str | None, cell: str | None) -> bool:
    """Return whether a row of this class, with this cell for the website, holds something to send."""
    if code in (None, NAME_CODE, DROPPED_CODE, EARLIER_CODE):
        return True
    if code not in SENDABLE and code != DomainCode.SUFFIX_ONLY:
        return False
    return domains_anyway(pl.Series([cell], dtype=pl.String), allow_example=True)[0] is not None


def _with_cell(overrides: Overrides, row: Mapping[str, Any], name: str, value: Any) -> Overrides:
    seq = int(row["seq"])
    if name == DO:
        if value in (SEND, DROP):
            return overrides.with_rows([seq], Choice.SEND if value == SEND else Choice.DROP)
        return overrides if value in (EDITED, EACH) else overrides.without_rows([seq])
    if name == USE:
        suggestion = row["suggestion"]
        return _edited(overrides, seq, Field.DOMAIN, suggestion) if value and suggestion else overrides
    field = Field.DOMAIN if name == CELL else Field(name)
    return _edited(overrides, seq, field, str(value or "").strip())


def _edited(overrides: Overrides, seq: int, field: Field, text: str) -> Overrides:
    """Return the decisions and an edit; a row that was left out is edited to be sent after all."""
    edited = overrides.with_edit(seq, field.value, text)
    if edited.rows.get(seq) is Choice.DROP:
        edited = replace(edited, rows={row: choice for row, choice in edited.rows.items() if row != seq})
    return edited


def with_suggestions(overrides: Overrides, page: pl.DataFrame) -> Overrides:
    """Return the decisions and an edit for every row of a page that has a suggestion."""
    for seq, suggestion in page.select("seq", "suggestion").drop_nulls().iter_rows():
        overrides = _edited(overrides, seq, Field.DOMAIN, suggestion)
    return overrides


def number(overrides: Overrides) -> int:
    """Return how many changes there are."""
    edits = sum(len(cells) for cells in overrides.edits.values())
    return edits + len(overrides.rows) + len(overrides.classes)


def sentences(overrides: Overrides, *, most: int = 30) -> Iterable[str]:
    """Yield each change in words, those of whole classes first; the rest as a number."""
    for told, text in enumerate(_each(overrides)):
        if told == most:
            yield f"and {count(number(overrides) - most)} more"
            return
        yield text


def _each(overrides: Overrides) -> Iterable[str]:
    done = {Choice.SEND: "sent anyway", Choice.DROP: "left out"}
    for code, choice in overrides.classes.items():
        first = code == DomainCode.MULTIPLE and choice is Choice.SEND
        yield f"all rows with “{code_words(code)}”: {'the first is taken' if first else done[choice]}"
    for seq, cells in sorted(overrides.edits.items()):
        for name, text in cells.items():
            yield f"row {count(seq)}: {FIELD_WORDS[Field(name)]} is " + (f"“{text}”" if text else "empty")
    for seq, choice in sorted(overrides.rows.items()):
        yield f"row {count(seq)}: {done[choice]}"
