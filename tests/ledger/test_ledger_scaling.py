"""Scaling: what one batch costs the ledger does not grow with the run it is in. Counted in steps, not by a clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ledger_kit import (
    EMAIL,
    Clock,
    accepted,
    account_id,
    answer,
    claim,
    free,
    make_empty,
    plan,
    sending,
    task_numbers,
    unknown,
)

from openmart_lib.ledger import Ledger, answers, decisions, queries, submissions

TASKS_PER_BATCH = 20


def steps(ledger: Ledger, action: Callable[[], object]) -> int:
    """Return how many steps SQLite's machine takes for an action."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with ledger.read() as connection:  # the tests use one connection after the other: always this one
        raw = connection.connection.dbapi_connection
    raw.set_progress_handler(count, 1)
    try:
        action()
    finally:
        raw.set_progress_handler(None, 1)
    return taken


def a_batch_s_life(ledger: Ledger, batches: int) -> dict[str, int]:
    """Plan a run of so many batches and return the steps of each thing that happens to some of them."""
    run_id = plan(ledger, batches * TASKS_PER_BATCH, per_batch=TASKS_PER_BATCH)
    mine = account_id(ledger)
    first = accepted(ledger)
    brought = [answer(run_id, no, [EMAIL]) for no in task_numbers(ledger, first)]
    taken = {
        "list": steps(
            ledger, lambda: answers.store_listing(ledger, first, [one["task_id"] for one in brought])
        ),
        "store answers": steps(ledger, lambda: answers.store_answers(ledger, first, brought)),
        "finish": steps(ledger, lambda: answers.finish_if_complete(ledger, first)),
    }
    candidate = submissions.next_candidate(ledger, mine)
    taken["claim"] = steps(
        ledger,
        lambda: submissions.claim(ledger, candidate, account_id=mine, worker_id="worker-1", slots=4),
    )
    taken["lose"] = steps(ledger, lambda: submissions.lose(ledger, candidate.pk, seen="timeout"))
    free(ledger)
    taken["resend"] = steps(ledger, lambda: decisions.resend_batch(ledger, candidate.pk))
    pk = sending(ledger)
    taken["accept"] = steps(ledger, lambda: submissions.accept(ledger, pk, "b", None, poll_after=0.0))
    taken["close"] = steps(ledger, lambda: decisions.close_batch(ledger, pk))
    pk = sending(ledger)
    taken["refuse"] = steps(ledger, lambda: submissions.refuse(ledger, pk, status=400, detail="no"))
    pk = unknown(ledger)
    taken["drop"] = steps(ledger, lambda: decisions.drop_batch(ledger, pk))
    assert claim(ledger) is not None
    taken["revision"] = steps(ledger, lambda: queries.revision(ledger))
    return taken


@pytest.fixture(scope="module")
def lives(kept_ledger: Ledger, empty_ledger: object) -> dict[str, tuple[int, int]]:
    """The steps in a run of ten batches, and in one of eighty."""
    measured = []
    for batches in (10, 80):
        make_empty(kept_ledger, empty_ledger, Clock())
        measured.append(a_batch_s_life(kept_ledger, batches))
    small, large = measured
    return {what: (small[what], large[what]) for what in small}


@pytest.mark.parametrize(
    "what",
    [
        "list",
        "store answers",
        "finish",
        "claim",
        "lose",
        "resend",
        "accept",
        "close",
        "refuse",
        "drop",
        "revision",
    ],
)
def test_a_batch_costs_in_a_run_of_80_batches_what_it_costs_in_one_of_10(lives, what):
    small, large = lives[what]

    assert 0 < large < 1.5 * small + 500
