"""Decisions: what a person says about a batch in doubt, and what is refused in plain words."""

from __future__ import annotations

import pytest
from ledger_kit import (
    EMAIL,
    accepted,
    account_id,
    answer,
    assert_adds_up,
    claim,
    counts,
    outcomes,
    plan,
    reasons,
    row_of,
    sending,
    state_of,
    task_numbers,
    unknown,
)

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, answers, decisions, queries, submissions
from openmart_lib.ledger.runs import pause_run


def test_a_resend_of_a_group_ties_every_person_to_its_row_again(ledger):
    run_id = plan(ledger, 2, people=3, kind=Kind.LOOKUP_PEOPLE)

    new = decisions.resend_batch(ledger, unknown(ledger))

    links = queries.links(ledger, run_id)
    first, second = (links.filter(links["task_no"].is_in(numbers)) for numbers in ([1, 2], [3, 4]))
    assert first.select("seq", "person_no").equals(second.select("seq", "person_no"))
    assert row_of(ledger, new).open_rows == 6
    assert queries.run_info(ledger, run_id).task_count == 4
    assert_adds_up(ledger)


def test_a_resend_is_sent_with_tracking_ids_that_were_never_sent_before(ledger):
    run_id = plan(ledger, 4, per_batch=2)
    first = claim(ledger)
    submissions.lose(ledger, first.pk, seen="timeout")
    decisions.resend_batch(ledger, first.pk)
    sent = {first.body}

    from ledger_kit import free

    free(ledger)
    while claimed := claim(ledger):
        sent.add(claimed.body)

    ids = [name for body in sent for name in body.decode().split('"') if name.startswith(run_id)]
    assert len(ids) == len(set(ids)) == 6


def test_a_batch_is_resent_once(ledger):
    plan(ledger, 2)
    pk = unknown(ledger)
    decisions.resend_batch(ledger, pk)

    with pytest.raises(LedgerError, match="not in doubt any more"):
        decisions.resend_batch(ledger, pk)

    assert queries.batches(ledger, queries.newest_run_id(ledger)).height == 2


def test_a_resend_of_a_paused_run_waits_with_it(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)
    pause_run(ledger, run_id)

    decisions.resend_batch(ledger, pk)

    assert claim(ledger) is None


def test_a_resend_names_the_batch_it_repeats(ledger):
    run_id = plan(ledger, 2)

    decisions.resend_batch(ledger, unknown(ledger))

    batches = queries.batches(ledger, run_id)
    assert batches["resend_of_no"].to_list() == [None, 1]
    assert batches["state"].to_list() == ["resent", "planned"]


def test_a_late_no_makes_giving_up_free_of_doubt(ledger):
    run_id = plan(ledger, 1)
    pk = unknown(ledger)
    submissions.note_late_no(ledger, pk, status=400, detail="bad")

    decisions.drop_batch(ledger, pk)

    assert outcomes(ledger, run_id) == {"unknown": 1}
    assert "nothing was spent" in reasons(ledger, run_id)[0]


def test_an_attached_batch_says_nothing_was_created_no_longer(ledger):
    plan(ledger, 1)
    pk = unknown(ledger)
    submissions.note_late_no(ledger, pk, status=400, detail="bad")

    decisions.attach_batch(ledger, pk, "found")

    row = row_of(ledger, pk)
    assert (row.nothing_created, row.http_status, row.detail) == (False, None, None)


@pytest.mark.parametrize("batch_id", ["", "   ", "\n\t"])
def test_an_empty_id_is_not_attached(ledger, batch_id):
    plan(ledger, 1)
    pk = unknown(ledger)

    with pytest.raises(LedgerError, match="No batch id was given"):
        decisions.attach_batch(ledger, pk, batch_id)

    assert state_of(ledger, pk) == BatchState.UNKNOWN


def test_an_id_that_another_batch_has_is_not_attached(ledger):
    plan(ledger, 4, per_batch=2)
    accepted(ledger, "b-1")
    pk = unknown(ledger)

    with pytest.raises(LedgerError, match="already belongs to another batch"):
        decisions.attach_batch(ledger, pk, "b-1")

    assert state_of(ledger, pk) == BatchState.UNKNOWN


@pytest.mark.parametrize("decide", [decisions.resend_batch, decisions.drop_batch])
def test_a_batch_that_is_not_in_doubt_needs_no_decision(ledger, decide):
    plan(ledger, 1)
    pk = accepted(ledger)

    with pytest.raises(LedgerError, match="not in doubt any more"):
        decide(ledger, pk)
    with pytest.raises(LedgerError, match="not in doubt any more"):
        decisions.attach_batch(ledger, pk, "another-id")

    assert (state_of(ledger, pk), row_of(ledger, pk).batch_id) == (BatchState.ACCEPTED, f"batch-{pk}")


@pytest.mark.parametrize(
    "decide",
    [
        decisions.resend_batch,
        decisions.drop_batch,
        decisions.close_batch,
        decisions.reopen_batch,
        lambda ledger, pk: decisions.attach_batch(ledger, pk, "id"),
    ],
)
def test_a_batch_that_does_not_exist_is_named(ledger, decide):
    with pytest.raises(LedgerError, match="no batch 77"):
        decide(ledger, 77)


def test_closing_a_batch_that_is_not_with_openmart_changes_nothing(ledger):
    run_id = plan(ledger, 1)
    pk = sending(ledger)

    assert decisions.close_batch(ledger, pk) == 0
    assert state_of(ledger, pk) == BatchState.SENDING
    assert outcomes(ledger, run_id) == {"pending": 1}


def test_closing_takes_the_batch_off_the_list_of_polls(ledger, clock):
    plan(ledger, 1)
    pk = accepted(ledger)
    clock.pass_(1_000.0)
    assert len(answers.due_batches(ledger, account_id(ledger), limit=9)) == 1

    decisions.close_batch(ledger, pk)

    assert answers.due_batches(ledger, account_id(ledger), limit=9) == []


def test_a_closed_groups_answered_people_stay_answered(ledger):
    run_id = plan(ledger, 2, people=2, kind=Kind.LOOKUP_PEOPLE)
    pk = accepted(ledger)
    person = {"first_name": "first2", "last_name": "LAST", "email": "two@x.invalid"}
    answers.store_answers(ledger, pk, [answer(run_id, 1, [person])])

    decisions.close_batch(ledger, pk)

    assert outcomes(ledger, run_id) == {"matched": 1, "no match": 1, "missing": 2}
    assert queries.row_states(ledger, run_id)["outcome"].to_list()[:2] == ["no match", "matched"]
    assert_adds_up(ledger)


@pytest.mark.parametrize("by_person", [True, False])
def test_a_closed_batchs_missing_rows_are_looked_for_again(ledger, clock, by_person):
    run_id = plan(ledger, 3)
    pk = accepted(ledger)
    answers.store_counts(ledger, pk, counts(0, 3, ready=True), next_poll_at=clock.at)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])
    changed_at = row_of(ledger, pk).changed_at
    answers.mark_missing(ledger, pk, by_person=by_person)
    clock.pass_(5_000.0)

    assert decisions.reopen_batch(ledger, pk) == 2

    row = row_of(ledger, pk)
    assert (row.state, row.open_tasks, row.open_rows) == (BatchState.ACCEPTED, 2, 2)
    assert (row.ready_at, row.collected_at, row.closed_by_person) == (None, None, False)
    assert row.changed_at == changed_at, "its age is that of its last news"
    assert [due.pk for due in answers.due_batches(ledger, account_id(ledger), limit=9)] == [pk]
    assert outcomes(ledger, run_id) == {"matched": 1, "pending": 2}
    assert queries.events(ledger, run_id)["kind"][0] == "batch_reopened"
    assert_adds_up(ledger)


def test_what_was_looked_for_again_is_collected_or_missing_as_before(ledger):
    run_id = plan(ledger, 3)
    pk = accepted(ledger)
    decisions.close_batch(ledger, pk)
    decisions.reopen_batch(ledger, pk)

    answers.store_answers(ledger, pk, [answer(run_id, 2, [EMAIL])])
    assert decisions.close_batch(ledger, pk) == 2
    assert outcomes(ledger, run_id) == {"matched": 1, "missing": 2}
    assert_adds_up(ledger)

    decisions.reopen_batch(ledger, pk)
    answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 3)])
    assert answers.finish_if_complete(ledger, pk)
    assert outcomes(ledger, run_id) == {"matched": 3}
    assert_adds_up(ledger)


def test_a_late_answer_leaves_nothing_to_look_for(ledger):
    run_id = plan(ledger, 1)
    pk = accepted(ledger)
    decisions.close_batch(ledger, pk)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    with pytest.raises(LedgerError, match="Nothing of this batch is missing"):
        decisions.reopen_batch(ledger, pk)

    assert state_of(ledger, pk) == BatchState.COLLECTED
    assert queries.incomplete_batches(ledger, run_id).is_empty()


def test_closed_batches_that_lack_rows_are_listed_with_who_closed_them(ledger):
    run_id = plan(ledger, 6, per_batch=2)
    by_person, by_itself, whole = accepted(ledger), accepted(ledger), accepted(ledger)
    answers.store_answers(ledger, by_itself, [answer(run_id, 3, [EMAIL])])
    answers.store_answers(ledger, whole, [answer(run_id, no, [EMAIL]) for no in (5, 6)])
    decisions.close_batch(ledger, by_person)
    answers.mark_missing(ledger, by_itself, by_person=False)
    answers.finish_if_complete(ledger, whole)

    listed = queries.incomplete_batches(ledger, run_id)

    assert listed.select("pk", "missing_tasks", "closed_by_person").rows() == [
        (by_person, 2, True),
        (by_itself, 1, False),
    ]
    decisions.reopen_batch(ledger, by_person)
    assert queries.incomplete_batches(ledger, run_id)["pk"].to_list() == [by_itself]


def test_every_decision_is_an_event(ledger):
    run_id = plan(ledger, 4, per_batch=1)
    resent, dropped, attached = unknown(ledger), unknown(ledger), unknown(ledger)

    decisions.resend_batch(ledger, resent)
    decisions.drop_batch(ledger, dropped)
    decisions.attach_batch(ledger, attached, "found")
    decisions.close_batch(ledger, attached)

    kinds = queries.events(ledger, run_id, limit=4)["kind"].to_list()
    assert kinds == ["batch_closed", "batch_accepted", "batch_dropped", "batch_resent"]


def test_answers_of_the_wrong_batch_reach_their_rows_all_the_same(ledger):
    """The id of batch 2 was attached to batch 1: the tracking ids say whose the answers are."""
    run_id = plan(ledger, 4, per_batch=2)
    first, second = unknown(ledger), unknown(ledger)
    decisions.attach_batch(ledger, first, "the-second-ones-id")

    answers.store_answers(ledger, first, [answer(run_id, no, [EMAIL]) for no in task_numbers(ledger, second)])

    assert queries.row_states(ledger, run_id)["outcome"].to_list() == [
        "pending",
        "pending",
        "matched",
        "matched",
    ]
    assert not answers.finish_if_complete(ledger, first)
    assert_adds_up(ledger)
    with pytest.raises(LedgerError, match="not in doubt any more"):
        decisions.resend_batch(ledger, second)
