"""An older ledger is backed up, then brought up to date: whole or not at all, wherever the program is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
import zipfile
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import ENVIRONMENT, PROCESSES, outcomes
from sqlalchemy import event
from sqlalchemy.engine import Engine

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import Ledger, bundle, migrations, opening, queries
from openmart_lib.ledger.backup import restore
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.opening import HEAD

FORMER = Path(__file__).with_name("ledger_0001.sql")
RUN = "obx5truzjp"


def an_old_ledger(folder: Path) -> Path:
    """Put the ledger of version 0001 into a folder; return its file."""
    folder.mkdir(parents=True)
    (folder / "uploads").mkdir()
    (folder / "uploads" / f"{RUN}.parquet").write_bytes(b"as uploaded")
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        connection.executescript(FORMER.read_text(encoding="utf-8"))
    return folder / DATABASE_FILE


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, environment=ENVIRONMENT)


def version(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def tables(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def backups(folder: Path) -> list[Path]:
    return sorted((folder / "backups").glob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return an_old_ledger(tmp_path / ENVIRONMENT).parent


def test_an_older_ledger_is_brought_up_to_date_and_says_the_same(folder: Path) -> None:
    with closing(opened(folder)) as ledger:
        assert version(folder / DATABASE_FILE) == HEAD
        assert queries.batches(ledger, RUN)["state"].to_list() == ["collected", "sending", "planned"]
        assert outcomes(ledger, RUN) == {"matched": 1, "no match": 1, "pending": 4, "rejected": 1}


def test_before_it_a_backup_of_the_older_version_is_written(folder: Path) -> None:
    before = time.time()
    opened(folder).close()

    (file,) = backups(folder)
    assert file.name.endswith("Z_before-migration-of-0001.zip")
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    found = bundle.newest(folder)
    assert found is not None and found.path == file and before - 1 <= found.made_at <= time.time()
    with zipfile.ZipFile(file) as packed:
        assert packed.read(f"uploads/{RUN}.parquet") == b"as uploaded"
        packed.extract(DATABASE_FILE, folder / "look")
    assert version(folder / "look" / DATABASE_FILE) == "0001"


def test_that_backup_can_be_restored_by_the_newer_program(folder: Path) -> None:
    opened(folder).close()
    (file,) = backups(folder)

    restored = restore(folder, file, environment=ENVIRONMENT)

    assert (restored.unknown_batches, restored.paused_runs) == (1, 1)
    with closing(opened(folder)) as ledger:
        assert queries.batches(ledger, RUN)["state"].to_list() == ["collected", "unknown", "planned"]


def test_a_new_ledger_and_one_that_is_up_to_date_make_no_backup(tmp_path: Path) -> None:
    folder = tmp_path / ENVIRONMENT
    opened(folder).close()
    opened(folder).close()

    assert not (folder / "backups").exists()


def test_of_these_backups_the_newest_three_are_kept_and_nothing_else_is_touched(folder: Path) -> None:
    (folder / "backups").mkdir()
    (folder / "backups" / "mine.zip").write_text("a person's")
    (folder / "backups" / ".half.zip.99.part").write_text("left by a killed program")

    for hour in range(5):
        bundle.write_before_migration(
            folder, environment=ENVIRONMENT, version="0001", made_at=1_700_000_000.0 + hour * 3_600
        )

    assert [file.name for file in backups(folder)] == [
        "20231115-001320Z_before-migration-of-0001.zip",
        "20231115-011320Z_before-migration-of-0001.zip",
        "20231115-021320Z_before-migration-of-0001.zip",
        "mine.zip",
    ]


def test_a_backup_that_cannot_be_written_stops_the_migration(folder: Path) -> None:
    (folder / "backups").write_text("a file in the place of the folder")

    with pytest.raises(LedgerError, match="Nothing was sent"):
        opened(folder)

    assert version(folder / DATABASE_FILE) == "0001"


def test_a_backup_that_does_not_fit_stops_the_migration_and_says_how_much_room_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(bundle, "_zip", full)

    with pytest.raises(LedgerError) as caught:
        opened(folder)

    assert str(caught.value).startswith(f"This ledger must be brought from version 0001 to {HEAD}")
    assert "No space left on device" in str(caught.value)
    assert f"MB free in {folder / 'backups'}" in str(caught.value)
    assert version(folder / DATABASE_FILE) == "0001" and backups(folder) == []


def test_a_damaged_older_ledger_is_not_migrated(folder: Path) -> None:
    path = folder / DATABASE_FILE
    content = bytearray(path.read_bytes())
    content[6 * 4_096 : 8 * 4_096] = b"\xff" * (2 * 4_096)
    path.write_bytes(content)

    with pytest.raises(LedgerError, match="is damaged"):
        opened(folder)

    assert path.read_bytes() == content


def test_a_ledger_of_another_environment_is_not_migrated(folder: Path) -> None:
    with pytest.raises(LedgerError, match="belongs to sandbox"):
        Ledger.open(folder, environment="https://api.openmart.ai")

    assert version(folder / DATABASE_FILE) == "0001"


def die_at_steps(place: Path, stride: int, told: Connection) -> None:
    """Open an old ledger again and again, killed so many steps later each time; tell the last step.

    A step is a statement or a commit of the database, or a file in the folder that is opened, renamed or
    removed.
    """
    migrations.config()
    opening.schema.metadata  # noqa: B018 - imported before the forks, so that each of them is quick
    import alembic.command  # noqa: F401

    for step in range(1, 1_000, stride):
        folder = an_old_ledger(place / str(step) / ENVIRONMENT).parent
        child = os.fork()
        if child == 0:
            _open_and_die(folder, step)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            told.send((step, os.WEXITSTATUS(status)))
            return


def _open_and_die(folder: Path, at: int) -> None:
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(name: str, given: tuple[Any, ...]) -> None:
        of_files = name in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")
        if of_files and str(folder) in str(given[0]):
            count()

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    sys.addaudithook(audit)
    try:
        opened(folder)
    except BaseException:
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_step_there_is_the_old_ledger_or_the_new_one_and_never_half_a_backup(
    tmp_path: Path, stride: int
) -> None:
    ours, theirs = PROCESSES.Pipe()
    killer = PROCESSES.Process(target=die_at_steps, args=(tmp_path, stride, theirs))
    killer.start()
    theirs.close()
    last, exit_code = ours.recv()
    killer.join(60)

    steps = range(1, last + 1, stride)
    seen = []
    for step in steps:
        folder = tmp_path / str(step) / ENVIRONMENT
        found = version(folder / DATABASE_FILE)
        seen.append(found)
        assert ("remembered" in tables(folder / DATABASE_FILE)) == (found == HEAD)
        for file in (folder / "backups").glob("[!.]*"):
            with zipfile.ZipFile(file) as packed:
                assert packed.testzip() is None and DATABASE_FILE in packed.namelist()
    assert exit_code == 0 and last > 30
    assert seen == sorted(seen) and set(seen) == {"0001", HEAD}, (
        "the old one, and from some step on the new one"
    )
    new = seen.index(HEAD)
    for nth in (0, len(steps) // 3, len(steps) // 2, new - 1, new, -1):
        folder = tmp_path / str(steps[nth]) / ENVIRONMENT
        with closing(opened(folder)) as ledger:
            assert outcomes(ledger, RUN) == {"matched": 1, "no match": 1, "pending": 4, "rejected": 1}
        assert all(file.suffix == ".zip" for file in backups(folder)), "what the killed one left is gone"
