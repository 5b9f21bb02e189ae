"""How a text divides its lines into cells: sniffed by trying the usual separators on a sample."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from openmart_lib.intake.limits import MAX_LINE_BYTES, refuse_long_line
from openmart_lib.intake.synonyms import is_known_header

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_BYTES: Final = 64 * 1024  # or more, where the first lines are long
SAMPLE_LINES: Final = 20
NO_DELIMITER: Final = "\x1f"  # "unit separator": stands for "one column" where a reader wants a character
LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_SEP_LINE: Final = re.compile(rb'"?sep=([\x00-\x7f])"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines become cells.

    Attributes:
        delimiter: The character between cells, None for one column.
        skip_space: Whether a blank after it belongs to no cell (``"a", "b"``).
    """

    delimiter: str | None
    skip_space: bool = False

    @property
    def separator(self) -> str:
        """The delimiter, or a character that stands for there being none."""
        return self.delimiter or NO_DELIMITER


def declared_delimiter(text: bytes) -> tuple[str | None, int]:
    """Return what Excel's ``sep=;`` first line declares, and that line's length (None and 0 without one)."""
    found = _SEP_LINE.match(text)
    return (found.group(1).decode(), found.end()) if found else (None, 0)


def sample_of(text: bytes) -> str:
    """Return the first lines of a text, never part of one.

    Raises:
        InputError: If one of them is longer than a row of a list can be.
    """
    if len(text) <= SAMPLE_BYTES:
        return text.decode()
    end = 0
    for number in range(1, SAMPLE_LINES + 1):
        found = LINE_END.search(text, end, end + MAX_LINE_BYTES + 2)
        following = found.end() if found else len(text)
        refuse_long_line(number, following - end)
        end = following
        if end >= len(text):
            break
    if end < SAMPLE_BYTES:
        found = LINE_END.search(text, SAMPLE_BYTES, SAMPLE_BYTES + MAX_LINE_BYTES)
        end = found.end() if found else len(text)
        refuse_long_line(SAMPLE_LINES + 1, end - SAMPLE_BYTES)
    return text[:end].decode()


def sniff(sample: str) -> Dialect:
    """Find the dialect of a sample: most rows equally wide, the first one too, then most columns."""
    scored = [(_score(sample, delimiter), delimiter) for delimiter in DELIMITERS]
    best, delimiter = max(scored, key=lambda pair: pair[0])
    if best[0] <= 0:
        return Dialect(None)
    return Dialect(delimiter, _has_space_after(sample, delimiter))


def sample_rows(sample: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the sample's rows with the 1-based line each begins on; quoting errors are let pass."""
    reader = csv.reader(
        iterate_lines(sample), delimiter=dialect.separator, skipinitialspace=dialect.skip_space, strict=False
    )
    line = 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1


def iterate_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends (CR, LF or both)."""
    # Not str.splitlines: form feeds and Unicode separators end no line in a file of rows.
    return iter(io.StringIO(text, newline=""))


def _score(sample: str, delimiter: str) -> tuple[float, bool, int]:
    """Return how evenly a delimiter divides a sample, whether its first row too, and in how many columns."""
    rows = [row for _, row in sample_rows(sample, Dialect(delimiter)) if any(cell.strip() for cell in row)]
    table = [row for row in rows if not row[0].lstrip().startswith("#")] or rows
    if not table:
        return 0.0, False, 1
    widths = Counter(len(row) for row in table)
    top = max(widths.values())
    first = len(table[0])
    tied = [width for width, count in widths.items() if count == top]
    width = first if first in tied else max(tied)
    share = widths[width] / len(table)
    if width == 1 and first > 1:
        # A header with names for columns that most rows leave out.
        width, share = first, 0.4
    # Commas inside company names make rows of a one-column list wider; a table is wide at its top, or
    # has a title there that is no column's name.
    if width == 1 or (first == 1 and (share < 0.6 or is_known_header(table[0][0]))):
        return 0.0, False, 1
    return round(share, 1), first == width, width


def _has_space_after(sample: str, delimiter: str) -> bool:
    spaced = len(re.findall(rf'{re.escape(delimiter)} +"', sample))
    return spaced > 0 and spaced > sample.count(f'{delimiter}"')
