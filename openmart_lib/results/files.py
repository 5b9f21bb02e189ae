"""Files that appear whole or not at all: written beside their place, synced, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
