"""How much a list may hold, and how a file beyond that is refused."""

from __future__ import annotations

from typing import Final

from openmart_lib.errors import InputError

MAX_UPLOAD_BYTES: Final = 200 * 1024**2  # as received, and once unpacked; the server's maxUploadSize is this
MAX_LINE_BYTES: Final = 8 * 1024**2  # 2,000 columns of a kilobyte each do not reach it
MAX_ROWS: Final = 5_000_000
MAX_COLUMNS: Final = 2_000  # a list with more is another kind of file
MAX_CELLS: Final = 60_000_000  # a million rows of 60 columns; each takes 16 bytes, and its text


def refuse_too_large(size: int, what: str = "The file") -> None:
    """Refuse a text of more bytes than a list may have.

    Raises:
        InputError: If it has.
    """
    if size > MAX_UPLOAD_BYTES:
        raise InputError(
            f"{what} has {size / 1024**2:,.0f} MB, and a list may have {MAX_UPLOAD_BYTES // 1024**2} MB. "
            "Nothing was read. Divide it and upload the parts."
        )


def refuse_too_wide(columns: int) -> None:
    """Refuse more columns than a list may have.

    Raises:
        InputError: If there are more.
    """
    if columns > MAX_COLUMNS:
        raise InputError(
            f"The file has {columns:,} columns, and a list may have {MAX_COLUMNS:,}. Nothing was read. "
            "Remove columns that are not needed, or choose another separator."
        )


def refuse_too_many(rows: int, columns: int) -> None:
    """Refuse more rows, or more cells in all, than a list may have.

    Raises:
        InputError: If there are more.
    """
    if rows > MAX_ROWS:
        raise InputError(
            f"The file has {rows:,} rows, and a list may have {MAX_ROWS:,}. Nothing was read. "
            "Divide it and upload the parts."
        )
    if rows * columns > MAX_CELLS:
        raise InputError(
            f"The file has {rows:,} rows of {columns:,} columns, and a list may have {MAX_CELLS:,} cells. "
            "Nothing was read. Remove columns that are not needed, or divide it and upload the parts."
        )


def refuse_long_line(line: int, size: int) -> None:
    """Refuse a line longer than a row of a list can be.

    Raises:
        InputError: If it is longer.
    """
    if size > MAX_LINE_BYTES:
        raise InputError(
            f"Line {line:,} has over {MAX_LINE_BYTES // 1024**2} MB, more than a row of a list can have. "
            "Nothing was read. Check that it is the right file, and that every row stands on its own line."
        )
