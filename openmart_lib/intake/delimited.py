"""Delimited text to a table: a fast reader for clean lines, a careful one for all others.

Here it is decided where the header is and what stands above it; ``fast.py``, ``mixed.py`` and ``careful.py``
read the rows below. No line is lost, whatever is in it.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.careful import read_careful
from openmart_lib.intake.dialects import (
    LINE_END,
    Dialect,
    declared_delimiter,
    iterate_lines,
    sample_of,
    sample_rows,
    sniff,
)
from openmart_lib.intake.fast import read_fast
from openmart_lib.intake.guard import GUARD
from openmart_lib.intake.headers import Header, find_header, is_blank
from openmart_lib.intake.layout import may_begin_with
from openmart_lib.intake.limits import refuse_too_wide
from openmart_lib.intake.mixed import read_mixed
from openmart_lib.intake.numbers import SHORTENED
from openmart_lib.intake.tables import TOP_CHARS, TOP_LINES, FileProblem, Table

_FAR_TOO_WIDE: Final = 20_000  # cells of a line that cannot even be a stray one above the header


def read_delimited(
    text: bytes, *, delimiter: str | None = None, header_row: int | None = None
) -> tuple[Table, Dialect]:
    """Read delimited text.

    Args:
        text: The whole file, as UTF-8.
        delimiter: The character between cells; None lets us find out, "" means one column.
        header_row: 1-based line of the header, 0 for none; None lets us find out.

    Raises:
        InputError: If there is nothing in it, the header row does not exist, or it holds too much.
    """
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    declared, skipped = declared_delimiter(text)
    first_line = 2 if skipped else 1
    text = _without_last_lines(text[skipped:])
    sample = sample_of(text)
    if not sample.strip(" \t\r\n,;|\"'\ufeff"):
        raise InputError("The file holds no rows. Nothing was read. Check that it is the right file.")
    dialect = _dialect(sample, declared if delimiter is None else delimiter, (header_row or 0) - first_line)
    top = list(sample_rows(sample, dialect))
    lines = [line + first_line - 1 for line, _ in top]
    rows = [row for _, row in top]
    widest = max(map(len, rows))
    if widest > _FAR_TOO_WIDE:  # before a million cells are looked at
        refuse_too_wide(widest)
    header = _header(rows, lines, header_row)
    start = lines[header.body] if header.body < len(lines) else first_line + text.count(b"\n") + 2
    width = len(header.names) if header.names is not None else len(rows[header.body])
    refuse_too_wide(width)
    body, problems = _read_body(text, start - first_line, dialect, width, first_line)
    return Table(
        body,
        header.names,
        None if header.index is None else lines[header.index],
        _rows_above(rows[: header.index or 0], lines) + problems,
        tuple(
            (first_line + number, line.rstrip("\r\n")[:TOP_CHARS])
            for number, line in enumerate(islice(iterate_lines(sample), TOP_LINES))
        ),
        guarded=dialect.skip_space or may_begin_with(GUARD, text, dialect.separator),
        shortened=SHORTENED.encode() in text,
    ), dialect


def _dialect(sample: str, delimiter: str | None, lines_above: int) -> Dialect:
    if delimiter is None:
        below = _from_line(sample.encode(), lines_above).decode() if lines_above > 0 else ""
        return sniff(below or sample)
    if len(delimiter) > 1 or not delimiter.isascii() or delimiter in ('"', "\r", "\n", "\0"):
        raise InputError("A separator is one character, such as ; or a tab. Nothing was read. Choose one.")
    return Dialect(delimiter or None)


def _header(rows: list[list[str]], lines: list[int], asked: int | None) -> Header:
    if asked is None:
        return find_header(rows)
    if asked == 0:
        first = next(index for index, row in enumerate(rows) if not is_blank(row))
        return Header(None, first, None)
    if asked not in lines:
        raise InputError(
            f"No row begins on line {asked:,} near the top of the file. Nothing was read. "
            "Choose the line that holds the columns' names."
        )
    index = lines.index(asked)
    return Header(index, index + 1, rows[index])


def _rows_above(rows: list[list[str]], lines: list[int]) -> list[FileProblem]:
    return [
        FileProblem(line, f"Line {line:,} stands above the columns' names and was left out.")
        for row, line in zip(rows, lines, strict=False)
        if not is_blank(row)
    ]


def _from_line(text: bytes, lines_before: int) -> bytes:
    position = 0
    for _ in range(lines_before):
        end = LINE_END.search(text, position)
        if end is None:
            return b""
        position = end.end()
    return text[position:]


def _without_last_lines(text: bytes) -> bytes:
    """Return a text without the blank lines at its end; a copy only where there are some."""
    end = text[-3:]
    several = end.count(b"\n") > 1 or end.endswith(b"\r") or b"\r\r" in end
    return text.rstrip(b"\r\n") if several else text


def _read_body(
    text: bytes, lines_above: int, dialect: Dialect, width: int, first_line: int
) -> tuple[pl.DataFrame, list[FileProblem]]:
    """Read the rows below some lines with the first reader that can: all three read the same."""
    read = read_fast(text, dialect, width, first_line, lines_above)
    if read is not None:
        return read
    body = _from_line(text, lines_above)
    first_line += lines_above
    return read_mixed(body, dialect, width, first_line) or read_careful(body, dialect, width, first_line)
