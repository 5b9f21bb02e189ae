"""Files that appear whole or not at all: written beside their place, synced, then renamed into it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

_PIECE: Final = 256 * 1024  # bytes read at a time: they fit a processor's cache
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


class HashedFile:
    """A file that is hashed beside its being written: what is there is read while more is being made.

    Write to ``file`` and call ``hash_so_far`` now and then; ``sha256`` is known when the block has ended.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self._written = path.open("rb", buffering=0)
        self._piece = memoryview(bytearray(_PIECE))  # one for all: new ones cost more than hashing them
        self._digest = hashlib.sha256()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")
        self._last: Future[None] | None = None

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.hash_so_far()
                self._wait()
        finally:
            self._worker.shutdown()
            self._written.close()
            self.file.close()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file."""
        return self._digest.hexdigest()

    def hash_so_far(self) -> None:
        """Begin to hash what was written since the last time.

        Raises:
            OSError: If it could not be written or read.
        """
        self.file.flush()
        self._wait()
        self._last = self._worker.submit(self._read)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def _read(self) -> None:
        while size := self._written.readinto(self._piece):
            self._digest.update(self._piece[:size])


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
