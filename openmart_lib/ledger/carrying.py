"""Carrying: what a restore must not forget of the ledger that it replaces.

Whoever is on a never-contact list there stays listed, and a run whose personal data was deleted there is
deleted in the backup's ledger, too. Both are done before that ledger is put in its place, so that a restore
that is cut off forgets nobody. The former ledger may be damaged: what can be read of it counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from openmart_lib.ledger import soundness, suppressing
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.erased import ERASED
from openmart_lib.ledger.erasing import erase_again
from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.replay import LISTS_AGAIN
from openmart_lib.wording import counted

_SECRETS: Final = "SELECT value FROM meta WHERE name LIKE ? || '%' ORDER BY name"
_ENTRIES: Final = "SELECT kind, hash, list_name, at FROM suppressed"
_ERASED_RUNS: Final = (
    "SELECT DISTINCT run.public_id FROM event JOIN run ON run.id = event.run_id WHERE event.kind = ?"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """What came along: entries that the backup's lists did not have, runs deleted again.

    ``whole`` is whether that is all there was: the former ledger is sound, and the backup was made of it.
    ``traces`` says why bytes of the deleted runs may still be in unused parts of the file; "": none are.
    """

    entries: int
    erased_runs: int
    traces: str
    whole: bool

    def sentence(self) -> str:
        """Say who stays listed and whose data was deleted again, or that nobody knows it here."""
        said = []
        if self.entries:
            more = counted(self.entries, "entry", "entries")
            said.append(f"Kept from the ledger that was replaced: {more} of never-contact lists.")
        if self.erased_runs:
            runs = counted(self.erased_runs, "run", "runs")
            said.append(
                f"The personal data of {runs} that was deleted since is deleted again; "
                "the backup itself still holds it."
            )
        if self.traces:
            said.append(self.traces)
        if not self.whole:
            said.append(
                "The ledger that was replaced could not be read whole, or the backup was made of another "
                "one: nobody knows here who else was put on a never-contact list since; "
                f"{LISTS_AGAIN}. Personal data deleted since may be back: delete it again "
                "(`openmart erase RUN`)."
            )
        return " ".join(said)


@dataclass(slots=True)
class _Former:
    """What could be read of the former ledger; ``salt`` tells which ledger it is."""

    salt: str | None = None
    secrets: list[bytes] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    sound: bool = False


def carry(former: Path, target: Path, *, environment: str) -> Carried:
    """Bring into the ledger of an unpacked backup what the former one knows of people's wishes.

    Args:
        former: The folder whose ledger is to be replaced; it is only read.
        target: The folder that the backup was unpacked into.

    Raises:
        LedgerNewerError: If a newer program wrote the backup.
        LedgerError: If the backup's ledger cannot be used, or there is no room.
    """
    found = _read(former / DATABASE_FILE)
    ledger = Ledger.open(target, environment=environment)
    try:
        entries = suppressing.take_over(ledger, found.secrets, found.entries)
        erased = erase_again(ledger, found.erased)
        traces = erased[-1].postponed if erased else ""
        return Carried(entries, len(erased), traces, found.sound and found.salt == ledger.meta("salt"))
    finally:
        ledger.close()


def _read(database: Path) -> _Former:
    found = _Former()
    with suppress(OSError, sqlite3.Error):
        found.sound = soundness.find_damage(database) is None
    where = f"{database.resolve().as_uri()}?mode=ro"
    with (
        suppress(OSError, sqlite3.Error, UnicodeDecodeError),
        closing(sqlite3.connect(where, uri=True)) as connection,
    ):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        for (salt,) in _rows(connection, "SELECT value FROM meta WHERE name = 'salt'"):
            found.salt = salt
        for (secret,) in _rows(connection, _SECRETS, suppressing.SECRET):
            with suppress(ValueError):
                found.secrets.append(bytes.fromhex(secret))
        if "suppressed" in tables:  # an older program's ledger has none
            for kind, one, name, at in _rows(connection, _ENTRIES):
                found.entries.append({"kind": kind, "hash": one, "list_name": name, "at": at})
        for (run_id,) in _rows(connection, _ERASED_RUNS, ERASED):
            found.erased.append(run_id)
    return found


def _rows(connection: sqlite3.Connection, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows up to the first that is damaged; ``find_damage`` has told of it."""
    with suppress(sqlite3.Error, UnicodeDecodeError):
        yield from connection.execute(query, values)
