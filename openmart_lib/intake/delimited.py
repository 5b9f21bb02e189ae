"""Delimited text to a table: a fast reader for clean files, a careful one for all others.

Here it is decided where the header is and what stands above it; ``fast.py`` and ``careful.py`` read the
rows below. No line is lost, whatever is in it.
"""

from __future__ import annotations

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.careful import read_careful, rows_to_frame
from openmart_lib.intake.dialects import (
    LINE_END,
    Dialect,
    declared_delimiter,
    sample_of,
    sample_rows,
    sniff,
)
from openmart_lib.intake.fast import read_fast
from openmart_lib.intake.headers import Header, find_header, is_blank
from openmart_lib.intake.tables import FileProblem, Table, refuse_too_wide


def read_delimited(
    text: str, *, delimiter: str | None = None, header_row: int | None = None
) -> tuple[Table, Dialect]:
    """Read delimited text.

    Args:
        text: The whole file, decoded.
        delimiter: The character between cells; None lets us find out, "" means one column.
        header_row: 1-based line of the header, 0 for none; None lets us find out.

    Raises:
        InputError: If there is nothing in it, or the header row does not exist.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")
    declared, skipped = declared_delimiter(text)
    first_line = 2 if skipped else 1
    text = text[skipped:].rstrip("\r\n")
    sample = sample_of(text)
    if not sample.strip(" \t\r\n,;|\"'\ufeff"):
        raise InputError("The file holds no rows. Nothing was read. Check that it is the right file.")
    table = _from_line(sample, header_row - first_line) if header_row else sample
    dialect = _dialect(table or sample, declared if delimiter is None else delimiter)
    top = list(sample_rows(sample, dialect))
    lines = [line + first_line - 1 for line, _ in top]
    rows = [row for _, row in top]
    header = _header(rows, lines, header_row)
    start = lines[header.body] if header.body < len(lines) else first_line + text.count("\n") + 1
    width = len(header.names) if header.names is not None else len(rows[header.body])
    refuse_too_wide(width)
    body, problems = _read_body(_from_line(text, start - first_line), dialect, width, start)
    return Table(
        body,
        header.names,
        None if header.index is None else lines[header.index],
        _skipped_rows(rows[: header.index or 0], lines) + problems,
    ), dialect


def _dialect(sample: str, delimiter: str | None) -> Dialect:
    if delimiter is None:
        return sniff(sample)
    if len(delimiter) > 1 or delimiter in ('"', "\r", "\n"):
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


def _skipped_rows(rows: list[list[str]], lines: list[int]) -> list[FileProblem]:
    return [
        FileProblem(line, f"Line {line:,} stands above the columns' names and was left out.")
        for row, line in zip(rows, lines, strict=False)
        if not is_blank(row)
    ]


def _from_line(text: str, lines_before: int) -> str:
    position = 0
    for _ in range(lines_before):
        end = LINE_END.search(text, position)
        if end is None:
            return ""
        position = end.end()
    return text[position:]


def _read_body(
    text: str, dialect: Dialect, width: int, first_line: int
) -> tuple[pl.DataFrame, list[FileProblem]]:
    if not text:
        return rows_to_frame([], [], width, dialect), []
    body = read_fast(text, dialect, width, first_line)
    return (body, []) if body is not None else read_careful(text, dialect, width, first_line)
