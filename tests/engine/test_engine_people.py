"""What a person decides while the engine works: pause, cancel, another key, resend, attach, give up."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from engine_oracle import assert_truth
from engine_rig import Rig

from openmart_lib.engine import key_fingerprint, key_last4
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import Hold, RunState, queries
from openmart_lib.ledger.decisions import attach_batch, drop_batch, resend_batch
from openmart_lib.ledger.runs import adopt_run, cancel_run, pause_run, resume_run
from openmart_lib.settings import Secret


def _sent_in_order(rig: Rig) -> list[str]:
    """The runs whose batches were claimed, oldest first."""
    events = queries.events(rig.ledger, limit=1000)
    return events.filter(events["kind"] == "batch_sending")["run_id"].reverse().to_list()


def test_two_active_runs_take_turns(rig: Rig) -> None:
    rig.start_worker(slots=1)
    large, small = rig.plan(6, per_batch=1), rig.plan(3, per_batch=1)

    rig.settle()

    order = _sent_in_order(rig)
    assert order[:6].count(small) == 3, "the small one does not wait for the large one"
    assert all(one != other for one, other in pairwise(order[:6])) and order[6:] == [large] * 3
    assert_truth(rig.sandbox, rig.ledger)


def test_a_paused_run_sends_nothing_more_and_what_is_with_openmart_is_collected(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("slow", on="submit", seconds=0.1, times=None)
    run_id = rig.plan(3, per_batch=1)
    rig.until(lambda: rig.posts() == 1, skip=False)

    pause_run(rig.ledger, run_id)
    rig.settle()

    assert rig.states(run_id) == ["collected", "planned", "planned"] and rig.posts() == 1
    assert rig.info(run_id).state is RunState.PAUSED

    resume_run(rig.ledger, run_id)
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 3
    assert_truth(rig.sandbox, rig.ledger)


def test_a_cancelled_run_sends_nothing_more_and_what_is_with_openmart_is_collected(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("slow", on="submit", seconds=0.1, times=None)
    run_id = rig.plan(3, per_batch=1)
    rig.until(lambda: rig.posts() == 1, skip=False)

    told = cancel_run(rig.ledger, run_id)
    rig.settle()

    assert (told.cancelled_batches, told.with_openmart_batches) == (2, 1)
    assert rig.states(run_id) == ["collected", "cancelled", "cancelled"] and rig.posts() == 1
    assert rig.outcomes(run_id)["cancelled"] >= 2
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("status", [429, 402])
def test_a_batch_that_comes_back_unsent_after_its_run_was_cancelled_is_cancelled_too(
    rig: Rig, status: int
) -> None:
    rig.sandbox.faults.add("slow", on="submit", seconds=0.1)
    rig.sandbox.faults.add("status", status=status)
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)

    cancel_run(rig.ledger, run_id)
    rig.settle()

    assert rig.states(run_id) == ["cancelled"] and rig.outcomes(run_id) == {"cancelled": 2}
    assert_truth(rig.sandbox, rig.ledger)


def test_a_run_of_another_key_waits_and_one_click_lets_it_go_on(rig: Rig) -> None:
    before = rig.settings
    rig.settings = replace(before, api_key=Secret("another-key-of-the-team"))
    fingerprint = key_fingerprint(rig.ledger, rig.settings), key_last4(rig.settings)
    run_id = rig.plan(2)
    rig.settings = before
    mine = rig.plan(2)

    rig.settle()

    assert rig.states(run_id) == ["planned"] and rig.states(mine) == ["collected"]
    info = rig.info(run_id)
    assert info.other_key and info.state is RunState.PAUSED and info.key_last4 == fingerprint[1]

    adopt_run(
        rig.ledger,
        run_id,
        key_fingerprint=key_fingerprint(rig.ledger, before),
        key_last4=key_last4(before),
    )
    rig.settle()
    assert rig.states(run_id) == ["collected"] and rig.posts() == 2
    assert_truth(rig.sandbox, rig.ledger)


def test_a_resent_batch_brings_the_rows_their_results_under_new_tracking_ids(rig: Rig) -> None:
    rig.sandbox.faults.add("drop_before")
    run_id = rig.plan(domains=["everything.example", "people3.example"], rows=2)
    rig.settle()
    assert rig.outcomes(run_id) == {"unknown": 2}

    resend_batch(rig.ledger, rig.batch(run_id)["pk"])
    rig.settle()

    assert rig.states(run_id) == ["resent", "collected"]
    assert rig.outcomes(run_id) == {"matched": 2} and rig.posts() == 2
    assert rig.sandbox.created_tracking_ids() == [f"{run_id}-3", f"{run_id}-4"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_batch_id_found_elsewhere_brings_the_rows_their_results(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost")
    run_id = rig.plan(domains=["everything.example", "people3.example"], rows=2)
    rig.settle()

    attach_batch(rig.ledger, rig.batch(run_id)["pk"], rig.sandbox.journal()[0].batch_id)
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.outcomes(run_id) == {"matched": 2}
    assert rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_the_batch_that_was_resent_is_collected_too_when_its_id_turns_up_and_the_best_outcome_counts(
    rig: Rig,
) -> None:
    rig.sandbox.faults.add("answer_lost")
    run_id = rig.plan(domains=["everything.example"], rows=1)
    rig.settle()
    old = rig.batch(run_id)["pk"]
    resend_batch(rig.ledger, old)
    rig.sandbox.faults.add("data_null")
    rig.settle()
    assert rig.outcomes(run_id) == {"no match": 1}, "the second one found nothing"

    attach_batch(rig.ledger, old, rig.sandbox.journal()[0].batch_id)
    rig.settle()

    assert rig.states(run_id) == ["collected", "collected"] and rig.outcomes(run_id) == {"matched": 1}
    assert queries.answers(rig.ledger, run_id).height == 2
    assert_truth(rig.sandbox, rig.ledger)


def test_a_batch_that_turns_up_before_its_resend_is_sent_is_not_paid_a_second_time(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost")
    run_id = rig.plan(domains=["everything.example"], rows=1)
    rig.settle()
    old = rig.batch(run_id)["pk"]
    pause_run(rig.ledger, run_id)
    resend_batch(rig.ledger, old)

    attach_batch(rig.ledger, old, rig.sandbox.journal()[0].batch_id)
    resume_run(rig.ledger, run_id)
    rig.settle()

    assert rig.posts() == 1 and rig.outcomes(run_id) == {"matched": 1}
    assert_truth(rig.sandbox, rig.ledger)


def test_a_batch_that_was_given_up_stays_unknown_and_is_still_collected_when_its_id_turns_up(
    rig: Rig,
) -> None:
    rig.sandbox.faults.add("answer_lost")
    run_id = rig.plan(domains=["everything.example"], rows=1)
    rig.settle()
    pk = rig.batch(run_id)["pk"]

    drop_batch(rig.ledger, pk)
    rig.settle()
    assert rig.outcomes(run_id) == {"unknown": 1} and rig.states(run_id) == ["dropped"]
    with pytest.raises(LedgerError, match="not in doubt"):
        resend_batch(rig.ledger, pk)

    attach_batch(rig.ledger, pk, rig.sandbox.journal()[0].batch_id)
    rig.settle()
    assert rig.outcomes(run_id) == {"matched": 1}
    assert_truth(rig.sandbox, rig.ledger)


def test_resuming_one_run_ends_the_hold_for_all_runs_of_the_account(rig: Rig) -> None:
    rig.sandbox.faults.add("status", status=402)
    first, second = rig.plan(1), rig.plan(1)
    rig.settle()
    assert rig.account().hold is Hold.CREDIT_LIMIT

    resume_run(rig.ledger, second)
    rig.settle()

    assert rig.states(first) == rig.states(second) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)
