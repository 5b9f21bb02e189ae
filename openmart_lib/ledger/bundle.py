"""Bundles: a ledger and its uploaded rows in one zip file, how it is written, unpacked and found again.

The journal is left out on purpose: on a restore the one in the data folder is newer, and it says what was
sent since.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from openmart_lib.errors import InputError, LedgerDamagedError, LedgerError
from openmart_lib.ledger.place import sync_folder
from openmart_lib.ledger.soundness import find_damage
from openmart_lib.wording import utc_minute

DATABASE_FILE: Final = "ledger.db"
BACKUPS_FOLDER: Final = "backups"
KEPT: Final = 3  # of those made before migrations
_MANIFEST: Final = "openmart-backup.json"
_ELSEWHERE: Final = "elsewhere.txt"  # where people put their backups, one path a line
_MAX_BYTES: Final = 200 * 1024**3  # unpacked; a larger claim in the zip's directory is not believed
_TIME: Final = "%Y%m%d-%H%M%SZ"
_BEFORE_MIGRATION: Final = "*_before-migration-of-*.zip"


@dataclass(frozen=True, slots=True)
class Found:
    """A backup that lies somewhere; ``made_at`` in UTC seconds."""

    path: Path
    made_at: float

    @property
    def made(self) -> str:
        """When it was made, in words."""
        return utc_minute(self.made_at)


def write_bundle(folder: Path, path: Path, *, environment: str, made_at: float) -> None:
    """Write the ledger in ``folder`` and its uploads to ``path``, whole or not at all; safe under writers.

    Raises:
        LedgerDamagedError: If the ledger is damaged: a copy of it would be of no use.
        LedgerError: If the file exists already or cannot be written.
    """
    if path.exists():
        raise LedgerError(f"{path} exists already. Nothing was written. Choose another name.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Beside its place: what is full or slow is then the disk the backup was asked for.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".openmart-") as place:
            snapshot = Path(place) / DATABASE_FILE
            _copy_database(folder / DATABASE_FILE, snapshot)
            if (seen := find_damage(snapshot)) is not None:
                raise LedgerDamagedError(
                    f"The ledger in {folder} is damaged ({seen}), so no backup of it was written. Nothing "
                    "was changed or sent. Stop the dashboard and go back to an older backup: "
                    "openmart restore FILE"
                )
            manifest = {"environment": environment, "made_at": made_at}
            _zip(partial, manifest, snapshot, folder / "uploads")
        partial.rename(path)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise LedgerError(
            f"The backup {path} could not be written ({words}). The ledger is unharmed, nothing was sent. "
            f"Make {_megabytes(folder):,} MB free in {path.parent}, or choose another folder."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def write_before_migration(folder: Path, *, environment: str, version: str, made_at: float) -> Path:
    """Back up a ledger that is about to be migrated into its ``backups`` folder; keep the newest three.

    Raises:
        LedgerError: As ``write_bundle``.
    """
    backups = folder / BACKUPS_FOLDER
    backups.mkdir(exist_ok=True, mode=0o700)
    _sweep(backups)
    when = datetime.fromtimestamp(made_at, UTC)
    path = backups / f"{when:{_TIME}}_before-migration-of-{version}.zip"
    if not path.exists():  # of the same second: the migration was tried a moment ago
        write_bundle(folder, path, environment=environment, made_at=made_at)
    for old in sorted(backups.glob(_BEFORE_MIGRATION))[:-KEPT]:
        old.unlink()
    return path


def remember_place(folder: Path, path: Path) -> None:
    """Remember where a person put a backup, so that it can be offered when it is needed."""
    backups = folder / BACKUPS_FOLDER
    backups.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(backups / _ELSEWHERE, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{path.absolute()}\n")


def places(folder: Path) -> list[Path]:
    """Return where backups of this folder's ledger were written, by us or by a person; they may be gone."""
    backups = folder / BACKUPS_FOLDER
    known = sorted(backups.glob("*.zip"))
    if (backups / _ELSEWHERE).is_file():
        lines = (backups / _ELSEWHERE).read_text(encoding="utf-8", errors="replace").splitlines()
        known += [Path(line) for line in dict.fromkeys(lines) if line]
    return known


def newest(folder: Path) -> Found | None:
    """Return the newest readable backup of this folder's ledger that is still where it was written."""
    found = [Found(place, made_at) for place in places(folder) if (made_at := _made_at(place)) is not None]
    return max(found, key=lambda each: each.made_at, default=None)


def unpack(path: Path, target: Path, environment: str) -> dict[str, Any]:
    """Unpack a bundle into an empty folder; return its manifest (``environment``, ``made_at``).

    Raises:
        InputError: If the file cannot be read, is no bundle of this environment, or its ledger is damaged.
        LedgerError: If it cannot be written where it belongs.
    """
    try:
        with _opened(path) as bundle:
            manifest: dict[str, Any] = json.loads(bundle.read(_MANIFEST))
            if sum(info.file_size for info in bundle.infolist()) > _MAX_BYTES:
                raise InputError(f"{path} claims to be larger than any ledger. Nothing was changed.")
            for info in bundle.infolist():
                if _belongs(info.filename):
                    _extract(bundle, info, target / info.filename)
            sound = find_damage(target / DATABASE_FILE) is None
    except InputError:  # a ValueError too
        raise
    except OSError as error:
        raise LedgerError(
            f"{path} could not be unpacked into {target.parent} ({error.strerror}). Nothing was changed. "
            "Check that there is room for what is in it."
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, sqlite3.Error) as error:
        raise InputError(
            f"{path} is no backup of Openmart Desk ({type(error).__name__}). Nothing was changed. "
            "Choose a file that `openmart backup` wrote."
        ) from error
    if manifest.get("environment") != environment:
        raise InputError(
            f"{path} is a backup of {manifest.get('environment')}, not of {environment}. "
            "Nothing was changed. Start with that environment's settings."
        )
    if not sound:
        raise InputError(f"The ledger inside {path} is damaged. Nothing was changed. Use another backup.")
    return manifest


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). Nothing was changed. "
            "Give the path of a file that `openmart backup` wrote."
        ) from error


def _zip(partial: Path, manifest: dict[str, Any], snapshot: Path, uploads: Path) -> None:
    descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(_MANIFEST, json.dumps(manifest))
            bundle.write(snapshot, DATABASE_FILE)
            for upload in sorted(uploads.glob("*.parquet")):
                bundle.write(upload, f"uploads/{upload.name}", zipfile.ZIP_STORED)
        file.flush()
        os.fsync(file.fileno())


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new, pages=1000)


def _belongs(name: str) -> bool:
    parts = Path(name).parts
    return name == DATABASE_FILE or (
        len(parts) == 2 and parts[0] == "uploads" and Path(name).suffix == ".parquet"
    )


def _extract(bundle: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(exist_ok=True, mode=0o700)
    with bundle.open(info) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)
    target.chmod(0o600)


def _made_at(path: Path) -> float | None:
    try:
        with zipfile.ZipFile(path) as bundle:
            return float(json.loads(bundle.read(_MANIFEST))["made_at"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return None


def _sweep(backups: Path) -> None:
    """Remove what a killed program left of a backup; only one program migrates at a time."""
    for left in backups.glob(".*"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _megabytes(folder: Path) -> int:
    """Return the room a backup needs at most: the snapshot and, hardly compressed, the zip."""
    try:
        database = sum(file.stat().st_size for file in folder.glob(f"{DATABASE_FILE}*"))
        uploads = sum(file.stat().st_size for file in (folder / "uploads").glob("*.parquet"))
    except OSError:
        return 1
    return (2 * database + uploads) // 1_000_000 + 1
