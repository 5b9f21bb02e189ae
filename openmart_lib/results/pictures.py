"""Small frames for charts: a million rows told in a few dozen numbers. Drawing them is the pages' matter."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from openmart_lib.ledger import Outcome

TIMES: Final = 60  # points in time of one picture
TITLES_SHOWN: Final = 15
MANY_RECORDS: Final = 10  # records of a company from which on they are counted together
OVER_TIME_SCHEMA: Final[dict[str, Any]] = {
    "at": pl.Datetime("us", "UTC"),
    "outcome": pl.String,
    "rows": pl.Int64,
}
TITLES_SCHEMA: Final[dict[str, Any]] = {"title": pl.String, "records": pl.Int64, "share": pl.Float64}


def outcomes_over_time(rows: pl.DataFrame, *, times: int = TIMES) -> pl.DataFrame:
    """Return how many uploaded rows had each outcome by when, for rows that were answered.

    Args:
        rows: ``join.results`` in the shape ``rows``.
        times: Points in time at most, evenly apart.

    Returns:
        One row per point in time and outcome, by time: at (Datetime, UTC), outcome, rows (Int64, so many by
        then). Every outcome stands at every time; empty before the first answer.
    """
    told = rows.lazy().filter(pl.col("fetched_at").is_not_null())
    seen = told.group_by("fetched_at", outcome="result").agg(pl.len().cast(pl.Int64).alias("rows")).collect()
    if seen.is_empty():
        return pl.DataFrame(schema=OVER_TIME_SCHEMA)
    seen = seen.with_columns(
        pl.col("fetched_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("s").alias("s")
    )
    first, last = seen.select(pl.col("s").min().alias("first"), pl.col("s").max().alias("last")).row(0)
    step = max(1, -(-(last - first) // max(1, times - 1)))
    # Rounded up: a point tells what had come by then.
    nth = ((pl.col("s") - first + step - 1) // step).alias("nth")
    counts = seen.with_columns(nth).group_by("nth", "outcome").agg(pl.col("rows").sum())
    points = pl.DataFrame({"nth": range(-(-(last - first) // step) + 1)}, schema={"nth": pl.Int64})
    every = points.join(counts.select("outcome").unique(), how="cross")
    return (
        every.join(counts, on=["nth", "outcome"], how="left")
        .sort("outcome", "nth")
        .with_columns(
            pl.from_epoch(first + pl.col("nth") * step, time_unit="s")
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
            .alias("at"),
            pl.col("rows").fill_null(0).cum_sum().over("outcome"),
        )
        .sort("at", "outcome")
        .select(OVER_TIME_SCHEMA.keys())
    )


def records_per_company(rows: pl.DataFrame) -> pl.DataFrame:
    """Return how many companies have how many records, of companies that were looked up.

    Args:
        rows: ``join.results`` in the shape ``rows``; repeated rows count once.

    Returns:
        One row per number that occurs, ascending: records ("0", "1" .. "10+"), companies (Int64).
    """
    of_company = (
        rows.lazy()
        .filter(pl.col("domain").is_not_null(), pl.col("fetched_at").is_not_null())
        .filter(pl.col("outcome") != Outcome.DUPLICATE)
        .group_by(pl.col("domain").hash())  # whole numbers are grouped twice as quickly as texts
        .agg(pl.col("record_count").sum().clip(upper_bound=MANY_RECORDS).alias("n"))
    )
    counts = of_company.group_by("n").agg(pl.len().cast(pl.Int64).alias("companies")).sort("n").collect()
    many = pl.when(pl.col("n") >= MANY_RECORDS).then(pl.lit(f"{MANY_RECORDS}+"))
    return counts.select(many.otherwise(pl.col("n").cast(pl.String)).alias("records"), "companies")


def plain_title(column: str) -> pl.Expr:
    """Return a title as ``top_titles`` compares it: without case, any blanks as one."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ")


def top_titles(records: pl.DataFrame | pl.LazyFrame, *, most: int = TITLES_SHOWN) -> pl.DataFrame:
    """Return the titles found most often; spellings that differ in case and blanks only are one.

    Args:
        records: One row per record with ``found_title``: ``records.scan_lines``, the shape ``long``, or the
            shape ``rows`` for the best record of each uploaded row.
        most: Titles at most.

    Returns:
        One row per title, the most frequent first: title (its most frequent spelling), records (Int64),
        share (Float64, of all records with a title).
    """
    spelled = records.lazy().select(pl.col("found_title").alias("title")).drop_nulls()
    counts = spelled.group_by("title").agg(pl.len().cast(pl.Int64).alias("records")).collect()
    return (
        counts.with_columns(plain_title("title").alias("plain"))
        .sort("records", "title", descending=[True, False])
        .group_by("plain", maintain_order=True)
        .agg(pl.col("title").first(), pl.col("records").sum())
        .with_columns((pl.col("records") / pl.col("records").sum()).alias("share"))
        .sort("records", "title", descending=[True, False])
        .head(most)
        .select(TITLES_SCHEMA.keys())
    )
