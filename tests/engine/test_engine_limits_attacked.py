"""Limits, reserves and pilots while things fail: the sandbox's own books tell whether they held."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import Rig, new_run

from openmart_lib.api.wire import Kind
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.ledger import BatchState, RunState, decisions, queries, submissions
from openmart_lib.ledger.limits import set_limit, set_reserve
from openmart_lib.ledger.money import Money, money
from openmart_lib.ledger.pilots import pilot, send_rest
from openmart_lib.ledger.runs import cancel_run, plan_run, resume_run
from openmart_lib.ledger.searching import find_row
from openmart_lib.ledger.states import Pause

EACH = 11.0  # credits at most for a row of these lists: an email and a phone
ESTIMATE = {
    "each": EACH,
    "per_person": False,
    "prices": {"email": 3.0, "phone": 8.0, "mailbox": 1.0, "technology": 2.0},
}


def plan(
    rig: Rig, rows: int, *, per_batch: int = 2, number: int = 1, bad: str = "", **changes: object
) -> str:
    """Confirm a list of so many companies, with prices."""
    domains = [*([bad] if bad else []), *(f"shop{number}-{no}.example" for no in range(1, rows + 1))][:rows]
    new = new_run(rig, number, domains, per_batch, Kind.FIND_PEOPLE, 0)
    return plan_run(rig.ledger, replace(new, estimate=ESTIMATE, **changes))  # type: ignore[arg-type]


def cash(rig: Rig, run_id: str) -> Money:
    return money(rig.ledger, run_id)


def cause(rig: Rig, run_id: str) -> Pause | None:
    info = rig.info(run_id)
    return Pause.of(info.pause_reason) if info.state is RunState.PAUSED else None


def test_a_reserve_that_cannot_be_counted_pauses_the_run_and_says_so(rig: Rig) -> None:
    rig.pacing = replace(rig.pacing, balance_every=0.05)
    rig.restart_worker()
    rig.sandbox.faults.add("status", on="balance", times=None)
    key = key_fingerprint(rig.ledger, rig.settings)
    set_reserve(rig.ledger, 10.0, key_fingerprint=key, key_last4=key_last4(rig.settings))
    run_id = plan(rig, 4, spend_at_most=4 * EACH)

    rig.until(lambda: cause(rig, run_id) is not None, skip=False)

    assert cause(rig, run_id) is Pause.RESERVE
    assert "cannot be read" in (rig.info(run_id).pause_reason or "")
    assert rig.posts() == 0
    rig.sandbox.faults.clear()
    resume_run(rig.ledger, run_id)
    rig.until(lambda: rig.posts() > 0, skip=False)
    rig.settle()
    assert rig.info(run_id).state is RunState.DONE


def test_a_pilot_batch_that_is_sent_again_needs_no_other_word(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(rig, 30, pilot_rows=4, per_batch=4)
    rig.settle()
    assert cause(rig, run_id) is Pause.PILOT_OVER

    decisions.resend_batch(rig.ledger, rig.batch(run_id, 1)["pk"])
    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert tried is not None and (tried.answered, tried.unknown, tried.over) == (4, 0, True)
    assert cause(rig, run_id) is Pause.PILOT_OVER
    assert rig.info(run_id).pending.waiting == 26


def test_a_pilot_whose_bad_row_is_looked_for_goes_on_by_itself(rig: Rig) -> None:
    rig.sandbox.faults.add("bad_row", on="submit", domain="bad.example")
    run_id = plan(rig, 12, pilot_rows=11, per_batch=11, bad="bad.example")
    rig.settle()
    assert cause(rig, run_id) is Pause.PILOT_OVER
    if rig.batch(run_id, 1)["state"] != BatchState.REFUSED:
        pytest.fail("the sample changed: it has to hold the bad row")

    find_row(rig.ledger, rig.batch(run_id, 1)["pk"])
    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert tried is not None and (tried.over, tried.open_rows, tried.rest_rows) == (True, 0, 1)
    send_rest(rig.ledger, run_id)
    rig.settle()
    assert rig.outcomes(run_id).get("refused") == 1
    assert rig.sandbox.credits_spent() == cash(rig, run_id).spent
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("limit", [EACH, 3 * EACH, 8 * EACH])
def test_a_search_for_a_bad_row_stays_within_the_limit(rig: Rig, limit: float) -> None:
    rig.sandbox.faults.add("bad_row", on="submit", domain="bad.example")
    run_id = plan(rig, 8, per_batch=8, bad="bad.example", spend_at_most=8 * EACH)
    rig.settle()
    set_limit(rig.ledger, run_id, limit)

    find_row(rig.ledger, rig.batch(run_id, 1)["pk"])
    rig.settle()

    assert rig.sandbox.credits_spent() == cash(rig, run_id).spent <= limit
    assert cash(rig, run_id).out == 0
    done = rig.info(run_id).state is RunState.DONE
    assert done == (limit == 8 * EACH)
    assert done or cause(rig, run_id) is Pause.LIMIT
    set_limit(rig.ledger, run_id, 8 * EACH)
    rig.settle()
    assert rig.info(run_id).state is RunState.DONE
    assert rig.outcomes(run_id)["refused"] == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_a_first_try_that_turns_up_after_it_was_sent_again_counts_in_full(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(rig, 4, per_batch=4, spend_at_most=4 * EACH, worst_credits=4 * EACH)
    rig.settle()
    first = rig.batch(run_id, 1)["pk"]
    decisions.resend_batch(rig.ledger, first)
    rig.until(lambda: rig.info(run_id).batches[BatchState.COLLECTED] == 1)
    found = next(created.batch_id for created in rig.sandbox.journal())

    submissions.accept(rig.ledger, first, found, None, poll_after=0.0)
    rig.settle()

    now = cash(rig, run_id)
    assert (now.out, now.spent) == (0.0, rig.sandbox.credits_spent())
    assert now.spent <= (now.limit or 0.0)
    assert rig.info(run_id).state is RunState.DONE
    assert_truth(rig.sandbox, rig.ledger)


def test_an_acceptance_after_a_cancel_is_counted_and_collected(rig: Rig) -> None:
    answers = gate(rig, "submit_body")
    run_id = plan(rig, 12, spend_at_most=4 * EACH)
    rig.until(lambda: rig.posts() == 2, skip=False)

    cancel_run(rig.ledger, run_id)
    assert rig.info(run_id).batches[BatchState.SENDING] == 2
    answers.open()
    rig.settle()

    assert rig.posts() == 2
    assert rig.sandbox.credits_spent() == cash(rig, run_id).spent
    assert cash(rig, run_id).out == 0
    assert rig.outcomes(run_id)["cancelled"] == 8
    assert_truth(rig.sandbox, rig.ledger)


def test_a_limit_that_was_just_reached_holds_over_a_take_over(rig: Rig) -> None:
    run_id = plan(rig, 8, spend_at_most=2 * EACH)
    candidate = submissions.next_candidate(rig.ledger, rig.account_id)
    assert candidate is not None
    assert submissions.claim(rig.ledger, candidate, account_id=rig.account_id, worker_id="gone", slots=4)

    rig.restart_worker()
    rig.settle()

    assert rig.posts() == 0
    assert rig.states(run_id)[0] == BatchState.UNKNOWN
    assert (cash(rig, run_id).out, cause(rig, run_id)) == (2 * EACH, Pause.LIMIT)


def test_a_pilot_that_was_killed_in_the_middle_is_decided_by_a_person(rig: Rig) -> None:
    run_id = plan(rig, 12, pilot_rows=2)
    candidate = submissions.next_candidate(rig.ledger, rig.account_id)
    assert candidate is not None
    assert submissions.claim(rig.ledger, candidate, account_id=rig.account_id, worker_id="gone", slots=4)

    rig.restart_worker()
    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert tried is not None and (tried.unknown, tried.over) == (2, True)
    assert (rig.posts(), cause(rig, run_id)) == (0, Pause.PILOT_OVER)
    send_rest(rig.ledger, run_id)
    rig.settle()
    assert rig.outcomes(run_id)["unknown"] == 2
    assert queries.run_info(rig.ledger, run_id).batches[BatchState.PLANNED] == 0
    assert_truth(rig.sandbox, rig.ledger)
