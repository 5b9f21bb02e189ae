"""A backup, and the only way back from one: what was sent since is accepted or unknown, never planned again."""

from __future__ import annotations

import fcntl
import os
import zipfile
from pathlib import Path

import pytest
from ledger_kit import Clock, assert_adds_up, new_run, state_of

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Ledger, RunState, queries, submissions
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.runs import plan_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sandbox"


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, environment="sandbox", clock=Clock())


def send(ledger: Ledger, journal: Journal, account: int) -> submissions.Claim:
    """Claim the next batch and write the journal's line, as the worker does before the first byte."""
    candidate = submissions.next_candidate(ledger, account)
    assert candidate is not None
    claim = submissions.claim(ledger, candidate, account_id=account, worker_id="w", slots=99)
    assert claim is not None
    journal.append("sent", run_id=claim.run_id, batch_no=claim.batch_no)
    return claim


def test_yesterdays_backup_pays_nothing_twice(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(4, per_batch=1))
    account = queries.accounts(ledger)[0].id
    journal = Journal(folder / FILE_NAME)
    file = backup(ledger, tmp_path / "yesterday.zip")
    told = send(ledger, journal, account)
    journal.append("accepted", run_id=told.run_id, batch_no=told.batch_no, batch_id="B-1")
    submissions.accept(ledger, told.pk, "B-1", None, poll_after=0.0)
    untold = send(ledger, journal, account)
    journal.close()
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    info = queries.run_info(ledger, run_id)
    assert (restored.accepted_batches, restored.unknown_batches, restored.paused_runs) == (1, 1, 1)
    assert state_of(ledger, told.pk) is BatchState.ACCEPTED
    assert state_of(ledger, untold.pk) is BatchState.UNKNOWN
    assert info.batches[BatchState.PLANNED] == 2
    assert info.state is RunState.PAUSED
    assert info.pause_reason is not None and info.pause_reason.startswith("restored from ")
    assert submissions.next_candidate(ledger, account) is None, "nothing is sent before a person resumes"
    assert_adds_up(ledger)
    ledger.close()


def test_a_batch_that_was_turned_away_before_the_backup_stays_planned(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(1, per_batch=1))
    account = queries.accounts(ledger)[0].id
    journal = Journal(folder / FILE_NAME)
    claim = send(ledger, journal, account)
    submissions.release_rate_limited(ledger, claim.pk, 1.0, "slow down")
    file = backup(ledger, tmp_path / "backup.zip")
    journal.close()
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert restored.unknown_batches == 0
    assert queries.run_info(ledger, run_id).batches[BatchState.PLANNED] == 1
    ledger.close()


def test_batches_of_runs_that_the_backup_does_not_know_are_named(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    journal = Journal(folder / FILE_NAME)
    file = backup(ledger, tmp_path / "empty.zip")
    run_id = plan_run(ledger, new_run(1, per_batch=1))
    claim = send(ledger, journal, queries.accounts(ledger)[0].id)
    journal.append("accepted", run_id=claim.run_id, batch_no=claim.batch_no, batch_id="B-9")
    journal.close()
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    assert restored.strangers == [(run_id, "B-9")]


def test_the_present_ledger_is_set_aside_and_never_deleted(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    assert restored.set_aside is not None
    assert (restored.set_aside / "ledger.db").stat().st_size > 0
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_uploaded_rows_come_back_with_the_ledger(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(3))
    rows = queries.upload_rows(ledger, run_id).collect()
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()
    for parquet in (folder / "uploads").iterdir():
        parquet.unlink()

    restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert queries.upload_rows(ledger, run_id).collect().equals(rows)
    ledger.close()


def test_nothing_is_restored_while_a_worker_runs(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    lock = os.open(folder / "worker.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(LedgerError, match="worker is running"):
        restore(folder, file, environment="sandbox")

    os.close(lock)
    ledger.close()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_backup_changes_nothing(folder: Path, tmp_path: Path, content: bytes) -> None:
    opened(folder).close()
    before = (folder / "ledger.db").read_bytes()
    file = tmp_path / "wrong.zip"
    file.write_bytes(content)

    with pytest.raises(LedgerError, match="Nothing was changed"):
        restore(folder, file, environment="sandbox")

    assert (folder / "ledger.db").read_bytes() == before


def test_a_damaged_ledger_inside_a_backup_is_not_put_in_place(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()
    damaged = tmp_path / "damaged.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content[:5000] + b"\xff" * 4000 + content[9000:] if name == "ledger.db" else content
            )

    with pytest.raises(LedgerError, match="Nothing was changed"):
        restore(folder, damaged, environment="sandbox")


def test_a_backup_of_another_environment_is_refused(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()

    with pytest.raises(LedgerError, match="not of https://"):
        restore(tmp_path / "live", file, environment="https://api.openmart.ai")


def test_a_backup_never_writes_over_a_file(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    (tmp_path / "backup.zip").write_text("mine")

    with pytest.raises(LedgerError, match="exists already"):
        backup(ledger, tmp_path / "backup.zip")

    assert (tmp_path / "backup.zip").read_text() == "mine"
    ledger.close()
