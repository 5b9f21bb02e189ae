"""A table as read from any kind of file, and the steps that all kinds share afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.guard import GUARD, unguard
from openmart_lib.intake.headers import Row, column_names
from openmart_lib.intake.leftovers import blank_rows, repeated_headers, totals_line
from openmart_lib.intake.limits import refuse_too_many, refuse_too_wide
from openmart_lib.intake.numbers import bare_phones, shortened

TOP_LINES: Final = 30  # lines that are kept as they stand, and the characters of each
TOP_CHARS: Final = 400
_FEW_ROWS: Final = 30
NAMED_PROBLEMS: Final = 200  # problems of one sort named one by one; the rest as a count


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something in a file that the analyst should look at; nothing is dropped without one.

    Attributes:
        file_line: Line (or sheet row) the problem is in, 1-based, as the analyst sees it.
        message: One or two sentences, which say where.
    """

    file_line: int
    message: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in a file.

    Attributes:
        body: ``file_line`` (UInt32), then the cells as String columns in order, whatever their names.
        header: The cells of the header row, None without one.
        header_row: 1-based line of the header, None without one.
        problems: What was seen while reading.
        top: The first lines as they stand: number and text, cut where it is long.
        guarded: Whether a cell may begin with our formula guard; False where the file's bytes rule it out.
        shortened: Whether a cell may stand as "4.47E+11"; likewise.
    """

    body: pl.DataFrame
    header: Row | None
    header_row: int | None
    problems: list[FileProblem] = field(default_factory=list)
    top: tuple[tuple[int, str], ...] = ()
    guarded: bool = True
    shortened: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """An upload's frame, and what was left out of it.

    Attributes:
        frame: As ``Upload.frame``.
        problems: Everything worth saying about the file, by line.
        blank: How many rows were blank.
        repeated: How many were the header again.
    """

    frame: pl.DataFrame
    problems: tuple[FileProblem, ...]
    blank: int
    repeated: int


def finish(table: Table) -> Finished:
    """Return an upload's frame and everything worth saying about the file.

    Blank rows and repeated header rows are left out and counted, our formula guard is taken off, empty
    cells become null, columns get unique names, rows their ``seq``. A row of totals is kept, and named.

    Raises:
        InputError: If no row is left, or there are too many columns or rows.
    """
    body = table.body
    columns = [name for name in body.columns if name != "file_line"]
    refuse_too_wide(len(columns))
    refuse_too_many(body.height, len(columns))
    body = _tidy_cells(body, columns, guarded=table.guarded)
    cells = body.select(columns)
    blank = blank_rows(cells)
    repeated = repeated_headers(cells, table.header) if table.header is not None else blank.clear()
    problems = [
        *table.problems,
        *_left_out(body, blank, "blank"),
        *_left_out(body, repeated, "repeated header"),
    ]
    unwanted = pl.concat([blank, repeated])
    if len(unwanted):
        body = _without(body, unwanted)
    if body.is_empty():
        raise InputError(
            "The file holds no rows below its header. Nothing was read. Check that it is the right file."
            if table.header is not None
            else "The file holds no rows. Nothing was read. Check that it is the right file."
        )
    names = dict(zip(columns, column_names(table.header, len(columns)), strict=True))
    problems += _totals(body)
    problems += _spoiled_numbers(body, names, shorter=table.shortened)
    frame = body.rename(names).select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("seq"),
        pl.col("file_line").cast(pl.UInt32),
        *names.values(),
    )
    named = tuple(sorted(problems, key=lambda problem: problem.file_line))
    return Finished(frame, named, len(blank), len(repeated))


class ProblemList:
    """Problems of one sort: the first ones one by one, the rest as a count."""

    def __init__(self, sort: str) -> None:
        """Begin an empty list of lines that ``sort`` ("have quotes that do not match")."""
        self._sort = sort
        self._named: list[FileProblem] = []
        self._lines: list[int] = []

    def add(self, line: int, say: Callable[[], str]) -> None:
        """Add the next problem, that of a line; ``say`` is only called for the first ones."""
        if len(self._named) < NAMED_PROBLEMS:
            self._named.append(FileProblem(line, say()))
        else:
            self._lines.append(line)

    def problems(self) -> list[FileProblem]:
        """Return the named ones, and one more for the rest if there is any."""
        if not self._lines:
            return list(self._named)
        rest = f"{len(self._lines):,} more lines {self._sort}, the last of them line {self._lines[-1]:,}."
        return [*self._named, FileProblem(self._lines[0], rest)]


def limit_problems(problems: Iterable[FileProblem], sort: str) -> list[FileProblem]:
    """Name the first problems of a sort one by one, and count the rest in one more."""
    limited = ProblemList(sort)
    for problem in problems:
        limited.add(problem.file_line, problem.message.__str__)
    return limited.problems()


def _left_out(body: pl.DataFrame, rows: pl.Series, what: str) -> list[FileProblem]:
    if rows.is_empty():
        return []
    first = int(body["file_line"][rows[0]])
    said = f"1 {what} row was" if len(rows) == 1 else f"{len(rows):,} {what} rows were"
    where = f"line {first:,}" if len(rows) == 1 else f"the first on line {first:,}"
    return [FileProblem(first, f"{said} left out ({where}).")]


def _totals(body: pl.DataFrame) -> list[FileProblem]:
    line = totals_line(body)
    if line is None:
        return []
    return [
        FileProblem(
            line, f"Line {line:,} looks like a row of totals. It was kept: leave it out if it is one."
        )
    ]


def _spoiled_numbers(body: pl.DataFrame, names: dict[str, str], *, shorter: bool) -> list[FileProblem]:
    said = (shortened(body, names) if shorter else []) + bare_phones(body, names)
    return [FileProblem(line, text) for line, text in said]


def _without(body: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Return a table without some rows; where they are few, the others are not copied."""
    if len(rows) > _FEW_ROWS:
        keep = pl.repeat(True, body.height, dtype=pl.Boolean, eager=True).scatter(rows, False)
        return body.filter(keep)
    begins = [0, *(row + 1 for row in rows.sort())]
    ends = [*rows.sort(), body.height]
    return pl.concat(body[begin:end] for begin, end in zip(begins, ends, strict=True))


def _tidy_cells(body: pl.DataFrame, columns: list[str], *, guarded: bool) -> pl.DataFrame:
    """Return cells with null for empty ones and without our guard; untouched columns cost one look."""
    empty = _columns_where(body, columns, lambda cell: cell == "")
    guards = _columns_where(body, columns, lambda cell: cell.str.starts_with(GUARD)) if guarded else []
    body = body.with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in empty)
    return body.with_columns(unguard(pl.col(name)).alias(name) for name in guards)


def _columns_where(body: pl.DataFrame, columns: list[str], holds: Callable[[pl.Expr], pl.Expr]) -> list[str]:
    """Return the columns that hold such a cell."""
    found = body.select(holds(pl.col(name)).any().alias(name) for name in columns)
    return [name for name, any_of_it in found.row(0, named=True).items() if any_of_it]
