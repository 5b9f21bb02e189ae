"""The journal: what was acknowledged is readable, whatever happened to the writer or the disk."""

from __future__ import annotations

import json
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import PROCESSES, last_words

from openmart_lib.ledger import journal as journal_module
from openmart_lib.ledger.journal import PREALLOCATED, RESERVE, Journal, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sent.journal"


def write(path: Path, *numbers: int, **detail: object) -> None:
    with closing(Journal(path)) as journal:
        for number in numbers:
            journal.append("sent", run_id="aaaaaaaaaa", batch_no=number, **detail)


def numbers(path: Path) -> list[int]:
    return [entry["batch_no"] for entry in read_journal(path)]


def test_lines_come_back_whole_and_in_the_order_they_were_written(path):
    with closing(Journal(path)) as journal:
        journal.append("sent", run_id="aaaaaaaaaa", batch_no=1, sha256="ab" * 32)
        journal.append("accepted", run_id="aaaaaaaaaa", batch_no=1, batch_id="b-1 · ünïcode")

    assert list(read_journal(path)) == [
        {"kind": "sent", "run_id": "aaaaaaaaaa", "batch_no": 1, "sha256": "ab" * 32},
        {"kind": "accepted", "run_id": "aaaaaaaaaa", "batch_no": 1, "batch_id": "b-1 · ünïcode"},
    ]


def test_a_journal_that_does_not_exist_has_no_lines(path):
    assert list(read_journal(path)) == []


def test_a_new_writer_goes_on_after_the_last_line(path):
    write(path, 1, 2)
    write(path, 3)

    assert numbers(path) == [1, 2, 3]


def test_space_is_taken_beforehand_and_only_its_owner_may_read_it(path):
    write(path, 1)

    assert path.stat().st_size >= PREALLOCATED
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_grows_before_the_space_runs_out(path, monkeypatch):
    monkeypatch.setattr(journal_module, "PREALLOCATED", 4_096)
    monkeypatch.setattr(journal_module, "RESERVE", 1_024)

    with closing(Journal(path)) as journal:
        for number in range(200):
            journal.append("sent", run_id="aaaaaaaaaa", batch_no=number, sha256="ab" * 32)
            used = len(path.read_bytes().rstrip(b"\0"))
            assert path.stat().st_size - used >= 512, "the next line finds its place"

    assert numbers(path) == list(range(200))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_a_line_cut_anywhere_costs_at_most_itself_and_never_the_next_one(memory_path, cut, junk):
    path = memory_path / "sent.journal"
    path.unlink(missing_ok=True)
    write(path, 1, 2, 3, sha256="ab" * 16)
    whole = path.read_bytes().rstrip(b"\0")
    kept = whole[: min(cut, len(whole))]
    path.write_bytes(kept + junk.replace(b"\n", b"") + bytes(100))

    write(path, 4)

    complete = kept.count(b"\n")
    found = numbers(path)
    assert found[:complete] == [1, 2, 3][:complete]
    assert found[-1] == 4
    assert len(found) <= complete + 2


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\x00{", b"null\n", b"[1, 2]\n", b"{}{}\n", b'{"kind": "sent"', b"\0\0{\n"]
)
def test_what_is_no_line_of_ours_is_passed_over(path, junk):
    path.write_bytes(b'{"kind": "sent", "run_id": "aaaaaaaaaa", "batch_no": 1}\n' + junk)

    write(path, 2)

    assert [entry["batch_no"] for entry in read_journal(path) if "batch_no" in entry] == [1, 2]


def test_a_line_is_synced_before_append_returns(path, monkeypatch):
    order: list[str] = []
    sync, put = os.fdatasync, os.pwrite
    with closing(Journal(path)) as journal:
        monkeypatch.setattr(os, "pwrite", lambda *args: (order.append("write"), put(*args))[1])
        monkeypatch.setattr(os, "fdatasync", lambda fd: (order.append("sync"), sync(fd))[1])
        journal.append("sent", run_id="aaaaaaaaaa", batch_no=1)
        order.append("returned")

    assert order == ["write", "sync", "returned"]


def test_a_line_that_could_not_be_synced_is_an_error_and_the_next_one_takes_its_place(path, monkeypatch):
    with closing(Journal(path)) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            with pytest.raises(OSError, match="Input/output error"):
                journal.append("sent", run_id="aaaaaaaaaa", batch_no=1)
        journal.append("sent", run_id="aaaaaaaaaa", batch_no=2)

    assert numbers(path) == [2]


def test_threads_never_mix_their_lines(path):
    with closing(Journal(path)) as journal, ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: journal.append("sent", run_id="aaaaaaaaaa", batch_no=number), range(80)
            )
        )

    assert sorted(numbers(path)) == list(range(80))


def append_until_killed(path: Path, told: Connection) -> None:
    journal = Journal(path)
    for number in range(1_000_000):
        journal.append("accepted", run_id="aaaaaaaaaa", batch_no=number, batch_id=f"b-{number}")
        told.send(number)


def append_on_a_full_disk(path: Path, told: Connection) -> None:
    """Write lines while no file may grow: only what was taken beforehand is left."""
    journal = Journal(path)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
    os.fdatasync = lambda fd: None  # type: ignore[assignment]  # ten thousand syncs are not the point here
    line = {"run_id": "aaaaaaaaaa", "detail": "x" * 1_000}
    number = 0
    try:
        while True:
            journal.append("sent", batch_no=number, **line)
            number += 1
    except OSError as error:
        told.send((number, error.strerror))


def test_every_acknowledged_line_survives_a_killed_writer(path):
    ours, theirs = PROCESSES.Pipe()
    writer = PROCESSES.Process(target=append_until_killed, args=(path, theirs))
    writer.start()
    theirs.close()
    acknowledged = [ours.recv() for _ in range(30)]
    os.kill(writer.pid, signal.SIGKILL)
    writer.join(60)
    acknowledged += last_words(ours)

    found = numbers(path)

    assert found[: len(acknowledged)] == acknowledged
    assert found == list(range(len(found)))
    write(path, 999)
    assert numbers(path)[-1] == 999


def test_a_full_disk_leaves_room_for_hundreds_of_lines_and_then_says_so(path):
    ours, theirs = PROCESSES.Pipe()
    writer = PROCESSES.Process(target=append_on_a_full_disk, args=(path, theirs))
    writer.start()
    theirs.close()
    written, words = ours.recv()
    writer.join(60)

    assert written >= (PREALLOCATED - RESERVE) // 1_100
    assert words
    assert numbers(path) == list(range(written)), "no half line is taken for a whole one"
    write(path, 5)
    assert numbers(path)[-1] == 5


def test_no_line_holds_more_than_it_was_given(path):
    write(path, 1, sha256="ab")

    (line,) = path.read_bytes().rstrip(b"\0").splitlines()

    assert json.loads(line) == {"kind": "sent", "run_id": "aaaaaaaaaa", "batch_no": 1, "sha256": "ab"}
