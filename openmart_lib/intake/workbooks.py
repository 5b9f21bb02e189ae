"""Spreadsheet files to a table: every cell as text, one sheet, its own row numbers."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import Final

import fastexcel
import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.headers import Header, column_names, find_header, is_blank
from openmart_lib.intake.hidden_rows import MARK, SHEETS, hidden_rows
from openmart_lib.intake.limits import refuse_too_many
from openmart_lib.intake.numbers import long_numbers, rounded
from openmart_lib.intake.sheets import SheetLook, choose_sheet, look_at, passed_over
from openmart_lib.intake.tables import TOP_CHARS, TOP_LINES, FileProblem, Table, limit_problems
from openmart_lib.intake.wrapping import ZIP_MARK, member_names

MAX_INFLATED_BYTES: Final = 1024**3  # of all members together, once unpacked
MAX_RATIO: Final = 200  # unpacked bytes for each packed one, beyond the first few MB
MAX_SHEETS: Final = 1_000
_FREE_BYTES: Final = 64 * 1024**2  # unpacked size up to which no ratio is looked at
_CHUNK: Final = 1024**2
_SEARCHED_ROWS: Final = 80
_SEARCHED_SHEETS: Final = 50  # sheets looked into for the list

OLE_MARK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Workbook:
    """One sheet of a spreadsheet file.

    Attributes:
        table: The sheet's cells.
        kind: "xlsx", "xlsb", "xls" or "ods".
        sheet: The sheet that was read.
        sheets: All of them, in the file's order.
        hidden_rows: How many of the rows below the header the sheet hides; of an XLSX file only.
    """

    table: Table
    kind: str
    sheet: str
    sheets: tuple[str, ...]
    hidden_rows: int = 0


def is_workbook(data: bytes) -> bool:
    """Return whether bytes begin as spreadsheet files do (other archives may, too)."""
    return data.startswith((ZIP_MARK, OLE_MARK))


def read_workbook(
    data: bytes, *, sheet: str | None = None, header_row: int | None = None, rows: int | None = None
) -> Workbook:
    """Read one sheet of a spreadsheet file.

    Args:
        sheet: The sheet's name; None takes the visible one that looks like a list.
        header_row: 1-based row of the header, 0 for none; None lets us find out.
        rows: How many rows of the sheet to read; None reads all.

    Raises:
        InputError: If it is no spreadsheet, is damaged, locked or too large once unpacked, or the sheet
            does not exist or is empty.
    """
    kind, may_hide = _kind(data)
    book = _open(data)
    names = tuple(book.sheet_names)
    if len(names) > MAX_SHEETS:
        raise InputError(
            f"The file has {len(names):,} sheets, and a list is one sheet of at most {MAX_SHEETS:,}. "
            "Nothing was read. Save the sheet with the list as CSV and upload that."
        )
    if sheet is not None and sheet not in names:
        raise InputError(
            f"The file has no sheet called {sheet!r}. Nothing was read. Choose one of: {', '.join(names)}."
        )
    said = ""
    if sheet is None:
        chosen, cells, said = _with_list(book, names, rows)
    else:
        chosen, cells = sheet, _cells(book, sheet, rows)[0]
    if cells.is_empty():
        raise InputError(
            f"The sheet {chosen!r} is empty. Nothing was read. Choose another sheet or check the file."
            if chosen
            else "The file has no sheet with rows. Nothing was read. Check that it is the right file."
        )
    refuse_too_many(cells.height, cells.width)
    table = _table(cells, header_row)
    hidden = hidden_rows(data, chosen) & set(table.body["file_line"]) if may_hide else set()
    problems = [
        *([FileProblem(1, said)] if said else []),
        *table.problems,
        *_rounded(book, chosen, table),
        *([_hidden(hidden)] if hidden else []),
    ]
    return Workbook(replace(table, problems=problems), kind, chosen, names, len(hidden))


def _kind(data: bytes) -> tuple[str, bool]:
    """Return which kind of spreadsheet a file is, and whether its sheets may hide something (XLSX only)."""
    if data.startswith(OLE_MARK):
        return "xls", False
    members = member_names(data)
    may_hide = _refuse_bomb(data)
    if "xl/workbook.bin" in members:
        return "xlsb", False
    return ("xlsx", may_hide) if any(name.startswith("xl/") for name in members) else ("ods", False)


def _refuse_bomb(data: bytes) -> bool:
    """Really unpack the archive, a little at a time: a header may lie about sizes.

    As every byte is looked at here, it is also told whether a sheet hides rows or columns.
    """
    allowed = min(MAX_INFLATED_BYTES, max(_FREE_BYTES, MAX_RATIO * len(data)))
    inflated, may_hide = 0, False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                end = b""
                with archive.open(member) as stream:
                    while chunk := stream.read(_CHUNK):
                        inflated += len(chunk)
                        if inflated > allowed:
                            raise _too_large()
                        if member.filename.startswith(SHEETS) and not may_hide:
                            may_hide = MARK in end + chunk[: len(MARK)] or MARK in chunk
                            end = chunk[-len(MARK) :]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, zlib.error):
        raise _damaged() from None
    return may_hide


def _open(data: bytes) -> fastexcel.ExcelReader:
    try:
        return fastexcel.read_excel(data)
    except BaseException as error:
        raise _refusal(error) from None


def _cells(book: fastexcel.ExcelReader, name: str, rows: int | None) -> tuple[pl.DataFrame, int, bool]:
    """Return a sheet's cells, first row first, how many rows it has, and whether it is visible."""
    try:
        loaded = book.load_sheet(name, header_row=None, skip_rows=0, n_rows=rows, dtypes="string")
        frame = loaded.to_polars()
    except BaseException as error:
        raise _refusal(error) from None
    return frame, loaded.total_height, loaded.visible == "visible"


def _refusal(error: BaseException) -> BaseException:
    """Return what to raise for an error of the parser: a panic of it is no Exception in Python."""
    if isinstance(error, fastexcel.FastExcelError) or type(error).__name__ == "PanicException":
        return _damaged()
    return error


def _with_list(
    book: fastexcel.ExcelReader, names: tuple[str, ...], rows: int | None
) -> tuple[str, pl.DataFrame, str]:
    """Return the sheet that looks like a list, its cells, and what is to be said about the choice.

    Sheets behind one that is a list for certain are not read: that would only take time.
    """
    if len(names) == 1:
        return names[0], _cells(book, names[0], rows)[0], ""
    looks: list[SheetLook] = []
    cells = pl.DataFrame()
    for name in names[:_SEARCHED_SHEETS]:
        seen, height, visible = _cells(book, name, rows)
        if seen.is_empty():
            continue
        cells = seen
        looks.append(look_at(name, cells, height, visible=visible))
        if looks[-1].enough:
            break
    if not looks:
        return "", cells, ""
    chosen = choose_sheet(looks)
    if chosen != looks[-1].name:
        cells = _cells(book, chosen, rows)[0]
    return chosen, cells, passed_over(looks, chosen)


def _table(cells: pl.DataFrame, header_row: int | None) -> Table:
    # Formatted but empty columns at the right end are the spreadsheet program's, not the list's.
    last = max(
        (number for number, column in enumerate(cells) if column.null_count() < len(column)), default=0
    )
    cells = cells[:, : last + 1]
    cells = cells.rename({name: f"c{number}" for number, name in enumerate(cells.columns)})
    header = _header(cells, header_row)
    skipped = limit_problems(
        (
            FileProblem(number, f"Row {number:,} stands above the columns' names and was left out.")
            for number, row in enumerate(cells.head(header.index or 0).iter_rows(), start=1)
            if not is_blank(row)
        ),
        "stand above the columns' names and were left out",
    )
    body = cells.with_row_index("file_line", offset=1).slice(header.body)
    top = tuple(
        (number, "\t".join(cell or "" for cell in row)[:TOP_CHARS])
        for number, row in enumerate(cells.head(TOP_LINES).iter_rows(), start=1)
    )
    return Table(body, header.names, None if header.index is None else header.index + 1, skipped, top)


def _rounded(book: fastexcel.ExcelReader, name: str, table: Table) -> list[FileProblem]:
    """Say which cells are numbers longer than a number can be; as text they look like any other."""
    cells = table.body.drop("file_line")
    columns = long_numbers(cells)
    if not columns:
        return []
    above = int(table.body["file_line"][0]) - 1
    try:  # read as truth values, numbers are true or false, and a text of digits is neither
        seen = book.load_sheet(
            name,
            header_row=None,
            skip_rows=above,
            n_rows=cells.height,
            use_columns=columns,
            dtypes=dict.fromkeys(columns, "boolean"),
        ).to_polars()
    except BaseException as error:
        raise _refusal(error) from None
    names = column_names(table.header, cells.width)
    lines = table.body["file_line"]
    return [
        FileProblem(line, text)
        for place, column in enumerate(columns)
        for line, text in rounded(
            cells.to_series(column), seen.to_series(place).is_not_null(), lines, names[column]
        )
    ]


def _hidden(rows: set[int]) -> FileProblem:
    first = min(rows)
    said = f"Row {first:,} is hidden, by a filter or by hand. It was"
    if len(rows) > 1:
        said = f"{len(rows):,} rows from row {first:,} on are hidden, by a filter or by hand. They were"
    return FileProblem(
        first,
        f"{said} read like the others. To send only what you see, copy the visible rows to a new sheet.",
    )


def _header(cells: pl.DataFrame, asked: int | None) -> Header:
    if asked is None:
        return find_header([list(row) for row in cells.head(_SEARCHED_ROWS).iter_rows()])
    if asked > cells.height:
        raise InputError(
            f"The sheet ends before row {asked:,}. Nothing was read. Choose the row that holds the columns' "
            "names."
        )
    return Header(None, 0, None) if asked == 0 else Header(asked - 1, asked, list(cells.row(asked - 1)))


def _damaged() -> InputError:
    return InputError(
        "The spreadsheet cannot be opened: it is damaged or protected with a password. Nothing was read. "
        "Open it in your spreadsheet program and save it again, without a password, as XLSX or CSV."
    )


def _too_large() -> InputError:
    return InputError(
        "The spreadsheet is far larger once unpacked than a list can be. Nothing was read. "
        "Save the sheet with the list as CSV and upload that."
    )
