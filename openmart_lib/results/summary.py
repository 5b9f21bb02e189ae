"""A run in numbers: outcomes, funnel, headline counts, credits per row with an email, match rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.rates import intervals
from openmart_lib.ledger.states import ANSWERED
from openmart_lib.results import join, quality
from openmart_lib.results.records import scan_lines
from openmart_lib.settings import Prices

SMALL: Final = 20  # answered rows below which a rate says little
MATCH_RATE_SCHEMA: Final[dict[str, Any]] = {
    "value": pl.String,
    "rows": pl.Int64,
    "answered": pl.Int64,
    "matched": pl.Int64,
    "rate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "small": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel.

    Attributes:
        name: uploaded, accepted, sent, completed, matched, with verified email.
        rows: Uploaded rows that got this far; a duplicate gets as far as the row it repeats.
        shared: How many of them are duplicates, answered and paid only once.
    """

    name: str
    rows: int
    shared: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. Credits are an estimate from ``Prices``, never what Openmart charged.

    Attributes:
        row_count: Uploaded rows.
        outcomes: Rows per outcome, all outcomes; adds up to ``row_count``.
        funnel: The steps from uploaded to a verified email.
        rows_with_email, rows_with_verified_email, rows_with_phone: Looked-up rows; duplicates, which get the
            same answer free, are not counted again.
        records: Records found, those that fit no row included.
        credits: Estimated credits for what was found.
        credits_per_row_with_email: ``credits`` over ``rows_with_email``; None without any.
    """

    row_count: int
    outcomes: dict[Outcome, int]
    funnel: tuple[Step, ...]
    rows_with_email: int
    rows_with_verified_email: int
    rows_with_phone: int
    records: int
    credits: float
    credits_per_row_with_email: float | None


def summary(
    ledger: Ledger, run_id: str, *, prices: Prices | None = None, frame: pl.DataFrame | None = None
) -> Summary:
    """Return a run in numbers.

    Args:
        prices: Credits per found value; the defaults of ``Prices`` when None.
        frame: The run's ``join.results`` in the shape ``rows``, if the caller has it at hand.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    info = queries.run_info(ledger, run_id)
    rows = join.results(ledger, run_id, contacts=False) if frame is None else frame
    of_records = scan_lines(ledger, run_id).filter(pl.col("record_no").is_not_null())
    found = of_records.select(
        pl.len().alias("records"),
        pl.col("found_email").count().alias("emails"),
        pl.col("found_phone").count().alias("phones"),
    )
    records, emails, phones = found.collect().row(0)  # counted where they lie: a large run has millions
    credits = estimated_credits(rows, info.kind, prices or Prices(), emails=emails, phones=phones)
    with_email = info.found["rows_with_email"]
    return Summary(
        row_count=info.row_count,
        outcomes=info.outcomes,
        funnel=funnel(rows, info.kind),
        rows_with_email=with_email,
        rows_with_verified_email=info.found["rows_with_verified_email"],
        rows_with_phone=info.found["rows_with_phone"],
        records=records,
        credits=credits,
        credits_per_row_with_email=credits / with_email if with_email else None,
    )


def summed(parts: Sequence[Summary]) -> Summary:
    """Return several runs in numbers: each number of theirs, added up."""
    if len(parts) == 1:
        return parts[0]
    steps = [
        Step(same[0].name, sum(step.rows for step in same), sum(step.shared for step in same))
        for same in zip(*(one.funnel for one in parts), strict=True)
    ]
    with_email, credits = sum(one.rows_with_email for one in parts), sum(one.credits for one in parts)
    return Summary(
        row_count=sum(one.row_count for one in parts),
        outcomes={outcome: sum(one.outcomes[outcome] for one in parts) for outcome in Outcome},
        funnel=tuple(steps),
        rows_with_email=with_email,
        rows_with_verified_email=sum(one.rows_with_verified_email for one in parts),
        rows_with_phone=sum(one.rows_with_phone for one in parts),
        records=sum(one.records for one in parts),
        credits=credits,
        credits_per_row_with_email=credits / with_email if with_email else None,
    )


def funnel(rows: pl.DataFrame, kind: Kind) -> tuple[Step, ...]:
    """Return how far the uploaded rows got, from ``join.results`` in the shape ``rows``.

    Each step counts only rows of the step before, so that the counts never rise.
    """
    result, shared = pl.col("result"), pl.col("outcome") == Outcome.DUPLICATE
    facts = pl.col("batch_id").is_not_null().alias("taken"), quality.is_verified(kind).alias("verified")
    # A million rows are of a few dozen sorts; the sorts are counted once.
    sorts = rows.lazy().select("outcome", "result", *facts).group_by(pl.all()).len("n").collect()
    steps = {
        "uploaded": pl.lit(True),
        "accepted": ~result.is_in([Outcome.REJECTED, Outcome.SKIPPED]),
        # Only a batch that Openmart took has an id; of an unknown one nobody knows.
        "sent": pl.col("taken") | (result == Outcome.UNKNOWN),
        "completed": result.is_in(ANSWERED),
        "matched": result == Outcome.MATCHED,
        "with verified email": pl.col("verified"),
    }
    told: list[Step] = []
    for name, step in steps.items():
        sorts = sorts.filter(step)
        told.append(Step(name, int(sorts["n"].sum()), int(sorts.filter(shared)["n"].sum())))
    return tuple(told)


def match_rate(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return how often each value of a column led to a match.

    Args:
        frame: ``join.results`` in the shape ``rows``, or a part of it.
        column: An uploaded column or one of ours.

    Returns:
        One row per value, the most answered first: value (String; null for empty cells), rows, answered
        (Openmart finished: matched, partial or no match), matched (all Int64), rate (matched of answered),
        low, high (its 95 % confidence interval, by Wilson; all Float64, 0 to 1, null without any answered),
        small (Boolean: fewer than 20 answered, so the rate says little).

    Raises:
        InputError: If the frame has no such column.
    """
    if column not in frame.columns:
        raise InputError(
            f"There is no column {column!r}. Nothing was changed. Choose one of the columns shown.",
            column=column,
        )
    answered = pl.col("result").is_in(ANSWERED).sum().cast(pl.Int64)
    matched = (pl.col("result") == Outcome.MATCHED).sum().cast(pl.Int64)
    low, high = intervals(pl.col("matched"), pl.col("answered"))
    return (
        frame.lazy()
        .group_by(pl.col(column).cast(pl.String).alias("value"))
        .agg(pl.len().cast(pl.Int64).alias("rows"), answered.alias("answered"), matched.alias("matched"))
        .with_columns(
            pl.when(pl.col("answered") > 0).then(pl.col("matched") / pl.col("answered")).alias("rate"),
            low.alias("low"),
            high.alias("high"),
            (pl.col("answered") < SMALL).alias("small"),
        )
        .sort("answered", "rows", "value", descending=[True, True, False], nulls_last=True)
        .select(MATCH_RATE_SCHEMA.keys())
        .collect()
    )


def estimated_credits(rows: pl.DataFrame, kind: Kind, prices: Prices, *, emails: int, phones: int) -> float:
    """Return about how many credits the found values cost.

    Args:
        rows: ``join.results`` in the shape ``rows``.
        emails: Emails (or mailboxes) of all records: what could not be given to a row was paid too.
        phones: Records with a phone.
    """
    if kind is Kind.FIND_TECH:  # paid per check, whatever it finds
        own = rows.filter(pl.col("outcome") != Outcome.DUPLICATE)
        return prices.technology * own.filter(pl.col("result").is_in(ANSWERED)).height
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return prices.mailbox * emails
    return prices.email * emails + prices.phone * phones
