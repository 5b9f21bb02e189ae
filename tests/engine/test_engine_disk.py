"""A disk that is really full, or may not be written: a small file system of its own, and a limit on files.

Nothing is sent without a durable row, an accepted id is never lost, nothing is missing afterwards, and no half
file stands under its final name.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engine_oracle import assert_truth
from engine_rig import PATIENT, Rig

from openmart_lib.engine.clients import Clients
from openmart_lib.errors import InputError, LedgerError
from openmart_lib.ledger import Ledger, place
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.results.export import export_run
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import SANDBOX

ROOT = Path(__file__).parents[2]
SIZE = 16  # MB of the small disk
NOBODY = 65_534


class Disk:
    """A file system of a few megabytes in memory that can be filled to the last byte, and freed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room at all, also none inside the ledger's -wal."""
        with closing(sqlite3.connect(self.folder / "ledger.db", timeout=5.0)) as connection:
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                time.sleep(0.001)
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(65_536)):
                pass
        assert place.free_bytes(self.folder) == 0

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A small disk under the environment's folder; the sandbox beside it has all the room it needs."""
    folder = tmp_path / "data" / SANDBOX
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    (tmp_path / "server").mkdir()
    (folder / "server").symlink_to(tmp_path / "server")
    monkeypatch.setattr(place, "ROOM_TO_SUBMIT", 0)  # the headroom is another test's
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@pytest.fixture
def rig(disk: Disk, tmp_path: Path, template: Path) -> Iterator[Rig]:
    """A rig whose ledger lies on the small disk."""
    bench = Rig(tmp_path / "data", template)
    bench.sandbox.start()
    yield bench
    disk.free()
    bench.close()
    bench.sandbox.stop()


class FullAfterThePost(Clients):
    """Clients whose answers find a full disk."""

    disk: Disk

    def for_submissions(self) -> Any:
        real, disk = super().for_submissions(), self.disk

        class Submitting:
            def submit_body(self, *given: Any) -> Any:
                receipt = real.submit_body(*given)
                disk.fill()
                return receipt

        return Submitting()


def full_at_acceptance(rig: Rig, disk: Disk) -> str:
    """Send a batch whose answer finds a full disk; return its run."""
    rig.clients.close()
    rig.clients = FullAfterThePost(rig.settings)
    rig.clients.disk = disk
    rig.restart_worker()
    run_id = rig.plan(2)
    rig.until(
        lambda: [line["kind"] for line in read_journal(disk.folder / FILE_NAME)] == ["sent", "accepted"],
        skip=False,
    )
    assert rig.states(run_id) == ["sending"], "the ledger could not take the answer"
    return run_id


def test_on_a_full_disk_nothing_is_sent_and_with_room_everything_is(rig: Rig, disk: Disk) -> None:
    run_id = rig.plan(4, per_batch=1)
    disk.fill()

    for _ in range(10):
        rig.dispatcher.step()

    assert rig.posts() == 0 and rig.states(run_id) == ["planned"] * 4
    disk.free()
    rig.settle()
    assert rig.posts() == 4 and rig.states(run_id) == ["collected"] * 4
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_that_finds_a_full_disk_is_written_when_there_is_room(rig: Rig, disk: Disk) -> None:
    run_id = full_at_acceptance(rig, disk)

    disk.free()
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_that_finds_a_full_disk_until_the_end_is_found_by_the_next_worker(
    rig: Rig, disk: Disk
) -> None:
    run_id = full_at_acceptance(rig, disk)

    assert rig.dispatcher.stop(grace=0.05) == 1
    disk.free()
    rig.restart_worker()
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_results_that_find_a_full_disk_are_read_again_and_none_is_missing(rig: Rig, disk: Disk) -> None:
    run_id = rig.plan(6, per_batch=3)
    rig.until(lambda: rig.states(run_id) == ["accepted"] * 2)
    disk.fill()

    for _ in range(8):
        rig.clock.skip(rig.pacing.missing_after)
        rig.dispatcher.step()
        time.sleep(0.05)

    assert rig.outcomes(run_id) == {"pending": 6}
    disk.free()
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 2 and "missing" not in rig.outcomes(run_id)
    assert rig.posts() == 2
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_an_export_on_a_full_disk_leaves_no_half_file_and_names_the_path(
    rig: Rig, disk: Disk, ending: str
) -> None:
    run_id = rig.plan(3)
    rig.settle()
    disk.fill()
    before, path = set(disk.folder.rglob("*")), disk.folder / "exports" / f"results.{ending}"

    with pytest.raises(InputError) as caught:
        export_run(rig.ledger, run_id, path, shape="long")

    assert str(path) in str(caught.value) and "No result is lost" in str(caught.value)
    assert {file for file in disk.folder.rglob("*") if file.suffix != ".parquet"} <= before
    assert not path.exists()
    disk.free()
    assert export_run(rig.ledger, run_id, path, shape="long").lines == 3


def test_a_backup_on_a_full_disk_leaves_nothing_and_says_how_much_room_it_needs(rig: Rig, disk: Disk) -> None:
    rig.plan(3)
    disk.fill()
    before = set(disk.folder.rglob("*"))

    with pytest.raises(LedgerError) as caught:
        backup(rig.ledger, disk.folder / "backup.zip")

    said = str(caught.value)
    assert said.startswith(f"The backup {disk.folder / 'backup.zip'} could not be written (")
    assert f"MB free in {disk.folder}" in said and "The ledger is unharmed" in said
    assert set(disk.folder.rglob("*")) == before


def test_a_full_data_disk_can_be_backed_up_to_another_one_and_restored_when_there_is_room(
    rig: Rig, disk: Disk, tmp_path: Path
) -> None:
    run_id = rig.plan(3)
    disk.fill()
    file = backup(rig.ledger, tmp_path / "backup.zip")
    rig.ledger.close()

    with pytest.raises(LedgerError, match="Nothing was changed"):
        restore(disk.folder, file, environment=SANDBOX)

    disk.free()
    restore(disk.folder, file, environment=SANDBOX)
    rig.ledger = Ledger.open(disk.folder, environment=SANDBOX, clock=rig.clock)
    assert rig.states(run_id) == ["planned"]


@pytest.mark.slow
def test_a_worker_whose_files_may_not_grow_sends_nothing_twice_and_the_next_one_finishes(
    tmp_path: Path, template: Path
) -> None:
    rig = Rig(tmp_path, template)
    rig.dispatcher.stop(grace=1.0)
    rig.sandbox = Sandbox(rig.settings.sandbox_dir, speed=500, submit_seconds=0.05)
    rig.sandbox.start()
    try:
        run_id = rig.plan(12, per_batch=1)
        with worker(rig, file_bytes=100_000) as process:
            wait_for(lambda: "cannot be" in said(rig) or set(rig.states(run_id)) == {"collected"})
            assert process.poll() is None, "it goes on trying"
        assert set(rig.states(run_id)) != {"collected"}, "the limit was met"
        with worker(rig):
            wait_for(lambda: not set(rig.states(run_id)) & {"planned", "sending", "accepted"})
        assert rig.posts() <= 12
        assert_truth(rig.sandbox, rig.ledger)
    finally:
        rig.close()
        rig.sandbox.stop()


@contextlib.contextmanager
def worker(rig: Rig, *, file_bytes: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process, if asked one that cannot write beyond so many bytes of any file."""

    def limit() -> None:
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    environ = os.environ | rig.settings.to_environ() | {"OPENMART_SANDBOX_SPEED": "500"}
    command = [sys.executable, "-m", "openmart_lib.engine"]
    with (rig.settings.data_dir / "said").open("ab") as console:
        process = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=console, preexec_fn=limit)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(rig: Rig) -> str:
    return (rig.settings.data_dir / "said").read_text()


def wait_for(condition: Callable[[], bool], timeout: float = PATIENT) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Take off the rights of root, for whom no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """A ledger's folder that somebody else owns, in a place where everybody may look."""
    with tempfile.TemporaryDirectory() as place_:
        Path(place_).chmod(0o755)
        folder = Path(place_) / SANDBOX
        Ledger.open(folder, environment=SANDBOX).close()
        yield folder


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"),
    [(0o500, 0o400), (0o555, 0o444), (0o700, 0o600)],
    ids=["read-only", "read-only for all", "of another user"],
)
def test_a_folder_that_may_not_be_written_refuses_to_start_and_names_it(
    others_folder: Path, folder_mode: int, file_mode: int
) -> None:
    if os.geteuid() != 0 and folder_mode & 0o200:
        pytest.skip("only root can give a folder to somebody else")
    (others_folder / "ledger.db").chmod(file_mode)
    others_folder.chmod(folder_mode)

    with as_nobody(), pytest.raises(LedgerError) as caught:
        Ledger.open(others_folder, environment=SANDBOX)

    others_folder.chmod(0o700)
    assert str(others_folder) in str(caught.value)
    assert "Nothing was sent" in str(caught.value) and "writable" in str(caught.value)
