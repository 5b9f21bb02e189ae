"""Soundness: whether a ledger's file is whole, and when to look.

``PRAGMA quick_check`` reads every page; ``integrity_check`` of the tables that money hangs on also compares
their indexes. Together they take 0.03 s for 33 MB, and 2 s for a million rows with their results (1.7 GB)
when the file is in memory; read from the disk in one go first, 10 s instead of minutes. So a small file is
looked at each time it is opened, a large one once a day, after a restart of the computer, and when it is not
as we left it: another file, or changed while no program had it open. SQLite keeps no checksum of its pages: a
byte flipped inside a text that no index holds cannot be seen by anybody.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

SMALL: Final = 32 * 1024**2  # bytes
CHECK_EVERY: Final = 86_400.0  # seconds
STAMP_FILE: Final = "ledger.checked"
_CHUNK: Final = 4 * 1024**2  # bytes
_MONEY: Final = ("account", "run", "batch", "meta")
_SHORTEST: Final = 512  # bytes; SQLite takes a shorter file for an empty one, and writes over it
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")  # Linux; elsewhere a restart is not noticed


def find_damage(database: Path) -> str | None:
    """Return the first thing that is wrong with a database, in SQLite's words, or None when it is whole.

    Raises:
        sqlite3.Error, OSError: If it cannot be read for another reason than damage.
    """
    if database.stat().st_size < _SHORTEST:
        return "the file is cut off"
    try:
        # Read-only: what is damaged stays as it is, for whoever tries to mend it.
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = _look(connection, database)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return str(error)
        raise
    except UnicodeDecodeError:
        return "the name of a table is damaged"
    return None if found == "ok" else found


def is_damage(error: BaseException | None) -> bool:
    """Whether a database error says that the file itself is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def is_due(database: Path) -> bool:
    """Whether a ledger's file must be looked at before it is used."""
    state = database.stat()
    if state.st_size <= SMALL:
        return True
    stamp = _read_stamp(database)
    if stamp.get("inode") != state.st_ino or stamp.get("boot") != _boot_id():
        return True
    if not 0 <= time.time() - float(stamp.get("at", 0.0)) < CHECK_EVERY:
        return True
    in_use = _wal(database).exists()  # or not closed by a killed program, which harms no SQLite file
    return not in_use and stamp.get("left") != [state.st_size, state.st_mtime_ns]


def note_checked(database: Path) -> None:
    """Remember that the file was found whole just now."""
    state = database.stat()
    if state.st_size > SMALL:
        left = [state.st_size, state.st_mtime_ns]
        _write_stamp(database, {"inode": state.st_ino, "boot": _boot_id(), "at": time.time(), "left": left})


def note_closed(database: Path) -> None:
    """Remember how the last program that closed the file left it."""
    with suppress(OSError):
        state = database.stat()
        if state.st_size > SMALL and not _wal(database).exists():
            _write_stamp(database, _read_stamp(database) | {"left": [state.st_size, state.st_mtime_ns]})


def _look(connection: sqlite3.Connection, database: Path) -> str:
    _read_ahead(database)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    checks = ["quick_check(1)", *(f"integrity_check({name})" for name in _MONEY if name in tables)]
    for check in checks:
        (found,) = connection.execute(f"PRAGMA {check}").fetchone()
        if found != "ok":
            return str(found)
    return "ok"


def _read_ahead(database: Path) -> None:
    """Bring the file into memory from its beginning to its end; SQLite reads it here and there."""
    with database.open("rb", buffering=0) as file:
        while file.read(_CHUNK):
            pass


def _wal(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _read_stamp(database: Path) -> dict[str, Any]:
    try:
        content = json.loads(database.with_name(STAMP_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_stamp(database: Path, content: dict[str, Any]) -> None:
    """Write the stamp; where it cannot be written the file is looked at once more, that is all."""
    partial = database.with_name(f".{STAMP_FILE}.{os.getpid()}")
    with suppress(OSError):
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file)
        partial.replace(database.with_name(STAMP_FILE))
