"""Which row of a file names its columns, and what the columns are called in our frame."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from openmart_lib.intake.guard import unguard_name
from openmart_lib.intake.synonyms import is_known_header

Row = Sequence[str | None]

RESERVED = ("seq", "file_line")  # our own columns of an upload's frame
_SEARCHED = 20  # rows at the top that may stand before the header
_COMPARED = 60  # rows below that tell how the columns look
_LOOKED_AT = 300  # characters of a cell
_NUMBER = re.compile(r"[+-]?[\d][\d.,' ]*%?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.\w{2,}")
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HOST = re.compile(r"@?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}/?", re.IGNORECASE)
_OWN = frozenset({"address", "link", "host", "uuid"})  # looks of something that belongs to one row
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header is among the first rows.

    Attributes:
        index: Its 0-based position, None when the file has none.
        body: 0-based position of the first data row.
        names: Its cells, None without a header.
    """

    index: int | None
    body: int
    names: Row | None


def find_header(rows: Sequence[Row]) -> Header:
    """Find the header among the first rows of a file (blank rows included).

    Titles, notes and comment lines before it are passed over; a first row that already looks like data
    (a domain above domains) is no header.
    """
    index = _first_table_row(rows)
    if _is_data(rows[index], rows[index + 1 : index + 1 + _COMPARED]):
        return Header(None, index, None)
    return Header(index, index + 1, rows[index])


def column_names(header: Row | None, width: int) -> list[str]:
    """Return the names of a frame's columns: unique, none blank, none of ours taken.

    Blank ones become ``column_3``, repeated ones ``name_2``, ``seq`` becomes ``seq (uploaded)``.
    """
    names: list[str] = []
    taken = set(RESERVED)
    for position in range(width):
        text = (header[position] if header is not None and position < len(header) else None) or ""
        name = unguard_name(text) if text.strip() else f"column_{position + 1}"
        if name in RESERVED:
            name = f"{name} (uploaded)"
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique)
        names.append(unique)
    return names


def is_blank(row: Row) -> bool:
    """Return whether a row holds nothing but blanks."""
    return not any(cell and cell.strip() for cell in row)


def _first_table_row(rows: Sequence[Row]) -> int:
    """Return the first row as wide as the table: what stands before is blank, a title or a comment."""
    filled = [sum(bool(cell and cell.strip()) for cell in row) for row in rows[:_COMPARED]]
    typical = median([count for count in filled if count] or [0])
    first = next((index for index, count in enumerate(filled) if count), 0)
    for index in range(first, min(len(filled), first + _SEARCHED)):
        if filled[index] == 0 or filled[index] * 2 < typical:
            continue
        comment = (rows[index][0] or "").lstrip().startswith("#") and filled[index] < typical
        if not comment:
            return _below_title(rows, filled, index)
    return first


def _below_title(rows: Sequence[Row], filled: list[int], index: int) -> int:
    """Return the row of usual columns' names that a row of fewer cells is a title of, else that row itself.

    Between the two there may be blank rows and others as narrow. A title over several columns can be a usual
    name itself ("Company" over "Name" and "Website"); then the row below has to hold more of them.
    """
    named = _known_names(rows[index])
    if named:
        below = index + 1
        wider = below < len(filled) and filled[below] > filled[index]
        return below if wider and _known_names(rows[below]) > max(named, 1) else index
    for below in range(index + 1, min(len(filled), _SEARCHED)):
        if filled[below] > filled[index]:
            return below if _has_known_name(rows[below]) else index
    return index


def _has_known_name(row: Row) -> bool:
    return _known_names(row) > 0


def _known_names(row: Row) -> int:
    return sum(bool(cell and is_known_header(cell)) for cell in row)


def _is_data(row: Row, below: Sequence[Row]) -> bool:
    """Return whether a first row looks like the rows below it, and in no column like a name for them."""
    if _has_known_name(row):
        return False
    if all(is_blank(other) for other in below):
        return True  # a single row is somebody's one company, not a header without rows
    alone = sum(bool(cell and cell.strip()) for cell in row) == 1
    votes = Counter(
        _vote(_look(cell), [_look(other[position]) for other in below if position < len(other)], alone)
        for position, cell in enumerate(row)
        if cell and cell.strip()
    )
    return votes["data"] > 0 and votes["header"] == 0


def _vote(look: str, below: list[str], alone: bool) -> str:
    seen = Counter(kind for kind in below if kind)
    usual, count = seen.most_common(1)[0] if seen else ("", 0)
    regular = count >= 0.6 * seen.total()
    if look in _OWN:
        # An address names no column, but for one of figures about it ("booking.com" above numbers).
        return "data" if not seen or alone or _OWN & seen.keys() else "undecided"
    if look in ("number", "date"):
        return "data" if not seen or (regular and usual == look) else "undecided"
    return "header" if regular and count and usual not in ("text", "year") else "undecided"


def _look(cell: str | None) -> str:
    """Return what kind of value a cell looks like, "" for an empty one."""
    text = (cell or "")[:_LOOKED_AT].strip().strip("'\"<>;,")
    patterns = {
        "year": _YEAR,  # a header can be a year: "2023"
        "date": _DATE,
        "uuid": _UUID,  # also one of digits alone
        "number": _NUMBER,
        "address": _ADDRESS,
        "link": _LINK,
        "host": _HOST,
    }
    if not text:
        return ""
    return next((name for name, pattern in patterns.items() if pattern.fullmatch(text)), "text")
