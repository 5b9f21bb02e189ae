"""Place: the disk under a data folder, and whether a batch may be sent while it is as it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

ROOM_TO_SUBMIT: Final = 200_000_000  # bytes free below which nothing is sent; a batch's results need 0.2 MB
# File systems whose locks or write order SQLite cannot rely on (sqlite.org/howtocorrupt.html, section 2).
NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "9p", "ncpfs", "webdav", "davfs"),
        *("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "fuse.davfs2"),
    }
)
_MOUNTS: Final = Path("/proc/mounts")  # Linux; elsewhere nothing is known and nothing is said


def free_bytes(folder: Path) -> int:
    """Return the bytes that may still be written into this folder.

    Raises:
        OSError: If the folder is gone.
    """
    return shutil.disk_usage(folder).free


def sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk: a file whose name is lost in a power cut is lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def identity(file: Path) -> tuple[int, int]:
    """Return what tells this file from another one of the same name.

    Raises:
        OSError: If it is gone.
    """
    state = file.stat()
    return state.st_dev, state.st_ino


def obstacle(file: Path, opened: tuple[int, int]) -> str | None:
    """Return in words why nothing may be sent on the word of this open ledger's ``file``, or None.

    A file that was deleted or replaced can still be written by those who have it open, and nobody would
    ever read it again: a batch sent then would be paid for and forgotten.
    """
    try:
        replaced = identity(file) != opened
        free = free_bytes(file.parent)
    except OSError as error:
        return (
            f"The ledger {file} cannot be reached ({error.strerror}). Nothing more is sent; what is with "
            "Openmart goes on there. Bring the folder back, then restart the dashboard."
        )
    if replaced:
        return (
            f"The ledger {file} was replaced by another file while this program has it open. Nothing more is "
            "sent; what is with Openmart goes on there. Restart the dashboard."
        )
    if free < ROOM_TO_SUBMIT:
        return (
            f"The disk is nearly full ({free // 1_000_000} MB left in {file.parent}). Nothing more is sent; "
            f"what is with Openmart is still collected. Make {ROOM_TO_SUBMIT // 1_000_000} MB free: sending "
            "goes on by itself."
        )
    return None


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network file system that a folder lies on (``nfs4``), or None.

    SQLite's locks do not hold on these, so two programs can damage the ledger.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    here = folder.resolve()
    nearest, kind = 0, ""
    for fields in (line.split(" ") for line in lines):
        if len(fields) < 3:
            continue
        point = Path(_unescaped(fields[1]))
        if here.is_relative_to(point) and len(point.parts) >= nearest:  # a later mount covers an earlier one
            nearest, kind = len(point.parts), fields[2]
    return kind if kind in NETWORK else None


def _unescaped(field: str) -> str:
    """Return a path as it is: /proc/mounts writes blanks and backslashes as octal numbers."""
    raw = os.fsencode(field)
    for escaped, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        raw = raw.replace(escaped, plain)
    return os.fsdecode(raw)
