"""Limits, reserve and pilots in the ledger: what a claim tests, and what a person sets."""

from __future__ import annotations

import pytest
from ledger_kit import (
    EMAIL,
    KEY,
    accepted,
    account_id,
    answer,
    assert_adds_up,
    claim,
    estimate_of,
    free,
    new_run,
    outcomes,
    plan,
    row_of,
    sending,
    unknown,
)

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError, RunNotFoundError
from openmart_lib.ledger import Hold, Ledger, RunState, answers, balances, decisions, queries, submissions
from openmart_lib.ledger.limits import reserve, set_limit, set_reserve
from openmart_lib.ledger.money import money, moneys
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.pilots import pilot
from openmart_lib.ledger.rates import interval
from openmart_lib.ledger.runs import cancel_run, pause_run, plan_run, resume_run
from openmart_lib.ledger.states import Pause
from openmart_lib.ledger.submissions import next_candidate

ESTIMATE = estimate_of(Kind.FIND_PEOPLE, each=12.0)


def limited(ledger: Ledger, limit: float | None, tasks: int = 6, **changes: object) -> str:
    """Plan a run of batches of two, 24 credits at most each, with this limit."""
    return plan(ledger, tasks, per_batch=2, estimate=ESTIMATE, spend_at_most=limit, **changes)


def pause_of(ledger: Ledger, run_id: str) -> Pause | None:
    pause_what_waits(ledger, account_id(ledger))
    return Pause.of(queries.run_info(ledger, run_id).pause_reason)


def keep(ledger: Ledger, credits: float) -> None:
    set_reserve(ledger, credits, key_fingerprint=KEY, key_last4="abcd")


class TestTheClaim:
    @pytest.mark.parametrize(("limit", "claimed"), [(0.0, 0), (23.9, 0), (24.0, 1), (71.0, 2), (None, 3)])
    def test_takes_as_many_batches_as_fit_in_the_worst_case(self, ledger, limit, claimed):
        limited(ledger, limit)

        taken = [claim(ledger, slots=16) for _ in range(3)]

        assert [each is not None for each in taken] == [True] * claimed + [False] * (3 - claimed)
        assert_adds_up(ledger)

    def test_goes_by_the_ledger_as_it_is_then_not_as_the_candidate_was_chosen(self, ledger):
        run_id = limited(ledger, 24.0)
        mine = account_id(ledger)
        stale = next_candidate(ledger, mine)
        set_limit(ledger, run_id, 23.0)

        assert submissions.claim(ledger, stale, account_id=mine, worker_id="w", slots=4) is None

    def test_has_room_again_when_less_was_found_than_could_have_been(self, ledger):
        run_id = limited(ledger, 30.0)
        pk = accepted(ledger)
        assert claim(ledger) is None and pause_of(ledger, run_id) is None, "what is out may make room"

        answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL]), answer(run_id, 2, None)])

        now = money(ledger, run_id)
        assert (now.out, now.spent, now.room) == (0.0, 3.0, 27.0)
        assert claim(ledger) is not None

    def test_gives_back_what_a_definite_no_did_not_cost(self, ledger):
        run_id = limited(ledger, 24.0)
        submissions.refuse(ledger, sending(ledger), status=400, detail="no")
        assert money(ledger, run_id).out == 0.0

        pk = sending(ledger)
        submissions.lose(ledger, pk, seen="timeout")
        free(ledger)
        assert money(ledger, run_id).out == 24.0

        submissions.note_late_no(ledger, pk, status=400, detail="no")
        assert money(ledger, run_id).out == 0.0
        assert_adds_up(ledger)

    def test_counts_a_row_that_never_came_back_as_out(self, ledger):
        run_id = limited(ledger, 100.0)
        pk = accepted(ledger)
        answers.store_answers(ledger, pk, [answer(run_id, 1, [EMAIL])])

        answers.mark_missing(ledger, pk, by_person=True)

        assert (money(ledger, run_id).out, money(ledger, run_id).spent) == (12.0, 3.0)
        assert_adds_up(ledger)

    def test_of_groups_counts_each_person(self, ledger):
        people = estimate_of(Kind.LOOKUP_PEOPLE, each=11.0)
        plan(ledger, 2, people=3, kind=Kind.LOOKUP_PEOPLE, per_batch=1, estimate=people, spend_at_most=40.0)

        first, second = claim(ledger), claim(ledger)

        assert row_of(ledger, first.pk).worst_credits == 33.0
        assert second is None

    def test_of_a_run_from_before_there_were_prices_has_no_limit(self, ledger):
        run_id = plan(ledger, 2, worst_credits=5.0)

        assert claim(ledger) is not None
        assert money(ledger, run_id).as_json()["spent"] is None


class TestAPause:
    def test_comes_when_nothing_that_is_out_can_make_room_and_says_why(self, ledger):
        run_id = limited(ledger, 30.0)
        unknown(ledger)

        assert pause_of(ledger, run_id) is Pause.LIMIT

        info = queries.run_info(ledger, run_id)
        assert info.state is RunState.PAUSED and info.needs_person
        assert info.pause_reason == "its limit is reached: the next batch could take it over 30 credits"

    def test_ends_with_a_limit_that_leaves_room_and_comes_again_with_one_that_does_not(self, ledger):
        run_id = limited(ledger, 10.0)
        assert pause_of(ledger, run_id) is Pause.LIMIT

        set_limit(ledger, run_id, 20.0)
        assert queries.run_info(ledger, run_id).state is RunState.ACTIVE
        assert pause_of(ledger, run_id) is Pause.LIMIT
        set_limit(ledger, run_id, 24.0)

        assert pause_of(ledger, run_id) is None
        assert claim(ledger) is not None

    def test_by_a_person_is_not_ended_by_a_new_limit(self, ledger):
        run_id = limited(ledger, 100.0)
        pause_run(ledger, run_id)

        set_limit(ledger, run_id, 200.0)

        assert queries.run_info(ledger, run_id).state is RunState.PAUSED

    def test_resumed_without_a_new_limit_comes_again(self, ledger):
        run_id = limited(ledger, 10.0)
        assert pause_of(ledger, run_id) is Pause.LIMIT

        resume_run(ledger, run_id)

        assert claim(ledger) is None
        assert pause_of(ledger, run_id) is Pause.LIMIT

    def test_is_told_once(self, ledger):
        run_id = limited(ledger, 10.0)
        told = [pause_what_waits(ledger, account_id(ledger)) for _ in range(3)]

        assert told == [1, 0, 0]
        assert queries.events(ledger, run_id).filter(kind="run_paused").height == 1


class TestTheReserve:
    def test_keeps_what_the_next_batch_could_take(self, ledger):
        run_id = limited(ledger, None)
        keep(ledger, 70.0)
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)

        first, second = claim(ledger), claim(ledger)

        assert first is not None and second is None
        assert pause_of(ledger, run_id) is None, "what is out may cost less"
        assert reserve(ledger, KEY) == 70.0

    def test_counts_what_came_back_since_the_balance_was_read_once(self, ledger):
        run_id = limited(ledger, None)
        keep(ledger, 70.0)
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)
        pk = accepted(ledger)
        answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 2)])
        answers.finish_if_complete(ledger, pk)

        assert claim(ledger) is not None, "100 - 6 - 24 leaves 70"
        assert claim(ledger) is None

    def test_of_a_new_balance_counts_nothing_that_it_knows(self, ledger, clock):
        run_id = limited(ledger, None)
        keep(ledger, 70.0)
        pk = sending(ledger) if claim(ledger) else None
        assert pk is None, "no balance is known yet, so everything is kept"
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)
        pk = accepted(ledger)
        answers.store_answers(ledger, pk, [answer(run_id, no, [EMAIL]) for no in (1, 2)])
        clock.pass_(5.0)

        balances.note_balance(ledger, account_id(ledger), 94.0, balances.END)

        assert claim(ledger) is not None

    def test_pauses_only_on_a_balance_that_was_just_read(self, ledger, clock):
        run_id = limited(ledger, None)
        keep(ledger, 90.0)
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)
        clock.pass_(500.0)
        assert claim(ledger) is None and pause_of(ledger, run_id) is None, "credits may have been added"

        clock.pass_(1.0)
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)

        assert pause_of(ledger, run_id) is Pause.RESERVE

    def test_of_nothing_or_of_a_plan_without_a_meter_keeps_nothing(self, ledger):
        limited(ledger, None)
        keep(ledger, 1_000.0)
        balances.note_balance(ledger, account_id(ledger), None, balances.START)
        assert claim(ledger) is not None

        balances.note_balance(ledger, account_id(ledger), 1.0, balances.START)
        keep(ledger, 0.0)

        assert claim(ledger) is not None

    def test_holds_for_all_runs_of_the_account_together(self, ledger):
        limited(ledger, None, content="one")
        limited(ledger, None, content="two")
        keep(ledger, 50.0)
        balances.note_balance(ledger, account_id(ledger), 100.0, balances.START)

        taken = [claim(ledger, slots=16) for _ in range(4)]

        assert sum(each is not None for each in taken) == 2


@pytest.mark.parametrize("credits", [-1.0, float("nan"), float("inf")])
def test_what_is_no_number_of_credits_is_refused_and_changes_nothing(ledger, credits):
    run_id = limited(ledger, 50.0)

    with pytest.raises(LedgerError, match="no number of credits"):
        set_limit(ledger, run_id, credits)
    with pytest.raises(LedgerError, match="no number of credits"):
        keep(ledger, credits)

    assert (money(ledger, run_id).limit, reserve(ledger, KEY)) == (50.0, 0.0)
    with pytest.raises(RunNotFoundError):
        set_limit(ledger, "aaaaaaaaaa", 5.0)


def test_the_money_of_all_runs_is_that_of_each(ledger):
    ids = [limited(ledger, 50.0, content=name) for name in ("one", "two")]
    sending(ledger)

    assert moneys(ledger) == {run_id: money(ledger, run_id) for run_id in ids}
    assert {each.waiting for each in moneys(ledger).values()} == {48.0, 72.0}


class TestAPilot:
    def test_is_all_that_can_be_claimed_until_somebody_decides(self, ledger):
        run_id = limited(ledger, None, tasks=9, pilot_rows=3)

        taken = [claim(ledger, slots=16) for _ in range(4)]

        assert sum(each is not None for each in taken) == 2, "three rows in batches of two"
        assert pause_of(ledger, run_id) is None, "it is still out"
        seen = pilot(ledger, run_id)
        assert (seen.rows, seen.open_rows, seen.over, seen.rest_rows) == (3, 3, False, 6)

    def test_that_was_cut_off_while_it_was_planned_is_not_mixed_with_another(self, ledger):
        def stop(done: int, of: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            plan_run(ledger, new_run(9, per_batch=2, estimate=ESTIMATE, pilot_rows=3), progress=stop)

        run_id = plan_run(ledger, new_run(9, per_batch=2, estimate=ESTIMATE))

        assert pilot(ledger, run_id) is None
        assert sum(claim(ledger, slots=16) is not None for _ in range(6)) == 5
        assert outcomes(ledger, run_id) == {"pending": 9}

    def test_that_was_cut_off_goes_on_with_the_same_sample(self, ledger):
        def stop(done: int, of: int) -> None:
            raise KeyboardInterrupt

        new = new_run(9, per_batch=2, estimate=ESTIMATE, pilot_rows=3)
        with pytest.raises(KeyboardInterrupt):
            plan_run(ledger, new, progress=stop)
        before = queries.runs(ledger)[0].run_id

        assert plan_run(ledger, new) == before
        assert pilot(ledger, before).rows == 3

    def test_of_a_cancelled_run_is_none(self, ledger):
        run_id = limited(ledger, None, tasks=9, pilot_rows=3)

        cancel_run(ledger, run_id)

        assert pilot(ledger, run_id) is None
        assert not money(ledger, run_id).pilot_waits

    def test_that_is_held_back_by_its_account_is_not_over(self, ledger):
        run_id = limited(ledger, None, tasks=9, pilot_rows=3)
        pk = sending(ledger)

        submissions.release_and_hold(ledger, pk, Hold.CREDIT_LIMIT, status=402, detail="no credits")

        assert pause_of(ledger, run_id) is None
        assert not pilot(ledger, run_id).over

    def test_whose_rows_are_missing_is_said_to_have_not_come_back(self, ledger):
        run_id = limited(ledger, None, tasks=9, pilot_rows=2)
        pk = accepted(ledger)

        decisions.close_batch(ledger, pk)

        assert pause_of(ledger, run_id) is Pause.NOT_OURS
        assert (pilot(ledger, run_id).missing, pilot(ledger, run_id).came_back) == (2, False)


def test_an_interval_narrows_with_the_sample_and_holds_its_share():
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(17, 25)
    wide, narrow = high - low, interval(680, 1_000)[1] - interval(680, 1_000)[0]
    assert low == pytest.approx(0.4841, abs=1e-3) and high == pytest.approx(0.8279, abs=1e-3)
    assert narrow < wide / 5
    assert interval(0, 10)[0] == 0.0 and interval(10, 10)[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("end", "out", "in_doubt"),
    [
        ("unknown", 2, 2),
        ("given up", 2, 2),
        ("given up, nothing created", 0, 0),
        ("missing", 1, 1),
        ("at Openmart", 2, 0),
        ("turned away, then cancelled", 0, 0),
        ("refused", 0, 0),
    ],
)
def test_what_may_have_been_charged_counts_and_is_told_apart(
    ledger: Ledger, end: str, out: int, in_doubt: int
) -> None:
    """A limit that forgot what is in doubt could be overspent; what never left counts nothing."""
    run_id = plan(ledger, 4, per_batch=2, estimate=estimate_of(Kind.FIND_PEOPLE), spend_at_most=48.0)
    pk = sending(ledger)
    match end:
        case "unknown" | "given up" | "given up, nothing created":
            submissions.lose(ledger, pk, seen="timeout")
            if end.endswith("created"):
                submissions.note_late_no(ledger, pk, status=400, detail="no")
            if end.startswith("given"):
                decisions.drop_batch(ledger, pk)
        case "missing" | "at Openmart":
            submissions.accept(ledger, pk, "B-1", None, poll_after=1.0)
            if end == "missing":
                answers.store_answers(ledger, pk, [answer(run_id, 1, [])])
                decisions.close_batch(ledger, pk)
        case "turned away, then cancelled":
            submissions.release_rate_limited(ledger, pk, 1.0, "slow down")
            cancel_run(ledger, run_id)
        case "refused":
            submissions.refuse(ledger, pk, status=400, detail="no")

    cash = money(ledger, run_id)

    assert (cash.out, cash.in_doubt) == (out * 12.0, in_doubt * 12.0)
    assert_adds_up(ledger)


def test_a_limit_that_is_filled_with_doubt_pauses_the_run_and_does_not_keep_it_waiting(
    ledger: Ledger,
) -> None:
    run_id = plan(ledger, 4, per_batch=2, estimate=estimate_of(Kind.FIND_PEOPLE), spend_at_most=24.0)
    decisions.drop_batch(ledger, unknown(ledger))

    assert claim(ledger) is None
    pause_what_waits(ledger, account_id(ledger))

    assert Pause.of(queries.run_info(ledger, run_id).pause_reason) is Pause.LIMIT
    set_limit(ledger, run_id, 48.0)
    assert claim(ledger) is not None
