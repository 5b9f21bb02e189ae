"""The lines of a text as a column, and their quotes: for the lines that ``layout.py`` cannot settle."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from openmart_lib.intake.dialects import NO_DELIMITER, Dialect
from openmart_lib.intake.limits import refuse_long_line


def lines_of(text: bytes, first_line: int) -> pl.Series:
    """Return the lines (String, "" for empty ones) of a text without lone CRs, without their ends.

    Raises:
        InputError: If a line is longer than a row can be; ``first_line`` is the number of the first.
    """
    if not text:
        return pl.Series("line", [], dtype=pl.String)
    lines = pl.read_csv(
        text,
        has_header=False,
        schema={"line": pl.String},
        separator=NO_DELIMITER,
        quote_char=None,
        empty_string_is_null=False,
    ).get_column("line")
    longest = lines.str.len_bytes().arg_max() or 0
    refuse_long_line(first_line + longest, len((lines[longest] or "").encode()))
    return lines


@dataclass(frozen=True, slots=True)
class Quotes:
    """The quotes of each line.

    Attributes:
        plain: Whether it is a row by itself: no quotes, or around whole cells only (Boolean).
        doubled: Whether there may be two in a row inside a cell (Boolean).
    """

    plain: pl.Series
    doubled: pl.Series


def quotes_of(lines: pl.Series, dialect: Dialect) -> Quotes:
    """Look at the quotes of each line."""
    separator = re.escape(dialect.separator)
    cell = rf'(?:[^"{separator}]*|"(?:[^"]|"")*")'
    line = pl.col("line").str
    looked = (
        lines.to_frame("line")
        .lazy()
        .with_row_index("position")
        .filter(line.contains('"', literal=True))
        .select(
            "position",
            line.contains(rf"\A{cell}(?:{separator}{cell})*\z").alias("plain"),
            line.contains('""', literal=True).alias("doubled"),
        )
        .collect(engine="streaming")  # the other engine works on one core here
    )
    doubled = looked["position"].filter(looked["doubled"])
    # Two quotes that are all of a cell stand for an empty one; they are no quote inside it.
    doubled = doubled.filter(lines.gather(doubled).str.contains(f'[^{separator}]"[^{separator}]'))
    none = pl.repeat(False, len(lines), dtype=pl.Boolean, eager=True)
    return Quotes(
        (~none).scatter(looked["position"], looked["plain"]),
        none.scatter(doubled, True),
    )
