"""Erasing: a run's personal data is gone from every byte, and what it cost and how it ended stays."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ledger_kit import Clock, accepted, answer, claim, new_run, outcomes, plan, sending, state_of, unknown
from sqlalchemy import func, insert, select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError, RunNotFoundError
from openmart_lib.ledger import BatchState, Ledger, backup, erasing, queries, remembered, residue
from openmart_lib.ledger.answers import finish_if_complete, store_answers, store_listing
from openmart_lib.ledger.decisions import attach_batch, close_batch, reopen_batch, resend_batch
from openmart_lib.ledger.erased import erased_at, erasing_cut_off
from openmart_lib.ledger.exports import exports_of, note_export, recall_taken, remember_taken
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.replay import replay
from openmart_lib.ledger.runs import cancel_run, plan_run
from openmart_lib.ledger.schema import batch, event, remote_task, reused_row, run, task, uploaded_row
from openmart_lib.ledger.searching import find_row
from openmart_lib.ledger.submissions import refuse

CANARIES = ("canary.mail", "Zwitscher", "5550177", "goldvogel", "Kanarienweg")
TASKS = 120


def canary_answer(run_id: str, task_no: int) -> Any:
    """An answer with somebody's name, email and phone, of the size that answers have."""
    person = {
        "first_name": "Zwitscher",
        "last_name": f"Kanarienweg{task_no}",
        "email": {"email": f"canary.mail{task_no}@one.invalid", "verified": True},
        "phones": [{"phone_number": "+15550177", "line_type": "MOBILE", "valid": True}],
        "note": "x" * (task_no * 37 % 1500),  # rows that grow move from page to page
    }
    return answer(run_id, task_no, [person])


@pytest.fixture
def filled(ledger: Ledger) -> str:
    """A finished run that holds canaries wherever a run can hold anything; one batch of it is in doubt."""
    new = new_run(TASKS, per_batch=60, kind=Kind.LOOKUP_PEOPLE, rejected=1, duplicates=1)
    people = [{"first_name": "Zwitscher", "last_name": "Kanarienweg", "linkedin_url": "in/goldvogel"}]
    request = json.dumps({"domain": "goldvogel.example", "people": people, "info_access": ["EMAIL"]})
    new = replace(
        new,
        frame=new.frame.with_columns(pl.lit("canary.mail@two.invalid").alias("Note")),
        tasks=new.tasks.with_columns(pl.lit(request).alias("request"), domain=pl.lit("goldvogel.example")),
        rows=new.rows.with_columns(
            pl.lit("goldvogel.example").alias("domain"),
            pl.lit("Kanarienweg").alias("asked_title"),
            pl.lit("'canary.mail@x' is no domain").alias("reason"),
        ),
        options={"max_k": 1, "overrides": {"edits": {"3": "goldvogel.example"}}},
        decisions={"edits": {"3": {"domain": "canary.mail@goldvogel.example"}}},
    )
    run_id = plan_run(ledger, new)
    first = accepted(ledger)
    store_listing(ledger, first, [f"task-{number}" for number in range(1, 61)])
    for number in range(1, 61):
        store_answers(ledger, first, [canary_answer(run_id, number)])
    stranger = answer("2222222222", 1, [{"first_name": "Zwitscher"}], task_id="stranger")
    store_answers(ledger, first, [stranger])
    assert finish_if_complete(ledger, first)
    unknown(ledger)
    _write_files(ledger, run_id)
    remembered.remember(ledger, remembered.DOMAIN_CHOICE, "canary.mail@two.invalid", "skip")
    remembered.remember(ledger, remembered.DOMAIN_CHOICE, "another.example", "keep")
    note_export(ledger, run_id, sha256="ab", kind="csv", shape="rows", lines=2, rows=2, partial=False)
    remember_taken(ledger, run_id, b"\x00" * TASKS)
    return run_id


def _write_files(ledger: Ledger, run_id: str) -> None:
    (ledger.results_dir / f"{run_id}.parquet").write_text("canary.mail")
    (ledger.results_dir / f"{run_id}-3.parquet").write_text("canary.mail")
    (ledger.exports_dir / f"{run_id}-0123.xlsx").write_text("Zwitscher")
    (ledger.exports_dir / ".0123.part").write_text("Zwitscher")
    corrected = {"upload_sha256": "ab" * 8 + "01" * 24}  # the same list, some of its rows corrected
    again = {"upload_format": {"origin": {"run_id": "another"}, "made_from": run_id}}  # some of its rows
    notes = {"aa": {"run_id": run_id}, "bb": {"upload_sha256": "ab" * 32}, "cc": {}, "dd": corrected}
    notes |= {"ee": again, "ff": {"upload_format": {"origin": {"run_id": run_id}}}}
    for name, note in notes.items():
        draft = ledger.folder / "drafts" / name
        draft.mkdir(parents=True, exist_ok=True)
        (draft / "draft.json").write_text(json.dumps(note))
        (draft / "source.bin").write_text("Zwitscher" if note else "somebody else")


def hits(folder: Path) -> dict[str, list[str]]:
    """Every file under the folder in which a canary can be read, byte by byte."""
    found: dict[str, list[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            seen = [one for one in CANARIES if one.encode() in content]
            if seen:
                found[path.name] = seen
    return found


def test_no_byte_of_a_persons_data_is_left_in_any_file(ledger: Ledger, filled: str) -> None:
    assert len(hits(ledger.folder)) >= 5  # else this test would prove nothing

    done = erasing.erase_run(ledger, filled)

    assert hits(ledger.folder) == {}
    assert (done.rows, done.answers, done.postponed, done.backups) == (TASKS + 2, 61, "", [])
    assert done.files == 10
    assert (ledger.folder / "drafts" / "cc").exists()
    assert list(remembered.recall_all(ledger, remembered.DOMAIN_CHOICE)) == ["another.example"]
    assert recall_taken(ledger, filled) is None
    assert queries.decisions(ledger, filled) == {}


def test_the_bytes_are_gone_while_another_program_has_the_ledger_open(ledger: Ledger, filled: str) -> None:
    other = Ledger.open(ledger.folder, environment=ledger.environment)
    queries.runs(other)

    erasing.erase_run(ledger, filled)

    assert hits(ledger.folder) == {}
    assert erased_at(other, filled) is not None
    other.close()


def test_counts_outcomes_and_what_the_money_path_needs_stay(
    ledger: Ledger, filled: str, clock: Clock
) -> None:
    before, batches = queries.run_info(ledger, filled), queries.batches(ledger, filled)

    clock.pass_(5)
    erasing.erase_run(ledger, filled)

    after = queries.run_info(ledger, filled)
    assert (after.outcomes, after.found, after.batches) == (before.outcomes, before.found, before.batches)
    kept = ["batch_no", "state", "task_count", "open_tasks", "attempts", "batch_id", "sent_at"]
    assert queries.batches(ledger, filled).select(kept).equals(batches.select(kept))
    assert erased_at(ledger, filled) == clock()
    assert exports_of(ledger, filled)[0].sha256 == "ab"
    assert queries.answers(ledger, filled)["task_id"].len() == 61


def test_the_rows_can_still_be_read_and_are_empty(ledger: Ledger, filled: str) -> None:
    erasing.erase_run(ledger, filled)

    rows = queries.upload_rows(ledger, filled).collect()
    assert rows.columns == ["seq", "file_line", "Company", "Note"]
    assert rows.height == TASKS + 2
    assert rows.drop("seq", "file_line").null_count().row(0) == (TASKS + 2, TASKS + 2)
    states = queries.row_states(ledger, filled)
    assert (
        states.select("domain", "asked_title", "reason", "outcome_reason").null_count().row(0) == (122,) * 4
    )
    assert states["code"].drop_nulls().to_list() == ["code", "code"]


@pytest.mark.parametrize("moving", ["planned", "sending", "accepted"])
def test_a_run_that_moves_is_refused_and_nothing_of_it_is_touched(ledger: Ledger, moving: str) -> None:
    run_id = plan(ledger)
    if moving != "planned":
        {"sending": sending, "accepted": accepted}[moving](ledger)

    with pytest.raises(LedgerError, match=r"Nothing was deleted.*then delete"):
        erasing.erase_run(ledger, run_id)

    assert erased_at(ledger, run_id) is None
    assert queries.requests(ledger, run_id)["domain"].to_list() == [f"shop{n}.example" for n in (1, 2, 3)]


def test_a_run_that_does_not_exist_is_said_to(ledger: Ledger) -> None:
    with pytest.raises(RunNotFoundError):
        erasing.erase_run(ledger, "nobody")


def test_cancelled_is_enough(ledger: Ledger) -> None:
    run_id = plan(ledger)
    cancel_run(ledger, run_id)

    erasing.erase_run(ledger, run_id)

    assert outcomes(ledger, run_id) == {"cancelled": 3}
    assert claim(ledger) is None


def test_a_late_answer_counts_and_brings_nothing_back(ledger: Ledger, filled: str) -> None:
    erasing.erase_run(ledger, filled)
    doubtful = int(queries.batches(ledger, filled).filter(pl.col("state") == "unknown")["pk"][0])
    attach_batch(ledger, doubtful, "turned-up")

    store_answers(ledger, doubtful, [canary_answer(filled, number) for number in range(61, TASKS + 1)])
    assert finish_if_complete(ledger, doubtful)

    assert hits(ledger.folder) == {}
    assert outcomes(ledger, filled)["matched"] == TASKS
    assert queries.run_info(ledger, filled).found["emails"] == TASKS


def test_nothing_of_an_erased_run_can_be_sent_again(ledger: Ledger) -> None:
    run_id = plan(ledger, 5, per_batch=2)
    doubtful, closed = unknown(ledger), accepted(ledger)
    refused = sending(ledger)
    refuse(ledger, refused, status=400, detail="shop5.example is bad")
    close_batch(ledger, closed)

    erasing.erase_run(ledger, run_id)

    for again in (resend_batch, find_row, reopen_batch):
        pk = {resend_batch: doubtful, find_row: refused, reopen_batch: closed}[again]
        with pytest.raises(LedgerError, match=r"Nothing was (sent|changed)"):
            again(ledger, pk)
    with pytest.raises(LedgerError, match="personal data of this run was deleted"):
        resend_batch(ledger, doubtful)
    with pytest.raises(LedgerError, match="personal data of this run was deleted"):
        reopen_batch(ledger, closed)
    assert state_of(ledger, doubtful) is BatchState.UNKNOWN
    assert claim(ledger) is None
    assert "shop5" not in str(queries.batches(ledger, run_id)["detail"].to_list())


def test_the_journal_still_agrees_with_the_ledger(ledger: Ledger) -> None:
    run_id = plan(ledger, 4, per_batch=2)
    journal = Journal(ledger.folder / FILE_NAME)
    journal.append("sent", run_id=run_id, batch_no=1, attempt=1)
    first = accepted(ledger)
    journal.append("accepted", run_id=run_id, batch_no=1, batch_id=f"batch-{first}")
    replay(ledger, ledger.folder / FILE_NAME)
    close_batch(ledger, first)
    cancel_run(ledger, run_id)

    erasing.erase_run(ledger, run_id)
    done = replay(ledger, ledger.folder / FILE_NAME)

    assert not done.older and done.strangers == []
    assert done.accepted == done.unknown == done.paused_runs == 0
    journal.close()


def test_an_erasing_that_was_cut_off_says_so_and_is_finished_by_asking_again(
    ledger: Ledger, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise OSError(5, "Input/output error", "file")

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "erase_files", broken)
        with pytest.raises(LedgerError, match="A part of its data is still there"):
            erasing.erase_run(ledger, filled)
    assert erasing_cut_off(ledger, filled)
    first = erased_at(ledger, filled)

    erasing.erase_run(ledger, filled)

    assert not erasing_cut_off(ledger, filled)
    assert erased_at(ledger, filled) == first
    assert hits(ledger.folder) == {}


def test_backups_and_set_aside_copies_are_named(ledger: Ledger, filled: str, tmp_path: Path) -> None:
    elsewhere = backup.backup(ledger, tmp_path / "monday.zip")
    aside = ledger.folder / "set-aside-20260101-000000-x"
    aside.mkdir()

    done = erasing.erase_run(ledger, filled)

    assert done.backups == [aside, elsewhere]
    assert str(elsewhere) in done.sentence() and str(aside) in done.sentence()
    aside.rmdir()
    (ledger.folder / "backups" / "elsewhere.txt").unlink()


def test_a_file_too_large_to_rewrite_beside_a_moving_run_waits_until_nothing_moves(
    ledger: Ledger, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residue, "MAY_BLOCK", 0.0)
    other = plan(ledger, content="another list")

    first = erasing.erase_run(ledger, filled)
    cancel_run(ledger, other)
    second = erasing.erase_run(ledger, filled)

    assert "a run is moving" in first.postponed and "delete again later" in first.sentence()
    assert second.postponed == ""


def test_somebody_who_reads_all_the_time_is_waited_for_and_then_named(
    ledger: Ledger, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residue, "_TRIES", 2)
    monkeypatch.setattr(residue, "_WAIT", 0.01)
    with closing(sqlite3.connect(ledger.folder / "ledger.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM run").fetchone()

        done = erasing.erase_run(ledger, filled)

    assert "another program is reading it" in done.postponed
    assert erasing.erase_run(ledger, filled).postponed == ""
    assert hits(ledger.folder) == {}


def test_a_run_that_was_never_whole_is_emptied_and_never_gone_on_with(ledger: Ledger, clock: Clock) -> None:
    new = new_run(3)
    pk = _cut_off_planning(ledger, new)
    run_id = queries.runs(ledger)[0].run_id
    with pytest.raises(LedgerError, match="still being written"):
        erasing.erase_run(ledger, run_id)
    cancel_run(ledger, run_id)
    with pytest.raises(LedgerError, match="wait ten minutes"):
        erasing.erase_run(ledger, run_id)
    clock.pass_(601)

    erasing.erase_run(ledger, run_id)
    again = plan_run(ledger, new)

    assert again != run_id
    with ledger.read() as connection:
        for table in (task, batch):
            mine = select(func.count()).select_from(table).where(table.c.run_id == pk)
            assert connection.execute(mine).scalar_one() == 0
    assert queries.requests(ledger, again)["domain"].to_list() == [f"shop{n}.example" for n in (1, 2, 3)]


def test_a_run_that_was_never_whole_leaves_no_row_that_follows_another_run(
    ledger: Ledger, clock: Clock
) -> None:
    """Such a line would be walked over whenever the run that bought its answer changes."""
    bought = plan(ledger, 1, content="bought")
    lines = {"seq": [1], "source_run_id": [1], "source_task_no": [1], "source_person_no": [0]}
    whole = new_run(1, content="reuses")
    rows = whole.rows.with_columns(intake=pl.lit("reused"))
    reuses = replace(
        whole, rows=rows, tasks=whole.tasks.clear(), links=whole.links.clear(), reused=pl.DataFrame(lines)
    )
    cut_off = plan_run(ledger, reuses)
    with ledger.write() as connection:
        connection.execute(run.update().where(run.c.public_id == cut_off).values(planned_at=None))
    cancel_run(ledger, cut_off)
    clock.pass_(601)

    erasing.erase_run(ledger, cut_off)

    with ledger.read() as connection:
        left = [
            connection.execute(select(func.count()).select_from(one)).scalar_one()
            for one in (reused_row, uploaded_row)
        ]
    assert left == [0, 1] and outcomes(ledger, bought) == {"pending": 1}


def _cut_off_planning(ledger: Ledger, new: Any) -> int:
    """Plan a run and take its last step back, as a kill before it leaves it."""
    plan_run(ledger, new)
    with ledger.write() as connection:
        pk = connection.execute(select(run.c.id)).scalar_one()
        connection.execute(run.update().where(run.c.id == pk).values(planned_at=None))
    return int(pk)


def test_another_runs_data_is_left_alone(ledger: Ledger, filled: str) -> None:
    other = plan(ledger, content="another list")
    with ledger.write() as connection:
        pk = connection.execute(select(run.c.id).where(run.c.public_id == other)).scalar_one()
        key = connection.execute(select(batch.c.id).where(batch.c.run_id == pk)).scalar_one()
        stored = {
            "batch_pk": key,
            "run_id": pk,
            "payload": "{}",
            "task_id": "t",
            "listed_at": 1,
            "fetched_at": 1,
        }
        connection.execute(insert(remote_task).values(stored))

    erasing.erase_run(ledger, filled)

    assert queries.answers(ledger, other)["payload"].to_list() == ["{}"]
    assert queries.requests(ledger, other)["domain"].to_list() == [f"shop{n}.example" for n in (1, 2, 3)]
    assert queries.upload_rows(ledger, other).collect()["Company"].to_list() == ["Shop 1", "Shop 2", "Shop 3"]


def test_the_event_log_tells_that_it_was_done(ledger: Ledger, filled: str) -> None:
    erasing.erase_run(ledger, filled)

    with ledger.read() as connection:
        kinds = list(connection.execute(select(event.c.kind).order_by(event.c.id)).scalars())
    assert kinds[-3:] == ["run_erased", "answers_stored", "run_erasing_finished"]
