"""Domain cleaning: any cell an analyst has becomes a bare registrable domain, or a reason why not.

Work is done once per distinct cell. What the text tells is read in ``hosts.py``; here a host is
judged: does anybody own it, and is the owner a company? Nothing is ever changed into another
company's name in silence: a guess ("acme,com") is a ``suggestion`` beside a rejection.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.hosts import read_cells, split_link
from openmart_lib.intake.idn import to_unicode
from openmart_lib.intake.judge import DomainCode, judge_hosts
from openmart_lib.intake.suffixes import psl_date, registrable

__all__ = ["REASONS", "SCHEMA", "DomainCode", "clean_domains", "psl_date"]

# One plain sentence each; {host}, {owner}, {ending} and {ascii} are filled in per cell.
REASONS: Final[dict[str, str]] = {
    DomainCode.BLANK: "The cell is empty.",
    DomainCode.PLACEHOLDER: "The cell only says that there is no website.",
    DomainCode.FREE_MAIL: "{owner} is a private mailbox provider, not a company.",
    DomainCode.DISPOSABLE: "{owner} hands out throw-away addresses; it is not a company.",
    DomainCode.SOCIAL: "A page on {host} is a profile, map or directory entry, not a company's website.",
    DomainCode.HOSTED: "{host} is a page on a shared host, not the company's own domain.",
    DomainCode.IP: "This is an IP address, not a domain.",
    DomainCode.INTERNAL: "{host} is an internal or example name that no company owns.",
    DomainCode.UNKNOWN_ENDING: "No domain can end in “.{ending}”.",
    DomainCode.SUFFIX_ONLY: "{host} is only a domain ending; the name before it is missing.",
    DomainCode.COMPANY_NAME: "This reads like a company name or a note, not a website.",
    DomainCode.MULTIPLE: "The cell names several websites; keep the one you mean.",
    DomainCode.LOOKALIKE: "{ascii} imitates another name with letters of a different alphabet.",
    DomainCode.EXCEL: "A spreadsheet turned this cell into a number, a date or an error.",
    DomainCode.INVALID: "This is not a valid domain name.",
}

SCHEMA: Final = {
    "raw": pl.String,
    "domain": pl.String,
    "domain_unicode": pl.String,
    "rule": pl.String,
    "code": pl.String,
    "reason": pl.String,
    "suggestion": pl.String,
    "linkedin_url": pl.String,
}

_SEPARATORS = r"[\s,;|]"


def clean_domains(cells: pl.Series, *, allow_example: bool = False) -> pl.DataFrame:
    """Clean a column of websites, e-mail addresses and whatever else stands where a domain should.

    Args:
        cells: Any text, null for empty cells.
        allow_example: Accept names under ``.example``, which nobody can own (the sandbox's demo data).

    Returns:
        One row per cell, in the same order, all String: ``raw`` (the cell), ``domain`` (bare, lower case,
        registrable by the ICANN section of the Public Suffix List, as an A-label; null when rejected),
        ``domain_unicode`` (the same as people read it), ``rule`` (the cleaning rule that acted, null when
        the cell was clean), ``code`` (a :class:`DomainCode`, null when accepted), ``reason`` (one sentence
        for the analyst), ``suggestion`` (a domain that may be meant, never applied by itself),
        ``linkedin_url`` (of a LinkedIn link).
    """
    raw = cells.cast(pl.String).alias("raw")
    judged = _judge_cells(raw.drop_nulls().unique(), allow_example)
    return (
        raw.to_frame()
        .join(judged, on="raw", how="left", maintain_order="left")
        .with_columns(
            code=pl.when(pl.col("raw").is_null()).then(pl.lit(DomainCode.BLANK.value)).otherwise("code")
        )
        .with_columns(
            reason=pl.when(pl.col("raw").is_null())
            .then(pl.lit(REASONS[DomainCode.BLANK]))
            .otherwise("reason")
        )
        .select(*SCHEMA)
    )


def _judge_cells(unique: pl.Series, allow_example: bool) -> pl.DataFrame:
    cells = read_cells(unique)
    crowded = pl.col("code").is_null() & pl.col("text").str.contains(_SEPARATORS)
    judged = judge_hosts(cells.filter(~crowded), allow_example)
    several = cells.filter(crowded)
    if not several.is_empty():
        judged = pl.concat([judged, _judge_crowded(several, allow_example)])
    return judged.pipe(_explain).select(*SCHEMA)


def _judge_crowded(cells: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    """Judge cells that hold blanks or separators: several websites, one with words around it, or a name."""
    tokens = (
        cells.select("raw", "text", "repair")
        .with_columns(token=_tokens())
        .explode("token", empty_as_null=True, keep_nulls=True)
        .with_columns(text=pl.col("token").fill_null(""), code=pl.lit(None, pl.String))
        .pipe(split_link)
    )
    # A token is a website when somebody can own it; a first name in "Jane Doe, Acme" is not.
    sites = judge_hosts(tokens, allow_example).with_columns(site=pl.col("owner").is_not_null())
    found = sites.group_by("raw").agg(
        tokens=pl.len(),
        sites=pl.col("site").sum(),
        owners=pl.col("owner").drop_nulls().n_unique(),
        first=pl.col("domain").drop_nulls().first(),
        **{
            name: pl.col(name).filter("site").first()
            for name in ("host", "ascii", "owner", "domain", "rule", "code", "linkedin_url")
        },
    )
    joined = cells.select("raw", "text").join(found, on="raw", how="left")
    alone = (pl.col("owners") == 1) & (pl.col("sites") == pl.col("tokens"))
    named = pl.col("text").str.contains(r"\p{L}") & pl.col("text").str.contains(r"\s")
    code = (
        pl.when(pl.col("owners") > 1)
        .then(pl.lit(DomainCode.MULTIPLE.value))
        .when(alone)
        .then("code")
        .when(named)
        .then(pl.lit(DomainCode.COMPANY_NAME.value))
        .otherwise(pl.lit(DomainCode.INVALID.value))
    )
    return joined.with_columns(code=code).select(
        "raw",
        "text",
        "host",
        "ascii",
        "owner",
        domain=pl.when(alone).then("domain"),
        rule=pl.when(alone & pl.col("domain").is_not_null()).then(
            pl.when(pl.col("tokens") > 1).then(pl.lit("repeated in the cell")).otherwise("rule")
        ),
        code="code",
        suggestion=pl.when(~alone).then(pl.coalesce("first", _comma_for_dot())),
        linkedin_url="linkedin_url",
    )


def _tokens() -> pl.Expr:
    """Split a crowded cell into words; commas inside a link's path do not split it."""
    return (
        pl.col("text")
        .str.replace_all(r"[,;|]+\s*(https?:|www\.)", " ${1}")
        .str.replace_all(r"([^\s/:])[/\\?#][^\s]*", "${1}")
        .str.replace_all(r"[\s,;|]", " ")
        .str.replace_all(r"(^|\s)[\p{P}\p{S}]+(\s|$)", " ")
        .str.strip_chars()
        .str.split(" ")
        .list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
    )


def _comma_for_dot() -> pl.Expr:
    """Return "acme.com" for "acme,com"; a legal form ("acme,inc") is no ending."""
    mended = pl.when(pl.col("text").str.contains(r"^[a-z0-9-]+(?:[,.][a-z0-9-]+)+$")).then(
        pl.col("text").str.replace_all(",", ".", literal=True)
    )
    legal_form = mended.str.contains(
        r"\.(?:inc|llc|ltd|limited|gmbh|co|company|plc|sa|ag|bv|srl|spa|group|corp)$"
    )
    return pl.when(~legal_form).then(registrable(mended))


def _explain(judged: pl.DataFrame) -> pl.DataFrame:
    """Add ``domain_unicode`` and ``reason``."""
    domains = judged.get_column("domain").drop_nulls().unique()
    encoded = domains.filter(domains.str.contains("xn--", literal=True))
    readable = {domain: to_unicode(domain) for domain in encoded}
    reason = pl.col("code").replace_strict(REASONS, default=None, return_dtype=pl.String)
    for name, value in {
        "{host}": pl.coalesce("host", "text"),
        "{owner}": pl.col("owner"),
        "{ascii}": pl.col("ascii"),
        "{ending}": pl.coalesce("ascii", "host").str.extract(r"([^.]+)$"),
    }.items():
        reason = reason.str.replace(name, value.fill_null(""), literal=True)
    return judged.with_columns(
        reason=reason, domain_unicode=pl.col("domain").replace(readable) if readable else pl.col("domain")
    )
