"""Holds of an account: what stops all submissions, for how long, and who may end it."""

from __future__ import annotations

import pytest
from ledger_kit import Clock, accepted, account_id, account_row, claim, plan, sending, unknown

from openmart_lib.ledger import BatchState, Hold, Ledger, accounts, decisions, queries, submissions
from openmart_lib.ledger.runs import resume_run
from openmart_lib.ledger.states import PERSON_HOLDS

PASSING_HOLDS = sorted(set(Hold) - PERSON_HOLDS)
WAITS_FOR_PERSON = sorted(PERSON_HOLDS)


@pytest.fixture
def run_id(ledger: Ledger) -> str:
    """A run of many small batches."""
    return plan(ledger, 30, per_batch=1)


def hold(ledger: Ledger, reason: Hold, *, wait: float | None = None, needs_read: bool = False) -> None:
    until = None if wait is None else ledger.now() + wait
    with ledger.write() as connection:
        accounts.hold(
            connection,
            account_id(ledger),
            reason,
            now=ledger.now(),
            detail="why",
            until=until,
            needs_read=needs_read,
        )


def lose(ledger: Ledger) -> None:
    submissions.lose(ledger, sending(ledger), seen="timeout")


def outage_passes(ledger: Ledger, clock: Clock, seconds: float) -> None:
    clock.pass_(seconds)
    accounts.note_read_succeeded(ledger, account_id(ledger))
    accounts.lift_expired_holds(ledger)


def test_unknowns_in_a_row_wait_30_s_doubling_and_the_fifth_waits_for_a_person(ledger, clock, run_id):
    waits = []
    for _ in range(4):
        lose(ledger)
        waits.append(account_row(ledger).hold_until - clock.at)
        outage_passes(ledger, clock, waits[-1])
    lose(ledger)

    assert waits == [30.0, 60.0, 120.0, 240.0]
    assert account_row(ledger).hold == Hold.UNKNOWNS
    assert account_row(ledger).hold_until is None
    outage_passes(ledger, clock, 1_000_000.0)
    assert claim(ledger) is None


def test_a_backoff_never_exceeds_ten_times_the_first(ledger, clock, run_id, monkeypatch):
    monkeypatch.setattr(accounts, "UNKNOWNS_IN_A_ROW", 99)

    waits = []
    for _ in range(6):
        lose(ledger)
        waits.append(account_row(ledger).hold_until - clock.at)
        outage_passes(ledger, clock, waits[-1])

    assert waits == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0]


def test_an_outage_with_four_slots_makes_at_most_eight_unknowns(ledger, clock, run_id):
    for _ in range(30):
        in_flight = []
        while claimed := claim(ledger, slots=4):
            in_flight.append(claimed.pk)
        for pk in in_flight:
            submissions.lose(ledger, pk, seen="timeout")
        outage_passes(ledger, clock, 1_000.0)

    lost = queries.run_info(ledger, run_id).batches[BatchState.UNKNOWN]
    assert 5 <= lost <= 4 + 4
    assert account_row(ledger).hold == Hold.UNKNOWNS


def test_an_outage_ends_neither_by_time_alone_nor_by_a_read_alone(ledger, clock, run_id):
    lose(ledger)

    clock.pass_(31.0)
    by_time_alone = accounts.lift_expired_holds(ledger)
    clock.pass_(-31.0)
    accounts.note_read_succeeded(ledger, account_id(ledger))
    by_read_alone = accounts.lift_expired_holds(ledger)
    clock.pass_(31.0)
    by_both = accounts.lift_expired_holds(ledger)

    assert (by_time_alone, by_read_alone, by_both) == (0, 0, 1)
    assert claim(ledger) is not None


def test_after_an_unknown_one_submission_at_a_time_until_one_is_accepted(ledger, clock, run_id):
    lose(ledger)
    outage_passes(ledger, clock, 31.0)

    first, second = claim(ledger), claim(ledger)
    submissions.accept(ledger, first.pk, "b-1", None, poll_after=1.0)

    assert second is None
    assert account_row(ledger).unknown_streak == 0
    assert claim(ledger) and claim(ledger)


def test_only_an_answer_to_a_submission_ends_caution_not_an_id_found_elsewhere(ledger, clock, run_id):
    pk = sending(ledger)
    submissions.lose(ledger, pk, seen="timeout")

    decisions.attach_batch(ledger, pk, "found")

    assert (account_row(ledger).cautious, account_row(ledger).unknown_streak) == (True, 1)


@pytest.mark.parametrize("first", WAITS_FOR_PERSON)
@pytest.mark.parametrize("second", PASSING_HOLDS)
def test_a_hold_that_waits_for_a_person_is_never_replaced_by_one_that_passes(
    ledger, clock, run_id, first, second
):
    hold(ledger, first)

    hold(ledger, second, wait=1.0)
    outage_passes(ledger, clock, 1_000.0)

    assert account_row(ledger).hold == first
    assert claim(ledger) is None


@pytest.mark.parametrize("first", PASSING_HOLDS)
@pytest.mark.parametrize("second", WAITS_FOR_PERSON)
def test_a_hold_that_passes_is_replaced_by_one_that_waits_for_a_person(ledger, clock, run_id, first, second):
    hold(ledger, first, wait=5.0)

    hold(ledger, second)
    outage_passes(ledger, clock, 1_000.0)

    assert account_row(ledger).hold == second


def test_a_429s_wait_is_not_shortened_by_a_shorter_one(ledger, clock, run_id):
    hold(ledger, Hold.RATE_LIMITED, wait=200.0)

    hold(ledger, Hold.RATE_LIMITED, wait=5.0)

    assert account_row(ledger).hold_until == clock.at + 200.0


@pytest.mark.parametrize("order", ["429 first", "outage first"])
def test_of_a_429_and_an_outage_the_later_end_counts_and_is_the_one_shown(ledger, clock, run_id, order):
    holds = [(Hold.RATE_LIMITED, 200.0, False), (Hold.OUTAGE, 30.0, True)]
    for reason, wait, needs_read in holds if order == "429 first" else reversed(holds):
        hold(ledger, reason, wait=wait, needs_read=needs_read)

    row = account_row(ledger)
    assert (row.hold, row.hold_until, row.needs_read) == (Hold.RATE_LIMITED, clock.at + 200.0, True)
    outage_passes(ledger, clock, 199.0)
    assert claim(ledger) is None
    outage_passes(ledger, clock, 1.0)
    assert claim(ledger) is not None


def test_resuming_does_not_shorten_a_429s_wait(ledger, clock, run_id):
    pk = sending(ledger)
    submissions.release_rate_limited(ledger, pk, 100.0, "slow down")

    resume_run(ledger, run_id)

    assert claim(ledger) is None
    clock.pass_(100.0)
    accounts.lift_expired_holds(ledger)
    assert claim(ledger) is not None


@pytest.mark.parametrize("order", ["429 first", "402 first"])
def test_a_429s_wait_outlives_a_hold_that_a_person_ends_in_between(ledger, clock, run_id, order):
    holds = [(Hold.RATE_LIMITED, 100.0), (Hold.CREDIT_LIMIT, None)]
    for reason, wait in holds if order == "429 first" else reversed(holds):
        hold(ledger, reason, wait=wait)

    resume_run(ledger, run_id)

    row = account_row(ledger)
    assert (row.hold, row.hold_until) == (Hold.RATE_LIMITED, clock.at + 100.0)
    clock.pass_(100.0)
    accounts.lift_expired_holds(ledger)
    assert claim(ledger) is not None


def test_of_two_429s_under_a_hold_that_waits_for_a_person_the_longer_wait_is_kept(ledger, clock, run_id):
    hold(ledger, Hold.CREDIT_LIMIT)
    for wait in (100.0, 5.0):
        hold(ledger, Hold.RATE_LIMITED, wait=wait)

    resume_run(ledger, run_id)

    assert account_row(ledger).hold_until == clock.at + 100.0


def test_a_hold_that_waits_for_a_person_shows_no_time(ledger, clock, run_id):
    hold(ledger, Hold.RATE_LIMITED, wait=100.0)
    hold(ledger, Hold.CREDIT_LIMIT)

    info = queries.accounts(ledger)[0]

    assert (info.hold, info.hold_until, info.waits_for_person) == (Hold.CREDIT_LIMIT, None, True)


def test_resuming_does_not_end_an_outage(ledger, clock, run_id):
    lose(ledger)

    resume_run(ledger, run_id)

    assert account_row(ledger).hold == Hold.OUTAGE
    assert account_row(ledger).unknown_streak == 1


@pytest.mark.parametrize("reason", [Hold.UNAUTHORIZED, Hold.CREDIT_LIMIT, Hold.BANNED, Hold.WRONG_ADDRESS])
def test_a_person_resumes_after_having_settled_it_with_openmart(ledger, run_id, reason):
    hold(ledger, reason)

    resume_run(ledger, run_id)

    assert account_row(ledger).hold is None
    assert claim(ledger) is not None


def test_after_five_unknowns_a_person_resumes_one_submission_at_a_time(ledger, clock, run_id):
    for _ in range(5):
        lose(ledger)
        outage_passes(ledger, clock, 1_000.0)

    resume_run(ledger, run_id)

    row = account_row(ledger)
    assert (row.hold, row.cautious, row.unknown_streak) == (None, True, 0)
    assert claim(ledger) is not None
    assert claim(ledger) is None


def test_resuming_a_402_does_not_forget_the_unknowns_before_it(ledger, clock, run_id):
    for _ in range(3):
        lose(ledger)
        outage_passes(ledger, clock, 1_000.0)
    hold(ledger, Hold.CREDIT_LIMIT)

    resume_run(ledger, run_id)

    assert account_row(ledger).unknown_streak == 3


def test_the_same_no_told_again_by_every_read_leaves_one_event_and_the_time_it_began(ledger, clock, run_id):
    hold(ledger, Hold.UNAUTHORIZED)
    began = clock.at
    clock.pass_(60.0)

    for _ in range(5):
        hold(ledger, Hold.UNAUTHORIZED)

    assert account_row(ledger).held_at == began
    assert queries.events(ledger).filter(kind="account_held").height == 1


def test_a_429_without_a_time_waits_longer_with_each_attempt(ledger, clock, run_id):
    waits = []
    for _ in range(3):
        pk = sending(ledger)
        submissions.release_rate_limited(ledger, pk, None, "slow down")
        waits.append(account_row(ledger).hold_until - clock.at)
        clock.pass_(waits[-1])
        accounts.lift_expired_holds(ledger)

    assert waits == [5.0, 10.0, 15.0]


def test_a_429_that_asks_for_no_wait_still_makes_one(ledger, clock, run_id):
    submissions.release_rate_limited(ledger, sending(ledger), 0.0, "slow down")

    assert account_row(ledger).hold_until >= clock.at + 1.0


def test_a_429s_wait_of_hours_is_kept_by_the_account(ledger, clock, run_id):
    submissions.release_rate_limited(ledger, sending(ledger), 7_200.0, "slow down")

    clock.pass_(7_199.0)
    accounts.lift_expired_holds(ledger)
    still_held = claim(ledger)
    clock.pass_(1.0)
    accounts.lift_expired_holds(ledger)

    assert still_held is None
    assert claim(ledger) is not None


def test_a_clock_set_back_makes_a_wait_begin_anew_and_not_last_as_long_as_the_clock_was_wrong(
    ledger, clock, run_id
):
    submissions.release_rate_limited(ledger, sending(ledger), 100.0, "slow down")

    clock.pass_(-86_400.0)
    accounts.lift_expired_holds(ledger)
    assert claim(ledger) is None
    clock.pass_(100.0)
    accounts.lift_expired_holds(ledger)

    assert claim(ledger) is not None


def test_a_read_that_nobody_waits_for_is_not_written_down(ledger, run_id):
    accepted(ledger)
    before = queries.revision(ledger)

    accounts.note_read_succeeded(ledger, account_id(ledger))

    assert queries.revision(ledger) == before


def test_nothing_reached_at_all_waits_for_a_read_but_not_for_a_person(ledger, clock, run_id):
    for _ in range(9):
        submissions.release_not_sent(ledger, sending(ledger), "connection refused")
        assert account_row(ledger).needs_read
        outage_passes(ledger, clock, 20.0)

    assert queries.run_info(ledger, run_id).batches[BatchState.UNKNOWN] == 0
    assert claim(ledger) and claim(ledger), "no caution is needed: nothing is in doubt"


def test_an_unknown_of_one_key_holds_no_other(ledger, run_id):
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "wxyz")
    unknown(ledger)
    lose(ledger)

    holds = {info.id: info.hold for info in queries.accounts(ledger)}
    assert holds[account_id(ledger)] == Hold.OUTAGE
    assert holds[other] is None
