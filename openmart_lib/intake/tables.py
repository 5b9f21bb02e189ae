"""A table as read from any kind of file, and the steps that all kinds share afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.guard import GUARD, unguard, unguard_name
from openmart_lib.intake.headers import Row, column_names

MAX_COLUMNS: Final = 2_000  # a list with more is another kind of file
NAMED_PROBLEMS: Final = 200  # problems of one sort named one by one; the rest as a count


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something in a file that the analyst should look at; nothing is dropped without one.

    Attributes:
        file_line: Line (or sheet row) the problem is in, 1-based, as the analyst sees it.
        message: One or two sentences.
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
    """

    body: pl.DataFrame
    header: Row | None
    header_row: int | None
    problems: list[FileProblem] = field(default_factory=list)


def finish(table: Table) -> tuple[pl.DataFrame, tuple[FileProblem, ...]]:
    """Return an upload's frame and everything worth saying about the file.

    Blank rows and repeated header rows are left out and reported, our formula guard is taken off, empty
    cells become null, columns get unique names, rows their ``seq``.

    Raises:
        InputError: If no row is left, or there are too many columns.
    """
    body = table.body
    columns = [name for name in body.columns if name != "file_line"]
    refuse_too_wide(len(columns))
    body = body.with_columns(_cell(body.get_column(name)) for name in columns)
    problems = list(table.problems)
    body = _leave_out(body, _blank(columns), "blank", problems)
    if table.header is not None:
        body = _leave_out(body, _repeats_header(columns, table.header), "repeated header", problems)
    if body.is_empty():
        raise InputError(
            "The file holds no rows below its header. Nothing was read. Check that it is the right file."
            if table.header is not None
            else "The file holds no rows. Nothing was read. Check that it is the right file."
        )
    names = dict(zip(columns, column_names(table.header, len(columns)), strict=True))
    frame = body.rename(names).select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("seq"),
        pl.col("file_line").cast(pl.UInt32),
        *names.values(),
    )
    return frame, tuple(sorted(problems, key=lambda problem: problem.file_line))


def refuse_too_wide(columns: int) -> None:
    """Raise InputError for more columns than a list can have."""
    if columns > MAX_COLUMNS:
        raise InputError(
            f"The file has {columns:,} columns, and a list may have {MAX_COLUMNS:,}. Nothing was read. "
            "Remove columns that are not needed, or choose another separator."
        )


def limit_problems(problems: Sequence[FileProblem], sort: str) -> list[FileProblem]:
    """Name the first problems of a sort one by one, and count the rest in one more."""
    named = list(problems[:NAMED_PROBLEMS])
    rest = problems[NAMED_PROBLEMS:]
    if rest:
        named.append(
            FileProblem(
                rest[0].file_line,
                f"{len(rest):,} more lines {sort}, the last of them line {rest[-1].file_line:,}.",
            )
        )
    return named


def _leave_out(body: pl.DataFrame, unwanted: pl.Expr, what: str, problems: list[FileProblem]) -> pl.DataFrame:
    lines = body.lazy().filter(unwanted).select("file_line").collect().to_series()
    if lines.is_empty():
        return body
    rows = f"1 {what} row was" if len(lines) == 1 else f"{len(lines):,} {what} rows were"
    where = f"line {lines[0]:,}" if len(lines) == 1 else f"the first on line {lines[0]:,}"
    problems.append(FileProblem(int(lines[0]), f"{rows} left out ({where})."))
    return body.filter(~unwanted)


def _cell(cells: pl.Series) -> pl.Series:
    """Return cells with null for empty ones and without our guard; untouched columns cost one look."""
    if (cells == "").any():
        cells = cells.to_frame().select(pl.when(pl.col(cells.name) != "").then(cells.name)).to_series()
    if cells.str.starts_with(GUARD).any():
        cells = cells.to_frame().select(unguard(pl.col(cells.name))).to_series()
    return cells


def _blank(columns: list[str]) -> pl.Expr:
    # Most rows begin with a filled cell: one look at the first character settles them.
    begins = pl.col(columns[0]).str.head(1).str.contains(r"\S").fill_null(False)
    filled = pl.any_horizontal(pl.col(name).str.contains(r"[^\s\x{FEFF}]") for name in columns)
    return ~(begins | filled.fill_null(False))


def _repeats_header(columns: list[str], header: Row) -> pl.Expr:
    cells = [unguard_name(cell) if cell else None for cell in header]
    padded = cells + [None] * (len(columns) - len(cells))
    return pl.all_horizontal(
        pl.col(name).eq_missing(pl.lit(cell, pl.String)) for name, cell in zip(columns, padded, strict=True)
    )
