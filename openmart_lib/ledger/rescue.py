"""Rescue: what is said of a ledger that cannot be used, and which backup is offered."""

from __future__ import annotations

import shlex
import sqlite3
from pathlib import Path
from typing import Final

from openmart_lib.errors import LedgerDamagedError, LedgerError
from openmart_lib.ledger.bundle import DATABASE_FILE, newest
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.ledger.soundness import is_damage

_MONEY: Final = (
    "Nothing was changed. What is with Openmart goes on there and stays paid for; nothing is sent or fetched "
    "until the ledger is back."
)
_FOLDER: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def damaged(folder: Path, seen: str) -> LedgerDamagedError:
    """Return the error for a damaged ledger: what was seen, what it means for money, how to go back."""
    return LedgerDamagedError(f"The ledger in {folder} is damaged ({seen}). {_MONEY} {way_back(folder)}")


def lost(folder: Path) -> LedgerDamagedError:
    """Return the error for a ledger that is empty or gone from a folder from which lists were submitted."""
    return LedgerDamagedError(
        f"The ledger in {folder} is empty or gone, but lists were submitted from this folder. {_MONEY} "
        f"{way_back(folder)}"
    )


def way_back(folder: Path) -> str:
    """Return the sentence that names the newest backup and the command to go back to it."""
    found = newest(folder)
    if found is not None:
        return (
            f"The newest backup is of {found.made}. Stop the dashboard, then run: "
            f"openmart restore {shlex.quote(str(found.path))}"
        )
    return (
        f"No backup was found. Keep the folder as it is (its {FILE_NAME} names {_accepted(folder)} accepted "
        "batches); if you have a backup elsewhere, stop the dashboard and run: openmart restore FILE"
    )


def in_words(folder: Path, error: sqlite3.Error | BaseException | None) -> LedgerError:
    """Return what a database's error means for whoever opens the ledger in ``folder``."""
    if is_damage(error):
        return damaged(folder, str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    happened = f"The ledger in {folder} cannot be used ({error})."
    if code in _FOLDER:
        todo = f"Make the folder and {DATABASE_FILE} in it writable by you, then start again."
    elif code in _BUSY:
        todo = "Another program holds it. End that program, or wait, then try again."
    else:
        todo = f"Make room on the disk of {folder}, or see that it works, then start again."
    return LedgerError(f"{happened} Nothing was changed or sent. {todo}")


def _accepted(folder: Path) -> int:
    try:
        return sum(line.get("kind") == "accepted" for line in read_journal(folder / FILE_NAME))
    except OSError:
        return 0
