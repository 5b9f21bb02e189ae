"""Residue: what deleted rows leave in the database's files, and how it is got out of them.

``secure_delete`` overwrites what is deleted, but not the copies that pages keep of cells which once moved to
another page; only rewriting the file (VACUUM) leaves them behind. The -wal holds former pages until it is
cut to nothing. Rewriting holds up every other writer: 2.6 s for the 330 MB of 200,000 rows, 130 MB/s. Writers
wait up to 30 s for each other, so a file that may take longer than ``MAY_BLOCK`` is rewritten only while no
run is moving.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from openmart_lib.ledger import overview
from openmart_lib.ledger.bundle import DATABASE_FILE, places
from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.opening import SET_ASIDE

MAY_BLOCK: Final = 10.0  # seconds that a moving run's worker may be held up
BYTES_PER_SECOND: Final = 40e6  # a third of what was measured: the disk may be slower
_WAIT: Final = 1.0  # seconds for one try to get the database for ourselves
_TRIES: Final = 15


def compact(ledger: Ledger) -> str:
    """Rewrite the database's file without what was deleted and empty its -wal; return why not, "" if done."""
    file = ledger.folder / DATABASE_FILE
    with closing(sqlite3.connect(file, isolation_level=None, timeout=_WAIT)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        seen = _rewrite(ledger, connection, file)
        emptied = _insist(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    if seen or emptied:
        return (
            f"Traces may be left in unused parts of {file.name} ({seen or emptied}): delete again later, "
            "when no run is moving, to clear them."
        )
    return ""


def backups_of(folder: Path) -> list[Path]:
    """Return the backups and set-aside copies of a ledger that are still where they were written."""
    return [*sorted(folder.glob(f"{SET_ASIDE}*")), *(path for path in places(folder) if path.exists())]


def _rewrite(ledger: Ledger, connection: sqlite3.Connection, file: Path) -> str:
    takes = file.stat().st_size / BYTES_PER_SECOND
    if takes > MAY_BLOCK and any(run.moving for run in overview.runs(ledger)):
        return "a run is moving, and rewriting the file would hold it up"
    return _insist(connection, "VACUUM")


def _insist(connection: sqlite3.Connection, statement: str) -> str:
    """Run a statement that others may be in the way of, with pauses in which they go on; return why not."""
    seen = ""
    for _ in range(_TRIES):
        try:
            row = connection.execute(statement).fetchone()
            if row is None or row[0] == 0:  # a checkpoint says 1 when somebody was in the way
                return ""
            seen = "another program is reading it"
        except sqlite3.DatabaseError as error:
            seen = str(error)
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return seen  # no room on the disk
        time.sleep(0.05)
    return seen
