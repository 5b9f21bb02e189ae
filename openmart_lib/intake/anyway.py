"""What a cell sends when the analyst insists: a rejected one its domain, an accepted one its whole host."""

from __future__ import annotations

import polars as pl

from openmart_lib.intake.hosts import read_cells
from openmart_lib.intake.judge import DomainCode, judge_hosts
from openmart_lib.intake.suffixes import registrable


def domains_anyway(cells: pl.Series) -> pl.Series:
    """Return the domain each cell would send if it had not been rejected, null where it names none.

    That is the registrable domain of the cell's one host; of a page on a shared host the customer's own
    name there ("acme.myshopify.com"), never the host's.

    Args:
        cells: Any text, null for empty cells.
    """
    own = pl.coalesce(registrable(pl.col("ascii"), private=True), "ascii")
    hosted = pl.col("code") == DomainCode.HOSTED
    return _judged(cells, pl.when(hosted).then(own).otherwise(pl.coalesce("domain", "owner")))


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
