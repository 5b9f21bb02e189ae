"""The ledger: one SQLite file per environment, the only truth about money and results.

This module opens it (folder, file modes, pragmas, migrations) and gives transactions. What happens in
them is in the modules beside it: ``runs``, ``submissions``, ``accounts``, ``answers``, ``decisions``
write; ``queries`` reads.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool

from openmart_lib.errors import ConfigError, LedgerError, LedgerNewerError
from openmart_lib.ledger import schema
from openmart_lib.settings import Settings

HEAD: Final = "0001"  # the newest migration; a test keeps it true
BUSY_TIMEOUT_MS: Final = 30_000
DATABASE_FILE: Final = "ledger.db"


class Ledger:
    """An open ledger. Safe to share between threads; each transaction has its own connection."""

    def __init__(self, engine: Engine, folder: Path, environment: str, clock: Callable[[], float]) -> None:
        self._engine = engine
        self.folder = folder
        self.environment = environment
        self.now = clock

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
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
                engine = _engine(path)
                _migrate(engine)
                _check_environment(engine, environment)
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
        """Give a connection in a write transaction: taken at once (BEGIN IMMEDIATE), fsynced at its end."""
        with self._engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

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
    for path in (folder, folder / "uploads", folder / "results", folder / "exports"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)


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


def _migrate(engine: Engine) -> None:
    version = _version(engine)
    if version == HEAD:
        return
    from openmart_lib.ledger.migrations import upgrade  # alembic costs 0.3 s and is seldom needed

    upgrade(engine, version)


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        try:
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except OperationalError:
            return None
    if version is not None and version > HEAD:
        raise LedgerNewerError(
            f"This ledger was written by a newer version of Openmart Desk (ledger {version}, this program "
            f"knows {HEAD}). Nothing was changed. Update the program."
        )
    return str(version) if version is not None else None


def _check_environment(engine: Engine, environment: str) -> None:
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        rows = connection.execute(select(schema.meta.c.name, schema.meta.c.value)).all()
        known = {name: value for name, value in rows}  # noqa: C416 - a Row is no pair for mypy
        if not known:
            values = [
                {"name": "environment", "value": environment},
                {"name": "salt", "value": secrets.token_hex(16)},
            ]
            connection.execute(insert(schema.meta), values)
        elif known["environment"] != environment:
            raise LedgerError(
                f"This ledger belongs to {known['environment']}, not to {environment}. "
                "Nothing was sent. Set OPENMART_DATA_DIR to another folder."
            )
