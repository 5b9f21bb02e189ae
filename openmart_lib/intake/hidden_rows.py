"""Which rows of an XLSX sheet are hidden, by a filter or by hand: they are read, so it has to be said."""

from __future__ import annotations

import html
import io
import posixpath
import re
import zipfile
from typing import Final

MARK: Final = b"hidden="  # stands in every sheet that hides rows, and in those that hide columns
SHEETS: Final = "xl/worksheets/"
_CHUNK: Final = 1024**2
_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_SHEET: Final = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
_RELATION: Final = re.compile(r"<(?:\w+:)?Relationship\s[^>]*>")
_ATTRIBUTE: Final = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ROW: Final = re.compile(rb"<(?:\w+:)?row\s[^>]*?hidden=[\"'](?:1|true)[\"'][^>]*>")
_NUMBER: Final = re.compile(rb"\sr=[\"'](\d+)[\"']")


def hidden_rows(data: bytes, sheet: str) -> set[int]:
    """Return the 1-based numbers of the rows that a sheet of an XLSX file hides.

    Args:
        data: The file, its size once unpacked already looked at.
        sheet: The sheet's name.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = _part(archive, sheet)
        if part is None:
            return set()
        found: set[int] = set()
        with archive.open(part) as stream:
            rest = b""
            while chunk := stream.read(_CHUNK):
                text = rest + chunk
                cut = text.rfind(b"<")  # the last tag may go on in the next piece
                found |= _numbers(text[: max(cut, 0)])
                rest = text[max(cut, 0) :]
        return found | _numbers(rest)


def _numbers(text: bytes) -> set[int]:
    numbers = (_NUMBER.search(row) for row in _ROW.findall(text))
    return {int(number[1]) for number in numbers if number is not None}


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the member that holds a sheet, None where the file does not say it in the usual way."""
    members = set(archive.namelist())
    if not {_WORKBOOK, _RELATIONS} <= members:
        return None
    targets = {one.get("Id"): one.get("Target", "") for one in _tags(archive, _RELATIONS, _RELATION)}
    for one in _tags(archive, _WORKBOOK, _SHEET):
        if one.get("name") == sheet:
            target = targets.get(one.get("r:id"), "")
            part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
            return part if part in members else None
    return None


def _tags(archive: zipfile.ZipFile, member: str, tag: re.Pattern[str]) -> list[dict[str, str]]:
    """Return the attributes of every such tag."""
    text = archive.read(member).decode("utf-8", errors="replace")
    return [
        {name: html.unescape(one or other) for name, one, other in _ATTRIBUTE.findall(found)}
        for found in tag.findall(text)
    ]
