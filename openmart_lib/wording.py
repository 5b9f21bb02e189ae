"""Texts with values in them, said in the same way everywhere: numbers, times, whole columns of sentences."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``12,000 rows``; ``many`` where an s is not enough."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def utc_iso(seconds: float) -> str:
    """Return a time as files have it: ``2026-11-22T12:04:31Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def utc_minute(seconds: float) -> str:
    """Return a time as a sentence has it: ``2026-11-22 12:04 UTC``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def utc_day(seconds: float) -> str:
    """Return a day as a sentence has it: ``22 Nov 2026``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %b %Y}"


def worded(words: str, *values: pl.Expr | pl.Series | str) -> pl.Expr:
    """Return the words with a value in place of each ``{}``: ``worded("same task as row {}", "lead")``.

    Null where one of the values is null. In place of ``polars.format``, which panics in polars 2.1 where the
    first chunk of a filtered frame is empty (select, over, and every lazy frame); ``concat_str`` does not.
    ruff refuses the other one.

    Args:
        values: Columns by name, expressions or series, of any type that can be written as text.
    Raises:
        ValueError: If there are more or fewer values than places.
    """
    first, *others = words.split("{}")
    parts: list[pl.Expr | pl.Series] = [pl.lit(first)] if first else []
    for value, after in zip(values, others, strict=True):
        parts += [pl.col(value) if isinstance(value, str) else value, *([pl.lit(after)] if after else [])]
    return pl.concat_str(parts)
