"""The first rows of a file as we understand it, and what a person may choose instead.

Only the beginning of a text is parsed, so that a choice is shown at once however large the file is. (A
spreadsheet has to be unpacked as a whole; reading its first rows takes about half of reading it all.)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import polars as pl

from openmart_lib.intake.decoding import Decoded, decode, decode_found, find_encoding, foreign_lines, is_utf8
from openmart_lib.intake.dialects import DELIMITERS, Dialect, sample_rows
from openmart_lib.intake.files import (
    Choices,
    FileFormat,
    FileProblem,
    refuse_unusable,
    understand,
    understand_text,
    unwrapped,
)
from openmart_lib.intake.legacy import encoding_name, readings
from openmart_lib.intake.limits import MAX_LINE_BYTES
from openmart_lib.intake.parquet import PARQUET_MARK
from openmart_lib.intake.tables import TOP_CHARS, Table, finish
from openmart_lib.intake.workbooks import is_workbook

_HEAD_BYTES: Final = 512 * 1024
_SAMPLE_BYTES: Final = 16 * 1024
_ROWS_BEFORE: Final = 200  # rows read beyond those shown: blank ones, titles, those that tell a header
_SENSELESS: Final = -0.4  # how an encoding reads that is not worth offering
_MOST_ENCODINGS: Final = 8


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """An encoding that a file may be in.

    Attributes:
        encoding: What to give as ``encoding``.
        name: Its name for people ("Western European (Windows-1252)").
        sure: "certain", "likely" or "unsure".
        line: How the first line that is not plain ASCII reads in it, "" when there is none.
    """

    encoding: str
    name: str
    sure: str
    line: str


@dataclass(frozen=True, slots=True)
class DelimiterChoice:
    """A character that may stand between cells.

    Attributes:
        delimiter: What to give as ``delimiter``; "" for one column.
        columns: In how many columns it divides most of the first lines.
    """

    delimiter: str
    columns: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file looks like as we understand it.

    Attributes:
        frame: The first rows, as ``Upload.frame``.
        lines: The first 30 lines as they stand: their number and their text (cells of a sheet divided by
            tabs), cut after 400 characters. A person chooses the header row from them.
        format: What the file turned out to be, as the whole file would be read.
        problems: What is worth saying of the rows shown, and of the guesses.
        whole: Whether these are all the rows of the file.
        encodings: Worth offering, the one in use first; none for spreadsheets and Parquet.
        delimiters: Those worth offering, the one in use first; none for spreadsheets and Parquet.
    """

    frame: pl.DataFrame
    lines: tuple[tuple[int, str], ...]
    format: FileFormat
    problems: tuple[FileProblem, ...]
    whole: bool
    encodings: tuple[EncodingChoice, ...] = ()
    delimiters: tuple[DelimiterChoice, ...] = ()


def preview(
    data: bytes,
    name: str,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    rows: int = 20,
) -> Preview:
    """Show the first rows of a file as it would be read, and what may be chosen instead.

    Args:
        data: The file's bytes.
        name: Its name.
        sheet: As for ``read_upload``; so are the next three.
        header_row: See there.
        encoding: See there.
        delimiter: See there.
        rows: How many rows to show.

    Raises:
        InputError: As ``read_upload``, for what can be seen in the first rows.
    """
    choices = Choices(sheet, header_row, encoding, delimiter)
    refuse_unusable(data)
    inner = unwrapped(data, name)
    if is_workbook(inner.data) or inner.data.startswith(PARQUET_MARK):
        read = rows + _ROWS_BEFORE + (header_row or 0)
        table, shape = understand(inner.data, choices, rows=read)
        shown = _shown(table, shape, rows, whole=(table.header_row or 0) + table.body.height < read)
    else:
        shown = _of_text(inner.data, choices, rows)
    return replace(shown, format=replace(shown.format, wrapping=inner.wrapping))


def _of_text(data: bytes, choices: Choices, rows: int) -> Preview:
    found = (choices.encoding, "certain") if choices.encoding else find_encoding(data)
    head = _beginning(data, wide=found[0].startswith(("utf-16", "utf-32")))
    whole = len(head) == len(data)
    decoded = decode(head, choices.encoding) if choices.encoding else decode_found(head, *found)
    if not whole:  # without the part of a line at the end
        text = decoded.text[: max(decoded.text.rfind(b"\n"), decoded.text.rfind(b"\r")) + 1]
        decoded = replace(decoded, text=text or decoded.text)
    table, shape = understand_text(decoded, choices)
    guess = tuple(problem for problem in decoded.problems[:1] if decoded.sure != "certain")
    shown = _shown(table, shape, rows, whole=whole)
    return replace(
        shown,
        problems=guess + tuple(problem for problem in shown.problems if problem not in guess),
        encodings=_encodings(data, decoded),
        delimiters=_delimiters(decoded.text, shape.delimiter or ""),
    )


def _beginning(data: bytes, *, wide: bool) -> bytes:
    """Return the first lines of a file, of 512 KB or one line at least; of UTF-16 maybe part of one."""
    if len(data) <= _HEAD_BYTES:
        return data
    if wide:
        return data[:_HEAD_BYTES]
    end = max(data.rfind(b"\n", 0, _HEAD_BYTES), data.rfind(b"\r", 0, _HEAD_BYTES)) + 1
    return data[:end] if end else data[: MAX_LINE_BYTES + _HEAD_BYTES]


def _shown(table: Table, shape: FileFormat, rows: int, *, whole: bool) -> Preview:
    body = table.body.head(rows + _ROWS_BEFORE)
    done = finish(replace(table, body=body))
    frame = done.frame.head(rows)
    last = int(frame["file_line"][-1])
    return Preview(
        frame,
        table.top,
        replace(shape, header_row=table.header_row),
        tuple(problem for problem in done.problems if problem.file_line <= last),
        whole=whole and body.height == table.body.height and done.frame.height <= rows,
    )


def _encodings(data: bytes, decoded: Decoded) -> tuple[EncodingChoice, ...]:
    """Return the encoding in use, and others that give another text which may be right."""
    wide = decoded.encoding.startswith(("utf-16", "utf-32"))
    own = next((line for line in decoded.text.splitlines() if not line.isascii()), b"").decode()
    first = EncodingChoice(decoded.encoding, encoding_name(decoded.encoding), decoded.sure, own[:TOP_CHARS])
    sample = b"" if wide else foreign_lines(data, _SAMPLE_BYTES)
    if not sample:
        return (first,)
    # UTF-8 is no accident: beside it, only the encoding that it is most often mistaken for.
    others = (
        ["cp1252"]
        if is_utf8(sample)
        else [one.encoding for one in readings(sample) if one.score > _SENSELESS]
    )
    texts: dict[str, str] = {}
    for encoding in (decoded.encoding, "utf-8", *others):
        text = sample.decode(encoding, errors="replace")
        if text not in texts.values() and ("\ufffd" not in text or encoding == decoded.encoding):
            texts[encoding] = text.split("\n")[0][:TOP_CHARS]
    return tuple(
        EncodingChoice(encoding, encoding_name(encoding), decoded.sure if at == 0 else "unsure", line)
        for at, (encoding, line) in enumerate(list(texts.items())[:_MOST_ENCODINGS])
    )


def _delimiters(text: bytes, chosen: str) -> tuple[DelimiterChoice, ...]:
    sample = text[:_SAMPLE_BYTES].decode(errors="replace")
    found = []
    for delimiter in dict.fromkeys((chosen, *DELIMITERS, "")):
        rows = islice(sample_rows(sample, Dialect(delimiter or None)), _ROWS_BEFORE)
        widths = Counter(len(row) for _, row in rows if row)
        found.append(DelimiterChoice(delimiter, widths.most_common(1)[0][0] if widths else 0))
    return tuple(found)
