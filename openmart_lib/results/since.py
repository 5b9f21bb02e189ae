"""What is new since a file of the run was taken last: rows that say something else now, and are final."""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.ledger import Ledger, Outcome
from openmart_lib.ledger.exports import recall_taken, remember_taken

_CODES: Final = {str(outcome): code for code, outcome in enumerate(Outcome)}
_NEVER: Final = 255  # the row was in no file yet


def taken_at(ledger: Ledger, run_id: str) -> float | None:
    """Return when a file of this run was taken last (UTC seconds), None if never."""
    known = recall_taken(ledger, run_id)
    return None if known is None else known[0]


def new_rows(ledger: Ledger, run_id: str, frame: pl.DataFrame) -> pl.Series:
    """Return the numbers of the uploaded rows that became final, or changed, since they were taken last.

    Args:
        frame: ``join.results`` in any shape, or a part of it: ``row`` and ``result`` are read.

    Returns:
        Int64, in order; all final rows where no file was taken yet.
    """
    now = said(frame)
    known = recall_taken(ledger, run_id)
    before = _series(b"" if known is None else known[1], now["row"])
    final = pl.col("code") != _CODES[str(Outcome.PENDING)]
    return now.with_columns(before).filter(final & (pl.col("code") != pl.col("before")))["row"]


def said(frame: pl.DataFrame) -> pl.DataFrame:
    """Return what each uploaded row of a frame says: row (Int64), code (UInt8), in order.

    Args:
        frame: As for ``new_rows``.
    """
    code = pl.col("result").replace_strict(_CODES, return_dtype=pl.UInt8).alias("code")
    return frame.select("row", "result").unique("row", keep="first").sort("row").select("row", code)


def note_taken(ledger: Ledger, run_id: str, taken: pl.DataFrame, row_count: int) -> None:
    """Remember what these rows said: they were taken just now; other rows stay as remembered.

    Args:
        taken: As ``said`` gives it.
        row_count: Uploaded rows of the run.

    Raises:
        LedgerError: If it could not be stored.
    """
    known = recall_taken(ledger, run_id)
    states = bytearray(b"" if known is None else known[1])
    states.extend([_NEVER] * (row_count - len(states)))
    for row, code in taken.iter_rows():
        states[row - 1] = code
    remember_taken(ledger, run_id, bytes(states))


def _series(states: bytes, rows: pl.Series) -> pl.Series:
    """Return the remembered code of each of these rows."""
    known = pl.Series("before", list(states), dtype=pl.UInt8)
    place = rows - 1
    return known.gather(place.set(place >= len(states), None)).fill_null(_NEVER).alias("before")
