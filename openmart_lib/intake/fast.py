"""The fast reader of delimited text: polars, whose every row is proved against its line.

A row is as it should be when its line has its quotes around whole cells, and holds exactly the cells, the
separators between them and the quotes: no byte more. Every other row (cells missing or surplus, cells of
several lines) is read again with the careful reader.
Where the proof as a whole does not work out, nothing is returned, and the text is read with more care.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

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
from openmart_lib.intake.layout import Lines, QuoteLayout, find_lines, find_quotes
from openmart_lib.intake.lines import quotes_of
from openmart_lib.intake.tables import FileProblem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_fast(
    text: bytes, dialect: Dialect, width: int, first_line: int, lines_above: int = 0
) -> tuple[pl.DataFrame, list[FileProblem]] | None:
    """Read rows; None where quotes are out of place, or a line needs more care for another reason.

    Arguments and result as for ``read_careful``; where this one reads, both read the same. The first
    ``lines_above`` lines are passed over (a copy of a large text without them would take time).
    """
    if not can_be_fast(text, dialect):
        return None
    lines = find_lines(text, first_line, width, lines_above)
    if lines is None:
        return None
    first_line += lines_above
    numbers = pl.int_range(first_line, first_line + len(lines), dtype=pl.UInt32, eager=True)
    return read_proved(lines, numbers, dialect, width, lines_above)


def can_be_fast(text: bytes, dialect: Dialect) -> bool:
    """Return whether polars knows a text's dialect and line ends at all."""
    return not dialect.skip_space and NO_DELIMITER.encode() not in text


def read_proved(
    lines: Lines, numbers: pl.Series, dialect: Dialect, width: int, lines_above: int = 0
) -> tuple[pl.DataFrame, list[FileProblem]] | None:
    """Read rows and prove them; None as for ``read_fast``.

    Args:
        lines: The lines of the rows.
        numbers: Their numbers in the file (UInt32).
        dialect: How lines become cells.
        width: Number of columns by the header.
        lines_above: How many lines of the text are not among them.
    """
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(find_quotes, lines, dialect.separator)
        try:
            cells = pl.read_csv(
                lines.text,
                has_header=False,
                skip_lines=lines_above,
                schema={f"c{number}": pl.String for number in range(width)},
                separator=dialect.separator,
                missing_columns="insert",
                extra_columns="ignore",
            )
        except pl.exceptions.PolarsError:
            return None
        quotes = looked.result()
    (starts,) = (quotes.before % 2 == 0).nonzero()
    following = starts.copy()
    following[:-1], following[-1:] = starts[1:], len(lines)
    if (
        len(starts) != cells.height
        or int(quotes.counts.sum()) % 2
        or (following - starts > MAX_LINES_PER_ROW).any()
    ):
        return None
    odd = _unproved(lines, quotes, starts, cells, dialect)
    rows = _read_again(lines, starts[odd].tolist(), following[odd].tolist(), dialect)
    if rows is None or not _agree(rows, cells[odd], several_ends=lines.has_cr):
        return None
    problems = RowProblems(width)
    for row, number in zip(rows, numbers.gather(starts[odd]), strict=True):
        problems.look_at(row, number)
    body = cells.insert_column(0, numbers.gather(starts).alias("file_line"))
    places = pl.Series(odd)
    body = body.with_columns(
        _spread(column, places, body.height) for column in surplus_columns(rows, width, dialect)
    )
    return body, problems.found()


def _unproved(
    lines: Lines, quotes: QuoteLayout, starts: NDArray[np.int64], cells: pl.DataFrame, dialect: Dialect
) -> NDArray[np.int64]:
    """Return the positions of the rows that their lines do not prove, blank lines left out."""
    held: NDArray[np.int64]  # bytes that the cells account for
    held = cells.select(pl.all().str.len_bytes().fill_null(0)).sum_horizontal().to_numpy().astype("int64")
    held += cells.width - 1 + quotes.counts[starts]
    unclear = quotes.unclear[quotes.before[quotes.unclear] % 2 == 0]
    rows = starts.searchsorted(unclear)
    looked = quotes_of(lines.some(unclear), dialect)
    # A quote inside a cell is written as two, of which one stays in the cell.
    doubled = rows[looked.doubled.to_numpy()]
    if len(doubled):
        stayed = cells[doubled].select(pl.sum_horizontal(pl.all().str.count_matches('"', literal=True)))
        held[doubled] -= stayed.to_series().fill_null(0).to_numpy()
    sizes = lines.sizes[starts]
    unproved: NDArray[np.bool_] = (sizes != held) & (sizes > 0)
    unproved[rows[~looked.plain.to_numpy()]] = True
    return unproved.nonzero()[0]


def _read_again(
    lines: Lines, starts: Iterable[int], ends: Iterable[int], dialect: Dialect
) -> list[ReadRow] | None:
    """Read some rows with care; None if one of them is not exactly one row."""
    rows = []
    for start, end in zip(starts, ends, strict=True):
        first = lines.line(start)
        if is_simple(first, dialect):
            rows.append(simple_row(first, start, dialect))
            continue
        more = (lines.line(line) + "\n" for line in range(start + 1, end))
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
