"""What each uploaded row says for a task: its texts, its domain's verdict, and why it may be passed over."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.anyway import PARENT, domains_anyway, hosts_anyway
from openmart_lib.intake.countries import country_codes
from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.fields import FIELDS_BY_KIND, Field, Intake, Mapping
from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.linkedin import linkedin_link
from openmart_lib.intake.moved_links import domain_cells, moved_links, people_links
from openmart_lib.intake.names import bare_halves, split_names
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import NAME_CODE, SENDABLE, Choice, Overrides
from openmart_lib.intake.rules import ANYWAY, FIRST_OF_SEVERAL, SUBDOMAIN
from openmart_lib.intake.values import is_filled, text_value
from openmart_lib.wording import worded

_OPTIONAL_TEXTS = (Field.TITLE, Field.FIRST_NAME, Field.LAST_NAME, Field.LINKEDIN_URL)


def read_rows(
    frame: pl.DataFrame,
    mapping: Mapping,
    kind: Kind,
    options: RunOptions,
    *,
    overrides: Overrides,
    allow_example: bool,
) -> pl.DataFrame:
    """Read an upload's rows for one kind of task; nothing is judged as a whole yet.

    Returns:
        One row per uploaded row, in order: ``seq``, ``file_line``, the kind's texts by field (null where
        there is none; countries as codes where certain, names from a full name where they are missing),
        ``cell`` (what the domain was read from, as uploaded), ``domain``, ``domain_unicode``, ``rule``,
        ``suggestion``, ``link`` (of LinkedIn, in a domain column), ``domain_code`` and ``domain_reason``,
        ``name_code`` and ``name_reason`` (a full name whose split is in doubt), ``skip_code`` and
        ``skip_reason``.
    """
    texts = [field for field in FIELDS_BY_KIND[kind].all if field is not Field.DOMAIN]
    sources = mapping[Field.DOMAIN]
    cells = domain_cells(frame, sources)
    read = frame.select(
        "seq",
        "file_line",
        cells.alias("cell"),
        cells.alias(Field.DOMAIN.value),
        *(text_value(field, mapping.get(field, []), None) for field in texts),
        *_skips(options),
    )
    halves = [field.value for field in (Field.FIRST_NAME, Field.LAST_NAME) if field.value in read.columns]
    read = read.with_columns(bare_halves(read.get_column(name)) for name in halves)
    read = _with_options(overrides.edited(read), texts, options)
    read = _with_domains(read, _divided(frame), overrides, allow_example)
    if len(sources) > 1:  # of a single column it is what the domain was read from
        read = read.with_columns(pl.coalesce("link", moved_links(frame, sources)))
    read = _with_names(read, overrides)
    if Field.COUNTRY in texts:
        read = read.with_columns(country_codes(read.get_column(Field.COUNTRY)))
    absent = [field.value for field in _OPTIONAL_TEXTS if field.value not in read.columns]
    read = read.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    read = read.with_columns(linkedin_url=linkedin_link(pl.col("linkedin_url")))
    if kind is Kind.LOOKUP_PEOPLE:
        read = read.with_columns(pl.coalesce("linkedin_url", people_links(frame, sources)))
    if kind is Kind.FIND_TECH:
        read = read.with_columns(pl.col("tech_type").str.to_lowercase())
    if kind is Kind.LOOKUP_BUSINESS_EMAIL and options.company_name_from_domain:
        own_word = pl.col("domain_unicode").str.extract(r"^([^.]+)").str.replace_all("-", " ", literal=True)
        read = read.with_columns(pl.coalesce("company_name", own_word.str.to_titlecase()))
    return read


def rejected_cells(
    frame: pl.DataFrame, rows: pl.DataFrame, mapping: Mapping, kind: Kind, overrides: Overrides
) -> pl.DataFrame:
    """Return how the domains of a list's rejected rows were read, for its rejects file.

    Args:
        frame: The upload's frame.
        rows: One row per uploaded row: ``seq`` and ``intake``.
        overrides: What was decided about the list.

    Returns:
        One row per rejected row: ``seq`` and ``suggestion`` (a domain that may be meant, or null).
    """
    rejected = rows.filter(pl.col("intake") == Intake.REJECTED.value)["seq"]
    part = frame.select(pl.all().gather(rejected - 1))
    read = read_rows(part, mapping, kind, RunOptions(), overrides=overrides, allow_example=True)
    return read.select("seq", "suggestion")


def _with_options(read: pl.DataFrame, texts: Sequence[Field], options: RunOptions) -> pl.DataFrame:
    """Fill empty texts with what is the same for all rows."""
    same = options.to_dict()
    return read.with_columns(
        pl.col(field).fill_null(pl.lit(same[field], pl.String)) for field in texts if same.get(field)
    )


def _divided(frame: pl.DataFrame) -> pl.Series:
    """Return which rows stand for the first of several websites: the others have rows of their own."""
    if PARENT not in frame.columns:
        return pl.Series([False]).new_from_index(0, frame.height)
    return frame.select((pl.col(PARENT) == pl.col("seq").cast(pl.String)).fill_null(False)).to_series()


def _with_domains(
    read: pl.DataFrame, divided: pl.Series, overrides: Overrides, allow_example: bool
) -> pl.DataFrame:
    """Put each domain's verdict in place of its cell; what the analyst insists on is no objection."""
    cells = read.get_column(Field.DOMAIN)
    verdict = clean_domains(cells, allow_example=allow_example).select(
        *("domain", "domain_unicode", "rule", "suggestion"),
        link="linkedin_url",
        domain_code="code",
        domain_reason="reason",
    )
    read = _with_whole_hosts(read.drop(Field.DOMAIN.value).hstack(verdict), cells, overrides)
    several = (read.get_column("domain_code") == DomainCode.MULTIPLE.value).fill_null(False)
    wanted = several & divided
    insisted = _insisted(read, overrides, "domain_code")
    if insisted is not None:
        wanted |= insisted
    if not wanted.any():
        return read
    domain = domains_anyway(_only(wanted, cells), allow_example=allow_example)
    sent = domain.is_not_null() & wanted
    rule = pl.when(several).then(pl.lit(FIRST_OF_SEVERAL)).otherwise(pl.lit(ANYWAY))
    return read.with_columns(
        domain=pl.when(sent).then(domain).otherwise("domain"),
        domain_unicode=pl.when(sent).then(domain).otherwise("domain_unicode"),
        rule=pl.when(sent).then(rule).otherwise("rule"),
        domain_code=pl.when(~sent).then("domain_code"),
        domain_reason=pl.when(~sent).then("domain_reason"),
    )


def _with_whole_hosts(read: pl.DataFrame, cells: pl.Series, overrides: Overrides) -> pl.DataFrame:
    """Keep the subdomain of the rows that the analyst sends as they stand."""
    sent = [seq for seq, choice in overrides.rows.items() if choice is Choice.SEND]
    if not sent:
        return read
    wanted = read.select(
        pl.col("seq").is_in(sent) & pl.col("rule").str.contains(SUBDOMAIN, literal=True).fill_null(False)
    ).to_series()
    host = hosts_anyway(_only(wanted, cells))
    return read.with_columns(
        domain=pl.coalesce(host, "domain"),
        domain_unicode=pl.coalesce(host, "domain_unicode"),
        rule=pl.when(host.is_not_null()).then(pl.lit(ANYWAY)).otherwise("rule"),
    )


def _only(wanted: pl.Series, cells: pl.Series) -> pl.Series:
    return pl.select(pl.when(wanted).then(cells)).to_series()


def _with_names(read: pl.DataFrame, overrides: Overrides) -> pl.DataFrame:
    """Fill missing first and last names from the full name; a doubtful split is an objection."""
    none = pl.lit(None, pl.String)
    if Field.FULL_NAME not in read.columns or read.get_column(Field.FULL_NAME).null_count() == read.height:
        return read.with_columns(name_code=none, name_reason=none)
    missing = pl.col("first_name").is_null() | pl.col("last_name").is_null()
    split = split_names(read.select(pl.when(missing).then("full_name")).to_series())
    doubt = split.get_column("doubt")
    read = read.with_columns(
        pl.coalesce("first_name", split.get_column("first_name")),
        pl.coalesce("last_name", split.get_column("last_name")),
        name_code=pl.when(doubt.is_not_null()).then(pl.lit(NAME_CODE)),
        name_reason=worded("Name in doubt: {}.", doubt),
    )
    accepted = _insisted(read, overrides, "name_code")
    if accepted is None:
        return read
    return read.with_columns(
        pl.when(~accepted).then(name).alias(name) for name in ("name_code", "name_reason")
    )


def _insisted(read: pl.DataFrame, overrides: Overrides, code: str) -> pl.Series | None:
    """Return which rows are to be sent in spite of an objection; None when there are no choices."""
    if not (overrides.rows or overrides.classes):
        return None
    choices = overrides.choices(read.select("seq", code=code))
    # "www.de" is a domain after all; of other endings there is nothing that could be sent.
    sendable = [*SENDABLE, DomainCode.SUFFIX_ONLY.value]
    return (choices.fill_null("") == Choice.SEND.value) & read.get_column(code).fill_null("").is_in(sendable)


def _skips(options: RunOptions) -> list[pl.Expr]:
    no_code, no_reason = pl.lit(None, pl.String), pl.lit(None, pl.String)
    code, reason = [no_code], [no_reason]
    if options.first_rows is not None:
        beyond = pl.col("seq") > options.first_rows
        code.append(pl.when(beyond).then(pl.lit("beyond_first_rows")))
        reason.append(
            pl.when(beyond).then(pl.lit(f"Only the first {options.first_rows:,} rows were asked for."))
        )
    if options.only_where_empty is not None:
        filled = is_filled(options.only_where_empty)
        code.append(pl.when(filled).then(pl.lit("already_filled")))
        reason.append(
            pl.when(filled).then(pl.lit(f"The column {options.only_where_empty!r} already holds a value."))
        )
    return [pl.coalesce(code).alias("skip_code"), pl.coalesce(reason).alias("skip_reason")]
