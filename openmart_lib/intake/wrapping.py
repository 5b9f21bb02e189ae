"""What a list comes wrapped in: gzip, or a zip archive with one list in it, unpacked within limits.

Sizes that a header states are not believed: the bytes are counted while they are unpacked.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Final

from openmart_lib.errors import InputError
from openmart_lib.intake.limits import MAX_UPLOAD_BYTES, refuse_too_large

GZIP_MARK: Final = b"\x1f\x8b\x08"
ZIP_MARK: Final = b"PK\x03\x04"
MAX_MEMBERS: Final = 2_000
_CHUNK: Final = 1024**2
_MAX_DIRECTORY: Final = 4 * 1024**2  # bytes of an archive's list of its members
_SHOWN_NAMES: Final = 5
_OFFICE: Final = {
    "word/document.xml": "a Word document",
    "ppt/presentation.xml": "a presentation",
    "Index/Document.iwa": "a Numbers or Pages document",
}


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A file without its wrapping.

    Attributes:
        data: Its bytes.
        name: Its name: of the member of an archive, without ".gz".
        wrapping: "gzip", "zip", or None if there was none.
    """

    data: bytes
    name: str
    wrapping: str | None = None


def unwrap(data: bytes, name: str) -> Unwrapped:
    """Return the list inside a gzip file or a zip archive, any other file as it is.

    Raises:
        InputError: If it is damaged or locked, is too large once unpacked, or an archive does not hold
            exactly one file.
    """
    if data.startswith(GZIP_MARK):
        return Unwrapped(_gunzip(data), name.removesuffix(".gz"), "gzip")
    if data.startswith(ZIP_MARK) and not is_spreadsheet(names := member_names(data)):
        return _only_member(data, names)
    return Unwrapped(data, name)


def is_spreadsheet(names: list[str]) -> bool:
    """Return whether an archive's members are those of a spreadsheet file."""
    return "content.xml" in names or any(name.startswith("xl/") for name in names)


def member_names(data: bytes) -> list[str]:
    """Return the names of an archive's members.

    Raises:
        InputError: If it is damaged, or has too many.
    """
    # The list of members is read at once, before it can be counted: its size says how many there can be.
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 70_000))
    if end >= 0 and int.from_bytes(data[end + 12 : end + 16], "little") > _MAX_DIRECTORY:
        raise _too_many_members()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError):
        raise _damaged() from None
    if len(names) > MAX_MEMBERS:
        raise _too_many_members()
    return names


def _gunzip(data: bytes) -> bytes:
    """Unpack all members of a gzip file, one after the other."""
    target = io.BytesIO()
    rest = data
    while rest.startswith(GZIP_MARK):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            while not unpacker.eof:
                chunk = unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unconsumed_tail
                if not chunk and not rest and not unpacker.eof:
                    raise _damaged()
                target.write(chunk)
                _refuse_unpacked(target.tell())
        except zlib.error:
            raise _damaged() from None
        rest = unpacker.unused_data.lstrip(b"\x00")
    if rest:
        raise _damaged()
    return target.getvalue()


def _only_member(data: bytes, names: list[str]) -> Unwrapped:
    for member, what in _OFFICE.items():
        if member in names:
            raise InputError(
                f"This file is {what}, not a list. Nothing was read. "
                "Export its table as CSV or XLSX and upload that, or paste the rows."
            )
    lists = [name for name in names if not name.endswith("/") and not _is_rubbish(name)]
    if len(lists) != 1:
        raise _not_one(lists)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(lists[0]) as stream:
            target = io.BytesIO()
            while chunk := stream.read(_CHUNK):
                target.write(chunk)
                _refuse_unpacked(target.tell())
    except RuntimeError:
        raise InputError(
            "The zip archive is protected with a password. Nothing was read. Unpack it and upload the list "
            "inside."
        ) from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error):
        raise _damaged() from None
    return Unwrapped(target.getvalue(), lists[0].rsplit("/", 1)[-1], "zip")


def _is_rubbish(name: str) -> bool:
    """Return whether an operating system put a member there, not a person."""
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(
        (".", "Thumbs.db", "desktop.ini")
    )


def _not_one(names: list[str]) -> InputError:
    if not names:
        return InputError("The zip archive holds no file. Nothing was read. Check that it is the right one.")
    shown = ", ".join(name[:60] for name in names[:_SHOWN_NAMES]) + (
        ", …" if len(names) > _SHOWN_NAMES else ""
    )
    return InputError(
        f"The zip archive holds {len(names):,} files ({shown}), and a list is one file. Nothing was read. "
        "Unpack it and upload the list inside."
    )


def _refuse_unpacked(size: int) -> None:
    if size > MAX_UPLOAD_BYTES:
        refuse_too_large(size, "Unpacked, the file")


def _damaged() -> InputError:
    return InputError(
        "The compressed file is damaged or cut off. Nothing was read. Unpack it on your computer and upload "
        "the list inside."
    )


def _too_many_members() -> InputError:
    return InputError(
        f"The file is an archive of more than {MAX_MEMBERS:,} files. Nothing was read. "
        "Unpack it and upload the list inside."
    )
