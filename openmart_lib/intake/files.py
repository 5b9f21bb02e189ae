"""A file as received becomes an upload: a frame of text, and everything worth saying about the file.

The bytes decide what a file is, never its name. Every format ends in the same frame: ``seq``,
``file_line``, then the uploaded columns as text, unchanged and in order.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.decoding import decode
from openmart_lib.intake.delimited import read_delimited
from openmart_lib.intake.frames import frame_as_text
from openmart_lib.intake.tables import FileProblem, Table, finish
from openmart_lib.intake.workbooks import OLE_MARK, ZIP_MARK, read_workbook

__all__ = [
    "MAX_UPLOAD_BYTES",
    "FileFormat",
    "FileProblem",
    "Upload",
    "read_pasted",
    "read_upload",
    "upload_from_frame",
]

MAX_UPLOAD_BYTES: Final = 200 * 1024**2

_OTHER_KINDS: Final = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_WEB_PAGE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|table|\?xml)", re.IGNORECASE
)
_LIST_ITEM = re.compile(r"(?:https?://|www\.|[^\s@,;]+@)?[^\s@,;/]+\.[a-z]{2,24}(?:/\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What a file turned out to be.

    Attributes:
        kind: "csv" (any delimited text), "xlsx", "xlsb", "xls", "ods", "paste" or "frame".
        encoding: Python's name of the text's encoding; None for spreadsheets and frames.
        delimiter: The character between cells; None for one column, spreadsheets and frames.
        sheet: The sheet that was read.
        sheets: All sheets of the file.
        header_row: 1-based line or row of the header, None when the file has none.
    """

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    header_row: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A list as received.

    Attributes:
        name: The file's name as the analyst knows it.
        sha256: Hash of the bytes (of the text when pasted, of the content for a frame), hex.
        frame: One row per data row, in order: ``seq`` (UInt32, 1-based), ``file_line`` (UInt32, where the
            row begins in the file), then the uploaded columns, all String, null for empty cells.
        format: What the file turned out to be.
        problems: What the analyst should look at, by line.
    """

    name: str
    sha256: str
    frame: pl.DataFrame
    format: FileFormat
    problems: tuple[FileProblem, ...]


def read_upload(
    data: bytes,
    name: str,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Upload:
    """Read an uploaded file.

    Args:
        data: The file's bytes.
        name: Its name, for display.
        sheet: Which sheet; None takes the first visible one with rows.
        header_row: 1-based line or row of the header, 0 for "the file has none"; None finds out.
        encoding: The text's encoding; None finds out.
        delimiter: The character between cells, "" for one column; None finds out.

    Raises:
        InputError: If the file is empty, too large, of another kind, damaged, or holds no rows.
    """
    _refuse_unusable(data)
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith((ZIP_MARK, OLE_MARK)):
        book = read_workbook(data, sheet=sheet, header_row=header_row)
        frame, problems = finish(book.table)
        shape = FileFormat(book.kind, sheet=book.sheet, sheets=book.sheets, header_row=book.table.header_row)
        return Upload(name, digest, frame, shape, problems)
    decoded = decode(data, encoding)
    text, notes = _without_nulls(decoded.text)
    if decoded.guessed:
        notes.append(_guessed_encoding(text, decoded.encoding))
    return _from_text(
        text, name, digest, "csv", decoded.encoding, delimiter=delimiter, header_row=header_row, notes=notes
    )


def read_pasted(text: str) -> Upload:
    """Read pasted rows: one value a line, or cells separated by tabs, commas or semicolons.

    A single line of several websites ("a.com, b.com") is a list of them.

    Raises:
        InputError: If there is nothing in it, or too much.
    """
    data = text.encode("utf-8", errors="replace")
    _refuse_unusable(data)
    clean, notes = _without_nulls(data.decode().removeprefix("\ufeff"))
    items = [item for item in re.split(r"[\s,;]+", clean.strip()) if item]
    if "\n" not in clean.strip() and len(items) > 1 and all(map(_LIST_ITEM.fullmatch, items)):
        clean = "\n".join(items)
    digest = hashlib.sha256(data).hexdigest()
    return _from_text(clean, "pasted rows", digest, "paste", None, notes=notes)


def upload_from_frame(frame: pl.DataFrame, name: str = "notebook") -> Upload:
    """Take a frame of any dtypes as an upload; every value becomes text.

    Every row is kept, blank ones too, so that results can be set beside the frame. ``file_line`` is the row.

    Raises:
        InputError: If the frame has no rows or no columns.
    """
    content = frame_as_text(frame)
    digest = hashlib.sha256(content.write_csv(quote_style="always").encode()).hexdigest()
    return Upload(name, digest, content, FileFormat("frame", header_row=None), ())


def _from_text(
    text: str,
    name: str,
    digest: str,
    kind: str,
    encoding: str | None,
    *,
    delimiter: str | None = None,
    header_row: int | None = None,
    notes: list[FileProblem],
) -> Upload:
    table, dialect = read_delimited(text, delimiter=delimiter, header_row=header_row)
    frame, problems = finish(Table(table.body, table.header, table.header_row, notes + table.problems))
    shape = FileFormat(kind, encoding=encoding, delimiter=dialect.delimiter, header_row=table.header_row)
    return Upload(name, digest, frame, shape, problems)


def _refuse_unusable(data: bytes) -> None:
    if len(data) > MAX_UPLOAD_BYTES:
        raise InputError(
            f"The file has {len(data) / 1024**2:,.0f} MB, and a list may have "
            f"{MAX_UPLOAD_BYTES // 1024**2} MB. Nothing was read. Divide it and upload the parts."
        )
    nothing = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"
    if not data[:4096].strip(nothing) and not data.strip(nothing):
        raise InputError("The file is empty. Nothing was read. Check that it is the right file.")
    for mark, what in _OTHER_KINDS:
        if data.startswith(mark) and (len(mark) > 2 or b"\x00" in data[:512]):
            raise _wrong_kind(what)
    if _WEB_PAGE.match(data[:1024]):
        raise _wrong_kind("a web page or an XML document, whatever its name says")


def _wrong_kind(what: str) -> InputError:
    return InputError(
        f"This file is {what}, not a list. Nothing was read. Upload a CSV, TSV, TXT or XLSX file, or paste "
        "the rows."
    )


def _without_nulls(text: str) -> tuple[str, list[FileProblem]]:
    position = text.find("\0")
    if position < 0:
        return text, []
    line = text.count("\n", 0, position) + 1
    return text.replace("\0", ""), [
        FileProblem(line, f"The file holds NUL characters, the first on line {line:,}; they were taken out.")
    ]


def _guessed_encoding(text: str, encoding: str) -> FileProblem:
    position = next((index for index, char in enumerate(text) if not char.isascii()), 0)
    line = text.count("\n", 0, position) + 1
    return FileProblem(
        line,
        f"The file is not UTF-8; it was read as {encoding}, which is a guess. Look at the accented letters, "
        f"the first of them on line {line:,}, and choose another encoding if they are wrong.",
    )
