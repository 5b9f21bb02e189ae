"""Reconciliation: which readings count for a run, what all runs could have cost between them, what is beyond."""

from __future__ import annotations

import pytest
from ledger_kit import (
    EMAIL,
    accepted,
    account_id,
    answer,
    estimate_of,
    free,
    new_run,
    plan,
    sending,
    unknown,
)

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import accounts, answers, decisions, queries, submissions
from openmart_lib.ledger.balances import note_balance
from openmart_lib.ledger.reconciling import Reconciliation, reconcile
from openmart_lib.ledger.runs import plan_run

EACH = 12.0
PRICED = {"estimate": estimate_of(Kind.FIND_PEOPLE, each=EACH) | {"expected": 20.0}}


def read(ledger, clock, credits, why="start"):
    """Read the balance; a second passes before and after it."""
    clock.pass_(1.0)
    note_balance(ledger, account_id(ledger), credits, why)
    clock.pass_(1.0)


def finish(ledger, run_id, pk, *task_numbers):
    """Answer these tasks of a batch with an email each, and collect it."""
    answers.store_answers(
        ledger, pk, [answer(run_id, no, [EMAIL], task_id=f"{pk}-{no}") for no in task_numbers]
    )
    assert answers.finish_if_complete(ledger, pk)


def books(ledger, run_id) -> Reconciliation:
    return reconcile(ledger, queries.run_info(ledger, run_id))


def test_a_finished_run_is_between_the_last_reading_before_it_and_the_first_after(ledger, clock):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 900.0)
    read(ledger, clock, 500.0)
    pk = accepted(ledger)
    read(ledger, clock, 480.0)
    finish(ledger, run_id, pk, 1, 2)
    read(ledger, clock, 494.0, "end")
    read(ledger, clock, 100.0, "person")

    seen = books(ledger, run_id)

    assert (seen.before.credits, seen.after.credits, seen.ended) == (500.0, 494.0, True)
    assert (seen.difference, seen.money.spent, seen.money.expected) == (6.0, 6.0, 20.0)
    assert (seen.at_most, seen.beyond, seen.other_runs, seen.in_doubt) == (24.0, 0.0, 0, 0.0)
    assert seen.verdict() == "By price list this run can have cost up to 24 in that time, so it adds up."


def test_while_a_run_goes_on_the_newest_reading_counts_so_far(ledger, clock):
    run_id = plan(ledger, 4, per_batch=2, worst_credits=4 * EACH, **PRICED)
    read(ledger, clock, 500.0)
    accepted(ledger)
    assert books(ledger, run_id).after is None
    assert "was not read since the first submission" in books(ledger, run_id).verdict()

    read(ledger, clock, 490.0)

    seen = books(ledger, run_id)
    assert (seen.difference, seen.ended, seen.at_most) == (10.0, False, 2 * EACH)


def test_before_anything_is_sent_nothing_is_compared(ledger, clock):
    run_id = plan(ledger, 2, **PRICED)
    read(ledger, clock, 500.0)

    seen = books(ledger, run_id)

    assert (seen.before, seen.after, seen.difference, seen.beyond, seen.verdict()) == (
        None,
        None,
        None,
        0.0,
        "",
    )


def test_what_is_gone_beyond_the_worst_case_is_said_without_an_accusation(ledger, clock):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 5_000.0)
    finish(ledger, run_id, accepted(ledger), 1, 2)
    read(ledger, clock, 5_000.0 - 24.0 - 1_240.0, "end")

    seen = books(ledger, run_id)

    assert seen.beyond == 1_240.0
    assert seen.verdict().startswith("More than your runs can explain: 1,240 credits.")
    assert "your team may have spent the rest" in seen.verdict()


def test_exactly_the_worst_case_is_not_beyond_it(ledger, clock):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 500.0)
    finish(ledger, run_id, accepted(ledger), 1, 2)
    read(ledger, clock, 476.0, "end")

    assert books(ledger, run_id).beyond == 0.0


def test_every_run_of_the_account_in_that_time_explains_a_part(ledger, clock):
    """One that was done before, and one not yet sent, explain nothing."""
    earlier = plan(ledger, 1, content="earlier", worst_credits=EACH, **PRICED)
    finish(ledger, earlier, accepted(ledger), 1)
    running = plan(ledger, 4, per_batch=2, content="running", worst_credits=4 * EACH, **PRICED)
    half = accepted(ledger)
    run_id = plan(ledger, 1, content="mine", worst_credits=EACH, **PRICED)
    read(ledger, clock, 500.0)
    mine = accepted(ledger)
    assert mine != half
    finish(ledger, run_id, mine, 1)
    read(ledger, clock, 470.0, "end")

    seen = books(ledger, run_id)

    assert (seen.at_most, seen.other_runs, seen.beyond) == (EACH + 2 * EACH, 1, 0.0)
    assert "this run and your others" in seen.verdict()
    assert books(ledger, running).before is None, "it was sent before the first reading"


def test_another_keys_runs_and_readings_are_not_ours(ledger, clock):
    run_id = plan(ledger, 1, worst_credits=EACH, **PRICED)
    read(ledger, clock, 500.0)
    plan(ledger, 5, content="other", key_fingerprint="another key", worst_credits=5 * EACH, **PRICED)
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "wxyz")
    note_balance(ledger, other, 7.0, "start")
    finish(ledger, run_id, accepted(ledger), 1)
    read(ledger, clock, 497.0, "end")

    seen = books(ledger, run_id)

    assert (seen.difference, seen.at_most, seen.other_runs) == (3.0, EACH, 0)


def test_a_lost_batch_is_in_doubt_and_may_explain_a_difference_until_it_was_found_to_be_nothing(
    ledger, clock
):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 500.0)
    pk = unknown(ledger)
    read(ledger, clock, 480.0, "unknown")
    assert (books(ledger, run_id).in_doubt, books(ledger, run_id).at_most) == (24.0, 24.0)
    assert books(ledger, run_id).money.spent == 0.0
    assert queries.run_info(ledger, run_id).finished_at is not None and not books(ledger, run_id).ended
    read(ledger, clock, 470.0)
    assert books(ledger, run_id).difference == 30.0, "what is charged late is seen while it is undecided"

    decisions.drop_batch(ledger, pk)
    assert books(ledger, run_id).in_doubt == 24.0, "given up, it may have been charged all the same"


def test_a_refused_batch_is_not_in_doubt_and_explains_nothing(ledger, clock):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 500.0)
    submissions.refuse(ledger, sending(ledger), status=422, detail="no")
    read(ledger, clock, 490.0, "end")

    seen = books(ledger, run_id)

    assert (seen.in_doubt, seen.at_most, seen.beyond) == (0.0, 0.0, 10.0)


def test_a_batch_that_was_lost_long_ago_explains_nothing_any_more(ledger, clock):
    plan(ledger, 1, content="long ago", worst_credits=EACH, **PRICED)
    unknown(ledger)
    clock.pass_(2 * 86_400.0)
    run_id = plan(ledger, 1, content="today", worst_credits=EACH, **PRICED)
    read(ledger, clock, 500.0)
    finish(ledger, run_id, accepted(ledger), 1)
    read(ledger, clock, 497.0, "end")

    assert books(ledger, run_id).at_most == EACH


def test_a_batch_sent_again_counts_twice(ledger, clock):
    run_id = plan(ledger, 2, worst_credits=2 * EACH, **PRICED)
    read(ledger, clock, 500.0)
    decisions.resend_batch(ledger, unknown(ledger))
    free(ledger)
    accepted(ledger)
    read(ledger, clock, 455.0)

    seen = books(ledger, run_id)

    assert (seen.at_most, seen.beyond, seen.in_doubt) == (4 * EACH, 0.0, 2 * EACH)


def test_where_tasks_hold_several_people_each_counts_as_if_it_were_full(ledger, clock):
    """Which task holds how many is not counted along, and an unjust flag would be worse."""
    new = new_run(
        4,
        people=3,
        per_batch=2,
        kind=Kind.LOOKUP_PEOPLE,
        worst_credits=12 * EACH,
        estimate=estimate_of(Kind.LOOKUP_PEOPLE, each=EACH),
        options={"people_per_task": 8},
    )
    run_id = plan_run(ledger, new)
    read(ledger, clock, 500.0)
    accepted(ledger)
    read(ledger, clock, 400.0)

    assert books(ledger, run_id).at_most == 2 * 8 * EACH


def test_a_run_from_before_estimates_were_kept_is_bounded_by_what_was_shown(ledger, clock):
    run_id = plan(ledger, 4, per_batch=2, worst_credits=40.0)
    read(ledger, clock, 500.0)
    unknown(ledger)
    read(ledger, clock, 490.0)

    seen = books(ledger, run_id)

    assert (seen.at_most, seen.in_doubt, seen.money.counted) == (20.0, 20.0, False)
    assert seen.as_json()["spent_by_our_count"] is None
    decisions.resend_batch(ledger, queries.batches(ledger, run_id)["pk"][0])
    assert books(ledger, run_id).in_doubt == 20.0, "what is sent again is not in doubt yet"


def test_not_metered_says_so_and_flags_nothing(ledger, clock):
    run_id = plan(ledger, 1, **PRICED)
    read(ledger, clock, None)
    finish(ledger, run_id, accepted(ledger), 1)
    read(ledger, clock, None, "end")

    seen = books(ledger, run_id)

    assert (seen.metered, seen.difference, seen.beyond) == (False, None, 0.0)
    assert seen.verdict() == "Your plan is not metered, so the balance tells nothing."
    assert seen.as_json()["balance_metered"] is False


@pytest.mark.parametrize("after", [501.0, 10_000.0])
def test_a_balance_that_rose_tells_nothing_of_the_cost(ledger, clock, after):
    run_id = plan(ledger, 1, **PRICED)
    read(ledger, clock, 500.0)
    finish(ledger, run_id, accepted(ledger), 1)
    read(ledger, clock, after, "end")

    assert books(ledger, run_id).beyond == 0.0
    assert books(ledger, run_id).verdict().startswith("Credits came in between")
