"""Find the row over the wire: the sandbox refuses what holds a bad row, and everything else gets its result."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from engine_oracle import assert_all_collected, assert_truth, created_twice
from engine_rig import Rig

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Hold, RunState, queries
from openmart_lib.ledger.decisions import resend_batch
from openmart_lib.ledger.runs import cancel_run, pause_run, resume_run
from openmart_lib.ledger.searches import Search, searches
from openmart_lib.ledger.searching import find_row, stop_search
from openmart_lib.results import join

WORDS = "Domain is required"


def refused_run(
    rig: Rig, rows: int, bad: Sequence[int], *, per_batch: int = 100, kind: Kind = Kind.FIND_PEOPLE
) -> str:
    """Submit companies of which some (by row) are bad, and return the run once its batch was refused."""
    domains = [f"{'bad' if row in bad else 'good'}{row}.example" for row in range(1, rows + 1)]
    domains = [name if row not in bad else f"row{row}.bad.example" for row, name in enumerate(domains, 1)]
    rig.sandbox.faults.add("bad_row", domain="bad.example", detail=WORDS)
    run_id = rig.plan(rows, domains=domains, per_batch=per_batch, kind=kind)
    rig.settle()
    return run_id


def refused_batch(rig: Rig, run_id: str) -> int:
    frame = queries.batches(rig.ledger, run_id)
    return int(frame.filter(frame["state"] == "refused")["pk"][0])


def the_search(rig: Rig, run_id: str) -> Search:
    (only,) = searches(rig.ledger, run_id)
    return only


def guilty(rig: Rig, run_id: str) -> list[int]:
    return [row.seq for row in the_search(rig, run_id).guilty]


@pytest.mark.parametrize(
    "kind", [Kind.FIND_PEOPLE, *(pytest.param(kind, marks=pytest.mark.slow) for kind in list(Kind)[1:])]
)
def test_of_a_hundred_rows_with_one_bad_one_99_get_results_and_one_is_refused(rig: Rig, kind: Kind) -> None:
    run_id = refused_run(rig, 100, [61], kind=kind)
    before = rig.posts()

    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.settle()

    outcomes = rig.outcomes(run_id)
    assert outcomes["refused"] == 1 and "pending" not in outcomes and sum(outcomes.values()) == 100
    assert guilty(rig, run_id) == [61]
    assert f"Openmart refused this row alone: {WORDS}" in rig.reasons(run_id)
    assert rig.posts() - before <= 14
    assert len(rig.sandbox.created_tracking_ids()) == 99
    assert created_twice(rig.sandbox, rig.ledger) == (0, 0)
    assert rig.info(run_id).state is RunState.DONE
    assert_all_collected(rig.sandbox, rig.ledger)
    assert_truth(rig.sandbox, rig.ledger)


def test_several_bad_rows_are_all_found_and_the_results_name_the_batch_each_row_came_back_in(
    rig: Rig,
) -> None:
    run_id = refused_run(rig, 30, [3, 4, 28], per_batch=20)

    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.settle()
    find_row(rig.ledger, refused_batch_left(rig, run_id))
    rig.settle()

    frame = join.results(rig.ledger, run_id)
    refused = frame.filter(frame["outcome"] == "refused")
    answered = frame.filter(frame["outcome"] != "refused")
    created = {
        tracking: each.batch_id
        for each in rig.sandbox.journal()
        for tracking in each.tracking_ids
        if tracking
    }
    assert refused["row"].to_list() == [3, 4, 28]
    assert answered.height == 27
    assert {row["tracking_id"]: row["batch_id"] for row in answered.iter_rows(named=True)} == created
    assert refused["batch_id"].null_count() == 3
    assert_truth(rig.sandbox, rig.ledger)


def refused_batch_left(rig: Rig, run_id: str) -> int:
    """Return a refused batch of several tasks whose bad row is not looked for, or a fresh run's."""
    frame = queries.batches(rig.ledger, run_id)
    searched = set(frame["resend_of_no"].drop_nulls())
    left = frame.filter((frame["state"] == "refused") & ~frame["batch_no"].is_in(searched))
    return int(left.filter(left["task_count"] > 1)["pk"][0])


def test_a_part_whose_answer_is_lost_is_unknown_and_nothing_of_it_is_sent_by_the_program(rig: Rig) -> None:
    run_id = refused_run(rig, 16, [2])
    rig.sandbox.faults.add("answer_lost")

    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.settle()
    rig.pass_time(7200)

    search = the_search(rig, run_id)
    lost = [part for part in search.parts if part.state == "unknown"]
    assert len(lost) == 1 and not search.going
    assert rig.outcomes(run_id)["unknown"] == lost[0].task_count
    assert created_twice(rig.sandbox, rig.ledger) == (0, 0)
    assert_truth(rig.sandbox, rig.ledger)


def test_an_unknown_part_is_sent_again_only_by_a_person(rig: Rig) -> None:
    run_id = refused_run(rig, 16, [2])
    rig.sandbox.faults.add("drop_before")
    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.settle()
    (lost,) = (part for part in the_search(rig, run_id).parts if part.state == "unknown")

    resend_batch(rig.ledger, lost.pk)
    rig.settle()

    outcomes = rig.outcomes(run_id)
    assert "unknown" not in outcomes or outcomes["unknown"] < 16
    assert created_twice(rig.sandbox, rig.ledger) == (0, 0), "nothing was created by the first try"
    assert_truth(rig.sandbox, rig.ledger)


def test_a_worker_that_dies_while_a_part_is_being_sent_leaves_it_unknown_and_the_next_goes_on(
    rig: Rig,
) -> None:
    run_id = refused_run(rig, 16, [2])
    root = refused_batch(rig, run_id)
    first, second = find_row(rig.ledger, root)
    rig.set_batch(second, state="sending", worker_id="a worker that is gone", sent_at=rig.clock())

    rig.restart_worker()
    rig.settle()

    states = {part.pk: part.state for part in the_search(rig, run_id).parts}
    assert states[second] == "unknown" and states[first] == "refused"
    assert guilty(rig, run_id) == [2]
    assert rig.outcomes(run_id)["unknown"] == 8 and rig.outcomes(run_id)["refused"] == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_an_option_that_openmart_refuses_is_told_as_such_after_a_few_parts_and_nothing_is_spent(
    rig: Rig,
) -> None:
    rig.sandbox.faults.add("status", status=422, detail="InfoAccess is invalid", times=None, on="submit")
    run_id = rig.plan(100)
    rig.settle()

    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.settle()

    assert rig.posts() < 50
    assert rig.sandbox.journal() == []
    assert the_search(rig, run_id).hopeless
    assert any("the cause is likely an option" in str(reason) for reason in rig.reasons(run_id))
    assert_truth(rig.sandbox, rig.ledger)


def test_a_search_is_paused_and_resumed_with_its_run(rig: Rig) -> None:
    run_id = refused_run(rig, 16, [9])
    find_row(rig.ledger, refused_batch(rig, run_id))
    pause_run(rig.ledger, run_id)
    before = rig.posts()

    rig.pass_time(600)
    while_paused = rig.posts() - before
    resume_run(rig.ledger, run_id)
    rig.settle()

    assert while_paused == 0
    assert guilty(rig, run_id) == [9]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_run_cancelled_in_the_middle_of_a_search_sends_no_further_part(rig: Rig) -> None:
    rig.start_worker(slots=1)  # so that one part waits while another is being sent
    run_id = refused_run(rig, 64, [9])
    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.until(lambda: len(the_search(rig, run_id).parts) > 2)

    cancel_run(rig.ledger, run_id)
    rig.settle()
    sent = rig.posts()
    rig.pass_time(600)

    assert rig.posts() == sent and not the_search(rig, run_id).going
    assert rig.info(run_id).state is RunState.CANCELLED
    assert "pending" not in rig.outcomes(run_id) and sum(rig.outcomes(run_id).values()) == 64
    assert_truth(rig.sandbox, rig.ledger)


def test_a_stopped_search_sends_no_further_part_and_keeps_what_was_accepted(rig: Rig) -> None:
    rig.start_worker(slots=1)  # so that one part waits while another is being sent
    run_id = refused_run(rig, 64, [9])
    root = refused_batch(rig, run_id)
    find_row(rig.ledger, root)
    rig.until(lambda: len(the_search(rig, run_id).parts) > 2)

    stop_search(rig.ledger, root)
    rig.settle()
    sent = rig.posts()
    rig.pass_time(600)

    assert rig.posts() == sent and not the_search(rig, run_id).going
    created = len(rig.sandbox.created_tracking_ids())
    assert the_search(rig, run_id).accepted_tasks == created
    states = queries.row_states(rig.ledger, run_id)
    stopped = states["outcome_reason"].fill_null("").str.contains("was stopped before").sum()
    refused = (states["outcome"] == "refused").sum()
    assert stopped > 0 and stopped + refused + created == 64
    assert_truth(rig.sandbox, rig.ledger)


def test_an_account_held_in_the_middle_of_a_search_keeps_its_parts_until_a_person_resumes(rig: Rig) -> None:
    run_id = refused_run(rig, 32, [9])
    find_row(rig.ledger, refused_batch(rig, run_id))
    rig.sandbox.faults.add("status", status=402, detail="credit limit reached", times=2)

    rig.settle()
    held = rig.account().hold
    going = the_search(rig, run_id).going
    rig.sandbox.faults.clear()
    rig.sandbox.faults.add("bad_row", domain="bad.example", detail=WORDS)
    resume_run(rig.ledger, run_id)
    rig.settle()

    assert held is Hold.CREDIT_LIMIT and going
    assert guilty(rig, run_id) == [9]
    assert created_twice(rig.sandbox, rig.ledger) == (0, 0)
    assert_truth(rig.sandbox, rig.ledger)
