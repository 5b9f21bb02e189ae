"""Limits, reserves and pilots where two of them meet: nothing goes beyond, nothing stands still in silence."""

from __future__ import annotations

import json
from contextlib import closing

from ledger_kit import (
    KEY,
    Clock,
    accepted,
    account_id,
    answer,
    assert_adds_up,
    claim,
    estimate_of,
    plan,
    sending,
    unknown,
)
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, balances, covering, decisions, queries, submissions
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.journal import FILE_NAME, Journal
from openmart_lib.ledger.limits import set_limit, set_reserve
from openmart_lib.ledger.money import money
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.replay import replay
from openmart_lib.ledger.runs import adopt_run, pause_run, resume_run
from openmart_lib.ledger.schema import run
from openmart_lib.ledger.searching import find_row
from openmart_lib.ledger.states import Hold, Pause
from openmart_lib.ledger.waits import clock_was_set

EACH = 12.0
PERSON = {"first_name": "Ana", "email": {"email": "ana@acme.invalid", "verified": True}}
PRICED = {"estimate": estimate_of(Kind.FIND_PEOPLE, each=EACH)}


def why(ledger: Ledger, run_id: str) -> Pause | None:
    with ledger.read() as connection:
        reason = connection.execute(select(run.c.pause_reason).where(run.c.public_id == run_id)).scalar()
    return Pause.of(reason)


def note(ledger: Ledger, credits: float | None) -> None:
    balances.note_balance(ledger, account_id(ledger), credits, balances.PERSON)


def keep(ledger: Ledger, credits: float) -> None:
    set_reserve(ledger, credits, key_fingerprint=KEY, key_last4="abcd")


def test_rows_that_the_balance_covers_stay_within_the_limit_that_a_person_set(ledger: Ledger) -> None:
    run_id = plan(ledger, 10, per_batch=2, spend_at_most=4 * EACH, **PRICED)
    pk = sending(ledger)
    submissions.release_and_hold(ledger, pk, Hold.CREDIT_LIMIT, status=402, detail="no credits")
    note(ledger, 1_000.0)

    done = covering.send_covered(ledger, run_id)

    assert done.rows == 4
    assert money(ledger, run_id).limit == 4 * EACH


def test_a_batch_divided_after_it_was_chosen_does_not_leave_with_the_old_body(ledger: Ledger) -> None:
    run_id = plan(ledger, 10, per_batch=10, spend_at_most=10 * EACH, **PRICED)
    note(ledger, 4 * EACH)
    chosen = submissions.next_candidate(ledger, account_id(ledger))
    assert chosen is not None and len(json.loads(chosen.body)) == 10

    covering.send_covered(ledger, run_id)
    taken = submissions.claim(ledger, chosen, account_id=account_id(ledger), worker_id="w", slots=4)

    assert taken is None
    assert claim(ledger) is not None
    assert_adds_up(ledger)


def test_a_pilot_batch_sent_again_beyond_the_limit_is_told(ledger: Ledger) -> None:
    """The batch that may go is the resent one; the one that fits is part of the rest."""
    run_id = plan(ledger, 35, per_batch=25, pilot_rows=25, spend_at_most=35 * EACH, **PRICED)
    lost = unknown(ledger)
    set_limit(ledger, run_id, 36 * EACH - 1)
    decisions.resend_batch(ledger, lost)
    set_limit(ledger, run_id, 36 * EACH - 1)

    assert claim(ledger) is None
    pause_what_waits(ledger, account_id(ledger))

    assert why(ledger, run_id) is Pause.LIMIT


def test_a_run_that_waits_for_another_ones_answers_is_not_paused_for_the_reserve(ledger: Ledger) -> None:
    first = plan(ledger, 2, per_batch=2, content="a", **PRICED)
    other = plan(ledger, 2, per_batch=2, content="b", **PRICED)
    keep(ledger, 100.0)
    note(ledger, 100.0 + 3 * EACH)
    pk = accepted(ledger)

    assert claim(ledger) is None
    pause_what_waits(ledger, account_id(ledger))

    assert why(ledger, other) is None
    store_answers(ledger, pk, [answer(first, 1, []), answer(first, 2, [])])
    assert claim(ledger) is not None


def test_a_part_of_a_search_that_would_take_the_reserve_is_told(ledger: Ledger) -> None:
    run_id = plan(ledger, 11, per_batch=10, **PRICED)
    pk = sending(ledger)
    submissions.refuse(ledger, pk, status=400, detail="no")
    find_row(ledger, pk)
    keep(ledger, 100.0)
    note(ledger, 100.0 + 2 * EACH)

    assert claim(ledger) is None
    pause_what_waits(ledger, account_id(ledger))

    assert why(ledger, run_id) is Pause.RESERVE


def test_a_reserve_with_a_balance_that_cannot_be_read_is_told(ledger: Ledger) -> None:
    run_id = plan(ledger, 3, **PRICED)
    keep(ledger, 100.0)
    assert claim(ledger) is None
    pause_what_waits(ledger, account_id(ledger))
    assert why(ledger, run_id) is None, "it may just be being read"

    pause_what_waits(ledger, account_id(ledger), unreadable=True)

    assert why(ledger, run_id) is Pause.RESERVE
    assert "cannot be read" in (queries.run_info(ledger, run_id).pause_reason or "")


def test_a_pilot_that_is_over_goes_on_by_itself_with_a_batch_sent_again(ledger: Ledger) -> None:
    run_id = plan(ledger, 30, per_batch=10, pilot_rows=5, **PRICED)
    lost = unknown(ledger)
    pause_what_waits(ledger, account_id(ledger))
    assert why(ledger, run_id) is Pause.PILOT_OVER

    decisions.resend_batch(ledger, lost)

    assert why(ledger, run_id) is None
    assert claim(ledger) is not None


def test_what_came_in_while_the_balance_was_asked_for_counts_as_gone_since(ledger: Ledger) -> None:
    run_id = plan(ledger, 4, per_batch=2, **PRICED)
    pk = accepted(ledger)
    keep(ledger, 100.0)
    asked_at, spent = ledger.now(), balances.spent_so_far(ledger, account_id(ledger))
    store_answers(ledger, pk, [answer(run_id, 1, [PERSON]), answer(run_id, 2, [PERSON])])
    balances.note_balance(
        ledger, account_id(ledger), 100.0 + 2 * EACH, balances.START, at=asked_at, spent=spent
    )

    assert money(ledger, run_id).spent > 0
    assert claim(ledger) is None


def test_a_run_that_another_key_takes_over_takes_its_spending_along(ledger: Ledger) -> None:
    """Else what the first key's other runs spend next would not count against its reserve."""
    moved = plan(ledger, 2, per_batch=2, content="a", **PRICED)
    pk = accepted(ledger)
    store_answers(ledger, pk, [answer(moved, 1, [PERSON]), answer(moved, 2, [PERSON])])
    stays = plan(ledger, 4, per_batch=2, content="b", **PRICED)
    keep(ledger, 100.0)
    note(ledger, 100.0 + 2 * EACH)

    adopt_run(ledger, moved, key_fingerprint="another key", key_last4="wxyz")
    pk = accepted(ledger)
    store_answers(ledger, pk, [answer(stays, 1, [PERSON]), answer(stays, 2, [PERSON])])

    assert money(ledger, stays).spent > 0
    assert claim(ledger) is None


def test_after_the_clock_was_set_back_the_next_balance_is_the_newest(ledger: Ledger, clock: Clock) -> None:
    """Else the team could spend for an hour, and the reserve would be counted from what was there before."""
    plan(ledger, 2, per_batch=2, **PRICED)
    keep(ledger, 100.0)
    note(ledger, 1_000.0)

    clock.pass_(-3_600.0)
    clock_was_set(ledger, -3_600.0)
    clock.pass_(10.0)
    note(ledger, 110.0)

    assert claim(ledger) is None


def test_what_seems_to_happen_in_the_future_has_the_balance_read_once_at_most(
    ledger: Ledger, clock: Clock
) -> None:
    run_id = plan(ledger, 2, per_batch=2, **PRICED)
    pause_run(ledger, run_id)
    clock.pass_(-3_600.0)
    note(ledger, 1_000.0)

    assert balances.reading_due(ledger, account_id(ledger), every=60.0) is None


def test_an_older_copy_counts_what_its_journal_knows_against_the_limit(ledger: Ledger) -> None:
    run_id = plan(ledger, 6, per_batch=2, spend_at_most=5 * EACH, **PRICED)
    with closing(Journal(ledger.folder / FILE_NAME)) as journal:
        journal.append("sent", run_id=run_id, batch_no=1, attempt=1)
        journal.append("accepted", run_id=run_id, batch_no=1, attempt=1, batch_id="first")
        journal.append("sent", run_id=run_id, batch_no=2, attempt=1)

    replay(ledger, ledger.folder / FILE_NAME)
    resume_run(ledger, run_id)

    assert (money(ledger, run_id).out, claim(ledger)) == (4 * EACH, None)
    pause_what_waits(ledger, account_id(ledger))
    assert why(ledger, run_id) is None, "the accepted one may still make room"
    assert_adds_up(ledger)
