"""A Parquet file as a frame of text, its values written as an analyst expects them."""

from __future__ import annotations

import io
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.frames import values_as_text
from openmart_lib.intake.limits import refuse_too_many, refuse_too_wide
from openmart_lib.intake.tables import TOP_CHARS, TOP_LINES, Table

PARQUET_MARK: Final = b"PAR1"


def read_parquet(data: bytes, *, rows: int | None = None) -> Table:
    """Return a Parquet file's columns as text, null for empty values; ``file_line`` is the row.

    Args:
        rows: How many rows to read; None reads all.

    Raises:
        InputError: If it is damaged or encrypted, or holds no or too many rows or columns.
    """
    try:
        names = list(pl.read_parquet_schema(io.BytesIO(data)))
        refuse_too_wide(len(names))
        source = pl.scan_parquet(io.BytesIO(data))
        height = int(source.select(pl.len()).collect().item())
        refuse_too_many(height, len(names))
        frame = source.head(height if rows is None else rows).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, OverflowError):
        raise InputError(
            "The Parquet file cannot be opened: it is damaged, encrypted, or of a kind we do not know. "
            "Nothing was read. Save the list as CSV and upload that."
        ) from None
    if frame.is_empty() or not frame.columns:
        raise InputError("The file holds no rows. Nothing was read. Check that it is the right file.")
    text = values_as_text(frame).rename({name: f"c{number}" for number, name in enumerate(names)})
    top = tuple(
        (number, "\t".join(cell or "" for cell in row)[:TOP_CHARS])
        for number, row in enumerate(text.head(TOP_LINES).iter_rows(), start=1)
    )
    return Table(text.with_row_index("file_line", offset=1), names, None, [], top)
