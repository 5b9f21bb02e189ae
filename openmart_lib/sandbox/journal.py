"""The sandbox's own record of what it created: JSON lines, on disk before any answer leaves.

It is the server's side of every proof about money: what is in here was created and charged, whatever the
client saw. Read it with :func:`read_journal`, also when no server runs.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from openmart_lib.api.wire import Kind
from openmart_lib.errors import ConfigError

JOURNAL_FILE: Final = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class CreatedBatch:
    """One batch the sandbox created.

    Attributes:
        created_at: UTC seconds.
        tracking_ids: One per task, None where the task had none.
        tasks: The tasks as received.
        credits: What the batch costs once all its tasks have ended.
    """

    created_at: float
    kind: Kind
    batch_id: str
    tracking_ids: tuple[str | None, ...]
    tasks: tuple[dict[str, Any], ...]
    credits: int


class BatchLine(msgspec.Struct, omit_defaults=True):
    """A batch as the journal holds it; ``tasks`` stays JSON text until somebody needs it."""

    at: float
    kind: Kind
    batch_id: str
    team: str
    window: tuple[float, float]
    endings: str
    credits: list[int]
    worst: list[int]
    tasks: msgspec.Raw


class Line(msgspec.Struct, omit_defaults=True):
    """One line: a batch, or the moments at which Lance enrichments were first asked about."""

    batch: BatchLine | None = None
    lance: dict[str, float] | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a line is in the file, in bytes."""

    offset: int
    length: int


_LINES: Final = msgspec.json.Decoder(Line)


class Journal:
    """The journal file of one running sandbox; a second one on the same file is refused."""

    def __init__(self, directory: Path) -> None:
        """Open or create the journal; a last line that a crash cut short is taken off.

        Raises:
            ConfigError: If the file cannot be opened, or another sandbox uses it.
        """
        self.path = directory / JOURNAL_FILE
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"The sandbox's journal {self.path} cannot be opened ({error.strerror}). Give another folder."
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise ConfigError(
                f"Another sandbox already runs on {directory}. Use its address, or give another folder."
            ) from None
        self._lock = threading.Lock()
        self._end = _whole_lines(self._file)
        os.ftruncate(self._file, self._end)
        _sync_directory(directory)

    def replay(self) -> Iterator[tuple[Place, Line]]:
        """Yield every line with its place, oldest first.

        Raises:
            ConfigError: If a line cannot be read.
        """
        yield from _lines(self.path, self._end)

    def append(self, line: Line) -> Place:
        """Write one line and return once it is on disk.

        Raises:
            OSError: If it could not be written; nothing of it stays in the file.
        """
        text = msgspec.json.encode(line) + b"\n"
        with self._lock:
            try:
                _write_all(self._file, text, self._end)
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
            place = Place(self._end, len(text))
            self._end += len(text)
        return place

    def tasks(self, place: Place) -> list[dict[str, Any]]:
        """Return the tasks of the batch whose line is at a place."""
        line = _LINES.decode(os.pread(self._file, place.length, place.offset))
        return _tasks(line.batch) if line.batch else []

    def close(self) -> None:
        """Close the file and let another sandbox use it."""
        os.close(self._file)


def read_journal(state_dir: Path) -> list[CreatedBatch]:
    """Return every batch the sandbox of a folder ever created, oldest first.

    Raises:
        ConfigError: If a line cannot be read.
    """
    try:
        size = (state_dir / JOURNAL_FILE).stat().st_size
    except FileNotFoundError:
        return []
    lines = (line.batch for _, line in _lines(state_dir / JOURNAL_FILE, size))
    return [_created(batch) for batch in lines if batch is not None]


def _created(line: BatchLine) -> CreatedBatch:
    tasks = tuple(_tasks(line))
    tracking_ids = tuple(task.get("tracking_id") for task in tasks)
    return CreatedBatch(line.at, line.kind, line.batch_id, tracking_ids, tasks, sum(line.credits))


def _tasks(line: BatchLine) -> list[dict[str, Any]]:
    return msgspec.json.decode(line.tasks, type=list[dict[str, Any]])


def _lines(path: Path, end: int) -> Iterator[tuple[Place, Line]]:
    offset = 0
    with path.open("rb") as file:
        for text in file:
            if offset >= end or not text.endswith(b"\n"):
                return  # still being written, so no answer has told anybody of it
            try:
                line = _LINES.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise ConfigError(
                    f"{path} is damaged at byte {offset}. "
                    "It only holds simulated data: delete the folder and start again."
                ) from None
            yield Place(offset, len(text)), line
            offset += len(text)


def _whole_lines(file: int) -> int:
    """Return the length of the file up to its last line end."""
    size = os.fstat(file).st_size
    step = 1 << 16
    for start in range(max(0, size - step), -step, -step):
        at = max(0, start)
        found = os.pread(file, step, at).rfind(b"\n")
        if found >= 0:
            return at + found + 1
    return 0


def _write_all(file: int, text: bytes, offset: int) -> None:
    while text:
        written = os.pwrite(file, text, offset)
        text, offset = text[written:], offset + written


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
