"""Rows to tasks: every uploaded row gets an intake outcome, every accepted one its place in a task.

A task is what is paid for, so it is planned once however many rows ask for it: rows that mean the same
task after cleaning are duplicates of the first of them and share its result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.bodies import person_json, request_json
from openmart_lib.intake.columns import check_mapping, uploaded_columns
from openmart_lib.intake.fields import FIELD_WORDS, FIELDS_BY_KIND, Field, Intake, Mapping
from openmart_lib.intake.options import MAX_TEXT, RunOptions
from openmart_lib.intake.overrides import DROPPED_CODE, EARLIER_CODE, NO_OVERRIDES, Choice, Overrides
from openmart_lib.intake.reading import read_rows
from openmart_lib.intake.reckoning import Reckoning
from openmart_lib.intake.rejects import rejects_frame
from openmart_lib.wording import worded

__all__ = ["Intake", "Plan", "RunOptions", "content_key", "plan_tasks", "rejects_frame"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a list.

    Attributes:
        rows: One row per uploaded row, in order: ``seq`` UInt32, ``file_line`` UInt32, ``intake`` (an
            :class:`Intake` value), ``code`` and ``reason`` (null when accepted), ``domain`` (A-label or
            null), ``asked_title`` (find_people), ``duplicate_of`` UInt32 (``seq`` of the row whose task it
            shares, else null).
        tasks: One row per task: ``task_no`` UInt32 from 1, in the order of their first rows, ``request``
            (compact JSON, without tracking id), ``domain``.
        links: One row per accepted row, by ``seq``: ``seq`` UInt32, ``task_no`` UInt32, ``person_no``
            UInt32 (1-based position in a lookup_people task, 0 for companies).
        cells: How each row's domain was read, one row per uploaded row, in order: ``seq`` UInt32, and as
            String ``cell`` (as uploaded), ``domain`` (sent, an A-label), ``domain_unicode`` (shown), ``rule``
            (the cleaning rules that acted, in words), ``suggestion`` (a domain that may be meant),
            ``linkedin_url`` (a LinkedIn link that stood in a domain column).
    """

    rows: pl.DataFrame
    tasks: pl.DataFrame
    links: pl.DataFrame
    cells: pl.DataFrame

    @property
    def reckoning(self) -> Reckoning:
        """The rows by outcome and code; they add up to what was uploaded."""
        return Reckoning.of(self.rows)


_ROWS: Final = ("seq", "file_line", "intake", "code", "reason", "domain", "asked_title", "duplicate_of")
_CELLS: Final = ("seq", "cell", "domain", "domain_unicode", "rule", "suggestion")
_PLACE: Final = (Field.CITY, Field.STATE, Field.COUNTRY)
_PERSON: Final = (Field.FIRST_NAME, Field.LAST_NAME, Field.LINKEDIN_URL)
# What makes two rows the same task. The company's name is no part of it: the domain says which company.
_IDENTITY: Final[dict[Kind, tuple[Field, ...]]] = {
    Kind.FIND_PEOPLE: (Field.DOMAIN, Field.TITLE, *_PLACE),
    Kind.LOOKUP_PEOPLE: (Field.DOMAIN, *_PERSON, *_PLACE),
    Kind.LOOKUP_BUSINESS_EMAIL: (Field.DOMAIN, *_PLACE),
    Kind.FIND_TECH: (Field.DOMAIN, Field.TECH_TYPE),
}
# Needed texts, the code of a row without one, and what the analyst can do about it.
_NEEDED: Final[dict[Kind, tuple[tuple[Field, str, str], ...]]] = {
    Kind.FIND_PEOPLE: ((Field.TITLE, "missing_title", "No role is given for this row."),),
    Kind.LOOKUP_PEOPLE: (
        (Field.FIRST_NAME, "missing_name", "The first name is missing; both names are needed."),
        (Field.LAST_NAME, "missing_name", "The last name is missing; both names are needed."),
    ),
    Kind.LOOKUP_BUSINESS_EMAIL: (
        (Field.COMPANY_NAME, "missing_company_name", "The company name is missing and is needed."),
    ),
    Kind.FIND_TECH: ((Field.TECH_TYPE, "missing_tech", "No technology is given for this row."),),
}
_PART: Final = 50_000  # rows read between two words about progress, in a list of no more than _MOST_PARTS
_MOST_PARTS: Final = 8  # cells that repeat are judged once a part
_READING: Final = 75  # per cent of the work: measured on a million rows, November 2026
_JUDGED: Final = 92
_SEPARATOR: Final = "\x1f"  # in no tidied text


def plan_tasks(
    frame: pl.DataFrame,
    mapping: Mapping,
    kind: Kind,
    options: RunOptions,
    *,
    overrides: Overrides = NO_OVERRIDES,
    allow_example: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Plan the tasks of a list; nothing is sent.

    Args:
        frame: An upload's frame.
        mapping: Field to uploaded columns, in order: the first that is not empty counts. A cell mapped to
            the LinkedIn link that holds no such link counts as empty: the link only helps matching.
        kind: What to ask for.
        options: How to ask, and what is the same for all rows.
        overrides: What the analyst decided against the rules: edits are read in place of cells, rows sent
            anyway where there is something to send, rows left out become ``skipped``.
        allow_example: Accept domains under ``.example`` (the sandbox's demo data).
        progress: Told (rows done, rows in all); the last ones are done when their tasks are.

    Raises:
        InputError: If the mapping or an option does not fit the file.
    """
    kind = Kind(kind)
    check_mapping(frame, mapping, kind)
    if options.only_where_empty is not None and options.only_where_empty not in uploaded_columns(frame):
        raise InputError(
            f"The file has no column {options.only_where_empty!r}. Nothing was planned. Choose another for "
            "“only where empty”.",
            column="only_where_empty",
        )
    parts = []
    for part in _parts(frame, watched=progress is not None):
        parts.append(
            read_rows(part, mapping, kind, options, overrides=overrides, allow_example=allow_example)
        )
        if progress is not None:  # reading is most of the work, and goes by rows
            progress(sum(one.height for one in parts) * _READING // 100, frame.height)
    read = pl.concat(parts)
    rows = _with_drops(_judged(read, kind), overrides)
    rows = _with_duplicates(rows, kind)
    if progress is not None:
        progress(frame.height * _JUDGED // 100, frame.height)
    leads = rows.filter(pl.col("intake") == Intake.ACCEPTED)
    links, tasks = _people_tasks(leads, options) if kind is Kind.LOOKUP_PEOPLE else _company_tasks(leads)
    tasks = tasks.select("task_no", request_json(kind, options), "domain")
    return Plan(rows.select(_ROWS), tasks, links, rows.select(*_CELLS, linkedin_url="link"))


def _parts(frame: pl.DataFrame, *, watched: bool) -> Iterator[pl.DataFrame]:
    """Yield a list in parts, where somebody watches: a row is read without looking at others."""
    size = max(_PART, -(-frame.height // _MOST_PARTS)) if watched else frame.height
    yield from frame.iter_slices(max(1, size)) if frame.height else (frame,)


def content_key(
    upload_frame: pl.DataFrame,
    mapping: Mapping,
    kind: Kind,
    options: RunOptions,
    *,
    overrides: Overrides = NO_OVERRIDES,
) -> str:
    """Return the identity of a run's content: equal content gives an equal key, in every process.

    SHA-256 (hex) over the uploaded columns' names and cells in order, the kind, mapping, options and, where
    there are some, the analyst's overrides.
    """
    columns = uploaded_columns(upload_frame)
    # Only what differs from the defaults, so that an option added one day changes no key of before.
    usual = RunOptions().to_dict()
    head = {
        "columns": columns,
        "kind": Kind(kind).value,
        "mapping": {name: list(sources) for name, sources in sorted(mapping.items()) if sources},
        "options": {name: value for name, value in options.to_dict().items() if value != usual[name]},
        "rows": upload_frame.height,
        **({"overrides": overrides.to_dict()} if overrides else {}),
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in columns:
        cells = upload_frame.get_column(name).cast(pl.String)
        # Lengths beside the text, so that no cell can be taken for part of its neighbour; -1 is null.
        lengths = cells.str.len_bytes().cast(pl.Int64).fill_null(-1).cast(pl.String)
        for column in (lengths.str.join(","), cells.str.join("", ignore_nulls=True)):
            digest.update((column.item() or "").encode() + b"\x00")
    return digest.hexdigest()


def _judged(read: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Add ``intake``, ``code`` and ``reason``, duplicates not yet considered."""
    codes, reasons = (
        [pl.col("skip_code"), pl.col("domain_code"), pl.col("name_code")],
        [pl.col("skip_reason"), pl.col("domain_reason"), pl.col("name_reason")],
    )
    for field, code, reason in _NEEDED[kind]:
        missing = pl.col(field).is_null()
        codes.append(pl.when(missing).then(pl.lit(code)))
        reasons.append(pl.when(missing).then(pl.lit(reason)))
    for field in FIELDS_BY_KIND[kind].all:
        long = pl.col(field).str.len_chars() > MAX_TEXT
        codes.append(pl.when(long).then(pl.lit("too_long")))
        reasons.append(
            pl.when(long).then(pl.lit(f"The {FIELD_WORDS[field]} has more than {MAX_TEXT} characters."))
        )
    return read.with_columns(code=pl.coalesce(codes), reason=pl.coalesce(reasons)).with_columns(
        intake=pl.when(pl.col("skip_code").is_not_null())
        .then(pl.lit(Intake.SKIPPED.value))
        .when(pl.col("code").is_not_null())
        .then(pl.lit(Intake.REJECTED.value))
        .otherwise(pl.lit(Intake.ACCEPTED.value)),
        asked_title="title",
    )


def _with_drops(rows: pl.DataFrame, overrides: Overrides) -> pl.DataFrame:
    """Skip the rows that the analyst leaves out, and those that this run is not about."""
    if not overrides:
        return rows
    dropped = overrides.choices(rows).fill_null("") == Choice.DROP.value
    rows = _skipped(rows, dropped, DROPPED_CODE, "You left this row out.")
    if not overrides.only:
        return rows
    others = ~rows.get_column("seq").is_in(list(overrides.only))
    return _skipped(rows, others, EARLIER_CODE, "It was in the first run; this one is about corrected rows.")


def _skipped(rows: pl.DataFrame, wanted: pl.Series, code: str, reason: str) -> pl.DataFrame:
    return rows.with_columns(
        intake=pl.when(wanted).then(pl.lit(Intake.SKIPPED.value)).otherwise("intake"),
        code=pl.when(wanted).then(pl.lit(code)).otherwise("code"),
        reason=pl.when(wanted).then(pl.lit(reason)).otherwise("reason"),
    )


def _with_duplicates(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Turn accepted rows whose task an earlier row asks for into duplicates of that row."""
    accepted = rows.filter(pl.col("intake") == Intake.ACCEPTED)
    if kind is Kind.LOOKUP_PEOPLE:
        accepted = _with_shared_links(accepted)
        rows = rows.drop("linkedin_url").join(
            accepted.select("seq", "linkedin_url"), on="seq", how="left", maintain_order="left"
        )
    lead = accepted.select("seq", lead=pl.col("seq").first().over(_key(*_IDENTITY[kind])))
    is_duplicate = pl.col("lead") != pl.col("seq")
    words = worded("Same task as row {}: it gets that row's result at no further cost.", "lead")
    return (
        rows.join(lead, on="seq", how="left", maintain_order="left")
        .with_columns(
            duplicate_of=pl.when(is_duplicate).then("lead"),
            intake=pl.when(is_duplicate).then(pl.lit(Intake.DUPLICATE.value)).otherwise("intake"),
            code=pl.when(is_duplicate).then(pl.lit(Intake.DUPLICATE.value)).otherwise("code"),
            reason=pl.when(is_duplicate).then(words).otherwise("reason"),
        )
        .drop("lead")
    )


def _with_shared_links(people: pl.DataFrame) -> pl.DataFrame:
    """Give a person without a LinkedIn link the one that all namesakes with one share.

    Lists merged from two sources name one person with and without it; two people of one name at one
    company have two.
    """
    person = _key(Field.DOMAIN, Field.FIRST_NAME, Field.LAST_NAME, *_PLACE)
    link = pl.col("linkedin_url")
    only = pl.when(link.min().over(person) == link.max().over(person)).then(link.min().over(person))
    return people.with_columns(linkedin_url=pl.coalesce(link, only))


def _key(*fields: Field) -> pl.Expr:
    """Return fields as one text that is equal where they are, whatever their case."""
    parts = [pl.col(field).str.to_lowercase().fill_null("") for field in fields]
    return pl.concat_str(parts, separator=_SEPARATOR)


def _company_tasks(leads: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return links and tasks of kinds with one company per task."""
    tasks = leads.with_columns(task_no=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32))
    return tasks.select("seq", "task_no", person_no=pl.lit(0, pl.UInt32)), tasks


def _people_tasks(leads: pl.DataFrame, options: RunOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return links and tasks of known people: up to ``people_per_task`` of one company and place together.

    Two people of one name are never in one task: results are told apart by name.
    """
    company = _key(Field.DOMAIN, Field.COMPANY_NAME, *_PLACE)
    name = pl.concat_str(_folded(Field.FIRST_NAME), _folded(Field.LAST_NAME), separator=_SEPARATOR)
    people = (
        leads.with_columns(company=company, name=name, person=person_json())
        .with_columns(namesake=pl.int_range(pl.len()).over("company", "name"))
        .with_columns(position=pl.int_range(pl.len()).over("company", "namesake"))
        .with_columns(
            group=pl.col("position") // options.people_per_task,
            person_no=(pl.col("position") % options.people_per_task + 1).cast(pl.UInt32),
        )
        .with_columns(first=pl.col("seq").first().over("company", "namesake", "group"))
        .with_columns(task_no=pl.col("first").rank("dense").cast(pl.UInt32))
    )
    joined = people.group_by("task_no").agg(people=pl.col("person").sort_by("person_no").str.join(","))
    tasks = people.filter(pl.col("seq") == pl.col("first")).join(joined, on="task_no").sort("task_no")
    return people.select("seq", "task_no", "person_no"), tasks


def _folded(field: Field) -> pl.Expr:
    """Return a name as results are compared: letters only, no accents, lower case."""
    return pl.col(field).str.normalize("NFKD").str.replace_all(r"[^\p{L}\p{N}]", "").str.to_lowercase()
