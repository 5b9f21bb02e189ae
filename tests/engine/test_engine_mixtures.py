"""Mixtures of faults on a seeded schedule: whatever comes together, the ledger ends with exactly the truth."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest
from engine_oracle import assert_all_collected, assert_truth
from engine_rig import Rig

from openmart_lib.ledger import BatchState, queries
from openmart_lib.ledger.decisions import attach_batch, drop_batch, resend_batch
from openmart_lib.ledger.runs import pause_run, resume_run

Schedule = tuple[tuple[str, dict[str, Any]], ...]

SUBMISSIONS: Final[Schedule] = (
    ("answer_lost", {}),
    ("answer_lost", {"reset": True}),
    ("drop_before", {}),
    ("drop_before", {"reset": True}),
    ("cut_answer", {"at": 30}),
    ("cut_answer", {"at": -5}),
    ("status_created", {"status": 502, "html": True}),
    ("status", {"status": 500}),
    ("status", {"status": 429, "retry_after": "3"}),
    ("status", {"status": 429}),
    ("status", {"status": 402}),
    ("status", {"status": 422, "detail": "Domain is invalid"}),
    ("no_batch_id", {}),
    ("truncated_json", {}),
    ("redirect", {}),
)
READS: Final[Schedule] = (
    ("status", {"on": "reads", "status": 500}),
    ("status", {"on": "reads", "status": 502, "html": True}),
    ("status", {"on": "reads", "status": 503}),
    ("status", {"on": "reads", "status": 429, "retry_after": "0"}),
    ("drop_before", {"on": "reads", "reset": True}),
    ("answer_lost", {"on": "reads"}),
    ("truncated_json", {"on": "reads"}),
    ("empty_body", {"on": "reads"}),
    ("cut_answer", {"on": "reads", "at": 200}),
    ("slow", {"on": "reads", "seconds": 0.1}),
    ("not_found_once", {"on": "reads"}),
)
LISTS: Final[Schedule] = (
    ("ready_early", {}),
    ("flapping_ready", {}),
    ("counts_back", {}),
    ("ids_late", {}),
    ("ids_doubled", {}),
    ("ids_shrink", {"missing": 4}),
    ("ids_wrapped", {}),
    ("ids_null", {}),
    ("filter_refused", {}),
    ("not_found_once", {"on": "task"}),
    ("not_found_once", {"on": "task_ids"}),
)
OUTAGES: Final[Schedule] = (
    ("status", {"on": "any", "status": 503, "times": 25}),
    ("drop_before", {"on": "any", "times": 25}),
    ("answer_lost", {"on": "any", "times": 12}),
    ("wrong_content_type", {"on": "any", "html": True, "times": 12}),
    ("status", {"on": "any", "status": 401, "times": 3}),
)
MIXTURES: Final = {
    "submissions": SUBMISSIONS,
    "reads": READS,
    "lists": LISTS,
    "outages": OUTAGES,
    "everything": SUBMISSIONS + READS + LISTS + OUTAGES,
}


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_mixture_of_faults_ends_with_exactly_the_truth(rig: Rig, mixture: str) -> None:
    _play(rig, MIXTURES[mixture], seed=1, rows=250, rounds=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_long_mixture_of_faults_ends_with_exactly_the_truth(rig: Rig, mixture: str, seed: int) -> None:
    _play(rig, MIXTURES[mixture], seed=seed, rows=2000, rounds=25)


def _play(rig: Rig, faults: Schedule, *, seed: int, rows: int, rounds: int) -> None:
    """Run a list through so many rounds of bad luck, of restarts and of people's decisions; then be kind."""
    dice = random.Random(f"{seed} {faults[0]}")
    run_id = rig.plan(rows, per_batch=25, rejected=2)
    other = rig.plan(25, per_batch=5)
    for _ in range(rounds):
        for name, values in dice.sample(faults, k=min(4, len(faults))):
            values = {"times": dice.randint(1, 3)} | values
            rig.sandbox.faults.add(name, after=dice.randrange(8), **values)
        rig.pass_time(dice.choice((5, 20, 60, 200)))
        assert_truth(rig.sandbox, rig.ledger)
        if dice.random() < 0.4:  # the old worker's threads go on, as those of a killed one do at the server
            rig.start_worker()
        _decide(rig, dice, run_id)
    rig.sandbox.faults.clear()
    for each in (run_id, other):
        resume_run(rig.ledger, each)
    rig.settle(timeout=60.0)
    rig.until(lambda: rig.idle)

    assert_truth(rig.sandbox, rig.ledger)
    assert_all_collected(rig.sandbox, rig.ledger)
    for each in (run_id, other):
        assert "pending" not in rig.outcomes(each) and "missing" not in rig.outcomes(each)


def _decide(rig: Rig, dice: random.Random, run_id: str) -> None:
    """Do what people do: resume, pause, resend, give up, attach an id found elsewhere."""
    if rig.account().waits_for_person or dice.random() < 0.2:
        resume_run(rig.ledger, run_id)
    elif dice.random() < 0.1:
        pause_run(rig.ledger, run_id)
    frame = queries.batches(rig.ledger, run_id)
    created = {ids[0]: batch.batch_id for batch in rig.sandbox.journal() if (ids := batch.tracking_ids)}
    for row in frame.filter(frame["state"] == BatchState.UNKNOWN).iter_rows(named=True):
        choice = dice.random()
        if choice < 0.3:
            resend_batch(rig.ledger, row["pk"])
        elif choice < 0.4:
            drop_batch(rig.ledger, row["pk"])
        elif choice < 0.7 and row["first_tracking_id"] in created:
            attach_batch(rig.ledger, row["pk"], created[row["first_tracking_id"]])
