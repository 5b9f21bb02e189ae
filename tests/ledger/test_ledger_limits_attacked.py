"""Limits, reserves and pilots where two of them meet: nothing beyond them, and nothing stands still in silence."""

from __future__ import annotations

import json

import pytest
from ledger_kit import (
    KEY,
    account_id,
    accepted,
    answer,
    assert_adds_up,
    claim,
    estimate_of,
    free,
    plan,
    row_of,
    sending,
    unknown,
)
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, balances, covering, decisions, queries, submissions
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.limits import set_limit, set_reserve
from openmart_lib.ledger.money import money
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.runs import cancel_run, resume_run
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.searching import find_row
from openmart_lib.ledger.states import BatchState, Hold, Pause

EACH = 12.0
PRICED = {"estimate": estimate_of(Kind.FIND_PEOPLE, each=EACH)}


def why(ledger: Ledger, run_id: str) -> Pause | None:
    with ledger.read() as connection:
        reason = connection.execute(select(run.c.pause_reason).where(run.c.public_id == run_id)).scalar()
    return Pause.of(reason)


def note(ledger: Ledger, credits: float | None, at: float | None = None) -> None:
    balances.note_balance(ledger, account_id(ledger), credits, balances.PERSON, at=at)


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
    assert chosen is not None and len(json.loads(chosen.body)["tasks"] if b'"tasks"' in chosen.body else json.loads(chosen.body)) == 10

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

    assert why(ledger, run_id) is not None


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
    asked_at = ledger.now()
    person = {"first_name": "A", "email": {"email": "a@b.invalid", "verified": True}, "phones": ["+1555"]}
    store_answers(ledger, pk, [answer(run_id, 1, [person]), answer(run_id, 2, [person])])
    note(ledger, 100.0 + 2 * EACH, at=asked_at)

    assert claim(ledger) is None
