"""The money path: every line of its table, and the refusal of every move that is not in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from ledger_kit import (
    EMAIL,
    Clock,
    accepted,
    account_id,
    account_row,
    answer,
    assert_adds_up,
    claim,
    counts,
    free,
    only_batch,
    outcomes,
    plan,
    reasons,
    row_of,
    sending,
    state_of,
    task_numbers,
    unknown,
)

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Hold, Ledger, accounts, answers, decisions, queries, submissions
from openmart_lib.ledger.runs import cancel_run, pause_run, resume_run
from openmart_lib.ledger.schema import batch
from openmart_lib.ledger.states import TRANSITIONS, Event

S, E = BatchState, Event

# The table "The money path" of the design, line by line.
LAW = {
    (S.PLANNED, E.CLAIM): S.SENDING,
    (S.SENDING, E.ACCEPT): S.ACCEPTED,
    (S.SENDING, E.NOT_SENT): S.PLANNED,
    (S.SENDING, E.RATE_LIMIT): S.PLANNED,
    (S.SENDING, E.REFUSE): S.REFUSED,
    (S.SENDING, E.HOLD): S.PLANNED,
    (S.SENDING, E.LOSE): S.UNKNOWN,
    (S.UNKNOWN, E.ACCEPT): S.ACCEPTED,
    (S.DROPPED, E.ACCEPT): S.ACCEPTED,
    (S.RESENT, E.ACCEPT): S.ACCEPTED,
    (S.UNKNOWN, E.LATE_NO): S.UNKNOWN,
    (S.UNKNOWN, E.RESEND): S.RESENT,
    (S.UNKNOWN, E.DROP): S.DROPPED,
    (S.ACCEPTED, E.FINISH): S.COLLECTED,
    (S.COLLECTED, E.REOPEN): S.ACCEPTED,
    (S.PLANNED, E.CANCEL): S.CANCELLED,
}

WRITES: dict[Event, Callable[[Ledger, int], object]] = {
    E.CLAIM: lambda ledger, pk: claim(ledger),
    E.ACCEPT: lambda ledger, pk: submissions.accept(ledger, pk, "an-id", None, poll_after=1.0),
    E.NOT_SENT: lambda ledger, pk: submissions.release_not_sent(ledger, pk, "connection refused"),
    E.RATE_LIMIT: lambda ledger, pk: submissions.release_rate_limited(ledger, pk, 5.0, "too many"),
    E.REFUSE: lambda ledger, pk: submissions.refuse(ledger, pk, status=400, detail="Domain is required"),
    E.HOLD: lambda ledger, pk: submissions.release_and_hold(
        ledger, pk, Hold.CREDIT_LIMIT, status=402, detail="no credits"
    ),
    E.LOSE: lambda ledger, pk: submissions.lose(ledger, pk, seen="timeout"),
    E.LATE_NO: lambda ledger, pk: submissions.note_late_no(ledger, pk, status=400, detail="no"),
    E.RESEND: lambda ledger, pk: decisions.resend_batch(ledger, pk),
    E.DROP: lambda ledger, pk: decisions.drop_batch(ledger, pk),
    E.REOPEN: lambda ledger, pk: decisions.reopen_batch(ledger, pk),
    E.FINISH: lambda ledger, pk: answers.mark_missing(ledger, pk, by_person=False),
    E.CANCEL: lambda ledger, pk: cancel_run(ledger, queries.newest_run_id(ledger)),
}


def test_the_transitions_are_those_of_the_design():
    assert TRANSITIONS == LAW


@pytest.mark.parametrize("state", list(BatchState))
def test_a_move_that_the_money_path_does_not_have_changes_nothing(ledger, state):
    plan(ledger, 2)
    pk = only_batch(ledger)
    forbidden = [event for event in Event if (state, event) not in LAW]
    if state in (S.ACCEPTED, S.COLLECTED):
        forbidden.remove(E.ACCEPT)  # told twice, by the journal and by the answer: no move; tests below
    set_state(ledger, pk, state)
    before = row_of(ledger, pk)

    for event in forbidden:
        with suppress(LedgerError):
            WRITES[event](ledger, pk)

        assert row_of(ledger, pk) == before, f"{event} is no move from {state}"
        assert queries.batches(ledger, queries.newest_run_id(ledger)).height == 1


def test_a_forbidden_move_is_an_error_for_whoever_wants_it(ledger):
    plan(ledger, 2)
    pk = only_batch(ledger)
    set_state(ledger, pk, S.CANCELLED)

    for event in set(Event) - {E.CLAIM, E.FINISH, E.CANCEL}:
        with pytest.raises(LedgerError):
            WRITES[event](ledger, pk)


def test_a_claim_is_stored_with_worker_time_and_the_hash_of_the_body_before_it_returns(ledger, clock):
    run_id = plan(ledger, 2)

    claimed = claim(ledger, worker="worker-7")

    row = row_of(ledger, claimed.pk)
    assert row.state == S.SENDING
    assert (row.worker_id, row.sent_at, row.attempts) == ("worker-7", clock.at, 1)
    assert row.body_sha256 == hashlib.sha256(claimed.body).hexdigest() == claimed.body_sha256
    assert b'"tracking_id":"%s-2"' % run_id.encode() in claimed.body


def test_an_accepted_batch_keeps_its_id_and_its_counters_and_is_polled_when_told(ledger, clock):
    run_id = plan(ledger, 2)
    pk = sending(ledger)

    submissions.accept(ledger, pk, "b-1", counts(2, 0), poll_after=20.0)

    row = row_of(ledger, pk)
    assert (row.state, row.batch_id) == (S.ACCEPTED, "b-1")
    assert (row.processing, row.completed, row.total) == (2, 0, 2)
    assert row.next_poll_at == clock.at + 20.0
    assert outcomes(ledger, run_id) == {"pending": 2}
    assert queries.run_info(ledger, run_id).pending.at_openmart == 2
    assert_adds_up(ledger)


def test_a_batch_of_which_nothing_was_handed_over_is_planned_again_after_a_backoff(ledger, clock):
    plan(ledger, 2)
    pk = sending(ledger)

    submissions.release_not_sent(ledger, pk, "connection refused")

    row = row_of(ledger, pk)
    assert row.state == S.PLANNED and row.not_before > clock.at
    assert row.detail == "connection refused"
    assert account_row(ledger).unknown_streak == 0, "nothing was spent, so nothing is in doubt"
    free(ledger)
    assert claim(ledger) is None, "not before its backoff is over"
    clock.pass_(2.0)
    assert claim(ledger).pk == pk


def test_a_429_plans_the_batch_again_and_the_account_waits_as_long_as_asked(ledger, clock):
    run_id = plan(ledger, 4, per_batch=2)
    pk = sending(ledger)

    submissions.release_rate_limited(ledger, pk, 120.0, "slow down")

    assert state_of(ledger, pk) == S.PLANNED
    assert (account_row(ledger).hold, account_row(ledger).hold_until) == (Hold.RATE_LIMITED, clock.at + 120.0)
    assert claim(ledger) is None, "the other batch waits too"
    assert outcomes(ledger, run_id) == {"pending": 4}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_definite_no_to_the_body_refuses_the_batch_with_the_servers_words(ledger, status):
    run_id = plan(ledger, 2, rejected=1)
    pk = sending(ledger)

    submissions.refuse(ledger, pk, status=status, detail="Domain is required")

    row = row_of(ledger, pk)
    assert (row.state, row.http_status, row.detail) == (S.REFUSED, status, "Domain is required")
    assert outcomes(ledger, run_id) == {"refused": 2, "rejected": 1}
    assert "Domain is required" in reasons(ledger, run_id)[0]
    assert account_row(ledger).hold is None, "it says nothing about other batches"
    assert_adds_up(ledger)


@pytest.mark.parametrize(
    ("hold", "status"),
    [
        (Hold.UNAUTHORIZED, 401),
        (Hold.CREDIT_LIMIT, 402),
        (Hold.BANNED, 403),
        *((Hold.WRONG_ADDRESS, status) for status in (404, 405, 411, 414, 415, 431)),
    ],
)
def test_a_no_that_holds_for_all_plans_the_batch_again_and_holds_the_account(ledger, hold, status):
    run_id = plan(ledger, 4, per_batch=2)
    pk = sending(ledger)

    submissions.release_and_hold(ledger, pk, hold, status=status, detail="the server's words")

    row = row_of(ledger, pk)
    assert (row.state, row.http_status) == (S.PLANNED, status)
    assert (account_row(ledger).hold, account_row(ledger).hold_detail) == (hold, "the server's words")
    assert claim(ledger) is None
    assert outcomes(ledger, run_id) == {"pending": 4}
    assert queries.run_info(ledger, run_id).needs_person


def test_an_unclear_end_makes_the_batch_unknown_and_holds_the_account(ledger):
    run_id = plan(ledger, 4, per_batch=2)
    pk = sending(ledger)

    submissions.lose(ledger, pk, seen="the connection broke after 12 s", status=502)

    row = row_of(ledger, pk)
    assert (row.state, row.http_status, row.detail) == (S.UNKNOWN, 502, "the connection broke after 12 s")
    assert outcomes(ledger, run_id) == {"unknown": 2, "pending": 2}
    assert "may have been charged" in reasons(ledger, run_id)[0]
    assert account_row(ledger).hold == Hold.OUTAGE
    assert_adds_up(ledger)


def test_an_unknown_batch_is_never_claimed_again(ledger, clock):
    plan(ledger, 2)
    unknown(ledger)

    clock.pass_(1_000_000.0)

    assert claim(ledger) is None


def test_sending_batches_of_a_gone_worker_become_unknown_and_ones_own_do_not(ledger):
    run_id = plan(ledger, 6, per_batch=2)
    gone, mine = sending(ledger, worker="gone"), sending(ledger, worker="me")

    lost = submissions.lose_orphans(ledger, "me")

    assert lost == [gone]
    assert state_of(ledger, gone) == S.UNKNOWN
    assert state_of(ledger, mine) == S.SENDING
    assert outcomes(ledger, run_id) == {"unknown": 2, "pending": 4}
    assert_adds_up(ledger)


def test_a_gone_worker_counts_as_one_unclear_submission_however_many_were_in_flight(ledger):
    plan(ledger, 8, per_batch=2)
    for _ in range(3):
        sending(ledger, worker="gone")

    submissions.lose_orphans(ledger, "me", backoff=10.0)

    row = account_row(ledger)
    assert (row.unknown_streak, row.cautious, row.hold) == (1, True, Hold.OUTAGE)


def test_a_program_that_dies_of_every_submission_loses_c_plus_4_batches_and_then_waits(ledger, clock):
    run_id = plan(ledger, 40, per_batch=1)

    for start in range(20):
        while claim(ledger, worker=f"worker-{start}", slots=4):
            pass
        submissions.lose_orphans(ledger, f"worker-{start + 1}")
        pass_outage(ledger, clock)

    assert queries.run_info(ledger, run_id).batches[S.UNKNOWN] == 4 + 4
    assert account_row(ledger).hold == Hold.UNKNOWNS


def test_a_late_no_leaves_the_batch_unknown_and_says_that_nothing_was_created(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)

    submissions.note_late_no(ledger, pk, status=422, detail="bad body")

    row = row_of(ledger, pk)
    assert (row.state, row.nothing_created, row.http_status, row.detail) == (S.UNKNOWN, True, 422, "bad body")
    assert outcomes(ledger, run_id) == {"unknown": 2}
    assert "nothing was spent" in reasons(ledger, run_id)[0]
    assert claim(ledger) is None, "a person still decides"


def test_a_resent_batch_stays_and_a_new_one_with_new_tracking_ids_takes_its_place(ledger):
    run_id = plan(ledger, 2)
    old = unknown(ledger)

    new = decisions.resend_batch(ledger, old)

    assert (state_of(ledger, old), state_of(ledger, new)) == (S.RESENT, S.PLANNED)
    assert row_of(ledger, new).resend_of == old
    assert (task_numbers(ledger, old), task_numbers(ledger, new)) == ([1, 2], [3, 4])
    first, second = (
        queries.requests(ledger, run_id, numbers)["request"].to_list() for numbers in ([1, 2], [3, 4])
    )
    assert first == second
    assert outcomes(ledger, run_id) == {"pending": 2}
    assert_adds_up(ledger)


def test_a_dropped_batch_leaves_its_rows_unknown_and_perhaps_charged(ledger):
    run_id = plan(ledger, 2)
    pk = unknown(ledger)

    decisions.drop_batch(ledger, pk)

    assert state_of(ledger, pk) == S.DROPPED
    assert outcomes(ledger, run_id) == {"unknown": 2}
    assert reasons(ledger, run_id) == ["given up by a person; it may have been charged"] * 2


def test_a_batch_is_collected_when_every_task_has_its_last_word_and_not_before(ledger):
    run_id = plan(ledger, 2)
    pk = accepted(ledger)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    too_early = answers.finish_if_complete(ledger, pk)
    answers.store_answers(ledger, pk, [answer(run_id, 2, None, status="ERRORED")])
    finished = answers.finish_if_complete(ledger, pk)

    assert (too_early, finished) == (False, True)
    assert state_of(ledger, pk) == S.COLLECTED
    assert outcomes(ledger, run_id) == {"matched": 1, "errored": 1}


def test_a_batch_that_a_person_closes_is_collected_and_its_open_rows_are_missing(ledger):
    run_id = plan(ledger, 2)
    pk = accepted(ledger)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

    missing = decisions.close_batch(ledger, pk)

    assert missing == 1
    assert (state_of(ledger, pk), row_of(ledger, pk).closed_by_person) == (S.COLLECTED, True)
    assert outcomes(ledger, run_id) == {"matched": 1, "missing": 1}
    assert_adds_up(ledger)


def test_cancelling_a_run_cancels_what_was_not_sent_and_nothing_else(ledger):
    run_id = plan(ledger, 8, per_batch=2)
    taken, doubtful = accepted(ledger), unknown(ledger)
    on_its_way = sending(ledger)

    count = cancel_run(ledger, run_id)

    assert (count.cancelled_batches, count.with_openmart_batches) == (1, 2)
    states = [state_of(ledger, pk) for pk in (taken, doubtful, on_its_way)]
    assert states == [S.ACCEPTED, S.UNKNOWN, S.SENDING]
    assert outcomes(ledger, run_id) == {"pending": 4, "unknown": 2, "cancelled": 2}
    assert_adds_up(ledger)


@pytest.mark.parametrize("event", [E.NOT_SENT, E.RATE_LIMIT, E.HOLD])
def test_a_batch_that_comes_back_to_a_run_cancelled_meanwhile_is_cancelled_too(ledger, event):
    run_id = plan(ledger, 2)
    pk = sending(ledger)
    cancel_run(ledger, run_id)

    WRITES[event](ledger, pk)

    assert state_of(ledger, pk) == S.CANCELLED
    assert outcomes(ledger, run_id) == {"cancelled": 2}
    assert_adds_up(ledger)


def test_a_batch_lost_in_a_run_cancelled_meanwhile_is_unknown_and_can_only_be_given_up(ledger):
    run_id = plan(ledger, 2)
    pk = sending(ledger)
    cancel_run(ledger, run_id)

    submissions.lose(ledger, pk, seen="timeout")

    assert outcomes(ledger, run_id) == {"unknown": 2}
    with pytest.raises(LedgerError, match="was cancelled"):
        decisions.resend_batch(ledger, pk)
    decisions.drop_batch(ledger, pk)
    assert state_of(ledger, pk) == S.DROPPED
    assert_adds_up(ledger)


def test_pausing_lets_what_is_in_flight_be_accepted_and_collected(ledger):
    run_id = plan(ledger, 4, per_batch=2)
    pk = sending(ledger)

    pause_run(ledger, run_id)
    submissions.accept(ledger, pk, "b-1", None, poll_after=0.0)
    answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 2)])

    assert answers.finish_if_complete(ledger, pk)
    assert claim(ledger) is None
    assert outcomes(ledger, run_id) == {"matched": 2, "pending": 2}
    resume_run(ledger, run_id)
    assert claim(ledger) is not None


def set_state(ledger: Ledger, pk: int, state: BatchState) -> None:
    """Put a batch into a state behind the ledger's back."""
    with ledger.write() as connection:
        connection.execute(batch.update().where(batch.c.id == pk).values(state=state))


def pass_outage(ledger: Ledger, clock: Clock) -> None:
    """Let a free read succeed and any backoff pass."""
    accounts.note_read_succeeded(ledger, account_id(ledger))
    clock.pass_(1_000.0)
    accounts.lift_expired_holds(ledger)
