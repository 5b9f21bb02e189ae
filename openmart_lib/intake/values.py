"""The text values of a task: taken from the mapped columns, tidied, empty ones as null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from openmart_lib.intake.fields import Field
from openmart_lib.intake.hosts import is_placeholder

# What stands for "no value" beside punctuation, as written: "Na", "No" and "Null" are people's names.
_NO_TEXT: Final = (
    "n/a", "N/A", "#N/A", "#REF!", "#NAME?", "#VALUE!", "#NULL!", "(blank)", "<NA>",
    "nan", "NaN", "null", "NULL",
)  # fmt: skip
_NO_WORD: Final = (*_NO_TEXT, "none", "None", "unknown", "Unknown", "tbd", "TBD")
# Pictures, flags and the signs that join them; a stray one asks for somebody who does not exist.
_PICTURES: Final = (
    r"(?:[\p{Extended_Pictographic}\p{Regional_Indicator}\x{1F3FB}-\x{1F3FF}]"
    r"[\x{FE0E}\x{FE0F}\x{200D}\x{20E3}\x{E0020}-\x{E007F}]*)+"
)
_STYLED: Final = r"[\x{1D400}-\x{1D7FF}]"  # letters of mathematics, which profiles use as bold or script ones
_PEOPLE: Final = (Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME)


def text_value(field: Field, columns: Sequence[str], same_for_all: str | None) -> pl.Expr:
    """Return a field's text: the first mapped column that is not empty, else what is the same for all.

    Args:
        columns: Mapped columns, in order.
        same_for_all: The option's value.
    """
    empty = _NO_TEXT if field in _PEOPLE else _NO_WORD
    cells = [_tidied(pl.col(column), empty) for column in columns]
    return pl.coalesce(*cells, pl.lit(same_for_all, pl.String)).alias(field.value)


def tidied_text(field: Field, cell: pl.Expr) -> pl.Expr:
    """Return a text typed for a field, tidied like a cell; null when it says nothing."""
    if field is Field.DOMAIN:
        return pl.when(cell.str.strip_chars() != "").then(cell)
    return _tidied(cell, _NO_TEXT if field in _PEOPLE else _NO_WORD)


def domain_cell(columns: Sequence[str]) -> pl.Expr:
    """Return the cell to read the domain from: the first that says something, else the first filled."""
    filled = [pl.when(pl.col(column).str.strip_chars() != "").then(pl.col(column)) for column in columns]
    if len(columns) == 1:
        return filled[0].alias("cell")
    telling = [
        pl.when(~is_placeholder(pl.col(column).str.strip_chars().str.to_lowercase())).then(cell)
        for column, cell in zip(columns, filled, strict=True)
    ]
    return pl.coalesce(*telling, *filled).alias("cell")


def is_filled(column: str) -> pl.Expr:
    """Return whether an uploaded cell holds a value; "n/a" and "-" are none."""
    text = pl.col(column).str.strip_chars().str.to_lowercase()
    return ((text != "") & ~is_placeholder(text)).fill_null(False)


def _tidied(cell: pl.Expr, empty: Sequence[str]) -> pl.Expr:
    plain = pl.when(cell.str.contains(_STYLED)).then(cell.str.normalize("NFKC")).otherwise(cell)
    text = (
        plain.str.replace_all(r"[\x{200B}\x{2060}\x{FEFF}]", "")
        .str.replace_all(_PICTURES, " ")
        .str.replace_all(r"[\s\p{Cc}]+", " ")
        .str.strip_chars()
    )
    nothing = text.is_in(list(empty)) | text.str.contains(r"^[\p{P}\p{S}\s]*$")
    return pl.when(~nothing).then(text)
