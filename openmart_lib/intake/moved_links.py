"""LinkedIn links that stand where the website should: moved to a field of their own.

Another column may then say which website it is, and a person's link helps to look that person up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from openmart_lib.intake.linkedin import linkedin_link
from openmart_lib.intake.values import domain_cell

_LINKEDIN: Final = r"(?i)linkedin\.com/[^\s]"
_PERSON: Final = r"(?i)linkedin\.com/(?:in|pub)/"


def domain_cells(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Return the cell to read each row's domain from, as ``domain_cell`` but for LinkedIn links.

    A column that holds such a link is passed over where a later one says something.

    Args:
        frame: An upload's frame.
        columns: The columns mapped to the domain, in order.
    """
    whole = frame.select(domain_cell(columns)).to_series()
    if len(columns) == 1:
        return whole
    names = dict.fromkeys(columns)
    moved = [pl.when(~pl.col(name).str.contains(_LINKEDIN)).then(name).alias(name) for name in names]
    websites = frame.select(moved).select(domain_cell(columns)).to_series()
    return pl.select(pl.coalesce(websites, whole).alias("cell")).to_series()


def people_links(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Return the LinkedIn link of a person that stands in a domain column, in one spelling; else null."""
    return _links(frame, columns, _PERSON).alias("linkedin_url")


def moved_links(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Return the LinkedIn link that stands in a domain column, in one spelling; else null."""
    return _links(frame, columns, _LINKEDIN).alias("link")


def _links(frame: pl.DataFrame, columns: Sequence[str], pattern: str) -> pl.Series:
    links = [linkedin_link(pl.when(pl.col(name).str.contains(pattern)).then(name)) for name in columns]
    return frame.select(pl.coalesce(links)).to_series()
