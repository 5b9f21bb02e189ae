"""Opening a ledger: how it is kept, what is refused, and that nothing is ever silently begun anew."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger_kit import ENVIRONMENT, claim, outcomes, plan
from sqlalchemy import create_engine, text

from openmart_lib.errors import ConfigError, LedgerError, LedgerNewerError
from openmart_lib.ledger import Ledger, open_ledger, opening
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.migrations import config, upgrade
from openmart_lib.ledger.opening import HEAD
from openmart_lib.ledger.schema import metadata
from openmart_lib.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / ENVIRONMENT


def open_at(folder: Path, environment: str = ENVIRONMENT) -> Ledger:
    return Ledger.open(folder, environment=environment)


def a_ledger_with_a_run(folder: Path) -> str:
    with closing(open_at(folder)) as ledger:
        return plan(ledger, 50)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """The statements compiled so far, as in a process that has opened no ledger yet."""
    monkeypatch.setattr(opening, "_compiled", opening._Compiled())
    return opening._compiled


def test_a_second_ledger_of_a_process_finds_its_statements_compiled(
    folder: Path, tmp_path: Path, compiled: dict[Any, Any]
) -> None:
    a_ledger_with_a_run(folder)
    before = list(map(id, compiled.values()))

    run_id = a_ledger_with_a_run(tmp_path / "other" / ENVIRONMENT)

    assert before and list(map(id, compiled.values())) == before
    with closing(open_at(tmp_path / "other" / ENVIRONMENT)) as ledger:
        assert outcomes(ledger, run_id) == {"pending": 50}, "and each ledger has its own rows"


def test_no_more_statements_are_kept_than_a_program_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, compiled: dict[Any, Any]
) -> None:
    monkeypatch.setattr(opening, "STATEMENTS_KEPT", 5)

    a_ledger_with_a_run(folder)

    assert 0 < len(compiled) <= 5


@pytest.mark.parametrize("access", ["read", "write"])
def test_every_connection_is_durable_and_strict(ledger, access):
    with getattr(ledger, access)() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 30_000,
        "secure_delete": 1,
    }


def test_a_task_of_a_batch_that_does_not_exist_cannot_be_stored(ledger):
    plan(ledger, 1)

    with pytest.raises(Exception, match="FOREIGN KEY"), ledger.write() as connection:
        connection.execute(text("UPDATE task SET batch_pk = 999"))


def test_only_the_owner_may_read_anything_whatever_the_umask(folder):
    before = os.umask(0o000)
    try:
        with closing(open_at(folder)) as ledger:
            plan(ledger, 2)
            Journal(folder / FILE_NAME).close()
            modes = {
                path.relative_to(folder.parent).as_posix(): stat.S_IMODE(path.stat().st_mode)
                for path in [folder.parent, *folder.parent.rglob("*")]
            }
    finally:
        os.umask(before)

    folders = {name for name in modes if (folder.parent / name).is_dir()}
    assert {name: oct(mode) for name, mode in modes.items()} == {
        name: oct(0o700 if name in folders else 0o600) for name in modes
    }
    assert {f"{ENVIRONMENT}/{DATABASE_FILE}-wal", f"{ENVIRONMENT}/{DATABASE_FILE}-shm"} <= set(modes)


def test_a_file_that_others_could_read_is_closed_to_them(folder):
    a_ledger_with_a_run(folder)
    (folder / DATABASE_FILE).chmod(0o644)
    folder.chmod(0o755)

    open_at(folder).close()

    assert stat.S_IMODE((folder / DATABASE_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_migrations_make_exactly_the_tables_of_a_new_ledger(tmp_path, folder):
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    upgrade(migrated)
    open_at(folder).close()
    direct = create_engine(f"sqlite:///{folder / DATABASE_FILE}")

    with migrated.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    made, wanted = described(migrated), described(direct)
    migrated.dispose()
    direct.dispose()

    assert differences == []
    assert made == wanted


def described(engine: object) -> dict[str, object]:
    """Return what compare_metadata does not look at: defaults, keys, and tables without row ids."""
    tables: dict[str, object] = {}
    with engine.connect() as connection:  # type: ignore[attr-defined]
        names = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all()
        for name, sql in names:
            if name.startswith(("sqlite_", "alembic_")):
                continue
            columns = connection.execute(text(f"PRAGMA table_xinfo({name})")).all()
            tables[name] = (
                "WITHOUT ROWID" in sql,
                sorted((each[1], each[2], each[3], (each[4] or "").strip("()"), each[5]) for each in columns),
                sorted(
                    tuple(each)[2:] for each in connection.execute(text(f"PRAGMA foreign_key_list({name})"))
                ),
            )
    return tables


def test_the_head_that_the_program_knows_is_the_newest_migration(folder):
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD
    open_at(folder).close()
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


def test_opening_again_finds_everything_and_the_same_salt(folder):
    run_id = a_ledger_with_a_run(folder)

    with closing(open_at(folder)) as first, closing(open_at(folder)) as second:
        assert outcomes(first, run_id) == {"pending": 50}
        assert first.meta("salt") == second.meta("salt")
        assert len(first.meta("salt")) >= 32
        assert first.meta("environment") == ENVIRONMENT


def test_eight_openers_at_once_make_one_ledger(folder):
    with ThreadPoolExecutor(8) as openers:
        ledgers = list(openers.map(lambda _: open_at(folder), range(8)))

    assert len({ledger.meta("salt") for ledger in ledgers}) == 1
    for ledger in ledgers:
        ledger.close()


def test_a_ledger_of_a_newer_program_is_refused_and_left_alone(folder):
    a_ledger_with_a_run(folder)
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.commit()

    with pytest.raises(LedgerNewerError, match="Update the program"):
        open_at(folder)

    with closing(sqlite3.connect(folder / DATABASE_FILE)) as raw:
        assert raw.execute("SELECT count(*) FROM run").fetchone() == (1,)


def test_a_ledger_of_another_environment_is_refused(folder):
    a_ledger_with_a_run(folder)

    with pytest.raises(LedgerError, match=r"belongs to sandbox, not to https://api\.openmart\.ai"):
        open_at(folder, "https://api.openmart.ai")


def test_a_creation_that_is_cut_off_leaves_nothing_half_made(folder, monkeypatch):
    from openmart_lib.ledger import opening

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_name_environment", lambda engine, environment: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_at(folder)

    assert outcomes_of_a_new_run(folder) == {"pending": 50}


def outcomes_of_a_new_run(folder: Path) -> dict[str, int]:
    run_id = a_ledger_with_a_run(folder)
    with closing(open_at(folder)) as ledger:
        return outcomes(ledger, run_id)


@pytest.mark.parametrize(
    "damage",
    {
        "overwritten": lambda content: b"this is no database at all" * 400,
        "header": lambda content: b"\0" * 100 + content[100:],
        "cut": lambda content: content[: len(content) // 3],
        "cut short": lambda content: content[:2_000],
    }.items(),
    ids=lambda item: item[0],
)
def test_a_damaged_file_is_an_error_that_says_what_to_do_and_is_not_replaced(folder, damage):
    a_ledger_with_a_run(folder)
    path = folder / DATABASE_FILE
    damaged = damage[1](path.read_bytes())
    path.write_bytes(damaged)
    for name in ("-wal", "-shm"):
        path.with_name(DATABASE_FILE + name).unlink(missing_ok=True)

    with pytest.raises(LedgerError, match=r"damaged.*openmart restore FILE"):
        open_at(folder)

    assert path.read_bytes()[:100] == damaged[:100]
    assert len(path.read_bytes()) == len(damaged)


@pytest.mark.parametrize("loss", ["empty", "gone"])
@pytest.mark.parametrize("left", ["uploads", "journal"])
def test_a_ledger_that_was_lost_is_not_silently_begun_anew(folder, loss, left):
    a_ledger_with_a_run(folder)
    if left == "journal":
        with closing(Journal(folder / FILE_NAME)) as journal:
            journal.append("sent", run_id="aaaaaaaaaa", batch_no=1)
        for upload in (folder / "uploads").iterdir():
            upload.unlink()
    for file in folder.glob(f"{DATABASE_FILE}*"):
        file.unlink()
    if loss == "empty":
        (folder / DATABASE_FILE).touch()

    for _ in range(2):
        with pytest.raises(LedgerError, match="lists were submitted from this folder"):
            open_at(folder)


def test_a_worker_that_sent_nothing_yet_does_not_stand_in_the_way(folder):
    folder.mkdir(parents=True)
    Journal(folder / FILE_NAME).close()

    open_at(folder).close()


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Take off the rights of root, for whom no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_named():
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        data.chmod(0o555)
        with as_nobody(), pytest.raises(LedgerError, match="OPENMART_DATA_DIR") as caught:
            open_at(data / ENVIRONMENT)
        data.chmod(0o755)

    assert str(data) in str(caught.value)
    assert "Nothing was sent" in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "data").write_text("not a folder")

    with pytest.raises(LedgerError, match="cannot be used"):
        open_at(tmp_path / "data" / ENVIRONMENT)


def test_an_error_of_the_database_never_shows_what_it_was_about(ledger):
    plan(ledger, 1)
    person = "ada.roe@shop.example"

    with pytest.raises(Exception, match="constraint") as caught, ledger.write() as connection:
        connection.execute(
            text(
                "INSERT INTO task (run_id, task_no, batch_pk, domain, request) VALUES (1, 1, 1, :who, :who)"
            ),
            {"who": person},
        )

    assert person not in str(caught.value)


def test_a_transaction_that_fails_leaves_nothing(ledger):
    plan(ledger, 1)

    with pytest.raises(ZeroDivisionError), ledger.write() as connection:
        connection.execute(text("DELETE FROM row_task"))
        connection.execute(text("SELECT 1"))
        raise ZeroDivisionError

    assert claim(ledger) is not None
    with ledger.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM row_task")).scalar() == 1


def test_a_reader_sees_one_state_of_the_ledger_while_a_writer_works(ledger):
    plan(ledger, 1)
    with ledger.read() as reader:
        before = reader.execute(text("SELECT count(*) FROM run")).scalar()
        plan(ledger, 1, content="second")
        after = reader.execute(text("SELECT count(*) FROM run")).scalar()

    assert (before, after) == (1, 1)


def test_the_settings_choose_the_folder_of_their_environment(tmp_path):
    settings = Settings(data_dir=tmp_path)

    with closing(open_ledger(settings)) as ledger:
        assert ledger.folder == settings.environment_dir
        assert ledger.environment == ENVIRONMENT
        assert ledger.uploads_dir.is_dir() and ledger.results_dir.is_dir() and ledger.exports_dir.is_dir()


def test_a_database_url_is_refused_by_name_for_now(tmp_path):
    with pytest.raises(ConfigError, match="OPENMART_DATABASE_URL"):
        open_ledger(Settings(data_dir=tmp_path, database_url="postgresql://localhost/openmart"))
