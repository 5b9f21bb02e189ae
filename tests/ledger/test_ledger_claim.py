"""Claiming: one statement tests the run, its environment, the account's hold, the time and a free slot."""

from __future__ import annotations

import json

import pytest
from ledger_kit import (
    KEY,
    accepted,
    account_id,
    claim,
    free,
    new_run,
    plan,
    row_of,
    sending,
    state_of,
    unknown,
)
from sqlalchemy import update

from openmart_lib.ledger import BatchState, Hold, Ledger, accounts, submissions
from openmart_lib.ledger.runs import adopt_run, cancel_run, pause_run, plan_run
from openmart_lib.ledger.schema import account, batch, run
from openmart_lib.ledger.submissions import Candidate


def candidate(ledger: Ledger) -> Candidate:
    """Return what could be claimed now; the tests then change the world before the claim."""
    found = submissions.next_candidate(ledger, account_id(ledger))
    assert found is not None
    return found


def take(ledger: Ledger, wanted: Candidate, *, slots: int = 4, account: int | None = None) -> object:
    """Claim this very batch, whatever has happened since it was looked at."""
    mine = account if account is not None else account_id(ledger)
    return submissions.claim(ledger, wanted, account_id=mine, worker_id="worker-1", slots=slots)


def hold(ledger: Ledger, reason: Hold, until: float | None = None) -> None:
    with ledger.write() as connection:
        accounts.hold(connection, account_id(ledger), reason, now=ledger.now(), detail="why", until=until)


def still_planned(ledger: Ledger, pk: int) -> bool:
    row = row_of(ledger, pk)
    return row.state == BatchState.PLANNED and row.attempts == 0 and row.sent_at is None


def test_a_batch_is_claimed_once(ledger):
    plan(ledger, 1)
    wanted = candidate(ledger)

    first, second = take(ledger, wanted), take(ledger, wanted)

    assert first is not None
    assert second is None
    assert row_of(ledger, wanted.pk).attempts == 1


def test_a_run_paused_between_look_and_claim_is_not_claimed(ledger):
    run_id = plan(ledger, 1)
    wanted = candidate(ledger)
    pause_run(ledger, run_id)

    assert take(ledger, wanted) is None
    assert still_planned(ledger, wanted.pk)


def test_a_run_cancelled_between_look_and_claim_is_not_claimed(ledger):
    run_id = plan(ledger, 1)
    wanted = candidate(ledger)
    cancel_run(ledger, run_id)

    assert take(ledger, wanted) is None
    assert state_of(ledger, wanted.pk) == BatchState.CANCELLED


def test_a_run_whose_last_row_is_not_written_is_not_claimed(ledger):
    plan(ledger, 1)
    wanted = candidate(ledger)
    with ledger.write() as connection:
        connection.execute(update(run).values(planned_at=None))

    assert take(ledger, wanted) is None
    assert claim(ledger) is None
    assert still_planned(ledger, wanted.pk)


@pytest.mark.parametrize("reason", list(Hold))
def test_an_account_held_between_look_and_claim_claims_nothing(ledger, clock, reason):
    plan(ledger, 1)
    wanted = candidate(ledger)
    hold(ledger, reason, until=clock.at + 1.0)

    assert take(ledger, wanted) is None
    assert claim(ledger) is None
    assert still_planned(ledger, wanted.pk)


def test_a_batch_is_not_claimed_before_its_time(ledger, clock):
    plan(ledger, 1)
    wanted = candidate(ledger)
    with ledger.write() as connection:
        connection.execute(update(batch).values(not_before=clock.at + 10.0))

    assert take(ledger, wanted) is None
    assert claim(ledger) is None
    clock.pass_(10.0)
    assert claim(ledger) is not None


def test_a_time_more_than_an_hour_ahead_is_due_because_the_clock_was_set_back(ledger, clock):
    plan(ledger, 1)
    sending(ledger)
    submissions.release_not_sent(ledger, 1, "connection refused")
    free(ledger)

    clock.pass_(-86_400.0)

    assert claim(ledger) is not None


def test_no_more_submissions_are_in_flight_than_there_are_slots(ledger):
    plan(ledger, 5, per_batch=1)

    first = [claim(ledger, slots=2) for _ in range(3)]
    submissions.accept(ledger, first[0].pk, "b-1", None, poll_after=1.0)
    then = [claim(ledger, slots=2) for _ in range(2)]

    assert [bool(one) for one in first] == [True, True, False]
    assert [bool(one) for one in then] == [True, False]


def test_a_cautious_account_sends_one_at_a_time_until_one_is_accepted(ledger):
    plan(ledger, 9, per_batch=1)
    unknown(ledger)
    with ledger.write() as connection:
        connection.execute(update(account).values(cautious=True))

    one, no_second = claim(ledger), claim(ledger)
    submissions.accept(ledger, one.pk, "b-1", None, poll_after=1.0)
    several = [claim(ledger) for _ in range(4)]

    assert no_second is None
    assert all(several)


def test_a_batch_of_another_account_is_not_claimed(ledger):
    run_id = plan(ledger, 1)
    wanted, mine = candidate(ledger), account_id(ledger)
    adopt_run(ledger, run_id, key_fingerprint="another key", key_last4="wxyz")

    assert take(ledger, wanted, account=mine) is None
    assert submissions.next_candidate(ledger, mine) is None
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "wxyz")
    assert take(ledger, wanted, account=other) is not None


def test_a_run_of_another_environment_is_not_claimed(ledger):
    plan(ledger, 1)
    wanted = candidate(ledger)
    with ledger.write() as connection:
        connection.execute(update(run).values(environment="https://api.elsewhere.example"))

    assert take(ledger, wanted) is None


def test_submissions_of_one_account_do_not_use_up_the_slots_of_another(ledger):
    plan(ledger, 2, per_batch=1)
    other_run = plan(ledger, 1, content="other", key_fingerprint="another key")
    sending(ledger, slots=1)
    with ledger.write() as connection:
        other = accounts.ensure_account(connection, ledger.environment, "another key", "abcd")
    wanted = submissions.next_candidate(ledger, other)

    assert wanted.run_id == other_run
    assert take(ledger, wanted, account=other, slots=1) is not None


def test_the_body_is_the_tasks_in_order_with_their_tracking_ids_and_always_the_same_bytes(ledger):
    run_id = plan(ledger, 3, per_batch=2)

    first = candidate(ledger)
    again = candidate(ledger)

    assert first.body == again.body
    assert json.loads(first.body) == [
        {
            "domain": f"shop{no}.example",
            "title": "Owner",
            "max_k": 1,
            "info_access": ["EMAIL"],
            "tracking_id": f"{run_id}-{no}",
        }
        for no in (1, 2)
    ]


def test_runs_take_turns_so_that_a_long_one_does_not_keep_a_short_one_waiting(ledger, clock):
    long, short = plan(ledger, 6, per_batch=1), plan(ledger, 2, per_batch=1, content="short")

    order = []
    for _ in range(6):
        claimed = claim(ledger)
        order.append(claimed.run_id)
        submissions.accept(ledger, claimed.pk, f"b-{claimed.pk}", None, poll_after=1.0)
        clock.pass_(1.0)

    assert order == [long, short, long, short, long, long]


def test_a_second_claim_counts_and_forgets_what_the_first_one_met(ledger, clock):
    plan(ledger, 1)
    pk = sending(ledger, worker="worker-1")
    submissions.release_rate_limited(ledger, pk, 2.0, "slow down")
    assert (row_of(ledger, pk).http_status, row_of(ledger, pk).detail) == (429, "slow down")
    free(ledger)
    clock.pass_(60.0)

    sending(ledger, worker="worker-2")

    row = row_of(ledger, pk)
    assert (row.attempts, row.worker_id, row.sent_at) == (2, "worker-2", clock.at)
    assert (row.http_status, row.detail, row.answered_at) == (None, None, None)


def test_batches_of_one_run_go_out_in_order(ledger):
    plan(ledger, 4, per_batch=1)

    numbers = [claim(ledger).batch_no for _ in range(4)]

    assert numbers == [1, 2, 3, 4]


def test_what_is_with_openmart_does_not_take_a_slot(ledger):
    plan(ledger, 3, per_batch=1)

    for number in range(3):
        assert accepted(ledger, f"b-{number}")

    assert claim(ledger) is None, "all are sent"


def test_runs_of_one_key_share_its_account(ledger):
    plan(ledger, 1)
    plan_run(ledger, new_run(1, content="second"))
    hold(ledger, Hold.CREDIT_LIMIT)

    assert claim(ledger) is None
    with ledger.read() as connection:
        fingerprints = connection.execute(account.select()).all()
    assert [each.key_fingerprint for each in fingerprints] == [KEY]
