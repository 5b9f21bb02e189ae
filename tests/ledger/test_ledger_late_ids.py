"""Ids that come late, twice, for another batch, from a person or from the journal: kept, and collected."""

from __future__ import annotations

import pytest
from ledger_kit import (
    EMAIL,
    accepted,
    account_id,
    account_row,
    answer,
    assert_adds_up,
    counts,
    only_batch,
    outcomes,
    plan,
    row_of,
    sending,
    state_of,
    unknown,
)

from openmart_lib.ledger import BatchState, Hold, Ledger, answers, decisions, queries, submissions
from openmart_lib.ledger.runs import cancel_run

S = BatchState


@pytest.mark.parametrize("given_up", ["unknown", "resent", "dropped"])
def test_a_late_answer_wins_over_what_was_believed(ledger, given_up):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)
    if given_up == "resent":
        decisions.resend_batch(ledger, pk)
    if given_up == "dropped":
        decisions.drop_batch(ledger, pk)

    submissions.accept(ledger, pk, "late", None, poll_after=0.0)

    assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (S.ACCEPTED, "late")
    assert outcomes(ledger, run_id) == {"pending": 2}
    assert [due.batch_id for due in answers.due_batches(ledger, account_id(ledger), limit=9)] == ["late"]
    assert_adds_up(ledger)
    answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 2)])
    assert answers.finish_if_complete(ledger, pk)
    assert outcomes(ledger, run_id) == {"matched": 2}
    assert_adds_up(ledger)


def test_an_id_attached_by_a_person_is_collected_like_any_other(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)

    decisions.attach_batch(ledger, pk, "  found-in-the-mail \n")

    assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (S.ACCEPTED, "found-in-the-mail")
    assert outcomes(ledger, run_id) == {"pending": 2}


def test_an_id_told_twice_changes_nothing(ledger, clock):
    plan(ledger, 2)
    pk = accepted(ledger, "b-1")
    before, events = row_of(ledger, pk), len(queries.events(ledger))
    clock.pass_(5.0)

    submissions.accept(ledger, pk, "b-1", counts(2, 0), poll_after=9.0)

    assert row_of(ledger, pk) == before
    assert len(queries.events(ledger)) == events


def test_the_servers_id_replaces_one_that_a_person_attached_and_both_stay_on_record(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)
    decisions.attach_batch(ledger, pk, "typed-wrong")

    submissions.accept(ledger, pk, "the-real-one", None, poll_after=0.0)

    assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (S.ACCEPTED, "the-real-one")
    kept = queries.events(ledger, run_id).filter(kind="batch_other_id")["detail"].item()
    assert "typed-wrong" in kept and "the-real-one" in kept
    assert_adds_up(ledger)


def test_the_servers_id_opens_a_batch_again_that_was_closed_under_an_attached_one(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)
    decisions.attach_batch(ledger, pk, "typed-wrong")
    decisions.close_batch(ledger, pk)

    submissions.accept(ledger, pk, "the-real-one", None, poll_after=0.0)

    assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (S.ACCEPTED, "the-real-one")
    assert outcomes(ledger, run_id) == {"pending": 2}
    assert_adds_up(ledger)


def test_an_id_that_another_batch_has_leaves_the_batch_unknown_and_says_which(ledger):
    run_id = plan(ledger, 4, per_batch=2)
    accepted(ledger, "b-1")
    pk = sending(ledger)

    submissions.accept(ledger, pk, "b-1", None, poll_after=0.0)

    assert state_of(ledger, pk) == S.UNKNOWN
    assert f"batch 1 of run {run_id}" in row_of(ledger, pk).detail
    assert account_row(ledger).hold == Hold.OUTAGE, "a server that says this is not well"
    assert_adds_up(ledger)


class TestTheJournalRemembers:
    """``accept_by_number``: an accepted id that the ledger has missed."""

    @pytest.mark.parametrize("believed", [S.SENDING, S.PLANNED, S.UNKNOWN, S.CANCELLED, S.REFUSED])
    def test_whatever_the_ledger_believed_the_batch_is_accepted_and_collected(self, ledger, believed):
        run_id = plan(ledger, 2)
        pk = bring_to(ledger, believed, run_id)

        missed = submissions.accept_by_number(ledger, run_id, 1, "from-the-journal")

        assert missed
        assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (S.ACCEPTED, "from-the-journal")
        assert outcomes(ledger, run_id) == {"pending": 2}
        assert_adds_up(ledger)

    def test_an_id_that_the_ledger_knows_changes_nothing(self, ledger):
        run_id = plan(ledger, 2)
        pk = accepted(ledger, "b-1")
        before = row_of(ledger, pk)

        assert not submissions.accept_by_number(ledger, run_id, 1, "b-1")
        assert row_of(ledger, pk) == before

    def test_a_run_or_batch_that_this_ledger_does_not_have_is_passed_over(self, ledger):
        run_id = plan(ledger, 2)

        assert not submissions.accept_by_number(ledger, run_id, 99, "b-1")
        assert not submissions.accept_by_number(ledger, "aaaaaaaaaa", 1, "b-1")

    def test_an_id_of_another_batch_does_not_keep_the_worker_from_starting(self, ledger):
        run_id = plan(ledger, 4, per_batch=2)
        accepted(ledger, "b-1")
        pk = unknown(ledger)

        assert not submissions.accept_by_number(ledger, run_id, 2, "b-1")
        assert state_of(ledger, pk) == S.UNKNOWN


def bring_to(ledger: Ledger, state: BatchState, run_id: str) -> int:
    """Bring the only batch of a run into a state as it would come there."""
    pk = only_batch(ledger)
    if state is S.CANCELLED:
        cancel_run(ledger, run_id)
    elif state is not S.PLANNED:
        sending(ledger)
    if state is S.UNKNOWN:
        submissions.lose(ledger, pk, seen="timeout")
    if state is S.REFUSED:
        submissions.refuse(ledger, pk, status=400, detail="no")
    assert state_of(ledger, pk) == state
    return pk
