"""A backup, and the only way back from one: what was sent since is accepted or unknown, never planned again."""

from __future__ import annotations

import fcntl
import os
import zipfile
from pathlib import Path

import pytest
from ledger_kit import Clock, assert_adds_up, new_run, state_of

from openmart_lib.errors import InputError, LedgerError
from openmart_lib.ledger import BatchState, Ledger, RunState, queries, submissions
from openmart_lib.ledger import backup as backup_module
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import replay
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
    journal.append("sent", run_id=claim.run_id, batch_no=claim.batch_no, attempt=claim.attempt)
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


def test_batches_of_runs_that_the_backup_does_not_know_are_named_or_counted(
    folder: Path, tmp_path: Path
) -> None:
    ledger = opened(folder)
    journal = Journal(folder / FILE_NAME)
    file = backup(ledger, tmp_path / "empty.zip")
    run_id = plan_run(ledger, new_run(2, per_batch=1))
    claim = send(ledger, journal, queries.accounts(ledger)[0].id)
    journal.append("accepted", run_id=claim.run_id, batch_no=claim.batch_no, batch_id="B-9")
    send(ledger, journal, queries.accounts(ledger)[0].id)
    journal.close()
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    assert restored.strangers == [(run_id, "B-9")]
    assert "not in this backup and without an answer: 1 batch; may have been charged" in restored.sentence()


def test_the_present_ledger_is_set_aside_and_never_deleted(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    assert restored.set_aside is not None
    assert (restored.set_aside / "ledger.db").stat().st_size > 0
    assert f"kept, with its personal data, in {restored.set_aside}." in restored.sentence()
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

    with pytest.raises(InputError, match=r"is no backup.*Nothing was changed"):
        restore(folder, file, environment="sandbox")

    assert (folder / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("place", ["gone.zip", "."], ids=["not there", "a folder"])
def test_a_file_that_cannot_be_read_is_said_to_be_the_reason(
    folder: Path, tmp_path: Path, place: str
) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*Nothing was changed"):
        restore(folder, tmp_path / place, environment="sandbox")


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

    with pytest.raises(InputError, match="Nothing was changed"):
        restore(folder, damaged, environment="sandbox")


def test_a_backup_of_another_environment_is_refused(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()

    with pytest.raises(InputError, match="not of https://"):
        restore(tmp_path / "live", file, environment="https://api.openmart.ai")


def test_a_backup_never_writes_over_a_file(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    (tmp_path / "backup.zip").write_text("mine")

    with pytest.raises(LedgerError, match="exists already"):
        backup(ledger, tmp_path / "backup.zip")

    assert (tmp_path / "backup.zip").read_text() == "mine"
    ledger.close()


def test_a_wal_left_by_a_restore_that_was_cut_off_is_not_played_into_the_restored_ledger(
    folder: Path, tmp_path: Path
) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(2, per_batch=1))
    file = backup(ledger, tmp_path / "backup.zip")
    plan_run(ledger, new_run(3, content="later"))
    wal = (folder / "ledger.db-wal").read_bytes()
    ledger.close()
    (folder / "ledger.db").unlink()
    (folder / "ledger.db-wal").write_bytes(wal)

    restored = restore(folder, file, environment="sandbox")

    assert restored.set_aside is not None
    assert (restored.set_aside / "ledger.db-wal").read_bytes() == wal
    ledger = opened(folder)
    assert [info.run_id for info in queries.runs(ledger)] == [run_id]
    ledger.close()


def test_two_restores_in_one_second_set_two_ledgers_aside(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    file = backup(ledger, tmp_path / "backup.zip")
    ledger.close()

    first = restore(folder, file, environment="sandbox").set_aside
    second = restore(folder, file, environment="sandbox").set_aside

    assert first is not None and second is not None and first != second
    assert (first / "ledger.db").exists() and (second / "ledger.db").exists()


def test_a_batch_turned_away_since_the_backup_is_planned_again_and_one_in_doubt_is_not(
    folder: Path, tmp_path: Path
) -> None:
    ledger = opened(folder)
    plan_run(ledger, new_run(2, per_batch=1))
    account = queries.accounts(ledger)[0].id
    journal = Journal(folder / FILE_NAME)
    file = backup(ledger, tmp_path / "backup.zip")
    refused, lost = send(ledger, journal, account), send(ledger, journal, account)
    journal.append("released", run_id=refused.run_id, batch_no=refused.batch_no, attempt=refused.attempt)
    journal.close()
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert restored.unknown_batches == 1
    assert state_of(ledger, refused.pk) is BatchState.PLANNED
    assert state_of(ledger, lost.pk) is BatchState.UNKNOWN
    assert_adds_up(ledger)
    ledger.close()


def test_a_restore_that_is_cut_off_is_made_good_by_the_next_worker(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(2, per_batch=1))
    journal = Journal(folder / FILE_NAME)
    file = backup(ledger, tmp_path / "backup.zip")
    sent = send(ledger, journal, queries.accounts(ledger)[0].id)
    journal.close()
    ledger.close()
    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "_reconcile", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert state_of(ledger, sent.pk) is BatchState.PLANNED, "as the backup has it"
    replay(ledger, folder / FILE_NAME)

    assert state_of(ledger, sent.pk) is BatchState.UNKNOWN
    assert queries.run_info(ledger, run_id).state is RunState.PAUSED
    ledger.close()
