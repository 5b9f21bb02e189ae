"""Opening: the folder, the file modes, the pragmas, the check for damage and the migrations of a ledger."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from openmart_lib.errors import LedgerError, LedgerNewerError
from openmart_lib.ledger import rescue, schema, soundness
from openmart_lib.ledger.bundle import BACKUPS_FOLDER, DATABASE_FILE, write_before_migration
from openmart_lib.ledger.creation import create
from openmart_lib.ledger.journal import FILE_NAME, read_journal

HEAD: Final = "0004"  # the newest migration; a test keeps it true
BUSY_TIMEOUT_MS: Final = 30_000
SET_ASIDE: Final = "set-aside-"  # folders of ledgers that a restore has replaced
STATEMENTS_KEPT: Final = 1000  # the program has a few hundred


class _Compiled(dict[tuple[Any, ...], Any]):
    """Statements compiled once per process; SQLAlchemy alone would compile them again for each ledger opened.

    A key begins with the engine's own dialect object. All our engines are made by ``_engine``, so the
    dialect's name says as much, and is the same for the next ledger.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        if len(self) >= STATEMENTS_KEPT:
            self.clear()
        super().__setitem__((key[0].name, *key[1:]), compiled)


_compiled = _Compiled()


def open_engine(folder: Path, environment: str) -> Engine:
    """Open the ledger's file in ``folder``, creating or migrating it under an exclusive lock.

    A file that may be damaged is looked at first, one that is damaged is left as it is.

    Raises:
        LedgerDamagedError: If the file is damaged, or is empty or gone where lists were submitted.
        LedgerNewerError: If a newer program wrote it.
        LedgerError: If the folder or the file cannot be used, or it belongs to another environment.
    """
    path = folder / DATABASE_FILE
    try:
        _make_folders(folder)
        with _exclusive(folder / "migrate.lock"):
            _make_file(path)
            if path.stat().st_size == 0:
                _refuse_to_start_over(folder)
            elif soundness.is_due(path):
                _check(folder, path)
            engine = _engine(path)
            try:
                _check_environment(engine, environment)
                _migrate(engine, folder, environment)
                _name_environment(engine, environment)
            except BaseException:
                engine.dispose()
                raise
    except OSError as error:
        raise LedgerError(
            f"The data folder {folder} cannot be used ({error.strerror}). "
            "Nothing was sent. Make it writable, or set OPENMART_DATA_DIR to another folder."
        ) from error
    except sqlite3.Error as error:
        raise rescue.in_words(folder, error) from error
    except DatabaseError as error:
        raise rescue.in_words(folder, error.orig) from error
    return engine


def _check(folder: Path, path: Path) -> None:
    seen = soundness.find_damage(path)
    if seen is not None:
        raise rescue.damaged(folder, seen)
    soundness.note_checked(path)


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
        execution_options={"compiled_cache": _compiled},
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


def _migrate(engine: Engine, folder: Path, environment: str) -> None:
    version = _version(engine)
    if version == HEAD:
        return
    if version is None:
        _refuse_to_start_over(folder)
        create(engine, HEAD)
        return
    _back_up(folder, environment, version)
    from openmart_lib.ledger.migrations import upgrade  # alembic costs 0.3 s and is seldom needed

    upgrade(engine)


def _back_up(folder: Path, environment: str, version: str) -> None:
    try:
        write_before_migration(folder, environment=environment, version=version, made_at=time.time())
    except LedgerError as error:
        raise LedgerError(
            f"This ledger must be brought from version {version} to {HEAD}, with a backup before. {error}"
        ) from error


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
    traces = [
        any((folder / "uploads").glob("*.parquet")),
        any(read_journal(folder / FILE_NAME)),
        any((folder / BACKUPS_FOLDER).glob("*.zip")),
        any(folder.glob(f"{SET_ASIDE}*")),
    ]
    if any(traces):
        raise rescue.lost(folder)


def _check_environment(engine: Engine, environment: str) -> None:
    with engine.connect() as connection:
        if not inspect(connection).has_table(schema.meta.name):
            return
        known = connection.execute(
            select(schema.meta.c.value).where(schema.meta.c.name == "environment")
        ).scalar()
    if known not in (None, environment):
        raise LedgerError(
            f"This ledger belongs to {known}, not to {environment}. "
            "Nothing was sent. Set OPENMART_DATA_DIR to another folder."
        )


def _name_environment(engine: Engine, environment: str) -> None:
    with engine.connect() as connection:
        if connection.execute(select(schema.meta).where(schema.meta.c.name == "environment")).first():
            return  # a known one is opened without waiting for a writer
    values = [
        {"name": "environment", "value": environment},
        {"name": "salt", "value": secrets.token_hex(16)},
    ]
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(insert(schema.meta), values)
