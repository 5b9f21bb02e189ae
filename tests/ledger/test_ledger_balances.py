"""Balances: kept with their time, found before and after a moment, and read only when there is a reason."""

from __future__ import annotations

import pytest
from ledger_kit import accepted, account_id, answer, plan, sending

from openmart_lib.ledger import Hold, accounts, answers, balances, submissions
from openmart_lib.ledger.balances import (
    Balance,
    balance_after,
    balance_before,
    newest_balance,
    note_balance,
    planned_since,
    reading_due,
)
from openmart_lib.ledger.runs import pause_run, resume_run

EVERY = 60.0


@pytest.fixture
def mine(ledger):
    plan(ledger, 4, per_batch=2)
    return account_id(ledger)


def hold(ledger, mine, reason, **more):
    with ledger.write() as connection:
        accounts.hold(connection, mine, reason, now=ledger.now(), detail="seen", **more)


def test_a_balance_is_found_before_and_after_a_moment(ledger, mine):
    for at, credits in ((100.0, 50.0), (200.0, 40.0), (300.0, None)):
        note_balance(ledger, mine, credits, "start", at=at)

    assert balance_before(ledger, mine, 200.0) == Balance(200.0, 40.0, "start")
    assert balance_before(ledger, mine, 199.0) == Balance(100.0, 50.0, "start")
    assert balance_before(ledger, mine, 99.0) is None
    assert balance_after(ledger, mine, 100.0) == Balance(200.0, 40.0, "start")
    assert balance_after(ledger, mine, 300.0) is None
    assert newest_balance(ledger, mine) == Balance(300.0, None, "start"), "None: not metered"


def test_another_accounts_balance_is_not_ours(ledger, mine):
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "wxyz")
    note_balance(ledger, other, 7.0, "person")

    assert newest_balance(ledger, mine) is None
    assert newest_balance(ledger, other) == Balance(ledger.now(), 7.0, "person")


def test_nothing_is_read_before_anything_happened(ledger, mine):
    assert reading_due(ledger, mine, every=EVERY) is None


@pytest.mark.parametrize(
    ("reason", "why"), [(Hold.CREDIT_LIMIT, "hold"), (Hold.UNKNOWNS, "unknown"), (Hold.OUTAGE, "unknown")]
)
def test_a_hold_is_a_reason_once(ledger, clock, mine, reason, why):
    note_balance(ledger, mine, 50.0, "start")
    clock.pass_(1.0)
    hold(ledger, mine, reason)

    assert reading_due(ledger, mine, every=EVERY) == why
    clock.pass_(1.0)
    note_balance(ledger, mine, 50.0, why)
    clock.pass_(10_000.0)
    assert reading_due(ledger, mine, every=EVERY) is None


@pytest.mark.parametrize("reason", [Hold.UNAUTHORIZED, Hold.BANNED, Hold.WRONG_ADDRESS, Hold.RATE_LIMITED])
def test_who_is_refused_or_asked_to_wait_is_not_asked_for_more(ledger, clock, mine, reason):
    pk = accepted(ledger)
    clock.pass_(1.0)
    answers.mark_missing(ledger, pk, by_person=True)
    hold(ledger, mine, reason, until=ledger.now() + 500.0)

    assert reading_due(ledger, mine, every=EVERY) is None


def test_an_outage_that_waits_for_a_read_is_left_to_its_own_probe(ledger, clock, mine):
    hold(ledger, mine, Hold.OUTAGE, until=ledger.now() + 30.0, needs_read=True)

    assert reading_due(ledger, mine, every=EVERY) is None


def test_results_that_came_in_are_a_reason_at_once_when_nothing_else_is_with_openmart(ledger, clock, mine):
    note_balance(ledger, mine, 50.0, "start")
    clock.pass_(1.0)
    pk = accepted(ledger)
    assert reading_due(ledger, mine, every=EVERY) is None, "it was read a moment ago"
    clock.pass_(1.0)
    answers.mark_missing(ledger, pk, by_person=True)

    assert reading_due(ledger, mine, every=EVERY) == "end"
    clock.pass_(1.0)
    note_balance(ledger, mine, 40.0, "end")
    clock.pass_(10_000.0)
    assert reading_due(ledger, mine, every=EVERY) is None


def test_while_others_are_with_openmart_results_are_a_reason_now_and_then(ledger, clock, mine):
    note_balance(ledger, mine, 50.0, "start")
    first = accepted(ledger)
    sending(ledger)
    clock.pass_(1.0)
    answers.mark_missing(ledger, first, by_person=True)

    assert reading_due(ledger, mine, every=EVERY) is None
    clock.pass_(EVERY)
    assert reading_due(ledger, mine, every=EVERY) == "end"


def test_answers_alone_are_no_reason(ledger, clock):
    run_id = plan(ledger, 2)
    mine = account_id(ledger)
    pk = accepted(ledger)
    clock.pass_(1.0)
    note_balance(ledger, mine, 50.0, "start")
    clock.pass_(10_000.0)
    answers.store_answers(ledger, pk, [answer(run_id, 1, [])])

    assert balances.reading_due(ledger, mine, every=EVERY) is None


def test_a_pause_is_a_reason_once_also_while_batches_are_with_openmart(ledger, clock):
    run_id = plan(ledger, 4, per_batch=2)
    mine = account_id(ledger)
    accepted(ledger)
    note_balance(ledger, mine, 50.0, "start")
    clock.pass_(1.0)
    pause_run(ledger, run_id)

    assert reading_due(ledger, mine, every=EVERY) == "pause"
    clock.pass_(1.0)
    note_balance(ledger, mine, 40.0, "pause")
    assert reading_due(ledger, mine, every=EVERY) is None
    resume_run(ledger, run_id)
    clock.pass_(1.0)
    pause_run(ledger, run_id)
    assert reading_due(ledger, mine, every=EVERY) == "pause", "a second pause is read for too"


def test_a_refusal_that_ends_a_run_is_a_reason_and_one_before_that_is_none(ledger, clock, mine):
    note_balance(ledger, mine, 50.0, "start")
    clock.pass_(1.0)
    submissions.refuse(ledger, sending(ledger), status=422, detail="no")
    assert reading_due(ledger, mine, every=EVERY) is None, "the other batch is still to be sent"

    clock.pass_(1.0)
    submissions.refuse(ledger, sending(ledger), status=422, detail="no")

    assert reading_due(ledger, mine, every=EVERY) == "end"


def test_a_run_confirmed_since_a_moment_is_seen_and_another_accounts_is_not(ledger, clock, mine):
    at = ledger.now()
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "wxyz")

    assert planned_since(ledger, mine, at)
    assert not planned_since(ledger, mine, at + 0.1)
    assert not planned_since(ledger, other, at)
