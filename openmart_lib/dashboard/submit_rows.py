"""Which rows of a checked list are looked at, and how each was read. No streamlit in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.columns import FIELDS_BY_KIND, uploaded_columns
from openmart_lib.intake.fields import Field, Intake
from openmart_lib.intake.overrides import Choice, Overrides
from openmart_lib.intake.reading import read_rows
from openmart_lib.submission import Prepared
from openmart_lib.wording import worded

PAGE_ROWS: Final = 50  # a page of the table; small, so that it is quick to read and to redraw
CELL: Final = "cell"
MINE: Final = "u"  # begins the names of uploaded columns in a page, which may be called anything


class View(StrEnum):
    """Which rows the table shows."""

    REJECTED = "rejected"
    CHANGED = "changed"
    DISAGREE = "disagree"
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Checked:
    """A list with its choices: what would be sent, and what the analyst may want to look at.

    Attributes:
        disagreements: Rows whose columns name two companies, as ``intake.disagreements``.
        countries: What became of the countries, as ``intake.review_countries``.
        remembered: The decisions, completed by those that were remembered from earlier files.
        intake: Rows by what became of them, 0 where there are none.
        reasons: The classes of rejected rows with their numbers, the largest first.
        counts: How many rows each view has; views without rows are left out, all rows excepted.
    """

    prepared: Prepared
    disagreements: pl.DataFrame
    countries: pl.DataFrame
    remembered: Overrides
    intake: dict[str, int]
    reasons: list[tuple[str, int]]
    counts: dict[View, int]

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        disagreements: pl.DataFrame,
        countries: pl.DataFrame,
        remembered: Overrides,
    ) -> Checked:
        """Count once what every run of the page shows."""
        intake = prepared.intake_counts
        rejected = prepared.plan.rows.filter(pl.col("intake") == Intake.REJECTED)
        classes = rejected.group_by("code").agg(pl.len().alias("rows"))
        numbers = {
            View.REJECTED: intake[Intake.REJECTED],
            View.CHANGED: len(_changed(prepared.overrides)),
            View.DISAGREE: disagreements["seq"].n_unique(),
            View.ACCEPTED: intake[Intake.ACCEPTED],
            View.DUPLICATE: intake[Intake.DUPLICATE],
            View.SKIPPED: intake[Intake.SKIPPED],
            View.ALL: prepared.row_count,
        }
        return cls(
            prepared,
            disagreements,
            countries,
            remembered,
            intake,
            list(classes.sort(["rows", "code"], descending=[True, False]).iter_rows()),
            {view: number for view, number in numbers.items() if number or view is View.ALL},
        )


VIEW_WORDS: Final[dict[View, str]] = {
    View.REJECTED: "cannot be used",
    View.CHANGED: "changed by you",
    View.DISAGREE: "two companies in one row",
    View.ACCEPTED: "will be looked up",
    View.DUPLICATE: "share one",
    View.SKIPPED: "skipped",
    View.ALL: "all rows",
}

# What a class of rows is called, by intake code: the reason itself differs by row.
CODE_WORDS: Final[dict[str, str]] = {
    "blank": "no website",
    "placeholder": "only says that there is none",
    "free_mail": "private mailbox",
    "disposable": "throw-away address",
    "social": "social or directory page",
    "hosted": "page on a shared host",
    "ip": "IP address",
    "internal": "internal or example name",
    "unknown_ending": "unknown ending",
    "suffix_only": "only an ending",
    "company_name": "a name, not a website",
    "multiple": "several websites in one cell",
    "lookalike": "look-alike of another name",
    "excel": "changed by a spreadsheet",
    "invalid": "no valid domain",
    "name": "name whose split is in doubt",
    "missing_name": "first or last name missing",
    "missing_title": "role missing",
    "missing_company_name": "company name missing",
    "missing_tech": "technology missing",
    "too_long": "text too long",
    "dropped": "left out by you",
    "in_first_run": "in the first run",
    "beyond_first_rows": "beyond the first rows",
    "already_filled": "filled already",
}


def code_words(code: str) -> str:
    """Return what a class of rows is called on screen."""
    return CODE_WORDS.get(code, code.replace("_", " "))


def matching(checked: Checked, view: View, code: str | None, search: str) -> pl.Series:
    """Return the rows of a view, by ``seq`` (UInt32), in order.

    Args:
        code: Of the rejected rows only those of this class.
        search: A row's number, or a text that one of its cells holds; "" finds all.
    """
    rows = checked.prepared.plan.rows
    wanted = pl.lit(True)
    if view is View.CHANGED:
        wanted = pl.col("seq").is_in(_changed(checked.prepared.overrides))
    elif view is View.DISAGREE:
        wanted = pl.col("seq").is_in(checked.disagreements["seq"].unique().implode())
    elif view is not View.ALL:
        wanted = pl.col("intake") == view.value
    if view is View.REJECTED and code is not None:
        wanted &= pl.col("code") == code
    found = rows.filter(wanted).get_column("seq")
    return _searched(checked, found, search.strip()) if search.strip() else found


def _changed(overrides: Overrides) -> list[int]:
    return sorted({*overrides.edits, *overrides.rows})


def _searched(checked: Checked, seqs: pl.Series, search: str) -> pl.Series:
    number = search.replace(",", "")
    if number.isdecimal() and int(number) in seqs:
        return seqs.filter(seqs == int(number))
    frame = checked.prepared.upload.frame
    pattern = f"(?i){re.escape(search)}"
    holds = pl.any_horizontal(pl.col(name).str.contains(pattern) for name in uploaded_columns(frame))
    part = frame.lazy() if len(seqs) == frame.height else _rows(frame, seqs).lazy()
    return part.filter(holds.fill_null(False)).select("seq").collect().to_series()


def _rows(frame: pl.DataFrame, seqs: pl.Series) -> pl.DataFrame:
    """Return rows by number; row n is the n-th."""
    return frame.select(pl.all().gather(seqs - 1))


def editable_fields(kind: Kind, mapped: set[str]) -> list[Field]:
    """Return the texts that can be edited in the table beside the website: those a row can lack."""
    fields = FIELDS_BY_KIND[kind]
    needed = [one for one in (*fields.required, *fields.column_or_option) if one is not Field.DOMAIN]
    names = {Field.FIRST_NAME, Field.LAST_NAME}
    return [one for one in needed if one in mapped or (one in names and Field.FULL_NAME in mapped)]


def page(checked: Checked, seqs: pl.Series, *, allow_example: bool) -> pl.DataFrame:
    """Return how some rows were read, for the table.

    Args:
        seqs: The rows, as ``matching`` gives them; a page of them, not all.

    Returns:
        One row per ``seq``: ``seq``, ``cell`` (the text the domain is read from), ``becomes`` (the
        domain that is sent, as people read it), ``suggestion`` (a domain that may be meant), ``rule`` (what
        was done to the cell), ``what`` (what becomes of it), ``why``, ``choice`` (the analyst's, or null),
        the texts of ``editable_fields`` by field, and the uploaded columns as ``u0``, ``u1``, ...
    """
    prepared = checked.prepared
    frame = _rows(prepared.upload.frame, seqs)
    plan = _rows(prepared.plan.rows, seqs)
    cells = _rows(prepared.plan.cells, seqs)
    cell = prepared.overrides.edited(cells.select("seq", pl.col("cell").alias(Field.DOMAIN.value)))
    fields = editable_fields(prepared.kind, set(prepared.mapping))
    accepted = plan.get_column("intake").is_in([Intake.ACCEPTED.value, Intake.DUPLICATE.value])
    return pl.DataFrame(
        [
            seqs.alias("seq"),
            cell.get_column(Field.DOMAIN.value).alias(CELL),
            cells.select(pl.when(accepted).then("domain_unicode")).to_series().alias("becomes"),
            cells.select(pl.when(~accepted).then("suggestion")).to_series().alias("suggestion"),
            cells.get_column("rule"),
            plan.get_column("intake").replace_strict(_WHAT, default="").alias("what"),
            _why(checked, plan).alias("why"),
            pl.Series("choice", [_choice(checked, seq) for seq in seqs], pl.String),
            *_texts(checked, frame, fields, allow_example),
            *(
                frame.get_column(name).alias(f"{MINE}{number}")
                for number, name in enumerate(uploaded_columns(frame))
            ),
        ]
    )


_WHAT: Final = {
    Intake.ACCEPTED.value: "look up",
    Intake.DUPLICATE.value: "shares one",
    Intake.REJECTED.value: "cannot be used",
    Intake.SKIPPED.value: "skipped",
}


def _texts(
    checked: Checked, frame: pl.DataFrame, fields: list[Field], allow_example: bool
) -> list[pl.Series]:
    """Return texts of rows as they are sent: names split, edits applied."""
    if not fields:
        return []
    prepared = checked.prepared
    read = read_rows(
        frame,
        prepared.mapping,
        prepared.kind,
        prepared.options,
        overrides=prepared.overrides,
        allow_example=allow_example,
    )
    return [read.get_column(one).alias(one.value) for one in fields]


def _why(checked: Checked, plan: pl.DataFrame) -> pl.Series:
    """Return why a row is not sent, or which two companies it names."""
    both = checked.disagreements.group_by("seq").agg(
        worded("{} says {}, {} says {}", "first_column", "first", "second_column", "second")
        .str.join("; ")
        .alias("both")
    )
    joined = plan.select("seq", "reason").join(both, on="seq", how="left", maintain_order="left")
    return joined.select(pl.coalesce("reason", "both")).to_series()


def _choice(checked: Checked, seq: int) -> str | None:
    overrides = checked.prepared.overrides
    choice = overrides.rows.get(seq)
    if choice is not None:
        return "send anyway" if choice is Choice.SEND else "leave out"
    return "edited" if seq in overrides.edits else None
