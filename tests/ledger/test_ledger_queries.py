"""Queries: the frames and values that pages, the command line and notebooks are promised."""

from __future__ import annotations

import polars as pl
import pytest
from ledger_kit import (
    EMAIL,
    Clock,
    accepted,
    account_id,
    answer,
    answer_to,
    claim,
    counts,
    free,
    plan,
    sending,
    unknown,
)

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger import (
    BatchState,
    Hold,
    Ledger,
    Outcome,
    RunState,
    accounts,
    answers,
    decisions,
    queries,
    submissions,
)
from openmart_lib.ledger.runs import cancel_run, pause_run, resume_run

TEXT, INT, TIME, SMALL = pl.String, pl.Int64, pl.Float64, pl.UInt32
FRAMES = {
    "batches": {
        "pk": INT,
        "batch_no": INT,
        "state": TEXT,
        "task_count": INT,
        "open_tasks": INT,
        "open_rows": INT,
        "attempts": INT,
        "batch_id": TEXT,
        "sent_at": TIME,
        "answered_at": TIME,
        "http_status": INT,
        "detail": TEXT,
        "nothing_created": pl.Boolean,
        "processing": INT,
        "completed": INT,
        "errored": INT,
        "total": INT,
        "ready_at": TIME,
        "asked_at": TIME,
        "changed_at": TIME,
        "next_poll_at": TIME,
        "polls": INT,
        "read_error": TEXT,
        "collected_at": TIME,
        "resend_of_no": INT,
        "search_of_no": INT,
        "closed_by_person": pl.Boolean,
        "first_tracking_id": TEXT,
        "last_tracking_id": TEXT,
    },
    "progress": {"at": TIME, "final_rows": INT},
    "submissions": {"at": TIME, "batch_no": INT},
    "events": {"at": TIME, "kind": TEXT, "run_id": TEXT, "batch_no": INT, "detail": TEXT},
    "row_states": {
        "seq": SMALL,
        "file_line": SMALL,
        "intake": TEXT,
        "code": TEXT,
        "reason": TEXT,
        "domain": TEXT,
        "asked_title": TEXT,
        "duplicate_of": SMALL,
        "outcome": TEXT,
        "outcome_reason": TEXT,
    },
    "links": {"seq": SMALL, "task_no": SMALL, "person_no": SMALL, "outcome": TEXT, "reason": TEXT},
    "answers": {
        "task_no": SMALL,
        "tracking_id": TEXT,
        "task_id": TEXT,
        "batch_id": TEXT,
        "batch_no": INT,
        "status": TEXT,
        "payload": TEXT,
        "fetched_at": TIME,
    },
    "requests": {
        "task_no": SMALL,
        "tracking_id": TEXT,
        "domain": TEXT,
        "request": TEXT,
        "status": TEXT,
        "task_id": TEXT,
        "batch_no": INT,
        "batch_state": TEXT,
    },
}


def a_full_run(ledger: Ledger, clock: Clock) -> str:
    """Return a run to which most of what can happen has happened."""
    run_id = plan(ledger, 10, per_batch=2, rejected=1, duplicates=1, skipped=1)
    clock.pass_(5.0)
    done = accepted(ledger, "b-done")
    answers.store_counts(ledger, done, counts(0, 2, ready=True), next_poll_at=clock.at)
    answers.store_answers(ledger, done, [answer(run_id, 1, [EMAIL]), answer(run_id, 2, [])])
    answers.store_answers(ledger, done, [answer_to(None, [], status="COMPLETED", task_id="foreign")])
    answers.finish_if_complete(ledger, done)
    decisions.resend_batch(ledger, unknown(ledger))
    running = accepted(ledger, "b-running")
    answers.store_read_error(ledger, running, "HTTP 503", next_poll_at=clock.at)
    refused = sending(ledger)
    submissions.refuse(ledger, refused, status=400, detail="Domain is required")
    sending(ledger)
    return run_id


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("fullness", ["full", "empty"])
def test_a_frame_has_the_promised_columns_and_types_empty_or_full(ledger, clock, name, fullness):
    run_id = a_full_run(ledger, clock) if fullness == "full" else plan(ledger, 0)

    frame = getattr(queries, name)(ledger, run_id)

    assert dict(sorted(frame.schema.items())) == dict(sorted(FRAMES[name].items()))
    assert frame.is_empty() == (fullness == "empty" and name not in ("progress", "events"))


@pytest.mark.parametrize("name", [*FRAMES, "upload_rows", "run_info"])
def test_a_run_that_does_not_exist_is_named(ledger, name):
    with pytest.raises(RunNotFoundError, match="zzzzzzzzzz"):
        getattr(queries, name)(ledger, "zzzzzzzzzz")


def test_an_empty_ledger_has_no_runs_no_events_and_says_so(ledger):
    assert queries.runs(ledger) == []
    assert queries.accounts(ledger) == []
    assert queries.events(ledger).schema == FRAMES["events"]
    assert queries.revision(ledger) == 0
    with pytest.raises(RunNotFoundError, match="no run yet"):
        queries.newest_run_id(ledger)


def test_batches_come_in_order_with_the_tracking_ids_they_hold(ledger, clock):
    run_id = a_full_run(ledger, clock)

    batches = queries.batches(ledger, run_id)

    assert batches["batch_no"].to_list() == [1, 2, 3, 4, 5, 6]
    assert batches["state"].to_list() == ["collected", "resent", "accepted", "refused", "sending", "planned"]
    assert batches["first_tracking_id"].to_list()[:2] == [f"{run_id}-1", f"{run_id}-3"]
    assert batches["last_tracking_id"].to_list()[-1] == f"{run_id}-12"
    assert batches["resend_of_no"].to_list() == [None, None, None, None, None, 2]
    assert batches.row(0, named=True)["ready_at"] == clock.at


def test_a_run_adds_up_and_says_where_its_rows_are(ledger, clock):
    run_id = a_full_run(ledger, clock)

    info = queries.run_info(ledger, run_id)

    assert {outcome: n for outcome, n in info.outcomes.items() if n} == {
        Outcome.MATCHED: 1,
        Outcome.NO_MATCH: 1,
        Outcome.PENDING: 6,
        Outcome.REFUSED: 2,
        Outcome.REJECTED: 1,
        Outcome.SKIPPED: 1,
        Outcome.DUPLICATE: 1,
    }
    assert set(info.outcomes) == set(Outcome)
    assert sum(info.outcomes.values()) == info.row_count == 13
    assert (info.pending.waiting, info.pending.sending, info.pending.at_openmart) == (2, 2, 2)
    assert info.final_rows == 7
    assert info.batches[BatchState.COLLECTED] == 1 and set(info.batches) == set(BatchState)
    assert (info.task_count, info.worst_credits, info.key_last4) == (12, 33.0, "abcd")
    assert (info.kind, info.upload_name, info.columns) == (Kind.FIND_PEOPLE, "shops.csv", ["Company", "Note"])
    assert info.mapping == {"domain": ["Company"]} and info.upload_format == {"encoding": "utf-8"}
    assert (info.state, info.finished_at, info.moving) == (RunState.ACTIVE, None, True)


def test_runs_come_newest_first(ledger):
    first, second = plan(ledger, 1), plan(ledger, 1, content="second")

    assert [info.run_id for info in queries.runs(ledger)] == [second, first]
    assert queries.newest_run_id(ledger) == second


def test_progress_ends_at_the_rows_that_are_final_and_may_go_back(ledger, clock):
    run_id = plan(ledger, 4, per_batch=2, rejected=1)
    clock.pass_(1.0)
    pk = unknown(ledger)
    clock.pass_(1.0)
    decisions.resend_batch(ledger, pk)

    progress = queries.progress(ledger, run_id)

    assert progress["final_rows"].to_list() == [1, 3, 1]
    assert progress["at"].to_list() == [clock.at - 2.0, clock.at - 1.0, clock.at]


def test_submissions_are_the_accepted_batches_and_when(ledger, clock):
    run_id = plan(ledger, 3, per_batch=1)
    accepted(ledger)
    clock.pass_(7.0)
    accepted(ledger)

    assert queries.submissions(ledger, run_id).rows() == [(clock.at - 7.0, 1), (clock.at, 2)]


def test_events_come_newest_first_and_no_more_than_asked_for(ledger):
    run_id = plan(ledger, 1)
    plan(ledger, 1, content="second")
    accepted(ledger)

    assert queries.events(ledger, limit=1)["kind"].to_list() == ["batch_accepted"]
    mine = queries.events(ledger, run_id)
    assert mine["kind"].to_list() == ["batch_accepted", "batch_sending", "run_planned", "run_created"]
    assert set(mine["run_id"]) == {run_id}


def test_no_event_holds_anything_of_a_row(ledger, clock):
    a_full_run(ledger, clock)

    told = " ".join(filter(None, queries.events(ledger, limit=10_000)["detail"]))

    assert "ada@one.invalid" not in told and "shop1.example" not in told and "Roe" not in told


def test_requests_can_be_asked_for_by_task(ledger):
    run_id = plan(ledger, 5, per_batch=2)

    some = queries.requests(ledger, run_id, [5, 2, 99])

    assert some["tracking_id"].to_list() == [f"{run_id}-2", f"{run_id}-5"]
    assert some["batch_no"].to_list() == [1, 3]
    assert queries.requests(ledger, run_id, []).is_empty()
    assert queries.requests(ledger, run_id, list(range(1, 60_000))).height == 5


def test_the_revision_grows_with_every_change_and_with_nothing_else(ledger, clock):
    run_id = plan(ledger, 2)
    pk = accepted(ledger)
    seen = [queries.revision(ledger)]

    def look() -> bool:
        seen.append(queries.revision(ledger))
        return seen[-1] > seen[-2]

    answers.store_counts(ledger, pk, counts(2, 0), next_poll_at=clock.at)
    assert look(), "counters are content too"
    answers.store_listing(ledger, pk, ["task-1"])
    assert look()
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])
    assert look()
    pause_run(ledger, run_id)
    assert look()
    queries.runs(ledger), queries.batches(ledger, run_id), claim(ledger)
    accounts.lift_expired_holds(ledger)
    answers.store_answers(ledger, pk, [])
    answers.finish_if_complete(ledger, pk)
    assert not look()


class TestTheStateOfARun:
    def test_active_while_there_is_something_to_send(self, ledger):
        assert queries.run_info(ledger, plan(ledger, 1)).state == RunState.ACTIVE

    def test_paused_by_a_person_with_the_reason(self, ledger):
        run_id = plan(ledger, 1)
        pause_run(ledger, run_id)

        info = queries.run_info(ledger, run_id)

        assert (info.state, info.pause_reason) == (RunState.PAUSED, "paused by you")
        resume_run(ledger, run_id)
        assert queries.run_info(ledger, run_id).state == RunState.ACTIVE

    def test_paused_while_its_account_waits_for_a_person(self, ledger):
        run_id = plan(ledger, 2, per_batch=1)
        submissions.release_and_hold(
            ledger, sending(ledger), Hold.CREDIT_LIMIT, status=402, detail="none left"
        )

        info = queries.run_info(ledger, run_id)

        assert (info.state, info.hold, info.needs_person) == (RunState.PAUSED, Hold.CREDIT_LIMIT, True)
        assert "402" in info.pause_reason

    def test_active_while_its_account_waits_for_time(self, ledger):
        run_id = plan(ledger, 1)
        submissions.release_rate_limited(ledger, sending(ledger), 60.0, "slow down")

        info = queries.run_info(ledger, run_id)

        assert (info.state, info.hold, info.needs_person) == (RunState.ACTIVE, Hold.RATE_LIMITED, False)

    def test_done_when_nothing_is_left_to_send_fetch_or_wait_for(self, ledger, clock):
        run_id = plan(ledger, 2, per_batch=1)
        pk = accepted(ledger)
        answers.store_answers(ledger, pk, [answer(run_id, 1, [])])
        clock.pass_(3.0)
        answers.finish_if_complete(ledger, pk)
        before = queries.run_info(ledger, run_id).state
        unknown(ledger)

        info = queries.run_info(ledger, run_id)

        assert (before, info.state) == (RunState.ACTIVE, RunState.DONE)
        assert info.finished_at == clock.at
        assert info.needs_person, "an unknown batch is a person's"

    def test_cancelled_and_over_at_the_latest_of_its_ends(self, ledger, clock):
        run_id = plan(ledger, 1)
        clock.pass_(9.0)
        cancel_run(ledger, run_id)

        info = queries.run_info(ledger, run_id)

        assert (info.state, info.cancelled_at, info.finished_at) == (RunState.CANCELLED, clock.at, clock.at)

    def test_stalled_batches_are_counted_and_need_a_person(self, ledger, clock):
        run_id = plan(ledger, 2, per_batch=1)
        quiet = accepted(ledger)
        answers.store_counts(ledger, quiet, counts(1, 0), next_poll_at=clock.at)
        clock.pass_(1_201.0)
        answers.store_counts(ledger, quiet, counts(1, 0), next_poll_at=clock.at)
        accepted(ledger)

        info = queries.run_info(ledger, run_id)

        assert (info.stalled_batches, info.needs_person) == (1, True)
        assert queries.run_info(ledger, run_id, stall_after=5_000.0).stalled_batches == 0


def test_a_batch_that_nobody_asked_about_has_not_stalled(ledger, clock):
    run_id = plan(ledger, 1)
    pk = accepted(ledger)
    answers.store_counts(ledger, pk, counts(1, 0), next_poll_at=clock.at)

    clock.pass_(8 * 3600.0)  # this computer slept

    assert queries.run_info(ledger, run_id).stalled_batches == 0


def test_accounts_are_shown_with_their_hold_and_until_when(ledger, clock):
    plan(ledger, 1)
    submissions.release_rate_limited(ledger, sending(ledger), 60.0, "slow down")

    (info,) = queries.accounts(ledger)

    assert (info.id, info.key_last4, info.hold) == (account_id(ledger), "abcd", Hold.RATE_LIMITED)
    assert (info.held_at, info.hold_until, info.hold_detail) == (clock.at, clock.at + 60.0, "slow down")
    assert not info.waits_for_person
    free(ledger)
    assert queries.accounts(ledger)[0].hold is None
