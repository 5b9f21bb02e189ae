"""A restore forgets no wish: who was listed since the backup stays listed, what was deleted is deleted again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from ledger_kit import Clock, answer, assert_adds_up, new_run, state_of
from sqlalchemy import text

from openmart_lib import suppression
from openmart_lib.errors import LedgerNewerError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import BatchState, Ledger, Outcome, RunState, queries, submissions
from openmart_lib.ledger import backup as backup_module
from openmart_lib.ledger.answers import finish_if_complete, store_answers
from openmart_lib.ledger.backup import backup, restore
from openmart_lib.ledger.erased import erased_at, erasing_cut_off
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import LISTS_AGAIN
from openmart_lib.ledger.runs import cancel_run, plan_run, resume_run
from openmart_lib.ledger.suppressing import never_lists, remove_list


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sandbox"


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, environment="sandbox", clock=Clock())


def never(ledger: Ledger, *cells: str, name: str) -> None:
    suppression.add_list(ledger, upload_from_frame(pl.DataFrame({"who": cells})), name=name)


def listed(ledger: Ledger, *domains: str) -> list[bool]:
    return suppression.lists_of(ledger).has("domain", pl.Series(domains)).to_list()


@pytest.mark.parametrize("before", [[], ["shop9.example"]], ids=["no list before", "a list before"])
def test_who_was_listed_since_the_backup_is_not_sent_after_a_restore(
    folder: Path, tmp_path: Path, before: list[str]
) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(2, per_batch=1))
    if before:
        never(ledger, *before, name="long ago")
    file = backup(ledger, tmp_path / "yesterday.zip")
    never(ledger, "shop1.example", name="asked us on Monday")
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert "asked us on Monday" in [one.name for one in never_lists(ledger)]
    assert "Kept from the ledger that was replaced: 1 entry of never-contact lists." in restored.sentence()
    assert "import again" not in restored.sentence() + str(queries.run_info(ledger, run_id).pause_reason)
    resume_run(ledger, run_id)
    first = submissions.next_candidate(ledger, queries.accounts(ledger)[0].id)
    assert first is not None and not first.checked, "no claim takes it before it is compared"
    assert suppression.withdraw_listed(ledger) == 1
    assert queries.run_info(ledger, run_id).outcomes[Outcome.CANCELLED] == 1
    ledger.close()


def test_an_entry_of_the_backup_that_was_removed_since_is_listed_again(folder: Path, tmp_path: Path) -> None:
    """Whoever was listed once stays listed: the other mistake cannot be taken back."""
    ledger = opened(folder)
    never(ledger, "shop9.example", name="old")
    file = backup(ledger, tmp_path / "yesterday.zip")
    never(ledger, "shop1.example", name="new")
    remove_list(ledger, "old")
    ledger.close()

    restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert listed(ledger, "shop1.example", "shop9.example", "shop2.example") == [True, True, False]
    ledger.close()


def test_lists_of_another_ledger_are_kept_with_the_key_they_were_made_with(
    folder: Path, tmp_path: Path
) -> None:
    """A backup of another computer is put in the place of a ledger that has lists of its own."""
    elsewhere = opened(tmp_path / "elsewhere")
    never(elsewhere, "shop1.example", name="theirs")
    file = backup(elsewhere, tmp_path / "theirs.zip")
    elsewhere.close()
    ledger = opened(folder)
    never(ledger, "shop2.example", name="ours")
    ledger.close()

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert listed(ledger, "shop1.example", "shop2.example", "shop3.example") == [True, True, False]
    never(ledger, "shop3.example", name="later")
    assert listed(ledger, "shop1.example", "shop2.example", "shop3.example") == [True, True, True]
    assert LISTS_AGAIN in restored.sentence(), "what was listed since on that computer is not known here"
    ledger.close()


@pytest.mark.parametrize("damage", ["cut off", "a page lost", "gone"])
def test_of_a_ledger_that_cannot_be_read_whole_a_person_is_told_to_list_again(
    folder: Path, tmp_path: Path, damage: str
) -> None:
    ledger = opened(folder)
    run_id = plan_run(ledger, new_run(1))
    file = backup(ledger, tmp_path / "yesterday.zip")
    never(ledger, "shop1.example", name="asked us on Monday")
    ledger.close()
    content = (folder / "ledger.db").read_bytes()
    if damage == "gone":
        (folder / "ledger.db").unlink()
    else:
        kept = content[:300] if damage == "cut off" else content[:-4096] + b"\xff" * 4096
        (folder / "ledger.db").write_bytes(kept)

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert LISTS_AGAIN in restored.sentence() and "`openmart erase RUN`" in restored.sentence()
    assert LISTS_AGAIN in str(queries.run_info(ledger, run_id).pause_reason)
    ledger.close()


def erased_since(folder: Path, tmp_path: Path) -> tuple[str, Path]:
    """A run of three batches: since its backup one was answered, one lost, one cancelled; then it was erased."""
    ledger = opened(folder)
    new = new_run(3, per_batch=1)
    note = pl.lit("canary.mail@two.invalid").alias("Note")
    run_id = plan_run(ledger, replace(new, frame=new.frame.with_columns(note)))
    file = backup(ledger, tmp_path / "yesterday.zip")
    account = queries.accounts(ledger)[0].id
    journal = Journal(folder / FILE_NAME)
    claims = []
    for _ in range(2):
        wanted = submissions.next_candidate(ledger, account)
        assert wanted is not None
        claim = submissions.claim(ledger, wanted, account_id=account, worker_id="w", slots=9)
        assert claim is not None
        journal.append("sent", **claim.sent_line())
        claims.append(claim)
    journal.append("accepted", **claims[0].line(), batch_id="B-1")
    journal.close()
    submissions.accept(ledger, claims[0].pk, "B-1", None, poll_after=0.0)
    store_answers(ledger, claims[0].pk, [answer(run_id, 1, [])])
    finish_if_complete(ledger, claims[0].pk)
    submissions.lose(ledger, claims[1].pk, seen="reset")
    cancel_run(ledger, run_id)
    erase_run(ledger, run_id)
    ledger.close()
    return run_id, file


def test_what_was_deleted_since_the_backup_does_not_come_back_with_it(folder: Path, tmp_path: Path) -> None:
    run_id, file = erased_since(folder, tmp_path)

    restored = restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    held = [path for path in folder.rglob("*") if path.is_file() and b"canary.mail" in path.read_bytes()]
    assert held == [] and "that was deleted since is deleted again" in restored.sentence()
    assert erased_at(ledger, run_id) is not None and not erasing_cut_off(ledger, run_id)
    info = queries.run_info(ledger, run_id)
    assert (info.batches[BatchState.ACCEPTED], info.batches[BatchState.UNKNOWN]) == (1, 1)
    assert info.batches[BatchState.CANCELLED] == 1 and info.state is RunState.CANCELLED
    assert_adds_up(ledger)
    pk = next(pk for pk in (1, 2, 3) if state_of(ledger, pk) is BatchState.ACCEPTED)
    store_answers(ledger, pk, [answer(run_id, 1, [{"first_name": "canary.mail"}])])
    assert finish_if_complete(ledger, pk), "its answer is counted"
    ledger.close()
    assert b"canary.mail" not in (folder / "ledger.db").read_bytes(), "and not kept"


def test_a_restore_that_is_cut_off_has_forgotten_no_wish(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, file = erased_since(folder, tmp_path)
    ledger = opened(folder)
    never(ledger, "shop1.example", name="asked us on Monday")
    ledger.close()
    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "_reconcile", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(folder, file, environment="sandbox")

    ledger = opened(folder)
    assert listed(ledger, "shop1.example") == [True] and erased_at(ledger, run_id) is not None
    resume_run(ledger, run_id)
    assert submissions.next_candidate(ledger, queries.accounts(ledger)[0].id) is None, "it is cancelled"
    ledger.close()


def test_a_backup_of_a_newer_program_changes_nothing(folder: Path, tmp_path: Path) -> None:
    ledger = opened(folder)
    with ledger.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    file = backup(ledger, tmp_path / "newer.zip")
    ledger.close()
    before = (folder / "ledger.db").read_bytes()

    with pytest.raises(LedgerNewerError, match="Nothing was changed"):
        restore(folder, file, environment="sandbox")

    assert (folder / "ledger.db").read_bytes() == before
