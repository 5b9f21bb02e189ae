"""The reader of text with a few lines whose quotes are out of place: those with care, the rest fast.

A line is plain when it holds no quote, or whole quoted cells only. A row that begins on a plain line is that
line; one that begins on any other is read by the careful reader, which may take the lines after it, too. So
both readers together read what the careful one alone would read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from openmart_lib.intake.careful import (
    MAX_LINES_PER_ROW,
    ReadRow,
    RowProblems,
    read_row,
    rows_to_frame,
)
from openmart_lib.intake.dialects import Dialect
from openmart_lib.intake.fast import can_be_fast, read_proved
from openmart_lib.intake.layout import find_lines
from openmart_lib.intake.limits import refuse_too_many
from openmart_lib.intake.lines import lines_of, quotes_of
from openmart_lib.intake.tables import FileProblem

_WORTH_IT: Final = 0.2  # share of lines that need care, up to which this reader is the faster one


def read_mixed(
    text: bytes, dialect: Dialect, width: int, first_line: int
) -> tuple[pl.DataFrame, list[FileProblem]] | None:
    """Read rows; None where too many lines need care.

    Arguments and result as for ``read_careful``; where this one reads, both read the same.
    """
    if not can_be_fast(text, dialect) or b"\r" in text.replace(b"\r\n", b""):
        return None
    end = "\r\n" if text.count(b"\r\n") == text.count(b"\n") and b"\r" in text else "\n"
    if b"\r" in text and end == "\n":
        return None  # which lines end how is not known any more
    lines = lines_of(text, first_line)
    refuse_too_many(len(lines), width)
    odd = (~quotes_of(lines, dialect).plain).arg_true()
    if len(odd) > _WORTH_IT * len(lines):
        return None
    rows = list(_careful_rows(lines, odd, dialect, end))
    numbers = pl.int_range(first_line, first_line + len(lines), dtype=pl.UInt32, eager=True)
    careful = pl.Series([line for row in rows for line in range(row.start, row.end)], dtype=pl.UInt32)
    plain = ~pl.int_range(len(lines), dtype=pl.UInt32, eager=True).is_in(careful.implode())
    rest, numbers = lines.filter(plain), numbers.filter(plain)
    found = find_lines(rest.str.join("\n").item().encode(), first_line, width)
    read = None if found is None or len(found) != len(rest) else read_proved(found, numbers, dialect, width)
    if read is None:
        return None
    body, problems = read
    more = RowProblems(width)
    for row in rows:
        more.look_at(row, first_line + row.start)
    both = pl.concat([body, rows_to_frame(rows, width, dialect, first_line)], how="diagonal").sort(
        "file_line"
    )
    columns = sorted(both.columns[1:], key=lambda name: int(name[1:]))
    return both.select("file_line", *columns), problems + more.found()


def _careful_rows(lines: pl.Series, odd: pl.Series, dialect: Dialect, end: str) -> Iterator[ReadRow]:
    free = 0  # the first line that no row has taken
    for start in odd:
        if start >= free:
            row = read_row(_lines_from(lines, start, end), start, dialect)
            free = row.end
            yield row


def _lines_from(lines: pl.Series, start: int, end: str) -> Iterator[str]:
    # Most rows end with their line, so the others are fetched when they are needed.
    yield lines[start] + end
    for line in lines[start + 1 : start + 1 + MAX_LINES_PER_ROW]:
        yield line + end
