"""Domain cleaning: any cell an analyst has becomes a bare registrable domain, or a reason why not.

Plain cells are settled in one pass (``plain.py``). Of the others each distinct one is read with care
(``hosts.py``) and judged (``judge.py``): does anybody own it, and is the owner a company? Nothing is ever
changed into another company's name in silence: a guess ("acme,com") is a ``suggestion`` beside a rejection.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from openmart_lib.intake.hosts import read_texts, split_link
from openmart_lib.intake.judge import DomainCode, judge_hosts
from openmart_lib.intake.plain import settle_plain
from openmart_lib.intake.reasons import REASONS, reason
from openmart_lib.intake.rules import REPEATED, TIDIED, joined
from openmart_lib.intake.suffixes import psl_date, registrable

__all__ = ["REASONS", "SCHEMA", "DomainCode", "clean_domains", "psl_date"]

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

_WORTH_A_THREAD: Final = 250_000  # cells
SEPARATORS: Final = r"[\s,;|]"


def clean_domains(cells: pl.Series, *, allow_example: bool = False) -> pl.DataFrame:
    """Clean a column of websites, e-mail addresses and whatever else stands where a domain should.

    Args:
        cells: Any text, null for empty cells.
        allow_example: Accept names under ``.example``, which nobody can own (the sandbox's demo data).

    Returns:
        One row per cell, in the same order, all String: ``raw`` (the cell), ``domain`` (bare, lower case,
        registrable by the ICANN section of the Public Suffix List, as an A-label; null when rejected),
        ``domain_unicode`` (the same as people read it), ``rule`` (the cleaning rules that acted, in the words
        of ``rules.py``, null when the cell was clean), ``code`` (a :class:`DomainCode`, null when accepted),
        ``reason`` (one sentence for the analyst), ``suggestion`` (a domain that may be meant, never applied
        by itself), ``linkedin_url`` (of a LinkedIn link).
    """
    raw = cells.cast(pl.String).alias("raw")
    parts = min(pl.thread_pool_size(), len(raw) // _WORTH_A_THREAD)
    if parts < 2:
        return _clean_part(raw, allow_example)
    size = -(-len(raw) // parts)
    slices = [raw.slice(start, size) for start in range(0, len(raw), size)]
    with ThreadPoolExecutor(
        parts
    ) as pool:  # much of it works on one core, and polars holds no lock meanwhile
        return pl.concat(pool.map(lambda part: _clean_part(part, allow_example), slices))


def _clean_part(raw: pl.Series, allow_example: bool) -> pl.DataFrame:
    settled = settle_plain(raw)
    is_open = settled.get_column("domain").is_null()
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(raw))
    known = {"domain": settled["domain"], "domain_unicode": settled["domain"], "rule": settled["rule"]}
    columns = [known.get(name, nothing).clone().alias(name) for name in SCHEMA if name != "raw"]
    if not is_open.any():  # a short list takes as long as its steps, however few rows they have
        return raw.to_frame().with_columns(columns)
    # Most rows are settled, so the others are put in their places and nothing is looked up for all.
    rows = is_open.arg_true()
    verdicts, found = _verdicts(settled.select("raw").filter(is_open), allow_example)
    return raw.to_frame().with_columns(
        each.scatter(rows, verdicts[each.name].gather(found)) for each in columns
    )


def _verdicts(open_rows: pl.DataFrame, allow_example: bool) -> tuple[pl.DataFrame, pl.Series]:
    """Return the verdicts of cells that are not plain, and the place among them of each row's, in order."""
    judged = _judge_cells(open_rows.get_column("raw").drop_nulls().unique(), allow_example)
    found = (
        open_rows.join(judged.with_row_index("place"), on="raw", how="left", maintain_order="left")
        .get_column("place")
        .fill_null(judged.height)  # the last row of all: what is said of an empty cell
    )
    blank = pl.DataFrame(
        {"code": [DomainCode.BLANK.value], "reason": [REASONS[DomainCode.BLANK]]}, schema_overrides=SCHEMA
    )
    return pl.concat([judged, blank], how="diagonal"), found


def _judge_cells(unique: pl.Series, allow_example: bool) -> pl.DataFrame:
    """Return the verdicts of distinct cells, in another order."""
    texts = read_texts(unique)
    mended, others = _settle_mended(texts)
    cells = split_link(others)
    crowded = cells["code"].is_null() & cells["text"].str.contains(SEPARATORS)
    judged = judge_hosts(cells.filter(~crowded), allow_example)
    several = cells.filter(crowded)
    if not several.is_empty():
        judged = pl.concat([judged, _judge_crowded(several, allow_example)], how="diagonal")
    unicode_name = pl.when(pl.col("domain").is_not_null()).then(pl.coalesce("readable", "domain"))
    judged = judged.with_columns(domain_unicode=unicode_name)
    rejected = pl.col("code").is_not_null()
    parts = [mended, judged.filter(~rejected).with_columns(reason=pl.lit(None, pl.String))]
    if parts[1].height < judged.height:
        parts.append(judged.filter(rejected).with_columns(reason=reason()))
    return pl.concat(part.select(*SCHEMA) for part in parts)


def _settle_mended(texts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the verdicts of cells that are plain once they are mended, and the other cells."""
    is_mended = texts.select(pl.col("repair").is_not_null() & pl.col("code").is_null()).to_series()
    if not is_mended.any():
        return pl.DataFrame(schema=SCHEMA), texts
    mended = texts.filter(is_mended)
    settled = settle_plain(mended.get_column("text"))
    none = pl.lit(None, pl.String)
    mended = mended.with_columns(settled["domain"], how=settled["rule"])
    is_plain = mended.get_column("domain").is_not_null()
    verdicts = mended.filter(is_plain).with_columns(
        domain_unicode="domain",
        rule=joined(pl.col("repair"), pl.when(pl.col("how") != TIDIED).then("how")),
        code=none,
        reason=none,
        suggestion=none,
        linkedin_url=none,
    )
    rest = mended.filter(~is_plain).select(texts.columns)
    return verdicts, pl.concat([texts.filter(~is_mended), rest])


def crowded_sites(cells: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    """Return the words of crowded cells as ``judge_hosts`` judges hosts, one row a word, in order.

    Args:
        cells: Cells that hold blanks or separators, as ``read_cells`` reads them.
        allow_example: As in ``clean_domains``.
    """
    tokens = (
        cells.select("raw", "text", "repair")
        .with_columns(token=_tokens())
        .explode("token", empty_as_null=True, keep_nulls=True)
        .with_columns(text=pl.col("token").fill_null(""), code=pl.lit(None, pl.String))
        .with_row_index("position")
        .pipe(split_link)
    )
    return judge_hosts(tokens, allow_example).sort("position")


def _judge_crowded(cells: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    """Judge cells that hold blanks or separators: several websites, one with words around it, or a name."""
    sites = crowded_sites(cells, allow_example)
    # A word is a website when somebody can own it; a first name in "Jane Doe, Acme" is not.
    sites = sites.with_columns(site=pl.col("owner").is_not_null())
    found = sites.group_by("raw").agg(
        tokens=pl.len(),
        sites=pl.col("site").sum(),
        owners=pl.col("owner").drop_nulls().n_unique(),
        first=pl.col("domain").drop_nulls().first(),
        **{
            name: pl.col(name).filter("site").first()
            for name in ("host", "ascii", "owner", "readable", "domain", "rule", "code", "linkedin_url")
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
        "readable",
        domain=pl.when(alone).then("domain"),
        rule=pl.when(alone & pl.col("domain").is_not_null()).then(
            pl.when(pl.col("tokens") > 1).then(pl.lit(REPEATED)).otherwise("rule")
        ),
        code="code",
        suggestion=pl.when(~alone).then(
            pl.coalesce("first", pl.when(pl.col("owners") <= 1).then(_comma_for_dot()))
        ),
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
