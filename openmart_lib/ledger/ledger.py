"""The ledger: one SQLite file per environment, the only truth about money and results.

This module opens it (folder, file modes, pragmas, migrations) and gives transactions. What happens in
them is in the modules beside it: ``runs``, ``submissions``, ``accounts``, ``answers``, ``decisions``
write; ``queries`` reads.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from openmart_lib.errors import ConfigError, LedgerError, LedgerNewerError
from openmart_lib.ledger import schema
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.settings import Settings

_P = ParamSpec("_P")
_R = TypeVar("_R")

HEAD: Final = "0002"  # the newest migration; a test keeps it true
BUSY_TIMEOUT_MS: Final = 30_000
DATABASE_FILE: Final = "ledger.db"
_COUNT_CHANGE: Final = (
    "INSERT INTO meta (name, value) VALUES ('revision', 1) "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


class Ledger:
    """An open ledger. Safe to share between threads; each transaction has its own connection."""

    def __init__(self, engine: Engine, folder: Path, environment: str, clock: Callable[[], float]) -> None:
        self._engine = engine
        self.folder = folder
        self.environment = environment
        self.now = clock
        self._writing = threading.RLock()

    @classmethod
    def open(cls, folder: Path, *, environment: str, clock: Callable[[], float] = time.time) -> Ledger:
        """Open the ledger in ``folder``, creating or migrating it under an exclusive lock.

        Raises:
            LedgerNewerError: If a newer program wrote it.
            LedgerError: If the folder or the file cannot be used, or it belongs to another environment.
        """
        try:
            _make_folders(folder)
            path = folder / DATABASE_FILE
            with _exclusive(folder / "migrate.lock"):
                _make_file(path)
                engine = _engine(path)
                try:
                    _migrate(engine, folder)
                    _check_environment(engine, environment)
                except BaseException:
                    engine.dispose()
                    raise
        except OSError as error:
            raise LedgerError(
                f"The data folder {folder} cannot be used ({error.strerror}). "
                "Nothing was sent. Make it writable, or set OPENMART_DATA_DIR to another folder."
            ) from error
        except DatabaseError as error:
            raise LedgerError(
                f"The ledger in {folder} cannot be read ({type(error.orig).__name__}: {error.orig}). "
                "Nothing was changed. Keep the file and restore a backup."
            ) from error
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
    def write(self) -> Iterator[Connection]:
        """Give a connection in a write transaction: taken at once (BEGIN IMMEDIATE), fsynced at its end.

        Threads of this process queue for it here: SQLite would have them sleep and try again, unfairly.
        """
        with (
            self._writing,
            self._engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            raw: Any = connection.connection.dbapi_connection
            before = raw.total_changes
            yield connection
            if raw.total_changes > before:
                connection.exec_driver_sql(_COUNT_CHANGE)  # what `queries.revision` reads

    def meta(self, name: str) -> str:
        """Return a value of the ``meta`` table; ``salt`` and ``environment`` always exist."""
        with self.read() as connection:
            query = select(schema.meta.c.value).where(schema.meta.c.name == name)
            return str(connection.execute(query).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


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
    connection.execute(
        insert(schema.event).values(
            at=at,
            kind=kind,
            run_id=run,
            batch_pk=batch,
            account_id=account,
            rows=rows,
            detail=json.dumps(detail, ensure_ascii=False) if detail else None,
        )
    )


def _make_folders(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # `parents` alone would use the umask
    for path in (folder, folder / "uploads", folder / "results", folder / "exports"):
        path.mkdir(exist_ok=True, mode=0o700)
        path.chmod(0o700)


def _make_file(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    os.fchmod(descriptor, 0o600)  # SQLite gives its -wal and -shm files the same mode
    os.close(descriptor)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=64,
        hide_parameters=True,  # an error's text must not hold the rows it was about
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where _on_begin says, not by guess
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails at once when another process wrote
        # in between, whatever the busy timeout says.
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _migrate(engine: Engine, folder: Path) -> None:
    version = _version(engine)
    if version == HEAD:
        return
    if version is None:
        _refuse_to_start_over(folder)
    from openmart_lib.ledger.migrations import upgrade  # alembic costs 0.3 s and is seldom needed

    upgrade(engine, version)


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and version > HEAD:
        raise LedgerNewerError(
            f"This ledger was written by a newer version of Openmart Desk (ledger {version}, this program "
            f"knows {HEAD}). Nothing was changed. Update the program."
        )
    return str(version) if version is not None else None


def _refuse_to_start_over(folder: Path) -> None:
    """Refuse to begin anew where a ledger has been: what it knew was paid for."""
    if any((folder / "uploads").glob("*.parquet")) or any(read_journal(folder / FILE_NAME)):
        raise LedgerError(
            f"The ledger in {folder} is empty, but lists were submitted from this folder. Nothing was "
            f"changed or sent. Restore a backup of {DATABASE_FILE}, or set OPENMART_DATA_DIR to another "
            "folder."
        )


def _check_environment(engine: Engine, environment: str) -> None:
    with engine.connect() as connection:
        known = {row.name: row.value for row in connection.execute(select(schema.meta))}
    if "environment" not in known:  # just made; a known one is opened without waiting for a writer
        values = [
            {"name": "environment", "value": environment},
            {"name": "salt", "value": secrets.token_hex(16)},
        ]
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            connection.execute(insert(schema.meta), values)
    elif known["environment"] != environment:
        raise LedgerError(
            f"This ledger belongs to {known['environment']}, not to {environment}. "
            "Nothing was sent. Set OPENMART_DATA_DIR to another folder."
        )
