"""The ledger: one SQLite file per environment, the only truth about money and results.

``opening`` opens it (folder, file modes, pragmas, damage, migrations); this module gives transactions. What
happens in them is in the modules beside it: ``runs``, ``submissions``, ``accounts``, ``answers``,
``decisions`` write; ``queries`` reads.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import DatabaseError

from openmart_lib.errors import ConfigError, LedgerError
from openmart_lib.ledger import place, rescue, schema, soundness
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.opening import open_engine
from openmart_lib.ledger.turns import Turns
from openmart_lib.settings import Settings

_P = ParamSpec("_P")
_R = TypeVar("_R")

_COUNT_CHANGE: Final = (
    "INSERT INTO meta (name, value) VALUES ('revision', 1) "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)

_APPEND: Final = insert(schema.event)


class Ledger:
    """An open ledger. Safe to share between threads; each transaction has its own connection."""

    def __init__(self, engine: Engine, folder: Path, environment: str, clock: Callable[[], float]) -> None:
        self._engine = engine
        self.folder = folder
        self.environment = environment
        self.now = clock
        self._opened = place.identity(folder / DATABASE_FILE)
        self._turns = Turns()
        self._mine = threading.local()  # the write transaction that this thread is in

    @classmethod
    def open(cls, folder: Path, *, environment: str, clock: Callable[[], float] = time.time) -> Ledger:
        """Open the ledger in ``folder``, creating or migrating it under an exclusive lock.

        Raises:
            LedgerDamagedError: If the file is damaged, or is empty or gone where lists were submitted.
            LedgerNewerError: If a newer program wrote it.
            LedgerError: If the folder or the file cannot be used, or it belongs to another environment.
        """
        engine = open_engine(folder, environment)
        return cls(engine, folder, environment, clock)

    @property
    def uploads_dir(self) -> Path:
        """Folder of the analysts' rows, one Parquet file of text per upload."""
        return self.folder / "uploads"

    @property
    def results_dir(self) -> Path:
        """Folder of derived Parquet files; may be deleted at any time."""
        return self.folder / "results"

    @property
    def exports_dir(self) -> Path:
        """Folder of files prepared for download."""
        return self.folder / "exports"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one snapshot of the ledger."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, patient: bool = False) -> Iterator[Connection]:
        """Give a connection in a write transaction: taken at once (BEGIN IMMEDIATE), fsynced at its end.

        Threads of this process queue for it here: SQLite would have them sleep and try again, unfairly.
        ``patient`` lets every other thread go first. A ``write`` inside another one of the same thread
        joins its transaction, so that many small changes can be one.
        """
        joined: Connection | None = getattr(self._mine, "connection", None)
        if joined is not None:
            yield joined
            return
        with (
            self._turns.take(patient=patient),
            self._engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            raw: Any = connection.connection.dbapi_connection
            before = raw.total_changes
            self._mine.connection = connection
            try:
                yield connection
            finally:
                self._mine.connection = None
            if raw.total_changes > before:
                connection.exec_driver_sql(_COUNT_CHANGE)  # what `queries.revision` reads

    def meta(self, name: str) -> str:
        """Return a value of the ``meta`` table; ``salt`` and ``environment`` always exist."""
        with self.read() as connection:
            query = select(schema.meta.c.value).where(schema.meta.c.name == name)
            return str(connection.execute(query).scalar_one())

    def free_bytes(self) -> int:
        """Return the bytes that may still be written into the ledger's folder.

        Raises:
            OSError: If the folder is gone.
        """
        return place.free_bytes(self.folder)

    def obstacle(self) -> str | None:
        """Return in words why nothing may be sent now, or None: the disk is nearly full, the file is gone.

        Costs two system calls; asked before each claim and by the strip of the pages.
        """
        return place.obstacle(self.folder / DATABASE_FILE, self._opened)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        soundness.note_closed(self.folder / DATABASE_FILE)


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger of the settings' environment.

    Raises:
        ConfigError: If ``OPENMART_DATABASE_URL`` is set.
        LedgerError: As ``Ledger.open``.
    """
    if settings.database_url:
        raise ConfigError(
            "OPENMART_DATABASE_URL is set, but this version keeps its ledger in a file only. "
            "Nothing was sent. Remove the setting and start again."
        )
    return Ledger.open(settings.environment_dir, environment=settings.environment)


def in_plain_words(
    action: Callable[Concatenate[Ledger, _P], _R],
) -> Callable[Concatenate[Ledger, _P], _R]:
    """Make what a person asks of the ledger fail with a ``LedgerError`` that says what to do next.

    The engine's writes are not wrapped: it tells a busy or full database (tried again) from a move that
    the money path does not have (never tried again).
    """

    @functools.wraps(action)
    def wrapped(ledger: Ledger, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return action(ledger, *args, **kwargs)
        except DatabaseError as error:
            if soundness.is_damage(error.orig):
                raise rescue.damaged(ledger.folder, str(error.orig)) from error
            raise LedgerError(
                f"The ledger in {ledger.folder} cannot be used now ({error.orig}). "
                "Nothing was sent by this, and what was asked for is not done. "
                "Make room on the disk or end the program that holds it, then try again."
            ) from error

    return wrapped


def append_event(
    connection: Connection,
    at: float,
    kind: str,
    *,
    run: int | None = None,
    batch: int | None = None,
    account: int | None = None,
    rows: int | None = None,
    **detail: Any,
) -> None:
    """Append one line to the event log, in the transaction of the change it tells about."""
    text = json.dumps(detail, ensure_ascii=False) if detail else None
    values = {"at": at, "kind": kind, "run_id": run, "batch_pk": batch, "account_id": account}
    connection.execute(_APPEND, values | {"rows": rows, "detail": text})
