"""Rates: how sure a share is that was seen in a sample."""

from __future__ import annotations

from math import sqrt
from typing import Final

_Z: Final = 1.959963984540054  # standard deviations of a 95 % interval


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson (1927), 0 to 1; the whole of it without a sample."""
    if of <= 0:
        return 0.0, 1.0
    share, z2 = hits / of, _Z * _Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)
