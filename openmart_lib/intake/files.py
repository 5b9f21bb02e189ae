"""A file as received becomes an upload: a frame of text, and everything worth saying about the file.

The bytes decide what a file is, never its name. Every format ends in the same frame: ``seq``,
``file_line``, then the uploaded columns as text, unchanged and in order.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.decoding import Decoded, decode, utf8_at_first_sight
from openmart_lib.intake.delimited import read_delimited
from openmart_lib.intake.frames import frame_as_text
from openmart_lib.intake.limits import MAX_UPLOAD_BYTES, refuse_too_large
from openmart_lib.intake.parquet import PARQUET_MARK, read_parquet
from openmart_lib.intake.tables import FileProblem, Table, finish
from openmart_lib.intake.workbooks import is_workbook, read_workbook
from openmart_lib.intake.wrapping import Unwrapped, unwrap

__all__ = [
    "MAX_UPLOAD_BYTES",
    "Choices",
    "FileFormat",
    "FileProblem",
    "Upload",
    "read_pasted",
    "read_upload",
    "refuse_unusable",
    "understand",
    "understand_text",
    "unwrapped",
    "upload_from_frame",
]

_OTHER_KINDS: Final = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"\xfd7zXZ", "a compressed file (xz)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"ARROW1", "an Arrow file"),
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
        kind: "csv" (any delimited text), "xlsx", "xlsb", "xls", "ods", "parquet", "paste" or "frame".
        encoding: Python's name of the text's encoding; None for spreadsheets, Parquet and frames.
        delimiter: The character between cells; None for one column, spreadsheets, Parquet and frames.
        sheet: The sheet that was read.
        sheets: All sheets of the file.
        header_row: 1-based line or row of the header, None when the file has none.
        encoding_sure: "certain" where the bytes prove the encoding or a person chose it, else "likely" or
            "unsure"; None without an encoding.
        wrapping: "gzip" or "zip" where the list came compressed.
        blank_rows: Rows left out because they are blank. Those left out, here and below, and the frame's
            rows are all the rows of the file below its header.
        repeated_headers: Rows left out because they are the header again.
        hidden_rows: Rows of the list that the sheet of an XLSX file hides; they are in the frame.
    """

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    header_row: int | None = None
    encoding_sure: str | None = None
    wrapping: str | None = None
    blank_rows: int = 0
    repeated_headers: int = 0
    hidden_rows: int = 0


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


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may say about a file instead of us; None where we find out.

    Attributes:
        sheet: Which sheet; None takes the visible one that looks like a list.
        header_row: 1-based line or row of the header, 0 for "the file has none".
        encoding: The text's encoding.
        delimiter: The character between cells, "" for one column.
    """

    sheet: str | None = None
    header_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None


def read_upload(
    data: bytes,
    name: str,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Upload:
    """Read an uploaded file, in this process: for files of one's own. A server reads with ``guarded``.

    Args:
        data: The file's bytes.
        name: Its name, for display.
        sheet: Which sheet; None takes the visible one that looks like a list.
        header_row: 1-based line or row of the header, 0 for "the file has none"; None finds out.
        encoding: The text's encoding; None finds out.
        delimiter: The character between cells, "" for one column; None finds out.

    Raises:
        InputError: If the file is empty, too large, of another kind, damaged, or holds no rows, or what
            was chosen does not fit it.
    """
    choices = Choices(sheet, header_row, encoding, delimiter)
    refuse_unusable(data)
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(lambda: hashlib.sha256(data).hexdigest())
        inner = unwrapped(data, name)
        table, shape = understand(inner.data, choices)
        return _upload(name, digest.result(), table, replace(shape, wrapping=inner.wrapping))


def read_pasted(text: str) -> Upload:
    """Read pasted rows: one value a line, or cells separated by tabs, commas or semicolons.

    A single line of several websites ("a.com, b.com") is a list of them.

    Raises:
        InputError: If there is nothing in it, or too much.
    """
    data = text.encode("utf-8", errors="replace")
    refuse_unusable(data)
    clean, notes = _without_nulls(data.removeprefix(b"\xef\xbb\xbf"))
    if b"\n" not in clean.strip():
        items = [item for item in re.split(r"[\s,;]+", clean.decode().strip()) if item]
        if len(items) > 1 and all(map(_LIST_ITEM.fullmatch, items)):
            clean = "\n".join(items).encode()
    table, dialect = read_delimited(clean)
    table = replace(table, problems=notes + table.problems)
    digest = hashlib.sha256(data).hexdigest()
    return _upload("pasted rows", digest, table, FileFormat("paste", delimiter=dialect.delimiter))


def upload_from_frame(frame: pl.DataFrame, name: str = "notebook") -> Upload:
    """Take a frame of any dtypes as an upload; every value becomes text.

    Every row is kept, blank ones too, so that results can be set beside the frame. ``file_line`` is the row.

    Raises:
        InputError: If the frame has no rows or no columns.
    """
    content = frame_as_text(frame)
    digest = hashlib.sha256(content.write_csv(quote_style="always").encode()).hexdigest()
    return Upload(name, digest, content, FileFormat("frame", header_row=None), ())


def understand(data: bytes, choices: Choices, *, rows: int | None = None) -> tuple[Table, FileFormat]:
    """Return a file's table as it stands, and what the file turned out to be.

    Args:
        data: The file, unwrapped.
        choices: What a person said about it.
        rows: How many rows of a spreadsheet or Parquet file to read; None reads all.

    Raises:
        InputError: As ``read_upload``.
    """
    if choices.header_row is not None and choices.header_row < 0:
        raise InputError(
            f"There is no line {choices.header_row}. Nothing was read. Choose the line that holds the "
            "columns' names, or 0 for none."
        )
    if is_workbook(data):
        book = read_workbook(data, sheet=choices.sheet, header_row=choices.header_row, rows=rows)
        return book.table, FileFormat(
            book.kind, sheet=book.sheet, sheets=book.sheets, hidden_rows=book.hidden_rows
        )
    if data.startswith(PARQUET_MARK):
        return read_parquet(data, rows=rows), FileFormat("parquet")
    if choices.encoding is None and (name := utf8_at_first_sight(data)):
        try:
            return understand_text(Decoded(data.removeprefix(codecs.BOM_UTF8), name), choices)
        except (UnicodeDecodeError, pl.exceptions.PolarsError):
            pass  # a later line is not; the readers look at every byte, so that nobody has to before them
    return understand_text(decode(data, choices.encoding), choices)


def understand_text(decoded: Decoded, choices: Choices) -> tuple[Table, FileFormat]:
    """Return the table of a delimited text as it stands, and what the file turned out to be.

    Raises:
        InputError: If it holds no rows, or what was chosen does not fit it.
    """
    text, notes = _without_nulls(decoded.text)
    table, dialect = read_delimited(text, delimiter=choices.delimiter, header_row=choices.header_row)
    table = replace(table, problems=decoded.problems + notes + table.problems)
    return table, FileFormat("csv", decoded.encoding, dialect.delimiter, encoding_sure=decoded.sure)


def unwrapped(data: bytes, name: str) -> Unwrapped:
    """Return a file without its wrapping.

    Raises:
        InputError: If it is damaged, or what is inside is no list.
    """
    inner = unwrap(data, name)
    if inner.wrapping:
        refuse_unusable(inner.data)
        if unwrap(inner.data, name).wrapping:
            raise _wrong_kind("compressed more than once")
    return inner


def refuse_unusable(data: bytes) -> None:
    """Refuse what is too large, empty, or plainly another kind of file.

    Raises:
        InputError: If it is.
    """
    refuse_too_large(len(data))
    nothing = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"
    if not data[:4096].strip(nothing) and not data.strip(nothing):
        raise InputError("The file is empty. Nothing was read. Check that it is the right file.")
    for mark, what in _OTHER_KINDS:
        if data.startswith(mark) and (len(mark) > 2 or b"\x00" in data[:512]):
            raise _wrong_kind(what)
    if _WEB_PAGE.match(data[:1024]):
        raise InputError(
            "This file is a web page or an XML document, whatever its name says. Nothing was read. "
            "Some programs save their reports as such: open it in your spreadsheet program, save it there as "
            "XLSX or CSV, and upload that."
        )


def _upload(name: str, digest: str, table: Table, shape: FileFormat) -> Upload:
    done = finish(table)
    shape = replace(shape, header_row=table.header_row, blank_rows=done.blank, repeated_headers=done.repeated)
    return Upload(name, digest, done.frame, shape, done.problems)


def _wrong_kind(what: str) -> InputError:
    return InputError(
        f"This file is {what}, not a list. Nothing was read. "
        "Upload a CSV, TXT, XLSX or Parquet file, or paste the rows."
    )


def _without_nulls(text: bytes) -> tuple[bytes, list[FileProblem]]:
    position = text.find(b"\0")
    if position < 0:
        return text, []
    line = text.count(b"\n", 0, position) + 1
    return text.replace(b"\0", b""), [
        FileProblem(line, f"The file holds NUL characters, the first on line {line:,}; they were taken out.")
    ]
