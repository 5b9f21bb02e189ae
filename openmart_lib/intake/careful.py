"""The careful reader of delimited text: Python's ``csv`` in strict mode, line by line.

It is slow, keeps every line whatever is in it, and names the lines that are odd: cells missing or
surplus, quotes that do not match.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

import polars as pl

from openmart_lib.intake.dialects import Dialect, split_lines
from openmart_lib.intake.headers import is_blank
from openmart_lib.intake.tables import FileProblem, limit_problems

MAX_LINES_PER_ROW: Final = 200  # a quoted cell over more lines is a quote that somebody forgot to close
MAX_EXTRA_COLUMNS: Final = 20  # columns made for surplus cells; what is beyond stays joined in the last

# The csv module refuses cells over 128 KiB; the upload's own limit is the one that counts.
csv.field_size_limit(2**31 - 1)


def read_careful(
    text: str, dialect: Dialect, width: int, first_line: int
) -> tuple[pl.DataFrame, list[FileProblem]]:
    """Read rows of any widths.

    Args:
        text: The data rows, without the header.
        dialect: How lines become cells.
        width: Number of columns by the header.
        first_line: 1-based line of the file that the text begins on.

    Returns:
        ``file_line`` (UInt32) and the cells (``c0``, ``c1``, ...: String, null where a row is shorter, more
        of them than ``width`` where rows are longer), and the problems.
    """
    lines: list[int] = []
    rows: list[list[str]] = []
    quoting: list[FileProblem] = []
    for index, row, odd in _rows_with_care(split_lines(text), dialect):
        line = first_line + index
        if odd:
            quoting.append(
                FileProblem(line, f"The quotes on line {line:,} do not match; it was read as it stands.")
            )
        lines.append(line)
        rows.append(row)
    ragged = [
        FileProblem(line, _ragged(line, len(row), width))
        for line, row in zip(lines, rows, strict=True)
        if len(row) != width and not is_blank(row)
    ]
    problems = limit_problems(quoting, "have quotes that do not match") + limit_problems(
        ragged, "have more or fewer cells than columns"
    )
    return rows_to_frame(lines, rows, width, dialect), problems


def _rows_with_care(lines: list[str], dialect: Dialect) -> Iterator[tuple[int, list[str], bool]]:
    """Yield each row with the 0-based line it begins on and whether its quotes were odd."""
    position = start = 0

    def feed() -> Iterator[str]:
        nonlocal position
        while position < len(lines):
            if position - start >= MAX_LINES_PER_ROW:
                raise csv.Error("a quote is never closed")
            position += 1
            yield lines[position - 1]

    def reader() -> Iterator[list[str]]:
        return csv.reader(
            feed(), delimiter=dialect.separator, skipinitialspace=dialect.skip_space, strict=True
        )

    rows = reader()
    while start < len(lines):
        try:
            row = next(rows)
        except csv.Error:
            yield start, _read_as_it_stands(lines[start], dialect), True
            position = start = start + 1
            rows = reader()
            continue
        except StopIteration:
            return
        yield start, row, False
        start = position


def _read_as_it_stands(line: str, dialect: Dialect) -> list[str]:
    bare = line.rstrip("\r\n")
    if bare.count('"') % 2 == 0:
        return next(csv.reader([bare], delimiter=dialect.separator, skipinitialspace=dialect.skip_space))
    return bare.split(dialect.separator)


def _ragged(line: int, cells: int, width: int) -> str:
    if cells < width:
        return f"Line {line:,} has {cells} of {width} cells; the missing ones are empty."
    return (
        f"Line {line:,} has {cells} cells for {width} columns; the surplus is in column_{width + 1} and on. "
        "A separator inside an unquoted cell does this."
    )


def rows_to_frame(lines: list[int], rows: list[list[str]], width: int, dialect: Dialect) -> pl.DataFrame:
    """Return rows of any widths as a frame: missing cells null, surplus ones in further columns."""
    widest = min(max((len(row) for row in rows), default=width), width + MAX_EXTRA_COLUMNS)
    widest = max(widest, width)
    columns = [pl.Series("file_line", lines, dtype=pl.UInt32)]
    for number in range(widest):
        last = number == widest - 1
        cells = [
            None
            if number >= len(row)
            else dialect.separator.join(row[number:])
            if last and len(row) > widest
            else row[number]
            for row in rows
        ]
        columns.append(pl.Series(f"c{number}", cells, dtype=pl.String))
    return pl.DataFrame(columns)
