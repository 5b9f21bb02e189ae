"""Files that tests make themselves, and short ways to read them."""

from __future__ import annotations

import io
import zipfile

import openpyxl

from openmart_lib.intake.files import Upload, read_upload

SHEET = "xl/worksheets/sheet1.xml"
_NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def read(text: str | bytes, **options: object) -> Upload:
    data = text.encode() if isinstance(text, str) else text
    return read_upload(data, "list.csv", **options)  # type: ignore[arg-type]  # passed on as given


def cells(upload: Upload) -> list[tuple[str | None, ...]]:
    return upload.frame.drop("seq", "file_line").rows()


def workbook(sheets: dict[str, list[list[object]]], hidden: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def workbook_with(parts: dict[str, str]) -> bytes:
    """Return a workbook of one row, some of whose parts are replaced by other XML."""
    source = zipfile.ZipFile(io.BytesIO(workbook({"List": [["Website"], ["acme.com"]]})))
    names = [name for name in source.namelist() if name not in parts]
    return zip_of({name: source.read(name) for name in names} | parts)


def sheet_xml(rows: str, before: str = "") -> str:
    return f'<?xml version="1.0"?>{before}<worksheet {_NAMESPACE}><sheetData>{rows}</sheetData></worksheet>'


def workbook_xml(sheets: str) -> str:
    relations = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    return f'<?xml version="1.0"?><workbook {_NAMESPACE} {relations}><sheets>{sheets}</sheets></workbook>'


def cell_xml(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def zip_of(members: dict[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()
