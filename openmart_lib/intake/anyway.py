"""What a cell sends when the analyst insists: a rejected one its domain, an accepted one its whole host."""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.domains import SEPARATORS, crowded_sites
from openmart_lib.intake.hosts import read_cells
from openmart_lib.intake.judge import DomainCode, judge_hosts
from openmart_lib.intake.suffixes import registrable

PARENT: Final = "parent_row"
"""The column of a list that was divided by ``several.split_rows``: the number of the uploaded row."""


def domains_anyway(cells: pl.Series, *, allow_example: bool = False) -> pl.Series:
    """Return the domain each cell would send if it had not been rejected, null where it names none.

    That is the registrable domain of the cell's one host; of a page on a shared host the customer's own
    name there ("acme.myshopify.com"), never the host's; of several websites the first that can be sent.

    Args:
        cells: Any text, null for empty cells.
        allow_example: As in ``clean_domains``; for cells with several websites only.
    """
    own = pl.coalesce(registrable(pl.col("ascii"), private=True), "ascii")
    hosted = pl.col("code") == DomainCode.HOSTED
    crowded = pl.col("text").str.contains(SEPARATORS)  # one of its websites is sent, or nothing
    one = pl.when(hosted).then(own).otherwise(pl.coalesce("domain", "owner"))
    alone = _judged(cells, pl.when(~crowded).then(one))
    found = websites_in(cells, allow_example=allow_example)
    firsts = found.filter(pl.col("place").is_first_distinct())
    several = pl.Series([None], dtype=pl.String).new_from_index(0, len(cells))
    several = several.scatter(firsts["place"], firsts["domain"])
    return pl.select(pl.coalesce(several, alone).alias("domain")).to_series()


def websites_in(cells: pl.Series, *, allow_example: bool = False) -> pl.DataFrame:
    """Return the websites that cells with several words name, as far as they can be sent.

    Args:
        cells: Any text, null for empty cells.
        allow_example: As in ``clean_domains``.

    Returns:
        One row per cell and website, in order, none twice for a cell: ``place`` (UInt32, 0-based position
        of the cell) and ``domain`` (String, an A-label).
    """
    raw = cells.cast(pl.String).alias("raw")
    read = read_cells(raw.drop_nulls().unique())
    crowded = read.filter(pl.col("code").is_null() & pl.col("text").str.contains(SEPARATORS))
    if crowded.is_empty():
        return pl.DataFrame(schema={"place": pl.UInt32, "domain": pl.String})
    sites = crowded_sites(crowded, allow_example).select("raw", "domain").drop_nulls("domain")
    placed = raw.to_frame().with_row_index("place").join(sites, on="raw", maintain_order="left_right")
    return placed.select("place", "domain").unique(maintain_order=True)


def hosts_anyway(cells: pl.Series) -> pl.Series:
    """Return the host of each accepted cell with its subdomain ("eu.acme.com"), without "www.".

    Args:
        cells: Any text, null for empty cells; rejected and crowded ones give null.
    """
    whole = pl.col("ascii").str.strip_prefix("www.")
    return _judged(cells, pl.when(pl.col("domain").is_not_null()).then(whole))


def _judged(cells: pl.Series, wanted: pl.Expr) -> pl.Series:
    raw = cells.cast(pl.String).alias("raw")
    judged = judge_hosts(read_cells(raw.drop_nulls().unique()), allow_example=False)
    joined = raw.to_frame().join(
        judged.select("raw", domain=wanted), on="raw", how="left", maintain_order="left"
    )
    return joined.get_column("domain")
