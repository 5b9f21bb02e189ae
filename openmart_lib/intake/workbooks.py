"""Spreadsheet files to a table: every cell as text, one sheet, its own row numbers."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import fastexcel
import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.headers import Header, find_header, is_blank
from openmart_lib.intake.tables import FileProblem, Table

MAX_INFLATED_BYTES: Final = 1024**3  # of all members together, once unpacked
MAX_RATIO: Final = 200  # unpacked bytes for each packed one, beyond the first few MB
MAX_MEMBERS: Final = 2_000
_FREE_BYTES: Final = 64 * 1024**2  # unpacked size up to which no ratio is looked at
_CHUNK: Final = 1024**2
_SEARCHED_ROWS: Final = 80

ZIP_MARK: Final = b"PK\x03\x04"
OLE_MARK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Workbook:
    """One sheet of a spreadsheet file.

    Attributes:
        table: The sheet's cells.
        kind: "xlsx", "xlsb", "xls" or "ods".
        sheet: The sheet that was read.
        sheets: All of them, in the file's order.
    """

    table: Table
    kind: str
    sheet: str
    sheets: tuple[str, ...]


def read_workbook(data: bytes, *, sheet: str | None = None, header_row: int | None = None) -> Workbook:
    """Read one sheet of a spreadsheet file.

    Args:
        sheet: The sheet's name; None takes the first visible one that is not empty.
        header_row: 1-based row of the header, 0 for none; None lets us find out.

    Raises:
        InputError: If it is no spreadsheet, is damaged, locked or too large once unpacked, or the sheet
            does not exist or is empty.
    """
    kind = _kind(data)
    book = _open(data)
    names = tuple(book.sheet_names)
    if sheet is not None and sheet not in names:
        raise InputError(
            f"The file has no sheet called {sheet!r}. Nothing was read. Choose one of: {', '.join(names)}."
        )
    chosen, cells = _first_filled(book, names) if sheet is None else (sheet, _cells(book, sheet)[0])
    if cells.is_empty():
        raise InputError(
            f"The sheet {chosen!r} is empty. Nothing was read. Choose another sheet or check the file."
            if chosen
            else "The file has no sheet with rows. Nothing was read. Check that it is the right file."
        )
    return Workbook(_table(cells, header_row), kind, chosen, names)


def _kind(data: bytes) -> str:
    if data.startswith(OLE_MARK):
        return "xls"
    members = _checked_members(data)
    if "xl/workbook.bin" in members:
        return "xlsb"
    if any(name.startswith("xl/") for name in members):
        return "xlsx"
    if "content.xml" in members:
        return "ods"
    raise InputError(
        "This is a zip archive, not a spreadsheet. Nothing was read. Unpack it and upload the list inside."
    )


def _checked_members(data: bytes) -> set[str]:
    """Return the archive's members after really unpacking them: a header may lie about sizes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise _too_large()
            inflated = 0
            for member in members:
                with archive.open(member) as stream:
                    while chunk := stream.read(_CHUNK):
                        inflated += len(chunk)
                        if inflated > min(MAX_INFLATED_BYTES, max(_FREE_BYTES, MAX_RATIO * len(data))):
                            raise _too_large()
            return {member.filename for member in members}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged() from None


def _open(data: bytes) -> fastexcel.ExcelReader:
    try:
        return fastexcel.read_excel(data)
    except fastexcel.FastExcelError:
        raise _damaged() from None


def _cells(book: fastexcel.ExcelReader, name: str) -> tuple[pl.DataFrame, bool]:
    """Return a sheet's cells, first row first, and whether the sheet is visible."""
    try:
        loaded = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
        frame = loaded.to_polars()
    except fastexcel.FastExcelError:
        raise _damaged() from None
    return frame, loaded.visible == "visible"


def _first_filled(book: fastexcel.ExcelReader, names: tuple[str, ...]) -> tuple[str, pl.DataFrame]:
    hidden: tuple[str, pl.DataFrame] = ("", pl.DataFrame())
    for name in names:
        cells, visible = _cells(book, name)
        if cells.is_empty():
            continue
        if visible:
            return name, cells
        hidden = hidden if hidden[0] else (name, cells)
    return hidden


def _table(cells: pl.DataFrame, header_row: int | None) -> Table:
    # Formatted but empty columns at the right end are the spreadsheet program's, not the list's.
    last = max(
        (number for number, column in enumerate(cells) if column.null_count() < len(column)), default=0
    )
    cells = cells[:, : last + 1]
    cells = cells.rename({name: f"c{number}" for number, name in enumerate(cells.columns)})
    rows = [list(row) for row in cells.head(_SEARCHED_ROWS + (header_row or 0)).iter_rows()]
    if header_row is None:
        header = find_header(rows)
    elif header_row > cells.height:
        raise InputError(
            f"The sheet ends before row {header_row:,}. Nothing was read. Choose the row that holds the "
            "columns' names."
        )
    else:
        header = (
            Header(None, 0, None)
            if header_row == 0
            else Header(header_row - 1, header_row, rows[header_row - 1])
        )
    skipped = [
        FileProblem(number, f"Row {number:,} stands above the columns' names and was left out.")
        for number, row in enumerate(rows[: header.index or 0], start=1)
        if not is_blank(row)
    ]
    body = cells.with_row_index("file_line", offset=1).slice(header.body)
    return Table(body, header.names, None if header.index is None else header.index + 1, skipped)


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
