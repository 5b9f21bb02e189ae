"""Files that appear whole or not at all: written beside their place, synced, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

CUT_OFF_AFTER: Final = 3600.0  # seconds; nothing is written for so long, so its program was killed


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; when the block ends well it becomes ``path``.

    The file is readable by its owner only (0600). When the block raises, nothing is left behind and an
    older file of that name stays as it was.

    Raises:
        OSError: If the folder cannot be written.
    """
    partial = path.with_name(f".{os.urandom(8).hex()}.part")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path, *, older_than: float, now: float) -> int:
    """Delete files that were finished more than ``older_than`` seconds ago; return how many.

    What is still being written is left alone until nobody can be writing it any more.

    Args:
        now: UTC seconds.
    """
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        limit = CUT_OFF_AFTER if path.suffix == ".part" else older_than
        with suppress(FileNotFoundError):  # another program swept it first
            if path.is_file() and now - path.stat().st_mtime >= limit:
                path.unlink()
                removed += 1
    return removed
