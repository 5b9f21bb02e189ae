"""Try again: rows of a run become the list of a new one, of the same kind or of the next step.

Nothing is sent or written here. The list is an upload like any other: the uploaded columns of the chosen
rows, the row's number in the first list (the chain's ``Origin``) and, for people, the names that were found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.fields import FIELDS_BY_KIND, Field, Mapping
from openmart_lib.intake.files import FileFormat, Upload, upload_from_frame
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join
from openmart_lib.results.chain import Origin, best_so_far, runs_of_chain
from openmart_lib.results.quality import has_email, is_verified
from openmart_lib.results.withheld import withhold


class Reason(StrEnum):
    """Why a row may be tried again, or why not; each row has exactly one."""

    ERRORED = "errored"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    SKIPPED = "skipped"
    MISSING = "missing"
    UNKNOWN = "unknown"
    NO_MATCH = "no match"
    NO_CONTACT = "no contact"
    NO_EMAIL = "no email"
    NOT_VERIFIED = "not verified"
    FOUND = "found"
    PENDING = "pending"
    REJECTED = "rejected"


NEVER: Final = frozenset({Reason.FOUND, Reason.PENDING, Reason.REJECTED})
REASON_WORDS: Final[dict[Reason, str]] = {
    Reason.ERRORED: "Openmart reported an error",
    Reason.CANCELLED: "cancelled",
    Reason.REFUSED: "refused by Openmart",
    Reason.SKIPPED: "skipped, not sent",
    Reason.MISSING: "never came back",
    Reason.UNKNOWN: "unknown whether Openmart took it",
    Reason.NO_MATCH: "no match",
    Reason.NO_CONTACT: "a person, but no contact",
    Reason.NO_EMAIL: "found, but no email",
    Reason.NOT_VERIFIED: "email not verified",
    Reason.FOUND: "found already",
    Reason.PENDING: "not finished, or being tried in another run",
    Reason.REJECTED: "rejected: correct the row first",
}
# The kinds that can follow a kind; the first is the same again.
STEPS: Final[dict[Kind, tuple[Kind, ...]]] = {
    Kind.FIND_PEOPLE: (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL),
    Kind.LOOKUP_PEOPLE: (Kind.LOOKUP_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL),
    Kind.LOOKUP_BUSINESS_EMAIL: (Kind.LOOKUP_BUSINESS_EMAIL, Kind.FIND_PEOPLE),
    Kind.FIND_TECH: (Kind.FIND_TECH,),
}
ROW_COLUMN: Final = "Row in the first list"
# Columns that hold what a run found, and the field of a person each of them feeds.
NAME_COLUMNS: Final[dict[str, tuple[Field, str]]] = {
    "First name found": (Field.FIRST_NAME, "found_first_name"),
    "Last name found": (Field.LAST_NAME, "found_last_name"),
    "LinkedIn found": (Field.LINKEDIN_URL, "found_linkedin_url"),
}
_SAME_REASON: Final = {
    Outcome.ERRORED: Reason.ERRORED,
    Outcome.CANCELLED: Reason.CANCELLED,
    Outcome.REFUSED: Reason.REFUSED,
    Outcome.SKIPPED: Reason.SKIPPED,
    Outcome.MISSING: Reason.MISSING,
    Outcome.UNKNOWN: Reason.UNKNOWN,
    Outcome.NO_MATCH: Reason.NO_MATCH,
    Outcome.PARTIAL: Reason.NO_CONTACT,
    Outcome.PENDING: Reason.PENDING,
    Outcome.REJECTED: Reason.REJECTED,
}


@dataclass(frozen=True, slots=True)
class AgainFormat(FileFormat):
    """The format of a list made from another run's rows.

    Attributes:
        origin: The first list, as ``Origin.to_format`` gives it.
        made_from: The run that the rows were chosen from, and whose found names the list may hold.
    """

    origin: dict[str, Any] | None = None
    made_from: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """A list to try again, ready to be prepared like an uploaded one.

    Attributes:
        mapping: Of the new kind; without a domain where the first run had none (a batch of another tool).
        overrides: What was decided about these rows against the rules; they were chosen to be sent, so what
            left them out does not count any more.
        name: A name for the new run.
        unnamed: Rows that were left out because nobody's name was found for them, or the name is on a
            never-contact list.
    """

    upload: Upload
    kind: Kind
    mapping: Mapping
    options: RunOptions
    overrides: Overrides
    name: str
    unnamed: int


def standing(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Say of each row of a run whether and why it may be tried again, by all runs of its chain.

    Returns:
        One row per uploaded row, in order: row (Int64), paid_row (Int64, the row that was sent for it: itself
        or the one it repeats), reason (String, a ``Reason``), named (Boolean, first and last name of a person
        were found by this run, who is on no never-contact list).

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If its rows are gone.
    """
    own = join.results(ledger, run_id, "rows", contacts=False)
    reason = own.select(reason=_reason(alone=True)).to_series()
    if len(runs_of_chain(ledger, run_id)) > 1:
        best = best_so_far(ledger, run_id)
        by_chain = best.select(reason=_reason()).to_series()
        # A row that names no row of the first list is known to its own run only.
        reason = by_chain.zip_with(best["result"].is_not_null(), reason)
    named = pl.col("found_first_name").is_not_null() & pl.col("found_last_name").is_not_null()
    return own.select(
        "row",
        paid_row=pl.coalesce("duplicate_of", "row"),
        reason=reason,
        named=withhold(ledger, own).frame.select(named=named).to_series(),
    )


def choose(stand: pl.DataFrame, reasons: Collection[Reason], rows: pl.Series | None = None) -> pl.Series:
    """Return the rows to send for some rows of a run: each paid one once, in order (Int64).

    Args:
        stand: As ``standing`` gives it.
        reasons: Only rows with one of these; those of ``NEVER`` are passed over.
        rows: Only these uploaded rows, by number; None = all. A repeat stands for the row it repeats.
    """
    wanted = [str(reason) for reason in reasons if reason not in NEVER]
    chosen = within(stand, rows).filter(pl.col("reason").is_in(wanted))
    return chosen["paid_row"].unique().sort()


def chosen(stand: pl.DataFrame, reasons: Collection[Reason], *, may_pay_twice: bool) -> pl.Series:
    """Return the rows to send for all rows of a run with these reasons, as ``choose``.

    Raises:
        InputError: If there is none, or some may be paid twice and that was not said.
    """
    unknown = int((stand["reason"] == Reason.UNKNOWN).sum()) if Reason.UNKNOWN in reasons else 0
    if unknown and not may_pay_twice:
        raise InputError(
            f"We don't know whether Openmart took {unknown:,} of these rows, so they may be paid twice. "
            "Nothing was sent. Decide about their batches first, or say --may-pay-twice "
            "(may_pay_twice=True in a notebook)."
        )
    rows = choose(stand, reasons)
    if rows.is_empty():
        raise InputError(
            "No row of this run has such a reason. Nothing was sent or spent. "
            "Choose other reasons (--only, in a notebook only=[...])."
        )
    return rows


def parse_reasons(words: Iterable[str]) -> list[Reason]:
    """Return the reasons that words such as ``no_match`` name; "" names none.

    Raises:
        InputError: If one is no reason for which a row can be tried again.
    """
    known = {str(one).replace(" ", "_"): one for one in Reason if one not in NEVER}
    given = [word.strip().lower().replace(" ", "_").replace("-", "_") for word in words]
    strange = [word for word in given if word and word not in known]
    if strange:
        raise InputError(
            f"Rows cannot be tried again for {strange[0]!r}. Nothing was sent. "
            f"--only takes some of: {', '.join(known)}."
        )
    return [known[word] for word in given if word]


def within(stand: pl.DataFrame, rows: pl.Series | None) -> pl.DataFrame:
    """Return the lines of ``standing`` about some uploaded rows, by number; None = all."""
    return stand if rows is None else stand.filter(pl.col("row").is_in(rows.cast(pl.Int64).implode()))


def usual_reasons(kind: Kind, step: Kind) -> tuple[Reason, ...]:
    """Return the reasons for which a next step is usually taken: what it may mend at the least cost."""
    failed = (Reason.ERRORED, Reason.CANCELLED)
    if step is kind:
        return failed
    if step is Kind.LOOKUP_PEOPLE:
        return (Reason.NO_CONTACT, Reason.NO_EMAIL)
    return (Reason.NO_MATCH, Reason.NO_CONTACT, Reason.NO_EMAIL, *failed)


def make_list(ledger: Ledger, run_id: str, rows: pl.Series, kind: Kind) -> Again:
    """Make the list of a new run from rows of another one.

    Args:
        rows: The rows to send, by number; see ``choose``.
        kind: What the new run asks for. For known people, of a run that found them, rows without a first and
            last name are left out and counted.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the kind cannot follow that of the run, or no row is left.
        LedgerError: If the run's rows are gone.
    """
    run = queries.run_info(ledger, run_id)
    _check_step(run, kind)
    numbers = pl.DataFrame({"seq": rows.cast(pl.UInt32).unique().sort()})
    chosen = numbers.join(queries.upload_rows(ledger, run_id).collect(), on="seq", maintain_order="left")
    given = chosen.height
    mapping = _mapping(run, kind)
    if kind is Kind.LOOKUP_PEOPLE and run.kind is Kind.FIND_PEOPLE:
        known = withhold(ledger, join.results(ledger, run_id, "rows", contacts=False))
        chosen = _with_names(chosen, known.frame)
        mapping |= {field.value: [column] for column, (field, _) in NAME_COLUMNS.items()}
    if chosen.is_empty():
        raise InputError(
            f"None of the {given:,} chosen rows can be tried as {kind}. Nothing was sent or spent. "
            "Choose other rows, or another step."
        )
    upload, origin = _upload(run, chosen)
    nth = len(runs_of_chain(ledger, run_id)) + 1
    first = queries.run_info(ledger, origin.run_id)
    name = f"{first.name} · try {nth}"
    decided = _decided(Overrides.from_dict(queries.decisions(ledger, run_id)), chosen["seq"])
    return Again(upload, kind, mapping, _options(run, kind), decided, name, given - chosen.height)


def format_of(shape: dict[str, Any]) -> FileFormat:
    """Return an upload's format from its ``dataclasses.asdict``; unknown names are passed over."""
    kind = AgainFormat if shape.get("origin") else FileFormat
    known = {field.name for field in fields(kind)}
    given = shape | {"sheets": tuple(shape.get("sheets", ()))}
    return kind(**{name: value for name, value in given.items() if name in known})


def _reason(*, alone: bool = False) -> pl.Expr:
    """Return a row's reason from its best result; ``alone``: nothing is known of other runs."""
    result = pl.col("result")
    matched = (
        pl.when((pl.col("kind") == Kind.FIND_TECH) | is_verified())
        .then(pl.lit(Reason.FOUND.value))
        .when(has_email())
        .then(pl.lit(Reason.NOT_VERIFIED.value))
        .otherwise(pl.lit(Reason.NO_EMAIL.value))
    )
    plain = result.replace_strict(
        {str(one): str(reason) for one, reason in _SAME_REASON.items()}, default=None
    )
    reason = pl.when(plain.is_null()).then(matched).otherwise(plain)
    if alone:
        return reason
    return (
        pl.when(reason == Reason.FOUND.value)
        .then(reason)
        .when(pl.col("in_work"))
        .then(pl.lit(Reason.PENDING.value))
        .when(pl.col("in_doubt"))
        .then(pl.lit(Reason.UNKNOWN.value))
        .otherwise(reason)
    )


def _check_step(run: RunInfo, kind: Kind) -> None:
    if kind not in STEPS[run.kind]:
        raise InputError(
            f"Rows of a {run.kind} run cannot be tried as {kind}. Nothing was sent or spent. "
            f"Choose one of: {', '.join(STEPS[run.kind])}."
        )


def _mapping(run: RunInfo, kind: Kind) -> Mapping:
    """Return what of a run's mapping the new kind can use."""
    usable = {field.value for field in FIELDS_BY_KIND[kind].all}
    return {name: list(columns) for name, columns in run.mapping.items() if columns and name in usable}


def _options(run: RunInfo, kind: Kind) -> RunOptions:
    """Return a run's options as far as they serve the new kind; which rows to send is decided already."""
    known = {field.name for field in fields(RunOptions)}
    kept = RunOptions.from_dict({name: value for name, value in run.options.items() if name in known})
    usual = RunOptions()
    usable = {field.value for field in FIELDS_BY_KIND[kind].all}
    texts = {name: None for name in ("title", "tech_type") if name not in usable}
    people = kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE)
    mailbox = kind is Kind.LOOKUP_BUSINESS_EMAIL
    return replace(
        kept,
        **texts,
        first_rows=None,
        only_where_empty=None,
        max_k=kept.max_k if kind is Kind.FIND_PEOPLE else usual.max_k,
        version=kept.version if kind is Kind.FIND_PEOPLE else usual.version,
        info_access=kept.info_access if people else usual.info_access,
        people_per_task=kept.people_per_task if kind is Kind.LOOKUP_PEOPLE else usual.people_per_task,
        company_name_from_domain=mailbox and (kept.company_name_from_domain or run.kind is not kind),
    )


def _decided(before: Overrides, rows: pl.Series) -> Overrides:
    """Return the decisions about some rows, by their numbers in the new list; without any to leave out."""
    number = {row: place for place, row in enumerate(rows, 1)} if before else {}
    return replace(
        before,
        edits={number[row]: cells for row, cells in before.edits.items() if row in number},
        rows={
            number[row]: choice
            for row, choice in before.rows.items()
            if row in number and choice is not Choice.DROP
        },
        classes={code: choice for code, choice in before.classes.items() if choice is not Choice.DROP},
        only=(),
    )


def _with_names(chosen: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add the names that were found, in place of earlier ones; rows without a whole name fall out."""
    names = found.select(
        pl.col("row").cast(pl.UInt32).alias("seq"),
        *(pl.col(source).alias(name) for name, (_, source) in NAME_COLUMNS.items()),
    )
    first, last, _ = NAME_COLUMNS
    return (
        chosen.drop(*NAME_COLUMNS, strict=False)
        .join(names, on="seq", how="left", maintain_order="left")
        .drop_nulls([first, last])
    )


def _upload(run: RunInfo, chosen: pl.DataFrame) -> tuple[Upload, Origin]:
    """Return the chosen rows as a list of their own: lines as in the first file, numbered rows anew."""
    before = Origin.of(run)
    if before is None:
        column = _free_name(run.columns)
        origin = Origin(run.run_id, column)
        listed = chosen.with_columns(pl.col("seq").cast(pl.String).alias(column))
    else:
        origin, listed = before, chosen
    cells = listed.drop("seq", "file_line")
    plain = upload_from_frame(cells, f"Rows of {run.name}")
    shape = AgainFormat("frame", **origin.to_format(), made_from=run.run_id)
    frame = plain.frame.with_columns(chosen["file_line"].cast(pl.UInt32))
    return replace(plain, frame=frame, format=shape), origin


def _free_name(columns: Collection[str]) -> str:
    name, number = ROW_COLUMN, 1
    while name in columns:
        name, number = f"{ROW_COLUMN} {number + 1}", number + 1
    return name
