"""One line per company: its best record by a stated ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from openmart_lib.ledger import Outcome
from openmart_lib.ledger.states import BEST_FIRST
from openmart_lib.results.columns import COMPANY_ROWS
from openmart_lib.results.quality import RANKING, Criterion, ranks

# Best first, for whole results: what was never sent comes last.
OUTCOMES_BEST_FIRST: Final = (
    *BEST_FIRST[:2],
    Outcome.REUSED,
    *BEST_FIRST[2:],
    *(Outcome.SKIPPED, Outcome.REJECTED, Outcome.DUPLICATE),
)


def best_of_companies(
    long: pl.DataFrame, ranking: Sequence[Criterion] = RANKING, *, among: pl.Series | None = None
) -> pl.DataFrame:
    """Return one row per company, in the order in which the list first names them.

    Of a company's records the best one is kept, whichever of its rows it was found for: by the criteria of
    ``ranking`` in their order, then the better outcome, then the order of the list. A company without
    records keeps the row with the best outcome. A row without a domain names no company and is kept as it is.

    Args:
        long: ``join.results`` in the shape ``long``, of one or several runs.
        among: Which of the lines may be shown (Boolean, one per line); None = all. A company of which none
            may be is left out.

    Returns:
        The columns of ``long``, and last ``company_rows`` (Int64): the uploaded rows that name the company,
        whether they may be shown or not.
    """
    # No pl.format: polars 2.1 panics where the first chunk of a filtered frame is empty.
    uploaded = pl.concat_str(pl.col("row").cast(pl.String), "run_name", separator=" of ")
    keys = long.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("place"),
        pl.coalesce("domain", uploaded).alias("company"),
        uploaded.alias("uploaded"),
        outcome_rank().alias("outcome_rank"),
        *ranks(ranking),
    )
    by = [f"rank:{criterion}" for criterion in ranking]
    may = keys if among is None else keys.filter(among)
    best = may.sort(*by, "outcome_rank", "place").unique("company", keep="first", maintain_order=True)
    of_company = keys.group_by("company").agg(
        pl.col("place").min().alias("first"), pl.col("uploaded").n_unique().cast(pl.Int64).alias(COMPANY_ROWS)
    )
    chosen = best.select("company", "place").join(of_company, on="company").sort("first")
    return long[chosen["place"]].with_columns(chosen[COMPANY_ROWS])


def outcome_rank(column: str = "result") -> pl.Expr:
    """Return the place of an outcome among all, 0 for the best."""
    places = {str(outcome): place for place, outcome in enumerate(OUTCOMES_BEST_FIRST)}
    return pl.col(column).replace_strict(places, return_dtype=pl.UInt8)
