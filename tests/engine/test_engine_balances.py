"""The worker's looks at the balance: before, during and after, never in the way of anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import PATIENCE, PATIENT, QUICK, Rig
from sqlalchemy import select

from openmart_lib.api.wire import CreditBalance
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.pacing import Pacing
from openmart_lib.ledger import Hold, balances
from openmart_lib.ledger.balances import Balance
from openmart_lib.ledger.runs import pause_run
from openmart_lib.ledger.schema import balance
from openmart_lib.settings import Secret, Settings


@pytest.fixture
def quick(rig: Rig) -> Rig:
    """A rig that looks for a reason every 5 ms, and reads at most every 0.3 s."""
    rig.pacing = replace(rig.pacing, balance_every=0.3)
    rig.restart_worker(slots=1)
    return rig


def read(rig: Rig) -> list[Balance]:
    """All balances that were stored, oldest first."""
    query = select(balance.c.at, balance.c.credits, balance.c.why).order_by(balance.c.id)
    with rig.ledger.read() as connection:
        return [Balance(*row) for row in connection.execute(query)]


def words(rig: Rig) -> list[str]:
    return [one.why for one in read(rig)]


def step_until(rig: Rig, condition: Callable[[], bool]) -> None:
    """Step in real time until a condition holds: the pace of these reads is not the clock's that tests skip."""
    end = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < end, words(rig)
        rig.dispatcher.step()
        time.sleep(0.005)


def test_the_balance_is_read_before_the_first_submission_and_after_the_last_result(quick: Rig) -> None:
    run_id = quick.plan(2)

    quick.settle()
    step_until(quick, lambda: "end" in words(quick))

    first, *_, last = read(quick)
    assert (first.credits, first.why) == (100_000, "start")
    assert first.at <= quick.batch(run_id)["sent_at"]
    assert last.why == "end" and last.at >= quick.batch(run_id)["collected_at"]
    assert last.credits == 100_000 - quick.sandbox.credits_spent()
    assert_truth(quick.sandbox, quick.ledger)


def test_each_run_has_a_reading_of_its_own_before_its_first_submission(rig: Rig) -> None:
    """Also where the last reading is not a minute old: what is charged late must not count for the next run."""
    first = rig.plan(1)
    rig.settle()
    second = rig.plan(1)
    rig.settle()

    starts = [one.at for one in read(rig) if one.why == "start"]
    assert len(starts) == 2
    assert starts[0] <= rig.batch(first)["sent_at"] <= starts[1] <= rig.batch(second)["sent_at"]


def test_a_pause_is_read_for_while_what_is_out_goes_on(quick: Rig) -> None:
    run_id = quick.plan(4, per_batch=1)
    quick.until(lambda: quick.states(run_id).count("accepted") == 1, skip=False)

    paused_at = quick.clock()
    pause_run(quick.ledger, run_id)
    step_until(quick, lambda: "pause" in words(quick))

    (seen,) = [one for one in read(quick) if one.why == "pause"]
    assert "accepted" in quick.states(run_id), "nothing waited for it to be collected"
    assert seen.at >= paused_at and seen.credits < 100_000, "what is held back for running tasks is gone"


def test_a_run_that_ends_with_a_refusal_has_a_reading_after_it(quick: Rig) -> None:
    quick.sandbox.faults.add("status", status=422, detail="no", times=None)
    run_id = quick.plan(1)

    quick.settle()
    step_until(quick, lambda: "end" in words(quick))

    assert quick.states(run_id) == ["refused"]
    assert (read(quick)[-1].credits, quick.sandbox.credits_spent()) == (100_000, 0)


def test_a_worker_that_is_stopped_at_the_end_of_a_run_reads_before_it_goes(rig: Rig) -> None:
    """As `openmart run --wait` does it: the next look would only come later."""
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["collected"])
    assert words(rig) == ["start"]

    rig.dispatcher.stop(grace=1.0)

    assert words(rig) == ["start", "end"]
    assert read(rig)[-1].credits == 100_000 - rig.sandbox.credits_spent()


def test_a_server_that_is_gone_does_not_keep_a_worker_from_stopping(rig: Rig) -> None:
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["collected"])
    rig.clients = Clients(rig.settings, submitting=PATIENCE, reading=QUICK)
    rig.restart_worker()
    rig.sandbox.faults.add("slow", on="balance", seconds=600.0, times=None)  # longer than this test may take

    rig.dispatcher.stop(grace=1.0)

    assert words(rig) == ["start"]


def test_nothing_more_is_read_once_all_is_at_rest(quick: Rig) -> None:
    quick.plan(1)
    quick.settle()
    step_until(quick, lambda: "end" in words(quick))
    asked = quick.sandbox.requests("balance")

    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        quick.dispatcher.step()
        time.sleep(0.005)

    assert quick.sandbox.requests("balance") == asked


def test_many_submissions_in_a_short_time_share_one_reading(rig: Rig) -> None:
    rig.plan(30, per_batch=1)

    rig.settle()

    assert rig.posts() == 30
    assert words(rig)[0] == "start"
    assert rig.sandbox.requests("balance") <= 2, "at most every 60 s, and once at the end"


def test_a_submission_does_not_wait_for_the_balance(rig: Rig) -> None:
    balance_answer = gate(rig, "credit_balance")
    run_id = rig.plan(1)

    rig.until(lambda: rig.states(run_id) == ["accepted"], skip=False)

    assert rig.sandbox.requests("balance") == 1 and read(rig) == [], "the reading is still under way"
    balance_answer.open()


@pytest.mark.parametrize("status", [401, 402, 403, 404, 500])
def test_a_balance_that_cannot_be_read_holds_nobody_and_nothing(quick: Rig, status: int) -> None:
    quick.sandbox.faults.add("status", on="balance", status=status, times=None)
    run_id = quick.plan(3, per_batch=1)

    quick.settle()

    assert quick.states(run_id) == ["collected"] * 3
    assert quick.account().hold is None
    assert read(quick) == []
    assert quick.sandbox.requests("balance") >= 1
    assert_truth(quick.sandbox, quick.ledger)


def test_a_reading_that_failed_is_tried_again_later_and_not_in_a_loop(quick: Rig) -> None:
    quick.sandbox.faults.add("status", on="balance", status=500, times=2)
    quick.plan(1)
    began = time.monotonic()

    quick.settle()
    step_until(quick, lambda: bool(words(quick)))

    assert time.monotonic() - began >= 2 * 0.3 * 0.9
    assert quick.sandbox.requests("balance") == 3


def test_a_balance_route_that_asks_to_wait_is_obeyed_by_all_reads(rig: Rig) -> None:
    rig.sandbox.faults.add("status", on="balance", status=429, retry_after="4000")
    rig.plan(1)

    rig.until(lambda: rig.account().hold is Hold.RATE_LIMITED, skip=False)

    assert rig.sandbox.requests("balance") == 1


def test_the_probe_of_an_outage_keeps_what_it_read(quick: Rig) -> None:
    quick.sandbox.faults.add("answer_lost")
    run_id = quick.plan(2, per_batch=1)

    quick.until(lambda: "unknown" in words(quick))

    row = quick.batch(run_id)
    after = balances.balance_after(quick.ledger, quick.account_id, row["answered_at"])
    before = balances.balance_before(quick.ledger, quick.account_id, row["sent_at"])
    assert after is not None and after.why == "unknown"
    assert before is not None and before.credits == 100_000


def test_the_credit_limit_is_told_with_the_balance_at_that_moment(quick: Rig) -> None:
    quick.sandbox.faults.add("status", status=402, detail="credit limit reached")
    quick.plan(1)

    quick.settle()
    step_until(quick, lambda: "hold" in words(quick))

    held_at = quick.account().held_at
    assert held_at is not None and read(quick)[-1].at >= held_at
    assert words(quick).count("hold") == 1


def test_a_plan_that_is_not_metered_is_kept_as_such(rig: Rig) -> None:
    unlimited = CreditBalance(
        balance=10_000, period_start="2026-01-01T00:00:00Z", period_end=None, metered=False
    )

    rig.dispatcher._balances.note(unlimited, balances.START)

    assert [one.credits for one in read(rig)] == [None]


def test_a_ledger_that_cannot_take_a_balance_goes_on_without(rig: Rig) -> None:
    with rig.ledger.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON balance BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    run_id = rig.plan(1)

    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert rig.sandbox.requests("balance") == 1


def test_the_pace_follows_the_sandboxs_time() -> None:
    assert Pacing.of(Settings(api_key=Secret("k"))).balance_every == 60.0
    assert Pacing.of(Settings(sandbox_speed=20.0)).balance_every == 3.0
    assert Pacing.of(Settings(sandbox_speed=10_000.0)).balance_every > 0
