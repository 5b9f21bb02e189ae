"""Rows whose columns name different companies: the website says one domain, the e-mail address another."""

from __future__ import annotations

from itertools import combinations

import polars as pl

from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.fields import Field, Mapping
from openmart_lib.intake.suffixes import registrable
from openmart_lib.wording import counted

SCHEMA = {
    "seq": pl.UInt32,
    "first": pl.String,
    "second": pl.String,
    "first_column": pl.String,
    "second_column": pl.String,
}
_MAIL_HOST = r"^[^@\s<>\"]+@([^@\s<>\"]+)$"
_HOST = r"(?i)^(?:https?://)?(?:www\.)?([a-z0-9.-]+)(?:[/?#]\S*)?$"


def disagreements(frame: pl.DataFrame, mapping: Mapping, *, allow_example: bool = False) -> pl.DataFrame:
    """Return the rows whose columns mapped to the domain name two companies.

    Cells that give no domain (empty, free mail, a social page, ...) disagree with nobody. The run asks for
    ``first``; the analyst may want to look.

    Args:
        frame: An upload's frame.
        mapping: Field to uploaded columns, in order.
        allow_example: As in ``plan_tasks``.

    Returns:
        One row per pair of columns that disagree in an uploaded row, by ``seq``: ``seq`` UInt32, ``first``
        and ``second`` (domains as they would be sent), ``first_column`` and ``second_column`` (String).
    """
    columns = list(dict.fromkeys(mapping.get(Field.DOMAIN, [])))
    pairs = [_pair(frame, first, second, allow_example) for first, second in combinations(columns, 2)]
    if not pairs:
        return pl.DataFrame(schema=SCHEMA)
    return pl.concat(pairs).sort("seq", maintain_order=True)


def disagreement_words(told: pl.DataFrame) -> str | None:
    """Return how many rows name two companies, with the first of them; None where none does.

    Args:
        told: As ``disagreements`` returns it.
    """
    if told.is_empty():
        return None
    count, first = told["seq"].n_unique(), told.row(0, named=True)
    return (
        f"{counted(count, 'row names', 'rows name')} two companies, "
        f"such as row {first['seq']:,}: "
        f"{first['first_column']} says {first['first']}, {first['second_column']} says {first['second']}. "
        "The first is asked for."
    )


def _pair(frame: pl.DataFrame, first: str, second: str, allow_example: bool) -> pl.DataFrame:
    both = frame.select("seq", first=_as_host(first), second=_as_host(second)).drop_nulls()
    open_rows = both.filter(~_plainly_equal())
    # Most of the others agree too, which can be seen without cleaning them.
    pairs = open_rows.select("first", "second").unique()
    owners = [registrable(_plain_host(name)) for name in ("first", "second")]
    pairs = pairs.filter(~owners[0].eq(owners[1]).fill_null(False))
    domains = [
        clean_domains(pairs.get_column(name), allow_example=allow_example)
        .get_column("domain")
        .alias(f"{name}_domain")
        for name in ("first", "second")
    ]
    pairs = pairs.hstack(domains).filter(pl.col("first_domain") != pl.col("second_domain"))
    return open_rows.join(pairs, on=["first", "second"], how="inner", maintain_order="left").select(
        pl.col("seq").cast(pl.UInt32),
        first="first_domain",
        second="second_domain",
        first_column=pl.lit(first),
        second_column=pl.lit(second),
    )


def _plainly_equal() -> pl.Expr:
    """Return whether the first cell is a link to, or a subdomain of, the host that the second one is."""
    link, host = pl.col("first").str.strip_chars_end("/"), pl.col("second")
    ends = [link.str.ends_with(pl.concat_str(pl.lit(mark), host)) for mark in ("//", "//www.")]
    return (link == host) | (link == pl.concat_str(pl.lit("www."), host)) | ends[0] | ends[1]


def _as_host(column: str) -> pl.Expr:
    """Return an e-mail address's host, so that few distinct cells are left, and any other cell as it is."""
    cell = pl.col(column).str.strip_chars()
    return pl.when(cell != "").then(pl.coalesce(cell.str.extract(_MAIL_HOST), cell))


def _plain_host(name: str) -> pl.Expr:
    return pl.col(name).str.extract(_HOST).str.to_lowercase()
