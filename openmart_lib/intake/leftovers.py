"""Rows of a table that are no data: blank ones, the header once more, totals at the end."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from openmart_lib.intake.guard import unguard_name
from openmart_lib.intake.headers import Row

_FILLED: Final = r"[^\s\x{FEFF}]"
_TOTALS: Final = re.compile(
    r"(?:grand |sub)?[- ]?totals?|sum|summe|gesamt(?:summe)?|insgesamt|somme|suma|totale|totaal|somma|"
    r"total g[ée]n[ée]ral|итого|всего|合計|总计|toplam",
    re.IGNORECASE,
)
_LAST_ROWS: Final = 3


def blank_rows(body: pl.DataFrame) -> pl.Series:
    """Return the positions of the rows that hold nothing but blanks (columns of text, null for empty)."""
    rows: pl.Series | None = None
    for column in body.get_columns():
        cells = column if rows is None else column.gather(rows)
        # Texts that begin with a printable ASCII character are filled; only the others are looked into.
        unclear = (cells.is_null() | (cells < "!") | (cells >= "\x7f")).arg_true()
        unclear = unclear.filter(~cells.gather(unclear).str.contains(_FILLED).fill_null(False))
        rows = unclear if rows is None else rows.gather(unclear)
        if rows.is_empty():
            break
    return rows if rows is not None else pl.Series([], dtype=pl.UInt32)


def repeated_headers(body: pl.DataFrame, header: Row) -> pl.Series:
    """Return the positions of the rows that are the header again, cell by cell."""
    rows: pl.Series | None = None
    for position, column in enumerate(body.get_columns()):
        name = header[position] if position < len(header) else None
        wanted = pl.Series([unguard_name(name) if name else None], dtype=pl.String)
        cells = column if rows is None else column.gather(rows)
        same = cells.eq_missing(wanted).arg_true()
        rows = same if rows is None else rows.gather(same)
        if rows.is_empty():
            break
    return rows if rows is not None else pl.Series([], dtype=pl.UInt32)


def totals_line(body: pl.DataFrame) -> int | None:
    """Return the line of a row of totals among the last rows, None if there is none.

    Args:
        body: ``file_line``, then the cells.
    """
    for line, *cells in reversed(body.tail(_LAST_ROWS).rows()):
        filled = [cell.strip(" :") for cell in cells if cell and cell.strip()]
        if filled and _TOTALS.fullmatch(filled[0]):
            return int(line)
    return None
