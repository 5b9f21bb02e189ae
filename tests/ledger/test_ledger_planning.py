"""Planning: one Confirm is one run, written in chunks that a kill may cut anywhere."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import polars as pl
import pytest
from ledger_kit import (
    EMAIL,
    accepted,
    answer,
    assert_adds_up,
    claim,
    new_run,
    outcomes,
    plan,
    sending,
    task_numbers,
)
from sqlalchemy import func, select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError, RunExistsError, RunNotFoundError
from openmart_lib.ledger import BatchState, Ledger, Outcome, RunState, answers, queries, submissions
from openmart_lib.ledger import planning as planning_module
from openmart_lib.ledger.runs import (
    NewRun,
    adopt_run,
    cancel_run,
    find_same_content,
    finish_cancelling,
    pause_run,
    plan_run,
    resume_run,
)
from openmart_lib.ledger.schema import batch, reused_row, row_task, run, task, uploaded_row


class KilledError(Exception):
    """Stands for a kill between two chunks."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of ten lines, so that small runs have several."""
    monkeypatch.setattr(planning_module, "CHUNK_ROWS", 10)


def plan_and_be_killed(ledger: Ledger, new: NewRun, *, after: int) -> None:
    """Plan until so many chunks are written, then stop as a kill would."""
    written = 0

    def progress(done: int, rows: int) -> None:
        nonlocal written
        written += 1
        if written == after:
            raise KilledError

    with pytest.raises(KilledError):
        plan_run(ledger, new, progress=progress)


def sizes(ledger: Ledger) -> dict[str, int]:
    """Return how many lines each table has."""
    with ledger.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (run, batch, task, row_task, uploaded_row)
        }


BIG = {"per_batch": 5, "rejected": 3, "duplicates": 4, "skipped": 2}


def test_a_planned_run_has_every_row_every_task_and_batches_of_the_size_asked_for(ledger):
    run_id = plan(ledger, 23, **BIG)

    batches = queries.batches(ledger, run_id)
    assert batches["task_count"].to_list() == [5, 5, 5, 5, 3]
    assert batches["open_rows"].to_list() == [5, 5, 5, 5, 3]
    assert outcomes(ledger, run_id) == {"pending": 23, "rejected": 3, "duplicate": 4, "skipped": 2}
    assert queries.run_info(ledger, run_id).state == RunState.ACTIVE
    assert_adds_up(ledger)


def test_groups_of_people_tie_several_rows_to_one_task(ledger):
    run_id = plan(ledger, 3, people=4, kind=Kind.LOOKUP_PEOPLE, per_batch=2)

    assert queries.batches(ledger, run_id)["open_rows"].to_list() == [8, 4]
    assert queries.run_info(ledger, run_id).row_count == 12
    assert_adds_up(ledger)


def test_a_list_without_a_single_usable_row_is_a_run_that_is_done(ledger):
    run_id = plan(ledger, 0, rejected=3)

    info = queries.run_info(ledger, run_id)

    assert (info.state, info.outcomes[Outcome.REJECTED], info.final_rows) == (RunState.DONE, 3, 3)
    assert claim(ledger) is None


def test_progress_is_told_in_rows_and_ends_at_all_of_them(ledger):
    told: list[tuple[int, int]] = []

    plan_run(ledger, new_run(23, **BIG), progress=lambda done, rows: told.append((done, rows)))

    assert told == sorted(told)
    assert told[-1] == (32, 32)
    assert len(told) > 5


@pytest.mark.parametrize("after", range(1, 11))
def test_a_planning_that_was_cut_off_is_invisible_to_the_worker_and_goes_on_without_doubling(ledger, after):
    new = new_run(23, **BIG)
    plan_and_be_killed(ledger, new, after=after)

    (cut_off,) = queries.runs(ledger)
    assert (cut_off.state, cut_off.outcomes[Outcome.PENDING]) == (RunState.PLANNING, 32)
    assert cut_off.pending.total == 32
    assert claim(ledger) is None

    run_id = plan_run(ledger, new)

    assert run_id == cut_off.run_id
    assert sizes(ledger) == {"run": 1, "batch": 5, "task": 23, "row_task": 23, "uploaded_row": 32}
    assert claim(ledger) is not None
    assert_adds_up(ledger)


def test_the_same_content_in_another_tab_goes_on_with_a_planning_that_was_cut_off(ledger):
    plan_and_be_killed(ledger, new_run(23, **BIG), after=4)

    run_id = plan_run(ledger, new_run(23, token="another tab", **BIG))

    assert [info.run_id for info in queries.runs(ledger)] == [run_id]
    assert_adds_up(ledger)


def test_a_planning_that_was_cut_off_is_not_gone_on_with_by_another_upload(ledger):
    plan_and_be_killed(ledger, new_run(23, **BIG), after=4)

    run_id = plan_run(ledger, new_run(7, token="another file", upload_sha256="cd" * 32))

    assert outcomes(ledger, run_id) == {"pending": 7}
    assert len(queries.runs(ledger)) == 2
    with ledger.read() as connection:
        stored = connection.execute(select(func.count()).select_from(task).where(task.c.run_id == 2)).scalar()
    assert stored == 7


def test_a_run_submitted_again_on_purpose_and_cut_off_is_not_gone_on_with_by_accident(ledger):
    first = plan(ledger, 23, **BIG)
    plan_and_be_killed(ledger, new_run(23, token="again", again=True, **BIG), after=4)

    with pytest.raises(RunExistsError) as caught:
        plan_run(ledger, new_run(23, token="a third visit", **BIG))

    assert caught.value.run_id == first


def test_the_same_confirm_gives_the_same_run_however_often_it_is_clicked(ledger):
    new = new_run(5)

    assert len({plan_run(ledger, new) for _ in range(3)}) == 1
    assert sizes(ledger)["run"] == 1


def test_twenty_clicks_at_once_make_one_run(ledger):
    new = new_run(23, **BIG)
    gate = threading.Barrier(20)

    def click(_: int) -> str:
        gate.wait()
        return plan_run(ledger, new)

    with ThreadPoolExecutor(20) as clicks:
        run_ids = set(clicks.map(click, range(20)))

    assert len(run_ids) == 1
    assert sizes(ledger) == {"run": 1, "batch": 5, "task": 23, "row_task": 23, "uploaded_row": 32}
    assert [path.suffix for path in ledger.uploads_dir.iterdir()] == [".parquet"]
    assert_adds_up(ledger)


def test_two_tabs_with_the_same_list_at_once_make_one_run_or_say_that_it_exists(ledger):
    gate = threading.Barrier(8)

    def confirm(tab: int) -> str:
        new = new_run(23, token=f"tab {tab}", **BIG)
        gate.wait()
        try:
            return plan_run(ledger, new)
        except RunExistsError as error:
            return error.run_id

    with ThreadPoolExecutor(8) as tabs:
        run_ids = set(tabs.map(confirm, range(8)))

    assert len(run_ids) == 1
    assert sizes(ledger)["task"] == 23
    assert_adds_up(ledger)


def test_the_same_list_again_names_the_earlier_run_and_sends_nothing(ledger):
    first = plan(ledger, 5, name="Shops of May")

    with pytest.raises(RunExistsError, match="Shops of May") as caught:
        plan(ledger, 5, token="another visit")

    assert (caught.value.run_id, caught.value.name) == (first, "Shops of May")
    assert sizes(ledger)["run"] == 1


def test_the_same_list_again_on_purpose_is_another_run(ledger):
    first = plan(ledger, 5)

    second = plan(ledger, 5, token="second visit", again=True)
    third = plan(ledger, 5, token="third visit", again=True)

    assert len({first, second, third}) == 3
    assert find_same_content(ledger, "content").run_id == third
    assert_adds_up(ledger)


def test_nothing_was_submitted_before_where_only_a_planning_was_cut_off(ledger):
    plan_and_be_killed(ledger, new_run(23, **BIG), after=2)

    assert find_same_content(ledger, "content") is None
    assert find_same_content(ledger, "never seen") is None


def test_planning_again_while_the_worker_works_changes_nothing_that_it_did(ledger):
    """Two tabs plan one run; the first is done, and batches are out, when the second is half-way."""
    new = new_run(23, **BIG)
    seen: list[str] = []

    def other_tab_first(done: int, rows: int) -> None:
        if not seen:
            seen.append(plan_run(ledger, new))
            pk = accepted(ledger)
            answers.store_answers(
                ledger, pk, [answer(seen[0], no, [EMAIL]) for no in task_numbers(ledger, pk)]
            )
            answers.finish_if_complete(ledger, pk)

    run_id = plan_run(ledger, new, progress=other_tab_first)

    assert seen == [run_id]
    assert outcomes(ledger, run_id)["matched"] == 5
    assert_adds_up(ledger)


def test_a_run_cancelled_while_it_is_written_sends_nothing_and_every_row_says_so(ledger):
    cancelled = []

    def cancel_half_way(done: int, rows: int) -> None:
        if not cancelled:
            (info,) = queries.runs(ledger)
            cancelled.append(cancel_run(ledger, info.run_id))
            assert queries.run_info(ledger, info.run_id).state == RunState.CANCELLED

    run_id = plan_run(ledger, new_run(23, **BIG), progress=cancel_half_way)

    assert outcomes(ledger, run_id) == {"cancelled": 23, "rejected": 3, "duplicate": 4, "skipped": 2}
    assert claim(ledger) is None
    assert_adds_up(ledger)


def test_a_cut_off_planning_can_be_cancelled_and_then_submitted_after_all(ledger):
    new = new_run(23, **BIG)
    plan_and_be_killed(ledger, new, after=3)
    (cut_off,) = queries.runs(ledger)

    cancel_run(ledger, cut_off.run_id)
    after_cancel = queries.run_info(ledger, cut_off.run_id)
    run_id = plan_run(ledger, replace(new, confirm_token="a new visit"))

    assert (after_cancel.state, after_cancel.outcomes[Outcome.CANCELLED]) == (RunState.CANCELLED, 32)
    assert outcomes(ledger, run_id)["pending"] == 23
    assert_adds_up(ledger)


def test_a_cancel_that_was_cut_off_is_finished_by_whoever_comes_next(ledger, monkeypatch):
    run_id = plan(ledger, 23, **BIG)
    with monkeypatch.context() as patch:
        patch.setattr("openmart_lib.ledger.runs.finish_cancelling", lambda ledger, pk: 0)
        cancel_run(ledger, run_id)
    assert queries.run_info(ledger, run_id).batches[BatchState.PLANNED] == 5

    ended = finish_cancelling(ledger)

    assert ended == 5
    assert outcomes(ledger, run_id)["cancelled"] == 23
    assert_adds_up(ledger)


def test_a_run_that_is_done_stays_done_when_it_is_cancelled(ledger):
    run_id = plan(ledger, 1)
    pk = accepted(ledger)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])
    answers.finish_if_complete(ledger, pk)

    count = cancel_run(ledger, run_id)

    assert (count.cancelled_batches, count.with_openmart_batches) == (0, 0)
    assert queries.run_info(ledger, run_id).state == RunState.DONE


def test_cancelling_twice_keeps_the_time_of_the_first(ledger, clock):
    run_id = plan(ledger, 23, **BIG)
    sending(ledger)
    cancel_run(ledger, run_id)
    clock.pass_(60.0)

    second = cancel_run(ledger, run_id)

    assert second.with_openmart_batches == 1
    assert queries.run_info(ledger, run_id).cancelled_at == clock.at - 60.0


def test_a_plan_that_names_a_row_twice_is_refused_and_never_sent(ledger):
    new = new_run(5)
    doubled = replace(new, links=pl.concat([new.links, new.links.tail(1)]))

    with pytest.raises(LedgerError, match="Nothing was sent"):
        plan_run(ledger, doubled)

    assert claim(ledger) is None


def test_a_row_that_cannot_be_stored_is_an_error_and_not_passed_over(ledger):
    new = new_run(5)
    broken = replace(new, tasks=new.tasks.with_columns(domain=pl.lit(None, dtype=pl.String)))

    with pytest.raises(LedgerError):
        plan_run(ledger, broken)

    assert claim(ledger) is None


def test_the_upload_is_on_disk_as_it_came_before_anything_can_be_sent(ledger):
    run_id = plan(ledger, 5)

    frame = queries.upload_rows(ledger, run_id).collect()

    assert frame.columns == ["seq", "file_line", "Company", "Note"]
    assert frame["Company"].to_list() == [f"Shop {no}" for no in range(1, 6)]
    (path,) = ledger.uploads_dir.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_upload_that_is_gone_is_named_and_the_results_stay(ledger):
    run_id = plan(ledger, 5)
    next(ledger.uploads_dir.iterdir()).unlink()

    with pytest.raises(LedgerError, match="are gone"):
        queries.upload_rows(ledger, run_id)

    assert queries.row_states(ledger, run_id).height == 5


@pytest.mark.parametrize("change", [pause_run, resume_run, cancel_run])
def test_a_run_that_does_not_exist_is_named(ledger, change):
    with pytest.raises(RunNotFoundError, match="zzzzzzzzzz"):
        change(ledger, "zzzzzzzzzz")


def test_a_run_planned_with_another_key_waits_and_goes_on_when_told(ledger):
    run_id = plan(ledger, 2, per_batch=1)
    accepted(ledger)
    before = queries.run_info(ledger, run_id, key_fingerprint="the new key")

    adopt_run(ledger, run_id, key_fingerprint="the new key", key_last4="wxyz")

    after = queries.run_info(ledger, run_id, key_fingerprint="the new key")
    assert (before.other_key, before.state, before.needs_person) == (True, RunState.PAUSED, True)
    assert (after.other_key, after.state, after.needs_person) == (False, RunState.ACTIVE, False)
    new_account = queries.accounts(ledger)[-1].id
    assert submissions.next_candidate(ledger, new_account).run_id == run_id
    assert len(answers.due_batches(ledger, new_account, limit=9)) == 0, "not due yet"
    assert_adds_up(ledger)


def test_what_was_decided_estimated_and_reused_is_kept_with_the_run(ledger):
    source = plan_run(ledger, new_run(2, content="first"))
    with ledger.read() as connection:
        source_pk = connection.execute(select(run.c.id).where(run.c.public_id == source)).scalar_one()
    rows = new_run(0, skipped=2).rows.with_columns(pl.lit("reused").alias("intake"))
    served = pl.DataFrame(
        {"seq": [1, 2], "source_run_id": source_pk, "source_task_no": [1, 2], "source_person_no": 0}
    )
    kept = {"decisions": {"rows": {"1": "send"}}, "estimate": {"expected": 3.0}, "spend_at_most": 0.0}

    run_id = plan_run(ledger, new_run(0, skipped=2, content="second", rows=rows, reused=served, **kept))

    with ledger.read() as connection:
        stored = connection.execute(select(run).where(run.c.public_id == run_id)).one()
        ties = connection.execute(select(reused_row).where(reused_row.c.run_id == stored.id)).all()
    assert (json.loads(stored.decisions), json.loads(stored.estimate)) == (
        kept["decisions"],
        kept["estimate"],
    )
    assert (stored.spend_at_most, stored.pilot_batches) == (0.0, None)
    assert [tuple(tie)[1:] for tie in ties] == [(1, source_pk, 1, 0), (2, source_pk, 2, 0)]
    assert outcomes(ledger, run_id) == {"pending": 2}, "their source has no answer yet"


def test_the_likeness_of_a_task_is_kept_where_it_is_known(ledger):
    new = new_run(2)
    tasks = new.tasks.with_columns(pl.Series("likeness", [-(2**63), None], dtype=pl.Int64))

    plan_run(ledger, replace(new, tasks=tasks))

    with ledger.read() as connection:
        assert list(connection.execute(select(task.c.likeness).order_by(task.c.task_no)).scalars()) == [
            -(2**63),
            None,
        ]
