"""The journal: a pre-allocated, fsynced file of what was sent, accepted and turned away.

It exists for the moment in which the server has taken a batch and the database cannot be written (a full
disk, a lock, a kill between answer and commit): appending here needs no new space. Replayed when a worker
starts; only the holder of the worker lock writes it. One JSON object per line, NUL bytes after the last.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openmart_lib.ledger.place import sync_folder

PREALLOCATED: Final = 1024 * 1024  # bytes, about 5,000 lines; grows by as much again
RESERVE: Final = 64 * 1024  # grow before fewer bytes than this are left
FILE_NAME: Final = "sent.journal"

Key = tuple[str, int]  # run id, batch number


@dataclass(slots=True)
class Told:
    """What the journal says last of one batch. ``attempt`` counts claims; ``line`` the journal's lines.

    ``tasks`` are the numbers of the tasks that the last attempt held and ``repeats`` the number of the batch
    that it repeats; lines of a former version do not tell them.
    """

    attempt: int = 0
    kind: str = ""  # sent, accepted, released
    batch_id: str | None = None
    line: int = 0
    tasks: frozenset[int] = frozenset()
    repeats: int | None = None

    @property
    def may_be_created(self) -> bool:
        """Whether Openmart may have it: it was sent, and not turned away."""
        return self.kind in ("sent", "accepted") or self.batch_id is not None


class Journal:
    """The open journal. ``append`` returns when the line is on disk; safe between threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        os.fchmod(self._file, 0o600)
        self._end = _end_of_lines(path)
        self._grow()
        sync_folder(path.parent)  # a file whose name is lost in a power cut is lost

    def append(self, kind: str, *, run_id: str, batch_no: int, **detail: Any) -> None:
        """Append one line and fsync: ``sent`` before the first byte leaves, then ``accepted`` or ``released``
        (a definite no) before the commit.

        Raises:
            OSError: If the line could not be written; for ``sent``, nothing may be sent then.
        """
        line = json.dumps({"kind": kind, "run_id": run_id, "batch_no": batch_no} | detail).encode() + b"\n"
        with self._lock:
            written = os.pwrite(self._file, line, self._end)
            if written < len(line):  # the disk is full in the middle of a line; the next one goes over it
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
            self._end += len(line)
            self._grow()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _grow(self) -> None:
        size = os.fstat(self._file).st_size
        if size - self._end >= RESERVE:
            return
        try:
            os.pwrite(self._file, bytes(PREALLOCATED), max(size, self._end))
            os.fsync(self._file)
        except OSError:
            # No room to grow: the lines already reserved still fit, and the next append says so if not.
            return


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the journal's lines, oldest first; a line that was cut off by a crash is passed over."""
    if not path.exists():
        return
    for line in path.read_bytes().rstrip(b"\0").split(b"\n"):
        try:
            entry = json.loads(line.strip(b"\0") or b"null")
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _end_of_lines(path: Path) -> int:
    """Return where the next line goes; a line that a crash cut off is closed first."""
    content = path.read_bytes()
    text_end = len(content.rstrip(b"\0"))
    newline = content.rfind(b"\n", 0, text_end) + 1
    if newline < text_end:  # so that it never joins the next one
        with path.open("r+b") as file:
            file.seek(text_end)
            file.write(b"\n")
        return text_end + 1
    return text_end
