"""What people type, as the values the library works with: file, kind, columns, options.

Shared by the command line and the notebook, so that both understand the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import guess_mapping, with_only_column
from openmart_lib.intake.files import MAX_UPLOAD_BYTES, Upload
from openmart_lib.intake.guarded import read_upload_guarded
from openmart_lib.intake.several import Several


def read_list(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> Upload:
    """Read a list from a file of this computer.

    Args:
        encoding: The text's encoding; None finds out, as for all that follow.
        delimiter: The character between cells, "" for one column.
        sheet: The sheet of a workbook.
        header_row: 1-based line or row of the header, 0 for "the file has none".

    Raises:
        InputError: If there is no such file, or it cannot be used.
    """
    try:
        size = path.stat().st_size
        if size > MAX_UPLOAD_BYTES:
            raise InputError(
                f"{path} has {size / 1024**2:,.0f} MB, and a list may have {MAX_UPLOAD_BYTES // 1024**2} MB. "
                "Nothing was sent. Divide it and submit the parts."
            )
        return read_upload_guarded(
            path,
            path.name,
            encoding=encoding,
            delimiter=delimiter,
            sheet=sheet,
            header_row=header_row,
        )
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). Nothing was sent. Check the path."
        ) from None


def parse_kind(text: Kind | str) -> Kind:
    """Return the kind of that name.

    Raises:
        InputError: If there is none.
    """
    try:
        return Kind(str(text).strip().lower())
    except ValueError:
        raise InputError(
            f"There is no kind {str(text)!r}. Nothing was sent. Choose one of: {', '.join(Kind)}."
        ) from None


def parse_several(word: str) -> Several:
    """Return what becomes of cells with several websites.

    Raises:
        InputError: If it is no such word.
    """
    try:
        return Several(word)
    except ValueError:
        raise InputError(
            f"{word!r} is no choice for cells with several websites. Nothing was sent. "
            f"Choose one of: {', '.join(Several)}."
        ) from None


def parse_info(text: str) -> tuple[str, ...]:
    """Return the contact fields that a text such as ``email, phone`` names, in upper case."""
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())


def parse_mapping(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the mapping that texts such as ``domain=Website`` say; a field named twice has two columns.

    ``city=`` takes the field out, so that it is not guessed either.

    Raises:
        InputError: If a text has no ``=``.
    """
    mapping: dict[str, list[str]] = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if not equals or not name.strip():
            raise InputError(
                f"{text!r} does not say which column feeds which field. Nothing was sent. "
                "Write FIELD=COLUMN, such as domain=Website."
            )
        mapping.setdefault(name.strip().lower(), []).append(column.strip())
    return mapping


def full_mapping(
    upload: Upload, kind: Kind, given: Mapping[str, str | Sequence[str]]
) -> dict[str, list[str]]:
    """Return which columns feed which field: those given, the others guessed; empty names are left out."""
    merged: dict[str, list[str]] = dict(with_only_column(guess_mapping(upload.frame, kind)))
    for name, columns in given.items():
        merged[str(name)] = [columns] if isinstance(columns, str) else list(columns)
    filled = {name: [column for column in columns if column] for name, columns in merged.items()}
    return {name: columns for name, columns in filled.items() if columns}
