"""A frame of any dtypes, from a notebook or a Parquet file, as the frame of text that an upload is."""

from __future__ import annotations

import json
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.headers import column_names

_EXACT: Final = 2.0**53  # whole numbers up to here are exact in a float


def frame_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``seq``, ``file_line`` (both the row, from 1) and the columns as text, null for empty values.

    Values are written as ``values_as_text`` does.

    Raises:
        InputError: If the frame has no rows or no columns.
    """
    if frame.is_empty() or not frame.columns:
        raise InputError("The frame holds no rows. Nothing was read. Give a frame with at least one row.")
    names = dict(zip(frame.columns, column_names(frame.columns, frame.width), strict=True))
    text = values_as_text(frame).rename(names)
    number = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32)
    return text.select(number.alias("seq"), number.alias("file_line"), *text.columns)


def values_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame's columns as text, null for empty values.

    Whole numbers have no ".0", dates and times are ISO 8601, truth values ``true`` and ``false``, nested
    values JSON, durations ISO 8601, bytes their text or else hex.
    """
    text = frame.select(_as_text(column) for column in frame.get_columns())
    return text.select(pl.when(pl.col(name) != "").then(name).alias(name) for name in text.columns)


def _as_text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Object):
        return pl.Series(column.name, [_nested(value) for value in column], dtype=pl.String)
    if dtype == pl.Binary:
        try:
            return column.cast(pl.String)  # older programs write texts as bytes
        except pl.exceptions.PolarsError:
            return column.bin.encode("hex")
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%d %H:%M:%S%.f" + ("%:z" if dtype.time_zone else ""))
    if dtype.is_float():
        return _number_text(column)
    return column.cast(pl.String)


def _number_text(column: pl.Series) -> pl.Series:
    """Return numbers as text; a column of whole numbers with gaps is one of floats in many programs."""
    number = pl.col("number")
    whole = (number == number.round()) & (number.abs() <= _EXACT)
    text = (
        pl.when(whole)
        .then(number.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(number.cast(pl.String))
    )
    return column.fill_nan(None).to_frame("number").select(text.alias(column.name)).to_series()


def _nested(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return json.dumps(plain, default=_unusual, ensure_ascii=False)


def _unusual(value: object) -> object:
    """Return a value that JSON does not know as one that it does."""
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
