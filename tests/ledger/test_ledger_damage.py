"""A damaged ledger is found out when it is opened, left as it is, and the way back is named."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import ENVIRONMENT, PROCESSES, accepted, account_id, plan, sending
from sqlalchemy import text

from openmart_lib.errors import LedgerDamagedError, LedgerError
from openmart_lib.ledger import BatchState, Ledger, queries, soundness
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import replay

FLIPS = 50


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, environment=ENVIRONMENT)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a closed ledger with a run of three batches: accepted, being sent, planned."""
    folder = tmp_path_factory.mktemp("sound") / ENVIRONMENT
    with closing(opened(folder)) as ledger:
        plan(ledger, 240, per_batch=80)
        accepted(ledger, "B-1")
        sending(ledger)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound ledger that a test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "data" / ENVIRONMENT))


def money(database: Path) -> list[tuple[Any, ...]]:
    """What was sent, what may be sent and what the server calls it."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT batch.id, run.public_id, batch_no, state, batch_id FROM batch "
            "JOIN run ON run.id = run_id ORDER BY batch.id"
        ).fetchall()


def test_a_byte_flipped_anywhere_is_found_or_changes_nothing_that_money_hangs_on(
    sound: Path, tmp_path: Path
) -> None:
    dice = random.Random(20_260_101)
    content = (sound / DATABASE_FILE).read_bytes()
    used = [place for place, byte in enumerate(content) if byte]
    truth, found = money(sound / DATABASE_FILE), 0
    for number in range(FLIPS):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = dice.choice(used)
        flipped = bytearray(content)
        flipped[place] ^= dice.randrange(1, 256)
        (folder / DATABASE_FILE).write_bytes(flipped)
        try:
            opened(folder).close()
        except LedgerError:
            found += 1
            assert (folder / DATABASE_FILE).read_bytes() == flipped, "what is damaged stays as it is"
        else:
            assert money(folder / DATABASE_FILE) == truth, f"byte {place}"
        shutil.rmtree(folder)

    assert found >= FLIPS // 10, "what is not found lies inside a text that no index holds"


def test_every_flip_in_the_page_of_the_batches_is_found_or_changes_nothing_that_money_hangs_on(
    sound: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(sound / DATABASE_FILE)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'batch'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    dice = random.Random(7)
    content = (sound / DATABASE_FILE).read_bytes()
    used = [place for place in range((page - 1) * size, page * size) if content[place]]
    truth, found = money(sound / DATABASE_FILE), 0
    database = tmp_path / DATABASE_FILE
    used = [place for place in range((page - 1) * size, page * size) if content[place]]
    for _ in range(FLIPS):
        flipped = bytearray(content)
        flipped[dice.choice(used)] ^= 1 << dice.randrange(8)
        database.write_bytes(flipped)
        if soundness.find_damage(database) is None:
            assert money(database) == truth
        else:
            found += 1

    assert found > 0


@pytest.mark.parametrize("keep", [1, 99, 100, 4_095, 4_096, 40_000])
def test_a_file_that_was_cut_is_found_and_left_as_it_is(folder: Path, keep: int) -> None:
    path = folder / DATABASE_FILE
    cut = path.read_bytes()[:keep]
    path.write_bytes(cut)

    with pytest.raises(LedgerDamagedError):
        opened(folder)

    assert path.read_bytes() == cut


@pytest.mark.parametrize(
    "header", [b"\0" * 16, b"SQLite format 2\0", b"PK\x03\x04", b"SQLite format 3\0\xff\xff"]
)
def test_a_wrong_header_is_found_and_left_as_it_is(folder: Path, header: bytes) -> None:
    path = folder / DATABASE_FILE
    wrong = header + path.read_bytes()[len(header) :]
    path.write_bytes(wrong)

    with pytest.raises(LedgerDamagedError):
        opened(folder)

    assert path.read_bytes() == wrong


def test_an_index_that_disagrees_with_its_table_is_damage(folder: Path) -> None:
    """The next batch to send is looked up in an index: one that lies would send twice, or never."""
    name = "ix_batch_state_not_before"
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        row = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = ?", (name,))
        connection.commit()
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        connection.execute("UPDATE batch SET state = 'planned' WHERE batch_no = 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()

    with pytest.raises(LedgerDamagedError, match=name):
        opened(folder)


class TestTheMessage:
    """What happened, what it means for money, which backup there is, and the exact command."""

    def damaged(self, folder: Path) -> str:
        path = folder / DATABASE_FILE
        path.write_bytes(b"\0" * 5_000)
        with pytest.raises(LedgerDamagedError) as caught:
            opened(folder)
        return str(caught.value)

    def test_it_says_what_is_with_openmart_and_that_nothing_is_sent(self, folder: Path) -> None:
        said = self.damaged(folder)

        assert said.startswith(f"The ledger in {folder} is damaged (file is not a database). ")
        assert "What is with Openmart goes on there" in said
        assert "nothing is sent or fetched until the ledger is back" in said

    def test_it_names_the_newest_backup_its_time_and_the_command(self, folder: Path, tmp_path: Path) -> None:
        with closing(opened(folder)) as ledger:
            ledger.now = lambda: 1_700_000_000.0
            backup(ledger, tmp_path / "old.zip")
            ledger.now = lambda: 1_700_086_400.0
            newest = backup(ledger, tmp_path / "my newest.zip")
            ledger.now = lambda: 1_700_172_800.0
            backup(ledger, tmp_path / "gone.zip").unlink()

        said = self.damaged(folder)

        assert f"of 2023-11-15 22:13 UTC. Stop the dashboard, then run: openmart restore '{newest}'" in said
        assert "gone.zip" not in said

    def test_following_it_brings_the_ledger_back(self, folder: Path, tmp_path: Path) -> None:
        with closing(opened(folder)) as ledger:
            file = backup(ledger, tmp_path / "backup.zip")
        truth = money(folder / DATABASE_FILE)
        self.damaged(folder)

        restored = restore(folder, file, environment=ENVIRONMENT)

        assert restored.set_aside is not None
        assert (restored.set_aside / DATABASE_FILE).read_bytes() == b"\0" * 5_000
        after = money(folder / DATABASE_FILE)
        assert [row[3] for row in truth] == ["accepted", "sending", "planned"]
        assert [row[3] for row in after] == ["accepted", "unknown", "planned"]

    def test_without_a_backup_it_says_what_is_left(self, folder: Path) -> None:
        with closing(Journal(folder / FILE_NAME)) as journal:
            journal.append("accepted", run_id="aaaaaaaaaa", batch_no=1, batch_id="B-1")

        said = self.damaged(folder)

        assert "No backup was found. Keep the folder as it is" in said
        assert "names 1 accepted batches" in said

    def test_a_page_or_command_that_meets_the_damage_later_says_the_same(self, folder: Path) -> None:
        with closing(opened(folder)) as ledger:
            path = folder / DATABASE_FILE
            content = bytearray(path.read_bytes())
            content[4_096:] = b"\xff" * (len(content) - 4_096)
            path.write_bytes(content)

            with pytest.raises(LedgerDamagedError, match=r"is damaged .*openmart restore"):
                queries.runs(ledger)


@pytest.mark.parametrize("left", ["a backup", "a ledger set aside"])
def test_a_ledger_that_vanished_beside_its_backups_is_not_begun_anew(tmp_path: Path, left: str) -> None:
    folder = tmp_path / ENVIRONMENT
    with closing(opened(folder)) as ledger:
        (folder / "backups").mkdir()
        file = backup(ledger, folder / "backups" / "mine.zip")
    if left == "a ledger set aside":
        restore(folder, file, environment=ENVIRONMENT)
        shutil.rmtree(folder / "backups")
    (folder / DATABASE_FILE).unlink()

    with pytest.raises(LedgerDamagedError, match="empty or gone"):
        opened(folder)


def test_a_damaged_ledger_is_not_backed_up_over_the_good_backups(folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as ledger:
        path = folder / DATABASE_FILE
        content = bytearray(path.read_bytes())
        content[9 * 4_096 : 12 * 4_096] = b"\xff" * (3 * 4_096)
        path.write_bytes(content)

        with pytest.raises(LedgerError, match="damaged"):
            backup(ledger, tmp_path / "bad.zip")

    assert list(tmp_path.glob("*.zip")) == []


# the -wal: what was committed last and is not in the file itself yet


def send_one_and_die(folder: Path) -> None:
    """Plan, claim a batch, tell the journal, and be killed: all of it is in the -wal."""
    ledger = opened(folder)
    run_id = plan(ledger, 4, per_batch=2, content="in the wal", token="wal")
    sending(ledger)
    with closing(Journal(folder / FILE_NAME)) as journal:
        journal.append("sent", run_id=run_id, batch_no=1, attempt=1)
        journal.append("accepted", run_id=run_id, batch_no=1, attempt=1, batch_id="B-9")
    os.kill(os.getpid(), signal.SIGKILL)


def claim_and_die(folder: Path) -> None:
    """Claim the planned batch of the sound ledger, tell the journal, and be killed."""
    ledger = opened(folder)
    with ledger.write() as connection:
        connection.execute(text("UPDATE batch SET state = 'unknown' WHERE state = 'sending'"))
    (run_id,) = {row.run_id for row in queries.runs(ledger)}
    sending(ledger)
    with closing(Journal(folder / FILE_NAME)) as journal:
        journal.append("sent", run_id=run_id, batch_no=3, attempt=1)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in(folder: Path, work: Any) -> None:
    process = PROCESSES.Process(target=work, args=(folder,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert (folder / f"{DATABASE_FILE}-wal").stat().st_size > 0


def lose(wal: Path, how: str) -> None:
    match how:
        case "deleted":
            wal.unlink()
            wal.with_name(f"{DATABASE_FILE}-shm").unlink()
        case "garbage":
            wal.write_bytes(random.Random(3).randbytes(wal.stat().st_size))
        case "cut":
            wal.write_bytes(wal.read_bytes()[:1_000])
        case "flipped":
            content = bytearray(wal.read_bytes())
            content[60] ^= 0xFF
            wal.write_bytes(content)


@pytest.mark.parametrize("how", ["deleted", "garbage", "cut", "flipped"])
def test_a_lost_wal_is_an_older_ledger_and_what_the_journal_knows_as_sent_is_not_sent_again(
    folder: Path, how: str
) -> None:
    killed_in(folder, claim_and_die)
    lose(folder / f"{DATABASE_FILE}-wal", how)

    with closing(opened(folder)) as ledger:
        assert [row[3] for row in money(folder / DATABASE_FILE)] == ["accepted", "sending", "planned"]
        done = replay(ledger, folder / FILE_NAME)

        assert done.older and done.unknown == 1
        assert [row[3] for row in money(folder / DATABASE_FILE)] == ["accepted", "sending", "unknown"]


def test_a_wal_that_held_the_whole_ledger_is_missed_and_nothing_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / ENVIRONMENT
    killed_in(folder, send_one_and_die)
    lose(folder / f"{DATABASE_FILE}-wal", "deleted")

    with pytest.raises(LedgerDamagedError, match="empty or gone"):
        opened(folder)


# when a large file is looked at


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make every file large, and count how often one is looked at."""
    seen: list[Path] = []
    real = soundness.find_damage
    monkeypatch.setattr(soundness, "SMALL", 0)
    monkeypatch.setattr(soundness, "find_damage", lambda path: (seen.append(path), real(path))[1])
    return seen


def test_a_large_ledger_is_looked_at_once_a_day(
    folder: Path, looks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        with closing(opened(folder)) as ledger:
            plan(ledger, 1, content=f"c{number}", token=f"t{number}")
    assert len(looks) == 1

    now = soundness.time.time()
    monkeypatch.setattr(soundness.time, "time", lambda: now + soundness.CHECK_EVERY + 1)
    opened(folder).close()

    assert len(looks) == 2


def test_a_large_ledger_that_others_have_open_is_not_looked_at_for_each_command(
    folder: Path, looks: list[Path]
) -> None:
    with closing(opened(folder)) as worker:
        for number in range(3):
            plan(worker, 1, content=f"c{number}", token=f"t{number}")
            opened(folder).close()

    assert len(looks) == 1


@pytest.mark.parametrize("how", ["another file", "changed in place", "the computer was restarted"])
def test_a_large_ledger_that_is_not_as_we_left_it_is_looked_at_again(
    folder: Path, looks: list[Path], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(folder).close()
    path = folder / DATABASE_FILE
    if how == "another file":
        shutil.copy(path, folder / "copy")
        (folder / "copy").replace(path)
    elif how == "changed in place":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        monkeypatch.setattr(soundness, "_boot_id", lambda: "another boot")

    opened(folder).close()

    assert len(looks) == 2


def test_a_small_ledger_is_looked_at_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(soundness, "find_damage", lambda path: seen.append(path))

    opened(folder).close()
    opened(folder).close()

    assert len(seen) == 2


def test_the_sound_ledger_of_these_tests_is_what_it_says(sound: Path) -> None:
    with closing(opened(sound)) as ledger:
        assert account_id(ledger) == 1
        states = queries.batches(ledger, queries.newest_run_id(ledger))["state"].to_list()
    assert states == [BatchState.ACCEPTED, BatchState.SENDING, BatchState.PLANNED]
