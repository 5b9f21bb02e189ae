"""An older copy from before a batch was divided or sent once more: what left since is never sent again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_kit import ENVIRONMENT, account_id, estimate_of, free, outcomes, row_of, task_numbers
from replay_kit import Desk
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Hold, Ledger, Outcome, balances, covering, decisions, queries, submissions
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.replay import Replayed
from openmart_lib.ledger.runs import cancel_run, resume_run
from openmart_lib.ledger.schema import run
from openmart_lib.ledger.searching import find_row
from openmart_lib.ledger.spans import parse_spans, spans
from openmart_lib.ledger.submissions import Claim
from openmart_lib.ledger.withdrawing import withdraw

EACH = 12.0
PRICED: dict[str, Any] = {"estimate": estimate_of(Kind.FIND_PEOPLE, each=EACH), "spend_at_most": 1e6}


@pytest.fixture
def desk(memory_path: Path, empty_ledger: Path) -> Iterator[Desk]:
    made = Desk(memory_path / ENVIRONMENT, empty_ledger)
    yield made
    made.journal.close()
    made.ledger.close()


def divided_by_the_balance(desk: Desk, run_id: str, covered: int) -> None:
    """Turn a batch away for want of credits, and send so many rows that the balance covers."""
    claim = desk.send()
    desk.say("released", claim)
    submissions.release_and_hold(desk.ledger, claim.pk, Hold.CREDIT_LIMIT, status=402, detail="no credits")
    mine = account_id(desk.ledger)
    balances.note_balance(desk.ledger, mine, covered * EACH, balances.PERSON)
    assert covering.send_covered(desk.ledger, run_id).rows == covered


def withdrawn(desk: Desk, run_id: str, *task_nos: int) -> None:
    """Withdraw these tasks of the first batch; they move to a batch of their own, which is cancelled."""
    tasks = pl.DataFrame({"batch_pk": [1] * len(task_nos), "task_no": task_nos})
    assert withdraw(desk.ledger, run_id, tasks, "listed", checked=0) == len(task_nos)


def again(desk: Desk) -> None:
    """Put the copy back, let a worker replay the journal, and a person resume: send whatever still goes."""
    desk.start_worker()
    resume_run(desk.ledger, queries.newest_run_id(desk.ledger))
    set_limit(desk.ledger, queries.newest_run_id(desk.ledger), 1e6)
    free(desk.ledger)


def sent_rest(desk: Desk) -> list[int]:
    """Send all that waits; return the numbers of its tasks."""
    numbers: list[int] = []
    while submissions.next_candidate(desk.ledger, account_id(desk.ledger)) is not None:
        claim = desk.taken(f"late-{len(numbers)}")
        numbers += numbers_in(claim)
    return numbers


def numbers_in(claim: Claim) -> list[int]:
    return [int(one["tracking_id"].split("-")[1]) for one in json.loads(claim.body)]


def refused(desk: Desk) -> Claim:
    claim = desk.send()
    desk.say("released", claim)
    submissions.refuse(desk.ledger, claim.pk, status=400, detail="no")
    return claim


def test_the_rest_of_a_batch_that_left_under_another_number_is_collected_and_not_sent(desk: Desk) -> None:
    """Only the second part was taken: sent whole, as the copy has it, the batch would pay it once more."""
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    divided_by_the_balance(desk, run_id, 2)
    refused(desk)
    set_limit(desk.ledger, run_id, 1e6)
    left = desk.taken("B-2")
    assert left.batch_no == 2 and numbers_in(left) == [3, 4, 5, 6]
    desk.put_back(copied)

    done = desk.start_worker()

    assert done.accepted == 1 and done.strangers == []
    batches = queries.batches(desk.ledger, run_id).select("batch_no", "state", "batch_id").rows()
    assert batches == [(1, "planned", None), (2, "accepted", "B-2")]
    again(desk)
    assert sent_rest(desk) == [1, 2]


def test_a_row_withdrawn_before_its_batch_left_is_not_waited_for_there(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    withdrawn(desk, run_id, 2)
    desk.taken("B-1")
    desk.put_back(copied)

    desk.start_worker()

    states = queries.batches(desk.ledger, run_id).select("task_count", "state").rows()
    assert states == [(5, "accepted"), (1, "planned")]


def test_both_parts_of_a_batch_that_the_balance_divided_are_known(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    divided_by_the_balance(desk, run_id, 2)
    first = desk.taken("B-1")
    set_limit(desk.ledger, run_id, 1e6)
    second = desk.taken("B-2")
    assert (numbers_in(first), numbers_in(second)) == ([1, 2], [3, 4, 5, 6])
    desk.put_back(copied)

    again(desk)

    states = queries.batches(desk.ledger, run_id).select("batch_no", "batch_id", "state").rows()
    assert states == [(1, "B-1", "accepted"), (2, "B-2", "accepted")]
    assert task_numbers(desk.ledger, 1) == [1, 2]
    assert sent_rest(desk) == []


def test_what_the_balance_left_unsent_is_still_to_be_sent(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    divided_by_the_balance(desk, run_id, 2)
    desk.taken("B-1")
    desk.put_back(copied)

    again(desk)

    assert sent_rest(desk) == [3, 4, 5, 6]


def test_a_part_whose_answer_was_lost_is_unknown(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    withdrawn(desk, run_id, 1, 2)
    desk.send()
    desk.put_back(copied)

    done = desk.start_worker()

    assert (done.accepted, done.unknown) == (0, 1)
    assert outcomes(desk.ledger, run_id) == {"pending": 2, "unknown": 4}


def test_a_part_that_was_turned_away_waits_with_its_batch(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    withdrawn(desk, run_id, 1, 2)
    desk.turned_away()
    desk.put_back(copied)

    again(desk)

    assert sent_rest(desk) == [1, 2, 3, 4, 5, 6]


def test_a_copy_made_while_the_batch_was_being_sent_learns_of_its_division_too(desk: Desk) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    claim = desk.send()
    copied = desk.copy()
    desk.say("released", claim)
    submissions.release_rate_limited(desk.ledger, claim.pk, 1.0, "slow down")
    desk.due_again(claim.pk)
    withdrawn(desk, run_id, 6)
    desk.taken("B-1")
    desk.put_back(copied)

    again(desk)

    assert sent_rest(desk) == [6]


def test_parts_of_a_search_leave_the_batch_they_came_from_in_doubt(desk: Desk) -> None:
    """The copy does not have their tasks; sending the whole batch could pay what they paid again."""
    run_id = desk.plan(1, size=4, **PRICED)
    copied = desk.copy()
    find_row(desk.ledger, refused(desk).pk)
    desk.taken("B-1")
    desk.put_back(copied)

    done = desk.start_worker()

    assert done.strangers == [(run_id, "B-1")]
    assert outcomes(desk.ledger, run_id) == {"unknown": 4}
    again(desk)
    assert sent_rest(desk) == []


def test_parts_of_a_search_leave_it_in_doubt_too_when_the_copy_was_made_while_it_was_being_sent(
    desk: Desk,
) -> None:
    """The journal says that the batch was turned away; what it was sent on as it says of the parts."""
    run_id = desk.plan(1, size=4, **PRICED)
    claim = desk.send()
    copied = desk.copy()
    desk.put_back(copied)
    desk.say("released", claim)
    submissions.refuse(desk.ledger, claim.pk, status=400, detail="no")
    find_row(desk.ledger, claim.pk)
    desk.taken("B-1")
    desk.put_back(copied)

    again(desk)

    assert outcomes(desk.ledger, run_id) == {"unknown": 4}
    assert sent_rest(desk) == []


def test_a_part_of_a_batch_that_was_cancelled_in_the_copy_is_not_shown_as_unpaid(desk: Desk) -> None:
    run_id = desk.plan(1, size=4, **PRICED)
    copied = desk.copy()
    divided_by_the_balance(desk, run_id, 2)
    refused(desk)
    set_limit(desk.ledger, run_id, 1e6)
    desk.taken("B-2")
    desk.put_back(copied)
    cancel_run(desk.ledger, run_id)

    desk.start_worker()

    assert outcomes(desk.ledger, run_id) == {"unknown": 4}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_replay_that_is_cut_off_divides_no_batch_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    run_id = desk.plan(1, size=6, **PRICED)
    copied = desk.copy()
    withdrawn(desk, run_id, 1)
    desk.taken("B-1")
    desk.put_back(copied)
    write, calls = type(desk.ledger).write, Counter[str]()

    def killed(*given: Any, **how: Any) -> Any:
        calls["write"] += 1
        if calls["write"] > cut:
            raise KeyboardInterrupt
        return write(*given, **how)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(desk.ledger), "write", killed)
        desk.start_worker()

    again(desk)
    assert queries.batches(desk.ledger, run_id)["state"].to_list() == ["accepted", "planned"]
    assert sent_rest(desk) == [1]


@given(numbers=st.sets(st.integers(1, 10_000), max_size=100))
def test_spans_give_back_every_number(numbers: set[int]) -> None:
    assert parse_spans(spans(sorted(numbers))) == numbers


def test_spans_of_a_plain_batch_are_short() -> None:
    assert spans(range(901, 1001)) == "901-1000" and spans([1, 2, 4]) == "1-2,4" and spans([]) == ""


def _late_no(desk: Desk, pk: int) -> None:
    submissions.lose(desk.ledger, pk, seen="timeout")
    submissions.note_late_no(desk.ledger, pk, status=400, detail="no")


def _doubted(desk: Desk, run_id: str, pk: int) -> bool:
    """Whether a batch of two tasks counts as one that may have been created, with its rows and credits."""
    with desk.ledger.read() as connection:
        out = connection.execute(select(run.c.credits_out)).scalar_one()
    told = queries.run_info(desk.ledger, run_id).outcomes[Outcome.UNKNOWN]
    return not row_of(desk.ledger, pk).nothing_created and (told, out) == (2, 24.0)


@pytest.mark.parametrize(
    ("decide", "states"),
    [
        (lambda ledger, pk: None, ["unknown"]),
        (decisions.resend_batch, ["resent", "cancelled"]),
        (decisions.drop_batch, ["dropped"]),
    ],
    ids=["undecided", "sent again", "given up"],
)
def test_a_batch_that_left_once_more_after_a_late_no_is_in_doubt_again(
    desk: Desk, decide: Callable[[Ledger, int], object], states: list[str]
) -> None:
    """The copy knows that nothing was created; from another one the batch left a second time."""
    run_id = desk.plan(**PRICED)
    claim = desk.send()
    while_it_was_sent = desk.copy()
    _late_no(desk, claim.pk)
    decide(desk.ledger, claim.pk)
    after_the_no = desk.copy()
    desk.put_back(while_it_was_sent)
    desk.say("released", claim)
    desk.start_worker()
    assert desk.send().pk == claim.pk
    desk.put_back(after_the_no)

    done = desk.start_worker()

    assert done.older and done.unknown == 1
    assert desk.states(run_id) == states
    assert _doubted(desk, run_id, claim.pk)
    assert row_of(desk.ledger, claim.pk).attempts == 2
    assert desk.start_worker() == Replayed(), "told once"


def test_a_batch_that_was_free_to_repeat_is_in_doubt_where_its_repeat_left_since(desk: Desk) -> None:
    """Sent again without a typed word, as nothing was created; the copy from before does not know of it."""
    run_id = desk.plan(**PRICED)
    claim = desk.send()
    _late_no(desk, claim.pk)
    copied = desk.copy()
    decisions.resend_batch(desk.ledger, claim.pk)
    free(desk.ledger)
    assert desk.send().pk != claim.pk
    desk.put_back(copied)

    done = desk.start_worker()

    assert done.older and done.unknown == 1
    assert desk.states(run_id) == ["unknown"]
    assert _doubted(desk, run_id, claim.pk)
