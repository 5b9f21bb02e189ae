"""What result rows can be narrowed down by: one small column per question, a byte a row, counted in no time.

A facet's key names it here and in a page's address: our own are plain words, an uploaded column's has the
prefix ``is.``, so that a list's column "email" and our question "has it an email?" never meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Outcome
from openmart_lib.results import quality
from openmart_lib.results.pictures import TITLES_SHOWN, plain_title, top_titles
from openmart_lib.results.titles import FITS

MAX_VALUES: Final = 60  # a column with more different values is no facet
MAX_COUNTRIES: Final = 250  # but one that was mapped to the country is
SAMPLE: Final = 2_000  # rows that tell most columns off cheaply
UPLOADED: Final = "is."
EMPTY: Final = "(empty)"  # how an empty cell is called
OF_RUN: Final = "of_run"  # which run a row is of, where there are several
TASK_STATES: Final = (
    *("completed", "errored", "cancelled", "with Openmart", "not given back", "in doubt"),
    *("refused", "not sent"),
)
EMAIL_STATES: Final = ("verified", "not verified", "none")
EMAIL_DOMAINS: Final = ("the company's", "another", "private mailbox")
PHONE_STATES: Final = ("yes", "no")
_PLACES: Final = ("country", "state", "city")
_PERSONAL: Final = ("first_name", "last_name", "full_name", "linkedin_url", "domain", "company_name")


def facet_frame(
    frame: pl.DataFrame, kind: Kind | None, mapping: Mapping[str, Sequence[str]] | None = None
) -> pl.DataFrame:
    """Return what the rows of a result can be narrowed down by.

    Args:
        frame: ``join.results`` in the shape ``rows`` or ``companies``, of one or several runs.
        kind: What was asked for: it decides what a verified email is. None: several things, see each row.
        mapping: Uploaded columns by field, under their names in ``frame``: the country comes first, and what
            names people or companies is left out.

    Returns:
        One row per row of ``frame``, in its order; one Enum column per facet, its categories in the order in
        which they are to be shown, null for an empty cell. Own facets first, then the uploaded columns with
        at least two and few different values. A facet that tells nothing apart is left out, but outcome.
    """
    own = frame.select(
        *(_of_run(frame["run_name"]), _outcome(), _task(), _email(kind), _email_domain(), _phone()),
        _title_fit(),
    ).with_columns(_titles(frame))
    told = [one for one in own if one.name == "outcome" or one.n_unique() > 1]
    return pl.DataFrame([*told, *_uploaded(frame, mapping or {})])


def few_values(
    frame: pl.DataFrame, columns: Sequence[str], *, most: int = MAX_VALUES
) -> dict[str, pl.DataFrame]:
    """Return per column with at least two and few different cells its ``value_counts``, most frequent first.

    Few are at most ``most``, and at most half as many as there are rows: what differs in nearly every row
    groups nothing. An empty text counts as an empty cell.
    """
    limit = min(most, max(2, frame.height // 2))
    found: dict[str, pl.DataFrame] = {}
    for name in columns:
        if frame[name].head(SAMPLE).n_unique() > limit + 1:
            continue
        cells = frame.lazy().select(_filled(name).alias("value"))
        counts = cells.group_by("value").len("rows").collect()
        if 2 <= counts.height <= limit + 1 and counts["value"].count() <= limit:
            found[name] = counts.sort("rows", "value", descending=[True, False], nulls_last=True)
    return found


def _uploaded(frame: pl.DataFrame, mapping: Mapping[str, Sequence[str]]) -> list[pl.Series]:
    uploaded = frame.columns[: frame.columns.index("outcome")]
    personal = {name for field in _PERSONAL for name in mapping.get(field, ())}
    places = [name for field in _PLACES for name in mapping.get(field, ()) if name in uploaded]
    order = [name for name in dict.fromkeys([*places, *uploaded]) if name not in personal]
    countries = [name for name in mapping.get("country", ()) if name in order]
    known = few_values(frame, order) | few_values(frame, countries, most=MAX_COUNTRIES)
    return [
        _as_enum(frame, name, known[name]["value"])
        for name in order
        # What is filtered by stands in the address, where no email may stand.
        if name in known and not known[name]["value"].str.contains("@", literal=True).any()
    ]


def _as_enum(frame: pl.DataFrame, name: str, values: pl.Series) -> pl.Series:
    cells = _filled(name).cast(pl.Enum(values.drop_nulls())).alias(f"{UPLOADED}{name}")
    return frame.select(cells).to_series()


def _filled(name: str) -> pl.Expr:
    cell = pl.col(name).cast(pl.String)
    return pl.when(cell != "").then(cell).alias(name)


def _of_run(names: pl.Series) -> pl.Expr:
    return pl.col("run_name").cast(pl.Enum(names.unique(maintain_order=True))).alias(OF_RUN)


def _outcome() -> pl.Expr:
    return pl.col("outcome").cast(pl.Enum([str(one) for one in Outcome]))


def _task() -> pl.Expr:
    """Return where Openmart's task stands; of a row that repeats another, that row's."""
    result, taken = pl.col("result"), pl.col("batch_id").is_not_null()
    state = (
        pl.when(result.is_in([Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH]))
        .then(pl.lit("completed"))
        .when(result == Outcome.ERRORED)
        .then(pl.lit("errored"))
        .when((result == Outcome.CANCELLED) & taken)
        .then(pl.lit("cancelled"))
        .when((result == Outcome.PENDING) & taken)
        .then(pl.lit("with Openmart"))
        .when(result == Outcome.MISSING)
        .then(pl.lit("not given back"))
        .when(result == Outcome.UNKNOWN)
        .then(pl.lit("in doubt"))
        .when(result == Outcome.REFUSED)
        .then(pl.lit("refused"))
        .otherwise(pl.lit("not sent"))
    )
    return state.cast(pl.Enum(TASK_STATES)).alias("task")


def _email(kind: Kind | None) -> pl.Expr:
    state = (
        pl.when(quality.is_verified(kind))
        .then(pl.lit("verified"))
        .when(quality.has_email())
        .then(pl.lit("not verified"))
        .otherwise(pl.lit("none"))
    )
    return state.cast(pl.Enum(EMAIL_STATES)).alias("email")


def _email_domain() -> pl.Expr:
    """Return whose domain the found email is of; null without an email."""
    state = (
        pl.when("email_domain_agrees")
        .then(pl.lit("the company's"))
        .when("email_free_mail")
        .then(pl.lit("private mailbox"))
        .when(pl.col("email_domain_agrees").not_())
        .then(pl.lit("another"))
    )
    return state.cast(pl.Enum(EMAIL_DOMAINS)).alias("email_domain")


def _phone() -> pl.Expr:
    has = pl.when(pl.col("found_phone").is_not_null()).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return has.cast(pl.Enum(PHONE_STATES)).alias("phone")


def _title_fit() -> pl.Expr:
    return pl.col("title_fit").cast(pl.Enum(FITS))


def _titles(frame: pl.DataFrame) -> pl.Series:
    """Return the most frequent titles in one spelling each, null for any other and for none."""
    top = top_titles(frame, most=TITLES_SHOWN)["title"]
    plain = pl.DataFrame({"found_title": frame["found_title"].unique().drop_nulls()})
    spelled = plain.with_columns(plain_title("found_title").alias("plain")).join(
        pl.DataFrame({"title": top}).with_columns(plain_title("title").alias("plain")), on="plain"
    )
    shown = spelled["title"].cast(pl.Enum(top))
    return frame["found_title"].replace_strict(spelled["found_title"], shown, default=None).alias("title")
