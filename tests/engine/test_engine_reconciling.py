"""Reconciliation against the sandbox's own books: what we count, what the balance lost, what others spent."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests
from engine_oracle import assert_truth
from engine_rig import Rig
from sqlalchemy import select
from test_engine_balances import step_until
from test_engine_limits import EACH, plan

from openmart_lib.engine.clients import SANDBOX_KEY
from openmart_lib.ledger import BatchState, balances
from openmart_lib.ledger.reconciling import Reconciliation, reconcile
from openmart_lib.ledger.runs import pause_run, resume_run
from openmart_lib.ledger.schema import balance


@pytest.fixture
def quick(rig: Rig) -> Rig:
    """A rig that reads the balance at most every 0.3 s."""
    rig.pacing = replace(rig.pacing, balance_every=0.3)
    rig.restart_worker(slots=4)
    return rig


def books(rig: Rig, run_id: str) -> Reconciliation:
    return reconcile(rig.ledger, rig.info(run_id))


def finish(rig: Rig, run_id: str) -> Reconciliation:
    """Work until the run is over and its last balance was read."""
    rig.settle()
    step_until(rig, lambda: books(rig, run_id).ended)
    return books(rig, run_id)


def a_colleague_buys(rig: Rig, companies: int) -> float:
    """Buy contacts with the team's key from elsewhere; return the credits that it costs."""
    tasks = [
        {"domain": "everything.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}
    ]
    answer = requests.post(
        f"{rig.sandbox.url}/api/v1/task/batch/find_people",
        json=tasks * companies,
        headers={"X-API-Key": SANDBOX_KEY.reveal()},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    rig.clock.skip(300.0)  # until its tasks have ended
    return float(rig.sandbox.journal()[-1].credits)


def test_our_count_the_balance_and_the_sandboxs_books_are_the_same(quick: Rig) -> None:
    run_id = plan(quick, 24, per_batch=5, worst_credits=24 * EACH)

    seen = finish(quick, run_id)

    assert seen.money.spent == seen.difference == quick.sandbox.credits_spent() > 0
    assert (seen.before and seen.before.credits) == 100_000
    assert (seen.at_most, seen.beyond, seen.in_doubt) == (24 * EACH, 0.0, 0.0)
    assert_truth(quick.sandbox, quick.ledger)


def test_two_runs_one_after_the_other_each_have_their_own_difference(quick: Rig) -> None:
    first = plan(quick, 6, number=1)
    one = finish(quick, first)
    second = plan(quick, 9, number=2)
    two = finish(quick, second)

    assert (one.difference, two.difference) == (one.money.spent, two.money.spent)
    assert one.money.spent + two.money.spent == quick.sandbox.credits_spent()
    assert (one.other_runs, two.other_runs) == (0, 0)


def test_two_runs_at_a_time_share_a_difference_that_both_explain(quick: Rig) -> None:
    first, second = plan(quick, 8, number=1), plan(quick, 8, number=2)

    one, two = finish(quick, first), finish(quick, second)

    assert one.other_runs == two.other_runs == 1
    assert (one.beyond, two.beyond) == (0.0, 0.0)
    assert one.money.spent + two.money.spent == quick.sandbox.credits_spent()


def test_what_a_colleague_spends_meanwhile_is_told_as_more_than_our_runs_explain(quick: Rig) -> None:
    run_id = plan(quick, 2)
    quick.until(lambda: quick.info(run_id).batches[BatchState.ACCEPTED] == 1)
    theirs = a_colleague_buys(quick, 40)

    seen = finish(quick, run_id)

    assert seen.money.spent + theirs == seen.difference == quick.sandbox.credits_spent()
    assert seen.beyond == theirs + seen.money.spent - seen.at_most > 0
    assert "your team may have spent the rest" in seen.verdict()


def test_a_lost_answer_is_within_what_is_in_doubt(quick: Rig) -> None:
    quick.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(quick, 2, worst_credits=2 * EACH)

    quick.until(lambda: quick.info(run_id).batches[BatchState.UNKNOWN] == 1 and quick.is_settled())
    step_until(quick, lambda: books(quick, run_id).after is not None)

    seen = books(quick, run_id)
    assert (seen.money.spent, seen.in_doubt, seen.beyond) == (0.0, 2 * EACH, 0.0)
    assert seen.difference is not None and 0 <= seen.difference <= seen.in_doubt


def test_start_pause_hold_unknown_and_end_each_leave_a_reading(quick: Rig) -> None:
    quick.restart_worker(slots=1)
    run_id = plan(quick, 10, per_batch=1)
    quick.until(lambda: quick.info(run_id).batches[BatchState.ACCEPTED] >= 1, skip=False)
    pause_run(quick.ledger, run_id)
    step_until(quick, lambda: "pause" in whys(quick))
    quick.sandbox.faults.add("answer_lost", on="submit")
    resume_run(quick.ledger, run_id)
    quick.until(lambda: "unknown" in whys(quick))
    quick.sandbox.faults.add("status", on="submit", status=402, detail="credit limit reached")
    quick.until(lambda: quick.account().hold == "credit_limit")
    step_until(quick, lambda: "hold" in whys(quick))
    resume_run(quick.ledger, run_id)
    quick.settle()
    step_until(quick, lambda: "end" in whys(quick))

    assert whys(quick) == {
        balances.START,
        balances.PAUSE,
        balances.UNKNOWN,
        balances.HOLD,
        balances.END,
    }
    assert books(quick, run_id).beyond == 0.0
    assert_truth(quick.sandbox, quick.ledger)


def whys(rig: Rig) -> set[str]:
    """What the balance was read for until now."""
    with rig.ledger.read() as connection:
        return set(connection.execute(select(balance.c.why)).scalars())
