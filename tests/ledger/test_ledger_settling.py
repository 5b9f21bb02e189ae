"""Settling: whatever happens to batches, in any order, the rows, outcomes and counters add up."""

from __future__ import annotations

import pytest
from any_order import AnyOrder, run_in_any_order
from ledger_kit import (
    EMAIL,
    accepted,
    answer,
    assert_adds_up,
    claim,
    outcomes,
    plan,
    row_of,
    state_of,
    unknown,
)

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, answers, decisions, queries, submissions


def test_in_any_order_of_events_everything_adds_up_after_every_step(kept_ledger, empty_ledger):
    run_in_any_order(lambda: AnyOrder(kept_ledger, empty_ledger), tries=6, steps=25)


def test_the_better_of_two_answers_counts_when_a_resent_batch_and_its_first_try_both_come(ledger):
    run_id = plan(ledger, 3)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)
    assert claim(ledger).pk == new
    submissions.accept(ledger, new, "new", None, poll_after=0.0)
    submissions.accept(ledger, old, "old", None, poll_after=0.0)

    answers.store_answers(
        ledger, new, [answer(run_id, 4, []), answer(run_id, 5, [EMAIL]), answer(run_id, 6, [])]
    )
    assert outcomes(ledger, run_id) == {"matched": 1, "no match": 2}
    answers.store_answers(
        ledger, old, [answer(run_id, 1, [EMAIL]), answer(run_id, 2, []), answer(run_id, 3, [])]
    )

    assert outcomes(ledger, run_id) == {"matched": 2, "no match": 1}
    found = queries.run_info(ledger, run_id).found
    assert (found["records"], found["rows_with_email"]) == (2, 2)
    assert answers.finish_if_complete(ledger, old)
    assert answers.finish_if_complete(ledger, new)
    assert_adds_up(ledger)


def test_a_row_found_by_both_tries_counts_once_although_both_values_are_counted(ledger):
    run_id = plan(ledger, 1)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)
    claim(ledger)
    submissions.accept(ledger, new, "new", None, poll_after=0.0)
    submissions.accept(ledger, old, "old", None, poll_after=0.0)

    answers.store_answers(ledger, new, [answer(run_id, 2, [EMAIL])])
    answers.store_answers(ledger, old, [answer(run_id, 1, [EMAIL])])

    found = queries.run_info(ledger, run_id).found
    assert (found["emails"], found["rows_with_email"], found["rows_with_verified_email"]) == (2, 1, 1)
    assert_adds_up(ledger)


def test_what_is_still_to_be_sent_again_is_not_sent_when_the_first_try_turns_up(ledger):
    run_id = plan(ledger, 2)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)

    submissions.accept(ledger, old, "late", None, poll_after=0.0)

    assert state_of(ledger, new) == BatchState.CANCELLED
    assert claim(ledger) is None, "it would be paid twice"
    assert outcomes(ledger, run_id) == {"pending": 2}
    assert_adds_up(ledger)


def test_a_needless_resend_is_found_through_a_chain_of_resends(ledger):
    plan(ledger, 2)
    first = unknown(ledger)
    second = decisions.resend_batch(ledger, first)
    assert unknown(ledger) == second
    third = decisions.resend_batch(ledger, second)

    submissions.accept(ledger, first, "late", None, poll_after=0.0)

    assert state_of(ledger, third) == BatchState.CANCELLED
    assert state_of(ledger, second) == BatchState.RESENT
    assert_adds_up(ledger)


def test_a_resend_that_is_on_its_way_goes_on_when_the_first_try_turns_up(ledger):
    run_id = plan(ledger, 2)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)
    claim(ledger)

    submissions.accept(ledger, old, "late", None, poll_after=0.0)

    assert state_of(ledger, new) == BatchState.SENDING
    pending = queries.run_info(ledger, run_id).pending
    assert (pending.total, pending.at_openmart) == (2, 2), "a row that is in two places is counted in one"


def test_a_resend_that_comes_back_unsent_is_not_sent_after_the_first_try_turned_up(ledger):
    plan(ledger, 2)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)
    claim(ledger)
    submissions.accept(ledger, old, "late", None, poll_after=0.0)

    submissions.release_rate_limited(ledger, new, 1.0, "slow down")

    assert state_of(ledger, new) == BatchState.CANCELLED
    assert_adds_up(ledger)


def test_a_lost_resend_is_not_sent_a_third_time_after_the_first_try_turned_up(ledger):
    plan(ledger, 2)
    old = unknown(ledger)
    new = decisions.resend_batch(ledger, old)
    assert unknown(ledger) == new
    submissions.accept(ledger, old, "late", None, poll_after=0.0)

    with pytest.raises(LedgerError, match="turned up"):
        decisions.resend_batch(ledger, new)

    decisions.drop_batch(ledger, new)
    assert_adds_up(ledger)


def test_a_late_result_of_a_closed_batch_still_lands(ledger):
    run_id = plan(ledger, 2)
    pk = accepted(ledger)
    decisions.close_batch(ledger, pk)
    assert outcomes(ledger, run_id) == {"missing": 2}

    stored = answers.store_answers(ledger, pk, [answer(run_id, 2, [EMAIL])])

    assert stored == 1
    assert outcomes(ledger, run_id) == {"matched": 1, "missing": 1}
    assert state_of(ledger, pk) == BatchState.COLLECTED
    assert (row_of(ledger, pk).open_tasks, row_of(ledger, pk).open_rows) == (0, 0)
    assert_adds_up(ledger)


def test_a_resend_that_is_refused_leaves_the_first_tries_money_in_sight(ledger):
    run_id = plan(ledger, 2)
    new = decisions.resend_batch(ledger, unknown(ledger))
    claim(ledger)

    submissions.refuse(ledger, new, status=400, detail="no")

    assert outcomes(ledger, run_id) == {"unknown": 2}
    assert_adds_up(ledger)


def test_a_resend_after_a_late_no_is_refused_without_any_money_in_doubt(ledger):
    run_id = plan(ledger, 2)
    old = unknown(ledger)
    submissions.note_late_no(ledger, old, status=422, detail="bad body")
    new = decisions.resend_batch(ledger, old)
    claim(ledger)

    submissions.refuse(ledger, new, status=422, detail="bad body")

    assert outcomes(ledger, run_id) == {"refused": 2}
    assert_adds_up(ledger)


def test_tasks_whose_answer_is_here_are_not_sent_again(ledger):
    """A person attached the id of the second batch to the first: its answers say whose they are."""
    run_id = plan(ledger, 4, per_batch=2)
    first, second = unknown(ledger), unknown(ledger)
    decisions.attach_batch(ledger, first, "the-second-ones-id")
    answers.store_answers(ledger, first, [answer(run_id, 3, [EMAIL])])
    assert (row_of(ledger, first).open_tasks, row_of(ledger, second).open_tasks) == (2, 1)

    new = decisions.resend_batch(ledger, second)

    assert row_of(ledger, new).task_count == 1
    assert outcomes(ledger, run_id) == {"matched": 1, "pending": 3}
    assert_adds_up(ledger)
