"""Rates: how sure a share is that was seen in a sample, as its 95 % interval.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import polars as pl

_Z: Final = 1.959963984540054  # standard deviations of a 95 % interval


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return the interval of a share, 0 to 1; the whole of it without a sample."""
    if of <= 0:
        return 0.0, 1.0
    share, z2 = hits / of, _Z * _Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)


def intervals(matched: pl.Expr, answered: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the ends of the interval of whole columns of shares, 0 to 1; null where nothing was answered."""
    n = pl.when(answered > 0).then(answered.cast(pl.Float64))
    rate = matched / n
    middle = rate + _Z**2 / (2 * n)
    half = _Z * (rate * (1 - rate) / n + _Z**2 / (4 * n**2)).sqrt()
    whole = 1 + _Z**2 / n
    return ((middle - half) / whole).clip(0, 1), ((middle + half) / whole).clip(0, 1)
