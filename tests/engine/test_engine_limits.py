"""Limits, reserves and pilots against the sandbox's own books: never a batch too many, never a row lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from engine_oracle import assert_truth
from engine_rig import Rig, new_run
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Hold, RunState, balances, covering, decisions, queries
from openmart_lib.ledger.limits import set_limit, set_reserve
from openmart_lib.ledger.money import Money, money
from openmart_lib.ledger.pilots import pilot, send_rest
from openmart_lib.ledger.runs import plan_run, resume_run
from openmart_lib.ledger.schema import batch, run, task
from openmart_lib.ledger.states import Pause

EACH = 11.0  # credits at most for a row of these lists: an email and a phone
ESTIMATE = {
    "each": EACH,
    "per_person": False,
    "prices": {"email": 3.0, "phone": 8.0, "mailbox": 1.0, "technology": 2.0},
}


def plan(rig: Rig, rows: int, *, per_batch: int = 2, number: int = 1, **changes: Any) -> str:
    """Confirm a list of so many companies, with prices."""
    domains = [f"shop{number}-{no}.example" for no in range(1, rows + 1)]
    new = new_run(rig, number, domains, per_batch, Kind.FIND_PEOPLE, 0)
    return plan_run(rig.ledger, replace(new, estimate=ESTIMATE, **changes))


def cash(rig: Rig, run_id: str) -> Money:
    return money(rig.ledger, run_id)


def cause(rig: Rig, run_id: str) -> Pause | None:
    info = rig.info(run_id)
    return Pause.of(info.pause_reason) if info.state is RunState.PAUSED else None


def sent_domains(rig: Rig, run_id: str) -> list[str]:
    """The domains of the tasks that left, in the order of the tasks."""
    query = (
        select(task.c.domain)
        .join(batch, batch.c.id == task.c.batch_pk)
        .join(run, run.c.id == task.c.run_id)
        .where(run.c.public_id == run_id, batch.c.state != BatchState.PLANNED)
        .order_by(task.c.task_no)
    )
    with rig.ledger.read() as connection:
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize("limit", [0.0, 21.0, 22.0, 150.0, 333.0])
def test_a_limit_holds_to_the_batch_with_sixteen_submissions_in_flight(rig: Rig, limit: float) -> None:
    rig.restart_worker(slots=16)
    run_id = plan(rig, 60, spend_at_most=limit)
    most: list[float] = []

    def settled() -> bool:
        now = cash(rig, run_id)
        most.append(now.out + now.spent)
        return rig.is_settled()

    rig.until(settled)

    now = cash(rig, run_id)
    assert max(most) <= limit
    assert rig.sandbox.credits_spent() == now.spent <= limit, "the sandbox's own books agree"
    assert (now.out, cause(rig, run_id)) == (0.0, Pause.LIMIT)
    assert now.spent + 2 * EACH > limit, "and no batch less than fits"
    assert_truth(rig.sandbox, rig.ledger)


def test_a_raised_limit_lets_the_run_go_on_to_its_end(rig: Rig) -> None:
    run_id = plan(rig, 12, spend_at_most=50.0)
    rig.settle()
    assert rig.info(run_id).needs_person

    set_limit(rig.ledger, run_id, 12 * EACH)
    rig.settle()

    assert rig.info(run_id).state is RunState.DONE
    assert rig.sandbox.credits_spent() == cash(rig, run_id).spent
    assert_truth(rig.sandbox, rig.ledger)


def test_the_worst_case_as_a_limit_never_pauses_a_run(rig: Rig) -> None:
    run_id = plan(rig, 30, spend_at_most=30 * EACH)

    rig.settle()

    assert rig.info(run_id).state is RunState.DONE


def test_what_nobody_knows_of_counts_as_if_all_of_it_were_found(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(rig, 6, spend_at_most=2 * 2 * EACH - 1)

    rig.until(lambda: rig.info(run_id).batches[BatchState.UNKNOWN] == 1 and rig.is_settled())

    now = cash(rig, run_id)
    assert (now.out, now.spent, rig.posts()) == (2 * EACH, 0.0, 1)
    assert cause(rig, run_id) is Pause.LIMIT


def test_a_batch_sent_again_on_purpose_may_cost_what_was_agreed_to(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(rig, 4, spend_at_most=4 * EACH, worst_credits=4 * EACH)
    rig.until(lambda: rig.info(run_id).batches[BatchState.UNKNOWN] == 1 and rig.is_settled())

    decisions.resend_batch(rig.ledger, rig.batch(run_id)["pk"])
    rig.settle()

    assert cause(rig, run_id) is None
    assert cash(rig, run_id).limit == 6 * EACH
    assert rig.outcomes(run_id).get("unknown") is None


def test_a_run_without_room_does_not_keep_the_others_waiting(rig: Rig) -> None:
    full = plan(rig, 4, spend_at_most=1.0)
    other = plan(rig, 4, number=2)

    rig.settle()

    assert rig.info(other).state is RunState.DONE
    assert (cause(rig, full), rig.info(full).batches[BatchState.PLANNED]) == (Pause.LIMIT, 2)


def test_the_reserve_is_never_touched_whatever_comes_back(rig: Rig) -> None:
    rig.pacing = replace(rig.pacing, balance_every=0.05)
    rig.restart_worker(slots=16)
    key = key_fingerprint(rig.ledger, rig.settings)
    set_reserve(rig.ledger, 99_900.0, key_fingerprint=key, key_last4=key_last4(rig.settings))
    run_id = plan(rig, 60, spend_at_most=60 * EACH)

    def paused() -> bool:
        rig.clock.skip(0.5)  # a batch waits for a balance here, so the rig does not see that time may pass
        return cause(rig, run_id) is not None

    rig.until(paused, skip=False)

    assert cause(rig, run_id) is Pause.RESERVE
    assert 0 < rig.sandbox.credits_spent() <= 100
    assert cash(rig, run_id).spent + 2 * EACH > 100
    set_reserve(rig.ledger, 0.0, key_fingerprint=key, key_last4=key_last4(rig.settings))
    rig.settle()
    assert rig.info(run_id).state is RunState.DONE
    assert_truth(rig.sandbox, rig.ledger)


def test_after_a_402_only_the_rows_that_the_balance_covers_are_sent(rig: Rig) -> None:
    rig.sandbox.faults.add("credits_limit", on="submit", limit=0)
    run_id = plan(rig, 30, per_batch=10, spend_at_most=30 * EACH)
    other = plan(rig, 10, number=2, per_batch=10, spend_at_most=10 * EACH)
    rig.settle()
    assert rig.account().hold is Hold.CREDIT_LIMIT
    balances.note_balance(rig.ledger, rig.account_id, 14 * EACH + 5, balances.HOLD)
    rig.sandbox.faults.clear()

    told = covering.covered(rig.ledger, run_id)
    done = covering.send_covered(rig.ledger, run_id)
    rig.settle()

    assert told == done == covering.Covered(rows=14, credits=14 * EACH, balance=14 * EACH + 5)
    names = [f"shop1-{no}.example" for no in range(1, 31)]
    sent = sent_domains(rig, run_id)
    assert sent[:14] == names[:14], "the first rows of the list"
    assert cash(rig, run_id).spent <= 14 * EACH
    assert cause(rig, run_id) is Pause.LIMIT
    assert rig.info(other).state is RunState.PAUSED, "it does not take the balance meanwhile"
    set_limit(rig.ledger, run_id, 30 * EACH)
    rig.settle()
    assert sent_domains(rig, run_id) == names
    assert rig.info(run_id).state is RunState.DONE
    assert_truth(rig.sandbox, rig.ledger)


def test_a_balance_that_covers_nothing_is_said(rig: Rig) -> None:
    run_id = plan(rig, 4)
    assert covering.covered(rig.ledger, run_id) is None
    balances.note_balance(rig.ledger, rig.account_id, EACH - 1, balances.HOLD)

    assert covering.covered(rig.ledger, run_id) == covering.Covered(0, 0.0, EACH - 1)
    with pytest.raises(LedgerError, match="covers no row"):
        covering.send_covered(rig.ledger, run_id)


def test_a_pilot_goes_alone_and_the_rest_waits_for_a_word(rig: Rig) -> None:
    run_id = plan(rig, 60, pilot_rows=5)

    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert tried is not None and tried.over and tried.came_back
    assert (tried.rows, tried.open_rows, tried.rest_rows) == (5, 0, 55)
    finished = rig.outcomes(run_id)
    assert tried.answered == sum(finished.get(one, 0) for one in ("matched", "partial", "no match"))
    assert tried.low <= (tried.rate or 0.0) <= tried.high
    assert tried.spent == rig.sandbox.credits_spent()
    assert tried.rest_expected == pytest.approx(tried.spent / 5 * 55)
    assert tried.rest_at_most == 55 * EACH
    assert (cause(rig, run_id), rig.info(run_id).needs_person) == (Pause.PILOT_OVER, True)
    assert len(sent_domains(rig, run_id)) == 5
    assert rig.posts() == 3, "batches of two"


def test_a_pilot_that_is_sent_on_ends_as_if_all_had_gone_at_once(rig: Rig) -> None:
    run_id = plan(rig, 30, pilot_rows=5)
    rig.settle()

    send_rest(rig.ledger, run_id)
    rig.settle()

    assert rig.info(run_id).state is RunState.DONE
    assert pilot(rig.ledger, run_id) is None
    assert sent_domains(rig, run_id) == [f"shop1-{no}.example" for no in range(1, 31)]
    assert queries.row_states(rig.ledger, run_id)["seq"].to_list() == list(range(1, 31))
    assert rig.sandbox.credits_spent() == cash(rig, run_id).spent
    assert_truth(rig.sandbox, rig.ledger)
    with pytest.raises(LedgerError, match="no pilot"):
        send_rest(rig.ledger, run_id)


def test_a_pilot_whose_tracking_ids_do_not_come_back_pauses_the_run_and_says_why(rig: Rig) -> None:
    rig.sandbox.faults.add("foreign_tracking_id", on="task", times=None)
    run_id = plan(rig, 30, pilot_rows=4)

    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert cause(rig, run_id) is Pause.NOT_OURS
    assert tried is not None and not tried.came_back
    assert tried.strangers == 4
    assert len(sent_domains(rig, run_id)) == 4, "the rest was not sent"


def test_a_pilot_of_which_a_batch_is_sent_again_waits_for_that_one_too(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="submit")
    run_id = plan(rig, 30, pilot_rows=4)
    rig.until(lambda: rig.info(run_id).batches[BatchState.UNKNOWN] == 1 and rig.is_settled())
    first = pilot(rig.ledger, run_id)
    assert first is not None and first.unknown == 2

    decisions.resend_batch(rig.ledger, rig.batch(run_id, 1)["pk"])
    resume_run(rig.ledger, run_id)
    rig.settle()

    tried = pilot(rig.ledger, run_id)
    assert tried is not None and (tried.answered, tried.unknown, tried.over) == (4, 0, True)
    assert cause(rig, run_id) is Pause.PILOT_OVER
    assert rig.info(run_id).pending.waiting == 26
