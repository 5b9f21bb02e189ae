"""Bytes to UTF-8: as they are when they are that, UTF-16 and 32 by their marks or zeros, else by a guess.

The text stays bytes, because the readers take bytes, and a Python text of a large file would take up to four
times its size. Lines that cannot be decoded are kept and named.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from openmart_lib.errors import InputError
from openmart_lib.intake.legacy import encoding_name, is_known_encoding, readings
from openmart_lib.intake.tables import FileProblem, limit_problems

_SAMPLE_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_LONG_LINE: Final = 4096
_REPLACED: Final = "\ufffd".encode()  # what stands for bytes that are no character
_ODD_SHARE: Final = 0.2  # of the lines that are not plain ASCII; with more it is another encoding
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that no list holds; a file with many of them is no text.
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_JAPANESE_SHIFT: Final = re.compile(rb"\x1b\$[@B]")  # ISO-2022-JP has no byte over 127


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text.

    Attributes:
        text: UTF-8 without a byte-order mark.
        encoding: Python's name of the encoding it was written in.
        sure: "certain" where the bytes prove it or a person said so, else "likely" or "unsure": a guess.
        problems: The guess itself, and the lines that are in another encoding.
    """

    text: bytes
    encoding: str
    sure: str = "certain"
    problems: list[FileProblem] = field(default_factory=list)


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    """Return the text of a file.

    Args:
        encoding: The encoding that the analyst names; None lets us find out.

    Raises:
        InputError: If the bytes are no text, or not in the encoding that was named.
    """
    if encoding is not None:
        return _as_named(data, encoding)
    return decode_found(data, *find_encoding(data))


def decode_found(data: bytes, name: str, sure: str) -> Decoded:
    """Return the text of a file, or of its beginning, in the encoding that ``find_encoding`` found."""
    if name in ("utf-8", "utf-8-sig"):
        text = data.removeprefix(codecs.BOM_UTF8)
        return Decoded(text, name) if sure == "certain" else _with_odd_lines(text, name)
    text, problems = _recoded(data, name)
    if sure != "certain":
        problems.insert(0, _stated_guess(text, name, sure))
    return Decoded(text, name, sure, problems)


def find_encoding(data: bytes) -> tuple[str, str]:
    """Return the encoding of a file and how sure it is: "certain", "likely" or "unsure".

    UTF-8 that is only "likely" is that of a file some of whose lines are not.

    Raises:
        InputError: If the bytes are no text.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, "certain" if name != "utf-8-sig" or is_utf8(data) else "likely"
    if wide := _wide_without_mark(data):
        return wide, "likely"
    _refuse_binary(data)
    if data[:_SAMPLE_BYTES].isascii() and _JAPANESE_SHIFT.search(data[:_SAMPLE_BYTES]):
        return "iso2022_jp", "likely"
    if is_utf8(data):
        return "utf-8", "certain"
    if _is_mostly_utf8(data):
        return "utf-8", "likely"
    best = readings(foreign_lines(data))[0]
    return best.encoding, best.sure


def utf8_at_first_sight(data: bytes) -> str | None:
    """Return "utf-8" or "utf-8-sig" for a text whose first lines are that, None for any other one.

    Raises:
        InputError: If the bytes are no text.
    """
    head = data[:_SAMPLE_BYTES]
    if len(data) > len(head):
        head = head[: head.rfind(b"\n") + 1]
    marked = any(data.startswith(mark) for mark, _ in _MARKS[1:])
    if marked or not head or b"\x1b" in head or _wide_without_mark(data) or not is_utf8(head):
        return None
    _refuse_binary(data)
    return "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8; looks at all of them, a little at a time."""
    return _decodes(data, "utf-8")


def foreign_lines(data: bytes, limit: int = _SAMPLE_BYTES) -> bytes:
    """Return lines that are not plain ASCII, about so many bytes of them, wherever in the file they are."""
    found: dict[bytes, None] = {}
    size = 0
    for start in range(0, len(data), _CHUNK):
        if data[start : start + _CHUNK].isascii():
            continue
        begin = data.rfind(b"\n", max(0, start - _LONG_LINE), start) + 1 or start
        end = data.find(b"\n", start + _CHUNK, start + _CHUNK + _LONG_LINE)
        for line in re.split(rb"[\r\n]+", data[begin : end if end >= 0 else start + _CHUNK]):
            kept = _shortened(line)
            if not kept.isascii() and kept not in found:
                found[kept] = None
                size += len(kept)
        if size >= limit:
            break
    lines = list(found)
    while size > limit and len(lines) > 1:
        size -= len(lines.pop())
    return b"\n".join(lines)


def _shortened(line: bytes) -> bytes:
    """Return the beginning of a line, cut where no character can be cut in two."""
    if len(line) <= _LONG_LINE:
        return line
    ends = [line.rfind(sign, 0, _LONG_LINE) for sign in (b",", b";", b"\t", b" ")]
    return line[: max(ends)] if max(ends) > 0 else line[:_LONG_LINE]


def _as_named(data: bytes, encoding: str) -> Decoded:
    if not is_known_encoding(encoding):
        raise InputError(
            f"There is no encoding called {encoding!r} for lists. Nothing was read. "
            "Choose another one, such as UTF-8 or Windows-1252."
        )
    text, problems = _recoded(data, encoding)
    foreign = [line for _, line in _numbered_lines(text) if not line.isascii()] if problems else []
    odd = sum(_REPLACED in line for line in foreign)
    if odd > _ODD_SHARE * len(foreign):
        raise InputError(
            f"The file is not written in {encoding}: {odd:,} of its lines cannot be read so, the first is "
            f"line {problems[0].file_line:,}. Nothing was read. Choose another encoding, or save the file "
            "again as CSV UTF-8."
        )
    return Decoded(text, encoding, "certain", problems)


def _recoded(data: bytes, encoding: str) -> tuple[bytes, list[FileProblem]]:
    """Return the text as UTF-8, and the lines with characters that the encoding does not have."""
    target = io.BytesIO()
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for chunk, final in _chunks(data):
        target.write(decoder.decode(chunk, final=final).encode("utf-8", errors="replace"))
    text = target.getvalue().removeprefix(codecs.BOM_UTF8)
    if _REPLACED not in text or _decodes(data, encoding):
        return text, []
    return text, _undecodable(text, encoding)


def _decodes(data: bytes, encoding: str) -> bool:
    """Return whether an encoding has all characters of a text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk, final in _chunks(data):
            decoder.decode(chunk, final=final)
    except UnicodeError:
        return False
    return True


def _chunks(data: bytes) -> Iterator[tuple[memoryview, bool]]:
    # Small enough to stay in the processor's cache.
    view = memoryview(data)
    for start in range(0, len(data), _CHUNK):
        yield view[start : start + _CHUNK], start + _CHUNK >= len(data)


def _undecodable(text: bytes, encoding: str) -> list[FileProblem]:
    problems = [
        FileProblem(
            number,
            f"Line {number:,} holds characters that are not {encoding_name(encoding)}, shown as \ufffd.",
        )
        for number, line in _numbered_lines(text)
        if _REPLACED in line
    ]
    return limit_problems(problems, "hold characters that cannot be read")


def _with_odd_lines(text: bytes, name: str) -> Decoded:
    """Return a UTF-8 file some of whose lines are not: those are read in the encoding they read best in."""
    bad = {number: line for number, line in _numbered_lines(text) if not is_utf8(line)}
    other = readings(b"\n".join(bad.values())[:_SAMPLE_BYTES])[0].encoding
    problems = [
        FileProblem(
            number,
            f"Line {number:,} is not UTF-8 as the rest of the file is; it was read as "
            f"{encoding_name(other)}. Look at its accented letters.",
        )
        for number in bad
    ]
    lines = [
        line.decode(other, errors="replace").encode() if number in bad else line
        for number, line in _numbered_lines(text)
    ]
    return Decoded(b"".join(lines), name, "certain", limit_problems(problems, "are not UTF-8"))


def _is_mostly_utf8(data: bytes) -> bool:
    """Return whether nearly all lines that are not ASCII are UTF-8: then the others are slips."""
    if not re.search(rb"[\xc2-\xf4][\x80-\xbf]", data):
        return False
    foreign = [is_utf8(line) for _, line in _numbered_lines(data) if not line.isascii()]
    return foreign.count(False) <= _ODD_SHARE * len(foreign)


def _numbered_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with their ends and 1-based numbers (CR, LF or both end a line)."""
    number = 0
    for piece in io.BytesIO(data):
        for line in re.findall(rb"[^\r]*\r(?!\n)|[^\r]+(?:\r\n)?|\r\n", piece) if b"\r" in piece else [piece]:
            number += 1
            yield number, line


def _wide_without_mark(data: bytes) -> str | None:
    """Return the UTF-16 or 32 of a text without a mark: zeros stand beside line ends and ASCII letters."""
    sample = data[: min(len(data), _SAMPLE_BYTES) // 4 * 4]
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    zeros = [sample[place::4].count(0) / (len(sample) / 4) for place in range(4)]
    if min(zeros[2:]) > 0.95 and zeros[0] < 0.05:  # no letter is beyond the first planes
        name = "utf-32-le"
    elif min(zeros[:2]) > 0.95 and zeros[3] < 0.05:
        name = "utf-32-be"
    elif min(zeros[1], zeros[3]) > 0.1 and max(zeros[0], zeros[2]) < 0.05:
        name = "utf-16-le"
    elif min(zeros[0], zeros[2]) > 0.1 and max(zeros[1], zeros[3]) < 0.05:
        name = "utf-16-be"
    else:
        return None
    return name if _reads_as_text(sample.decode(name, errors="replace")) else None


def _reads_as_text(text: str) -> bool:
    odd = sum(char == "\ufffd" or (char < " " and char not in "\t\r\n") for char in text)
    return odd <= 1 + len(text) // 50


def _refuse_binary(data: bytes) -> None:
    sample = data[:_SAMPLE_BYTES]
    if len(_CONTROLS.findall(sample)) > max(1, len(sample) // 50):
        raise InputError(
            "This file is not a list: it holds binary data. Nothing was read. Upload a CSV, TSV, TXT, XLSX "
            "or Parquet file, or paste the rows."
        )


def _stated_guess(text: bytes, encoding: str, sure: str) -> FileProblem:
    line = next((number for number, line in _numbered_lines(text) if not line.isascii()), 1)
    how = "a likely guess" if sure == "likely" else "an unsure guess"
    return FileProblem(
        line,
        f"The file is not UTF-8; it was read as {encoding_name(encoding)}, which is {how}. Look at the "
        f"accented letters, the first on line {line:,}, and choose another encoding if they are wrong.",
    )
