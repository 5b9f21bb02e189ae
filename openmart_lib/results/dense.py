"""Joins on small whole numbers (row and task numbers): put in an array by number, then taken by number.

Several times quicker than a join by hash, which a million rows notice.
"""

from __future__ import annotations

import polars as pl


def by_number(numbers: pl.Series, values: pl.Series, size: int) -> pl.Series:
    """Return ``values`` placed by their numbers: position n holds the value of number n, null without any.

    Args:
        numbers: Different whole numbers below ``size``, none null.
    """
    return pl.repeat(None, size, dtype=values.dtype, eager=True).scatter(numbers, values)


def take(values: pl.Series, numbers: pl.Series) -> pl.Series:
    """Return the values of these numbers; null for a null number and for one beyond the end."""
    known = pl.when(numbers < len(values)).then(numbers)
    return values.gather(pl.select(known).to_series())


def repeated(counts: pl.Series) -> pl.Series:
    """Return each position as often as its count says, in order (UInt32); counts are 1 or more."""
    ends = counts.cast(pl.UInt32).cum_sum()
    total = int(ends[-1]) if len(ends) else 0
    starts = (
        pl.repeat(0, total, dtype=pl.UInt32, eager=True).scatter(ends.head(len(ends) - 1), 1)
        if total
        else None
    )
    return pl.Series(dtype=pl.UInt32) if starts is None else starts.cum_sum()
