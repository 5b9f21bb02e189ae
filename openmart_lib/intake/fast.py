"""The fast reader of delimited text: polars, whose every row is proved against its line.

A row is as it should be when its line has its quotes around whole cells, and holds exactly the cells, the
separators between them and the quotes: no byte more. Every other row (cells missing or surplus, cells of
several lines) is read again with the careful reader.
Where the proof as a whole does not work out, nothing is returned, and the text is read with more care.
"""

from __future__ import annotations

from itertools import chain

import polars as pl

from openmart_lib.intake.careful import (
    MAX_LINES_PER_ROW,
    ReadRow,
    RowProblems,
    is_simple,
    read_row,
    simple_row,
    surplus_columns,
)
from openmart_lib.intake.dialects import NO_DELIMITER, Dialect
from openmart_lib.intake.limits import refuse_too_many
from openmart_lib.intake.lines import Quotes, lines_of, quotes_of, row_starts
from openmart_lib.intake.tables import FileProblem


def read_fast(
    text: bytes, dialect: Dialect, width: int, first_line: int, lines_above: int = 0
) -> tuple[pl.DataFrame, list[FileProblem]] | None:
    """Read rows; None where quotes are out of place, or a line needs more care for another reason.

    Arguments and result as for ``read_careful``; where this one reads, both read the same. The first
    ``lines_above`` lines are passed over (a copy of a large text without them would take time).
    """
    if not can_be_fast(text, dialect):
        return None
    lines = lines_of(text, first_line)
    if b"\r" in text and lines.str.contains("\r", literal=True).any():
        return None  # a CR alone ends a line for the careful reader
    lines = lines[lines_above:]
    refuse_too_many(len(lines), width)
    first_line += lines_above
    numbers = pl.int_range(first_line, first_line + len(lines), dtype=pl.UInt32, eager=True)
    return read_proved(text, lines, numbers, dialect, width, lines_above)


def can_be_fast(text: bytes, dialect: Dialect) -> bool:
    """Return whether polars knows a text's dialect and line ends at all."""
    return not dialect.skip_space and NO_DELIMITER.encode() not in text


def read_proved(
    text: bytes, lines: pl.Series, numbers: pl.Series, dialect: Dialect, width: int, lines_above: int = 0
) -> tuple[pl.DataFrame, list[FileProblem]] | None:
    """Read rows and prove them; None as for ``read_fast``.

    Args:
        text: The rows, and lines above them.
        lines: The lines of the rows.
        numbers: Their numbers in the file (UInt32).
    """
    try:
        cells = pl.read_csv(
            text,
            has_header=False,
            skip_lines=lines_above,
            schema={f"c{number}": pl.String for number in range(width)},
            separator=dialect.separator,
            missing_columns="insert",
            extra_columns="ignore",
        )
    except pl.exceptions.PolarsError:
        return None
    quotes = quotes_of(lines, dialect)
    starts = row_starts(quotes.count)
    ends = starts.shift(-1, fill_value=len(lines))
    if (
        len(starts) != cells.height
        or int(quotes.count.sum()) % 2
        or (ends - starts > MAX_LINES_PER_ROW).any()
    ):
        return None
    odd = _unproved(lines, quotes, starts, cells)
    rows = _read_again(lines, starts.gather(odd), ends.gather(odd), dialect)
    if rows is None or not _agree(rows, cells[odd], several_ends=b"\r" in text):
        return None
    problems = RowProblems(width)
    for row, number in zip(rows, numbers.gather(starts.gather(odd)), strict=True):
        problems.look_at(row, number)
    body = cells.insert_column(0, numbers.gather(starts).alias("file_line"))
    body = body.with_columns(
        _spread(column, odd, body.height) for column in surplus_columns(rows, width, dialect)
    )
    return body, problems.found()


def _unproved(lines: pl.Series, quotes: Quotes, starts: pl.Series, cells: pl.DataFrame) -> pl.Series:
    """Return the positions of the rows that their lines do not prove, blank lines left out."""
    # A quote inside a cell is written as two, of which one stays in the cell.
    stayed = pl.zeros(cells.height, dtype=pl.UInt32, eager=True)
    doubled = quotes.doubled.gather(starts).arg_true()
    if len(doubled):
        counted = cells[doubled].select(pl.sum_horizontal(pl.all().str.count_matches('"', literal=True)))
        stayed = stayed.scatter(doubled, counted.to_series().fill_null(0))
    proof = cells.select(pl.sum_horizontal(pl.all().str.len_bytes()).fill_null(0).alias("held")).with_columns(
        lines.str.len_bytes().gather(starts).alias("size"),
        quotes.count.gather(starts).alias("quotes"),
        quotes.plain.gather(starts).alias("plain"),
        stayed.alias("stayed"),
    )
    expected = pl.col("held") + (cells.width - 1) + pl.col("quotes") - pl.col("stayed")
    unproved = ~pl.col("plain") | ((pl.col("size") != expected) & (pl.col("size") > 0))
    return proof.select(unproved).to_series().arg_true()


def _read_again(
    lines: pl.Series, starts: pl.Series, ends: pl.Series, dialect: Dialect
) -> list[ReadRow] | None:
    """Read some rows with care; None if one of them is not exactly one row."""
    rows = []
    for start, end, first in zip(starts, ends, lines.gather(starts), strict=True):
        if is_simple(first, dialect):
            rows.append(simple_row(first, start, dialect))
            continue
        more = () if end == start + 1 else (line + "\n" for line in lines[start + 1 : end])
        row = read_row(chain((first + "\n",), more), start, dialect)
        if row.odd or row.end != end:
            return None
        rows.append(row)
    return rows


def _agree(rows: list[ReadRow], cells: pl.DataFrame, *, several_ends: bool) -> bool:
    """Return whether both readers found the same cells."""
    for row, other in zip(rows, cells.iter_rows(), strict=True):
        if several_ends and row.end > row.start + 1 and len(row.cells) > cells.width:
            return False  # which of the line ends its surplus cells hold is not known any more
        for one, two in zip(row.cells, other, strict=False):
            if one != (two or "") and not (several_ends and one == (two or "").replace("\r\n", "\n")):
                return False
    return True


def _spread(column: pl.Series, rows: pl.Series, height: int) -> pl.Series:
    """Return a column of the whole height with the values of some rows, null for the others."""
    return pl.Series(column.name, [None], dtype=pl.String).new_from_index(0, height).scatter(rows, column)
