"""The careful reader of delimited text: Python's ``csv`` in strict mode, row by row.

It is slow, keeps every line whatever is in it, and names the lines that are odd: cells missing or
surplus, quotes that do not match.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import polars as pl

from openmart_lib.intake.dialects import Dialect
from openmart_lib.intake.headers import is_blank
from openmart_lib.intake.limits import refuse_too_many
from openmart_lib.intake.tables import FileProblem, ProblemList

MAX_LINES_PER_ROW: Final = 200  # a quoted cell over more lines is a quote that somebody forgot to close
MAX_EXTRA_COLUMNS: Final = 20  # columns made for surplus cells; what is beyond stays joined in the last
_ROWS_AT_ONCE: Final = 20_000  # rows kept as Python objects, which take ten times their size
# Lines looked at in vain for the end of a quote; with more, quotes are no longer looked after over line ends.
_MAX_VAIN_LINES: Final = 200_000

# The csv module refuses cells over 128 KiB; the upload's own limit is the one that counts.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One row, as the careful reader reads it.

    Attributes:
        start: 0-based position of the line it begins on.
        end: That of the line after it.
        cells: Its cells; none for an empty line.
        odd: Whether its quotes do not match, so that it was read as it stands.
    """

    start: int
    end: int
    cells: list[str]
    odd: bool = False


def read_careful(
    text: bytes, dialect: Dialect, width: int, first_line: int
) -> tuple[pl.DataFrame, list[FileProblem]]:
    """Read rows of any widths.

    Args:
        text: The data rows (UTF-8), without the header.
        dialect: How lines become cells.
        width: Number of columns by the header.
        first_line: 1-based line of the file that the text begins on.

    Returns:
        ``file_line`` (UInt32) and the cells (``c0``, ``c1``, ...: String, null where a row is shorter, more
        of them than ``width`` where rows are longer), and the problems.
    """
    problems = RowProblems(width)
    # newline="": CR, LF and both end a line, as the csv module has it.
    rows = _rows(io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline=""), dialect)
    frames = [rows_to_frame([], width, dialect, first_line)]
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        for row in some:
            problems.look_at(row, first_line + row.start)
        frames.append(rows_to_frame(some, width, dialect, first_line))
        refuse_too_many(sum(frame.height for frame in frames), width)
    return pl.concat(frames, how="diagonal"), problems.found()


def read_row(
    lines: Iterable[str], start: int, dialect: Dialect, *, ahead: int = MAX_LINES_PER_ROW
) -> ReadRow:
    """Read the one row that begins with the first of some lines (with their ends).

    Args:
        start: 0-based position of that line.
        ahead: How many lines the row may have.
    """
    taken: list[str] = []

    def feed() -> Iterator[str]:
        for line in lines:
            if len(taken) == ahead:
                raise csv.Error("a quote is never closed")
            taken.append(line)
            yield line

    reader = csv.reader(feed(), delimiter=dialect.separator, skipinitialspace=dialect.skip_space, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return ReadRow(start, start + 1, _as_it_stands(taken[0], dialect), odd=True)
    return ReadRow(start, start + len(taken), cells)


def is_simple(line: str, dialect: Dialect) -> bool:
    """Return whether a line is a row that its separators alone divide."""
    return '"' not in line and not dialect.skip_space


def simple_row(line: str, start: int, dialect: Dialect) -> ReadRow:
    """Return the row of a simple line (without its end), as ``read_row`` would read it."""
    return ReadRow(start, start + 1, line.split(dialect.separator) if line else [])


def _rows(lines: Iterable[str], dialect: Dialect) -> Iterator[ReadRow]:
    source = iter(lines)
    ahead: deque[str] = deque()  # lines taken from the source, but by no row yet
    start = looked = vain = 0

    def look() -> Iterator[str]:
        nonlocal looked
        for line in tuple(ahead):
            looked += 1
            yield line
        for line in source:
            looked += 1
            ahead.append(line)
            yield line

    while True:
        if not ahead:
            following = next(source, None)
            if following is None:
                return
            ahead.append(following)
        if is_simple(ahead[0], dialect):
            row = simple_row(ahead[0].rstrip("\r\n"), start, dialect)
        else:
            looked = 0
            row = read_row(look(), start, dialect, ahead=MAX_LINES_PER_ROW if vain < _MAX_VAIN_LINES else 1)
            vain += looked - (row.end - start)
        for _ in range(row.end - start):
            ahead.popleft()
        start = row.end
        yield row


def _as_it_stands(line: str, dialect: Dialect) -> list[str]:
    bare = line.rstrip("\r\n")
    if bare.count('"') % 2 == 0:
        return next(csv.reader([bare], delimiter=dialect.separator, skipinitialspace=dialect.skip_space))
    return bare.split(dialect.separator)


class RowProblems:
    """What there is to say of rows: quotes that do not match, cells missing or surplus."""

    def __init__(self, width: int) -> None:
        """Begin with nothing; rows should have ``width`` cells."""
        self._width = width
        self._quoting = ProblemList("have quotes that do not match")
        self._ragged = ProblemList("have more or fewer cells than columns")

    def look_at(self, row: ReadRow, line: int) -> None:
        """Note what is odd about the row that begins on a line."""
        if row.odd:
            self._quoting.add(
                line, lambda: f"The quotes on line {line:,} do not match; it was read as it stands."
            )
        if len(row.cells) != self._width and not is_blank(row.cells):
            self._ragged.add(line, lambda: _ragged(line, len(row.cells), self._width))

    def found(self) -> list[FileProblem]:
        """Return all problems, sort by sort."""
        return self._quoting.problems() + self._ragged.problems()


def _ragged(line: int, cells: int, width: int) -> str:
    if cells < width:
        return f"Line {line:,} has {cells} of {width} cells; the missing ones are empty."
    return (
        f"Line {line:,} has {cells} cells for {width} columns; the surplus is in column_{width + 1} and on. "
        "A separator inside an unquoted cell does this."
    )


def rows_to_frame(rows: Sequence[ReadRow], width: int, dialect: Dialect, first_line: int) -> pl.DataFrame:
    """Return rows of any widths as a frame: missing cells null, surplus ones in further columns."""
    lines = pl.Series("file_line", [first_line + row.start for row in rows], dtype=pl.UInt32)
    widest = min(max((len(row.cells) for row in rows), default=width), width + MAX_EXTRA_COLUMNS)
    columns = [
        _column(number, [row.cells for row in rows], width, dialect) for number in range(max(widest, width))
    ]
    return pl.DataFrame([lines, *columns])


def surplus_columns(rows: Sequence[ReadRow], width: int, dialect: Dialect) -> list[pl.Series]:
    """Return the cells of some rows beyond the width, as columns with a value for each of the rows."""
    cells = [row.cells for row in rows]
    widest = min(max(map(len, cells), default=width), width + MAX_EXTRA_COLUMNS)
    return [_column(number, cells, width, dialect) for number in range(width, widest)]


def _column(number: int, rows: list[list[str]], width: int, dialect: Dialect) -> pl.Series:
    last = number == width + MAX_EXTRA_COLUMNS - 1
    cells = [
        None if number >= len(row) else dialect.separator.join(row[number:]) if last else row[number]
        for row in rows
    ]
    return pl.Series(f"c{number}", cells, dtype=pl.String)
