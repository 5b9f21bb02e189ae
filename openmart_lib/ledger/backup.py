"""Backups, and the only way back from one.

A backup is one zip file: the ledger as one consistent snapshot and the uploaded rows. The journal is left
out on purpose: on a restore the one in the data folder is newer than the backup, and it says which batches
were sent since. Those become accepted or unknown, never planned, so that yesterday's backup pays nothing
twice; every other unfinished run is paused until a person has looked.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.ledger.ledger import DATABASE_FILE, Ledger, append_event
from openmart_lib.ledger.overview import OPEN_STATES
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.settling import mark_open_rows
from openmart_lib.ledger.states import BatchState, Outcome
from openmart_lib.ledger.submissions import accept

MANIFEST: Final = "openmart-backup.json"
MAX_BACKUP_BYTES: Final = 200 * 1024**3  # unpacked; a larger claim in the zip's directory is not believed


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. ``strangers`` are (run id, batch id) that were accepted after the backup was made,
    of runs it does not know: they were paid for, and their ids are all that is left of them."""

    made_at: float
    accepted_batches: int
    unknown_batches: int
    paused_runs: int
    strangers: list[tuple[str, str]]
    set_aside: Path | None

    def sentence(self) -> str:
        """Return what happened, what it means for money and rows, and what to do next."""
        said = (
            f"Restored from {datetime.fromtimestamp(self.made_at, UTC):%Y-%m-%d %H:%M} UTC. "
            f"Batches sent since then: {self.accepted_batches} will be collected, "
            f"{self.unknown_batches} unknown (may have been charged). "
            f"Unfinished runs, now paused: {self.paused_runs}. Look at them in Monitor, then resume."
        )
        if self.strangers:
            ids = ", ".join(batch_id for _, batch_id in self.strangers)
            said += f" Paid for in runs that this backup does not know; ask Openmart for them: {ids}."
        return said


def backup(ledger: Ledger, path: Path) -> Path:
    """Write a backup of the ledger and its uploads to ``path`` (a .zip); safe while a worker works.

    Raises:
        LedgerError: If the file exists already or cannot be written.
    """
    if path.exists():
        raise LedgerError(f"{path} exists already. Nothing was written. Choose another name.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    # Counted before the snapshot: what is sent in between is in doubt rather than forgotten.
    lines = sum(1 for _ in read_journal(ledger.folder / FILE_NAME))
    try:
        with tempfile.TemporaryDirectory(dir=ledger.folder) as folder:
            snapshot = Path(folder) / DATABASE_FILE
            _copy_database(ledger.folder / DATABASE_FILE, snapshot)
            descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
                    manifest = {
                        "environment": ledger.environment,
                        "made_at": ledger.now(),
                        "journal_lines": lines,
                    }
                    bundle.writestr(MANIFEST, json.dumps(manifest))
                    bundle.write(snapshot, DATABASE_FILE)
                    for upload in sorted(ledger.uploads_dir.glob("*.parquet")):
                        bundle.write(upload, f"uploads/{upload.name}", zipfile.ZIP_STORED)
                file.flush()
                os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LedgerError(
            f"The backup could not be written ({error.strerror}). The ledger is unharmed. "
            "Check the free space and the folder."
        ) from error
    return path


def restore(folder: Path, path: Path, *, environment: str) -> Restored:
    """Put the ledger of a backup in the place of the present one, and make sure nothing is paid twice.

    The present ledger is set aside, never deleted. Rows of batches that the journal names as sent after the
    backup become accepted (their id is known) or unknown.

    Raises:
        LedgerError: If a worker is running, or the file is no backup of this environment.
    """
    with _no_worker(folder), tempfile.TemporaryDirectory(dir=folder) as unpacked:
        manifest = _unpack(path, Path(unpacked), environment)
        set_aside = _swap(folder, Path(unpacked))
        ledger = Ledger.open(folder, environment=environment)
        try:
            return _reconcile(ledger, manifest, set_aside)
        finally:
            ledger.close()


def _reconcile(ledger: Ledger, manifest: dict[str, Any], set_aside: Path | None) -> Restored:
    sent: set[tuple[str, int]] = set()
    ids: dict[tuple[str, int], str] = {}
    for number, entry in enumerate(read_journal(ledger.folder / FILE_NAME)):
        key = str(entry["run_id"]), int(entry["batch_no"])
        if entry["kind"] == "accepted":
            ids[key] = str(entry["batch_id"])
        elif number >= int(manifest["journal_lines"]):
            sent.add(key)
    known = _batches(ledger)
    accepted = unknown = 0
    strangers: list[tuple[str, str]] = []
    for key in sorted(sent | ids.keys() | _sending(known)):
        row = known.get(key)
        if row is None:
            if key in ids:
                strangers.append((key[0], ids[key]))
            continue
        if row.batch_id is not None or row.state in (BatchState.REFUSED, BatchState.CANCELLED):
            continue
        if key in ids:
            _make_unknown(ledger, row, "sent after the restored backup was made")
            accept(ledger, row.id, ids[key], None, poll_after=0.0)
            accepted += 1
        elif row.state not in (BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED):
            _make_unknown(ledger, row, "sent after the restored backup was made; its answer is not known")
            unknown += 1
    made_at = float(manifest["made_at"])
    paused = _pause_unfinished(ledger, made_at)
    with ledger.write() as connection:
        append_event(connection, ledger.now(), "restored", made_at=made_at, strangers=strangers)
    return Restored(made_at, accepted, unknown, paused, strangers, set_aside)


def _batches(ledger: Ledger) -> dict[tuple[str, int], Any]:
    query = select(batch.c.id, batch.c.batch_no, batch.c.state, batch.c.batch_id, run.c.public_id).join(
        run, run.c.id == batch.c.run_id
    )
    with ledger.read() as connection:
        return {(row.public_id, row.batch_no): row for row in connection.execute(query)}


def _sending(known: dict[tuple[str, int], Any]) -> set[tuple[str, int]]:
    return {key for key, row in known.items() if row.state == BatchState.SENDING}


def _make_unknown(ledger: Ledger, row: Any, seen: str) -> None:
    with ledger.write() as connection:
        run_pk = connection.execute(
            update(batch)
            .where(batch.c.id == row.id)
            .values(state=BatchState.UNKNOWN, detail=seen, answered_at=ledger.now())
            .returning(batch.c.run_id)
        ).scalar_one()
        reason = "sent after the restored backup was made; it may have been charged"
        rows = mark_open_rows(connection, row.id, Outcome.UNKNOWN, reason)
        append_event(
            connection, ledger.now(), "batch_unknown", run=run_pk, batch=row.id, rows=rows, seen=seen
        )


def _pause_unfinished(ledger: Ledger, made_at: float) -> int:
    words = f"restored from {datetime.fromtimestamp(made_at, UTC):%Y-%m-%d %H:%M} UTC"
    unfinished = exists(select(batch.c.id).where(batch.c.run_id == run.c.id, batch.c.state.in_(OPEN_STATES)))
    with ledger.write() as connection:
        paused = connection.execute(
            update(run)
            .where(unfinished, run.c.cancelled_at.is_(None))
            .values(paused_at=ledger.now(), pause_reason=words)
            .returning(run.c.id)
        ).all()
    return len(paused)


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new, pages=1000)


@contextmanager
def _no_worker(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "worker.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerError(
                "A worker is running on this data folder. Nothing was changed. "
                "Stop the dashboard and every `openmart` command, then restore."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _unpack(path: Path, target: Path, environment: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as bundle:
            manifest: dict[str, Any] = json.loads(bundle.read(MANIFEST))
            if sum(info.file_size for info in bundle.infolist()) > MAX_BACKUP_BYTES:
                raise LedgerError(f"{path} claims to be larger than any ledger. Nothing was changed.")
            for info in bundle.infolist():
                name = Path(info.filename)
                if info.filename == DATABASE_FILE or (
                    len(name.parts) == 2 and name.parts[0] == "uploads" and name.suffix == ".parquet"
                ):
                    (target / name).parent.mkdir(exist_ok=True, mode=0o700)
                    with bundle.open(info) as packed, (target / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
                    (target / name).chmod(0o600)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise LedgerError(
            f"{path} is no backup of Openmart Desk ({type(error).__name__}). Nothing was changed. "
            "Choose a file that `openmart backup` wrote."
        ) from error
    if manifest.get("environment") != environment:
        raise LedgerError(
            f"{path} is a backup of {manifest.get('environment')}, not of {environment}. "
            "Nothing was changed. Start with that environment's settings."
        )
    if not _is_sound(target / DATABASE_FILE):
        raise LedgerError(f"The ledger inside {path} is damaged. Nothing was changed. Use another backup.")
    return manifest


def _is_sound(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _swap(folder: Path, unpacked: Path) -> Path | None:
    set_aside: Path | None = None
    if (folder / DATABASE_FILE).exists():
        set_aside = folder / f"set-aside-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        set_aside.mkdir(mode=0o700)
        for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"):
            if (folder / name).exists():
                (folder / name).rename(set_aside / name)
    (folder / "uploads").mkdir(exist_ok=True, mode=0o700)
    for upload in (unpacked / "uploads").glob("*.parquet"):
        upload.replace(folder / "uploads" / upload.name)
    (unpacked / DATABASE_FILE).replace(folder / DATABASE_FILE)
    return set_aside
