"""A frame from a notebook, of any dtypes, as the frame of text that an upload is."""

from __future__ import annotations

import json

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.headers import column_names


def frame_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``seq``, ``file_line`` (both the row, from 1) and the columns as text, null for empty values.

    Nested values become JSON, binary ones hex, durations ISO 8601.

    Raises:
        InputError: If the frame has no rows or no columns.
    """
    if frame.is_empty() or not frame.columns:
        raise InputError("The frame holds no rows. Nothing was read. Give a frame with at least one row.")
    names = dict(zip(frame.columns, column_names(frame.columns, frame.width), strict=True))
    text = frame.select(_as_text(column) for column in frame.get_columns()).rename(names)
    number = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32)
    return text.select(
        number.alias("seq"),
        number.alias("file_line"),
        *(pl.when(pl.col(name) != "").then(name).alias(name) for name in text.columns),
    )


def _as_text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Object):
        values = [
            None
            if value is None
            else value
            if isinstance(value, str)
            else json.dumps(_plain(value), default=str)
            for value in column
        ]
        return pl.Series(column.name, values, dtype=pl.String)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if dtype.is_float():
        column = column.fill_nan(None)
    return column.cast(pl.String)


def _plain(value: object) -> object:
    return value.to_list() if isinstance(value, pl.Series) else value
