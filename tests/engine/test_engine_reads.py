"""Polling and collecting: whatever reads come to, every result lands, once, and every row gets its word."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import PATIENCE, QUICK, Rig

from openmart_lib.api import Breaker
from openmart_lib.engine.clients import Clients
from openmart_lib.engine.reading import HeldBackError, Reader
from openmart_lib.errors import NotFoundError, OpenmartError, RateLimitedError
from openmart_lib.ledger import Hold, queries
from openmart_lib.ledger.decisions import close_batch

PASSING: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 502, "html": True}),
    ("status", {"status": 503, "retry_after": "0"}),
    ("status", {"status": 429, "retry_after": "0"}),
    ("status", {"status": 524}),
    ("drop_before", {"reset": True}),
    ("answer_lost", {}),
    ("truncated_json", {}),
    ("invalid_json", {}),
    ("empty_body", {}),
    ("deep_json", {}),
    ("wrong_content_type", {"html": True}),
    ("cut_answer", {"at": 150}),
    ("redirect", {}),
]
ODD: list[tuple[str, dict[str, Any]]] = [
    ("ready_early", {"times": 2}),
    ("flapping_ready", {"times": 6}),
    ("counts_back", {"times": 2}),
    ("ids_late", {"times": 3}),
    ("ids_doubled", {"times": None}),
    ("ids_shrink", {"missing": 3, "times": 2}),
    ("ids_wrapped", {"times": None}),
    ("ids_null", {"times": 2}),
    ("not_found_once", {"on": "task"}),
    ("not_found_once", {"on": "status"}),
    ("not_found_once", {"on": "task_ids"}),
    ("wrong_content_type", {"on": "reads", "times": None}),
]


@pytest.mark.parametrize(("fault", "values"), PASSING)
def test_a_read_that_fails_is_repeated_and_nothing_is_lost(
    rig: Rig, fault: str, values: dict[str, Any]
) -> None:
    run_id = rig.plan(3)
    for route in ("status", "task_ids", "task"):
        rig.sandbox.faults.add(fault, on=route, times=2, **values)

    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1
    assert not rig.sandbox.faults.active(), "every fault was met"
    assert "pending" not in rig.outcomes(run_id) and "missing" not in rig.outcomes(run_id)
    assert rig.batch(run_id)["read_error"] is None
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize(("fault", "values"), ODD)
def test_what_a_server_may_say_about_a_batch_changes_only_how_long_it_takes(
    rig: Rig, fault: str, values: dict[str, Any]
) -> None:
    run_id = rig.plan(6)
    rig.sandbox.faults.add(fault, **values)

    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert "pending" not in rig.outcomes(run_id) and "missing" not in rig.outcomes(run_id)
    assert queries.answers(rig.ledger, run_id).height == 6
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_in_the_middle_of_which_the_read_hangs_is_asked_for_again(rig: Rig) -> None:
    rig.clients = Clients(rig.settings, submitting=PATIENCE, reading=QUICK)
    rig.restart_worker()
    run_id = rig.plan(2)
    rig.sandbox.faults.add("hang", on="task", seconds=60.0)

    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_larger_than_the_cap_is_not_taken_into_memory_and_is_asked_for_again(rig: Rig) -> None:
    run_id = rig.plan(2)
    rig.sandbox.faults.add("huge", on="task", bytes=40 << 20, gzip=True)

    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_data_that_is_null_is_no_match_and_not_a_failure(rig: Rig) -> None:
    run_id = rig.plan(domains=["everything.example", "people3.example"], rows=2)
    rig.sandbox.faults.add("data_null", times=None)

    rig.settle()

    assert rig.outcomes(run_id) == {"no match": 2}


def test_a_filter_that_the_server_does_not_know_is_left_out(rig: Rig) -> None:
    run_id = rig.plan(5)
    rig.sandbox.faults.add("ids_shrink", missing=2, times=1)
    rig.sandbox.faults.add("filter_refused")

    rig.settle()

    assert rig.states(run_id) == ["collected"] and "missing" not in rig.outcomes(run_id)
    assert_truth(rig.sandbox, rig.ledger)


def test_a_filter_that_always_fails_does_not_keep_the_listed_tasks_from_being_collected(rig: Rig) -> None:
    run_id = rig.plan(5)
    rig.sandbox.faults.add("ids_shrink", missing=2, times=None)
    rig.sandbox.faults.add("status", on="filtered_task_ids", status=500, times=None)

    rig.pass_time(2000)

    assert rig.outcomes(run_id)["pending"] == 2, "no list is trusted that did not come through"
    assert queries.answers(rig.ledger, run_id).height == 3
    rig.sandbox.faults.clear()
    rig.settle()
    assert "pending" not in rig.outcomes(run_id) and "missing" not in rig.outcomes(run_id)
    assert_truth(rig.sandbox, rig.ledger)


def test_why_tasks_cannot_be_read_is_said_on_their_batch_until_they_can(rig: Rig) -> None:
    run_id = rig.plan(3)
    rig.sandbox.faults.add("status", on="task", status=500, times=None)

    rig.until(lambda: rig.batch(run_id)["read_error"] is not None)

    assert "tasks could not be read: Openmart failed to answer (HTTP 500" in rig.batch(run_id)["read_error"]
    rig.sandbox.faults.clear()
    rig.settle()
    assert rig.states(run_id) == ["collected"] and rig.batch(run_id)["read_error"] is None
    assert_truth(rig.sandbox, rig.ledger)


def test_a_task_for_which_another_ones_answer_comes_is_asked_for_again_and_never_missing(rig: Rig) -> None:
    run_id = rig.plan(3)
    rig.sandbox.faults.add("other_task", times=None)

    rig.pass_time(1000)
    assert queries.answers(rig.ledger, run_id).height == 1 and "missing" not in rig.outcomes(run_id)
    rig.sandbox.faults.clear()
    rig.settle()

    assert queries.answers(rig.ledger, run_id).height == 3
    assert "pending" not in rig.outcomes(run_id) and "missing" not in rig.outcomes(run_id)
    assert_truth(rig.sandbox, rig.ledger)


def test_a_task_that_no_list_ever_names_is_missing_ten_minutes_after_ready_and_not_before(rig: Rig) -> None:
    run_id = rig.plan(5)
    rig.sandbox.faults.add("ids_shrink", times=None)

    rig.until(lambda: rig.batch(run_id)["ready_at"] is not None)
    rig.pass_time(590)
    assert rig.outcomes(run_id)["pending"] == 1
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.outcomes(run_id)["missing"] == 1
    assert queries.answers(rig.ledger, run_id).height == 4
    assert_truth(rig.sandbox, rig.ledger)


def test_a_result_under_a_tracking_id_nobody_sent_is_kept_and_its_row_becomes_missing(rig: Rig) -> None:
    run_id = rig.plan(3)
    rig.sandbox.faults.add("foreign_tracking_id")

    rig.until(lambda: queries.answers(rig.ledger, run_id).height == 3)
    assert rig.outcomes(run_id)["pending"] == 1
    rig.settle()

    answers = queries.answers(rig.ledger, run_id)
    strangers = answers.filter(answers["task_no"].is_null())
    assert strangers["tracking_id"].str.starts_with("foreign-").to_list() == [True]
    assert rig.outcomes(run_id)["missing"] == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_the_finished_tasks_of_a_stalled_batch_are_readable_and_a_person_may_close_it(rig: Rig) -> None:
    run_id = rig.plan(5, domains=["stuck.example"])

    rig.pass_time(1100)
    assert rig.outcomes(run_id) == {"pending": 5} and rig.info(run_id).stalled_batches == 0
    rig.pass_time(300)

    assert rig.outcomes(run_id)["pending"] == 1 and rig.states(run_id) == ["accepted"]
    assert rig.info(run_id).needs_person
    rig.pass_time(2400)
    assert rig.outcomes(run_id)["pending"] == 1, "a task that is processing never becomes missing by itself"

    assert close_batch(rig.ledger, rig.batch(run_id)["pk"]) == 1
    assert rig.states(run_id) == ["collected"] and rig.outcomes(run_id)["missing"] == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_tasks_that_stand_still_for_a_while_are_collected_when_they_move_again(rig: Rig) -> None:
    run_id = rig.plan(5)
    rig.until(lambda: rig.states(run_id) == ["accepted"])
    stuck = rig.sandbox.faults.add("stuck")

    rig.pass_time(3000)
    assert rig.states(run_id) == ["accepted"]
    rig.sandbox.faults.remove(stuck.number)
    rig.settle()

    assert rig.states(run_id) == ["collected"] and "pending" not in rig.outcomes(run_id)
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_that_is_on_its_way_while_a_person_closes_the_batch_still_lands(rig: Rig) -> None:
    answer = gate(rig, "task")
    run_id = rig.plan(1, domains=["everything.example"])
    rig.until(lambda: rig.sandbox.requests("task") == 1)

    assert close_batch(rig.ledger, rig.batch(run_id)["pk"]) == 1
    assert rig.outcomes(run_id) == {"missing": 1}
    answer.open()
    rig.settle()

    assert rig.outcomes(run_id) == {"matched": 1}
    assert_truth(rig.sandbox, rig.ledger)


def test_a_batch_that_the_server_does_not_know_is_asked_about_ever_less_and_the_others_go_on(
    rig: Rig,
) -> None:
    run_id = rig.plan(2, per_batch=1)
    rig.until(lambda: rig.states(run_id) == ["accepted"] * 2, skip=False)
    rig.set_batch(rig.batch(run_id, 1)["pk"], batch_id="gone")

    rig.pass_time(3600)

    assert rig.states(run_id) == ["accepted", "collected"]
    assert "does not know this id" in rig.batch(run_id, 1)["read_error"]
    assert rig.sandbox.requests("status") < 3600 / 20


def _real_time(rig: Rig, seconds: float, *, until: Callable[[], bool] = lambda: True) -> float:
    """Step for so many real seconds, and until something holds, with all polls due; return how long it took."""
    began = time.monotonic()
    while time.monotonic() < began + seconds or not until():
        rig.clock.skip(30.0)
        rig.dispatcher.step()
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("redirect", {}),
        ("status", {"status": 521, "html": True}),
    ],
)
def test_a_server_that_is_down_is_asked_by_one_probe_at_a_time_and_all_polls_are_due_when_it_is_back(
    rig: Rig, fault: str, values: dict[str, Any]
) -> None:
    rig.pacing = replace(rig.pacing, probe_every=0.2)
    rig.restart_worker()
    run_id = rig.plan(12, per_batch=1)
    rig.until(lambda: rig.states(run_id).count("accepted") == 12, skip=False)
    down = rig.sandbox.faults.add(fault, on="reads", times=None, **values)
    asked = rig.reads()
    _real_time(rig, 0.1, until=lambda: rig.reads() >= asked + 5 and rig.dispatcher.reading == 0)
    before = rig.reads()

    took = _real_time(rig, 0.6)

    assert before <= 5 + rig.settings.read_concurrency
    assert rig.reads() - before <= took / 0.2 + 2
    assert set(rig.states(run_id)) == {"accepted"}

    rig.sandbox.faults.remove(down.number)
    rig.until(lambda: rig.states(run_id).count("collected") == 12, skip=False)
    assert_truth(rig.sandbox, rig.ledger)


def test_a_balance_route_that_never_answers_is_probed_at_a_measured_pace(rig: Rig) -> None:
    rig.pacing = replace(rig.pacing, probe_every=0.2)
    rig.restart_worker(slots=1)
    rig.sandbox.faults.add("answer_lost")
    rig.sandbox.faults.add("status", on="balance", status=404, times=None)
    run_id = rig.plan(2, per_batch=1)
    rig.until(lambda: rig.states(run_id) == ["unknown", "planned"])
    before = rig.sandbox.requests("balance")

    took = _real_time(rig, 0.3, until=lambda: rig.sandbox.requests("balance") - before >= 2)

    assert rig.sandbox.requests("balance") - before <= took / 0.2 + 2
    assert rig.posts() == 1


def test_any_free_read_that_succeeds_ends_the_waiting_after_an_outage(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("answer_lost", after=1)
    rig.sandbox.faults.add("status", on="balance", status=404, times=None)
    run_id = rig.plan(3, per_batch=1)

    rig.settle()

    assert rig.states(run_id) == ["collected", "unknown", "collected"]


def test_a_key_that_is_refused_on_a_read_holds_the_account_with_one_event(rig: Rig) -> None:
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["accepted"])
    rig.sandbox.faults.add("status", on="reads", status=401, times=None)

    _real_time(rig, 0.4)

    assert rig.account().hold is Hold.UNAUTHORIZED
    held = queries.events(rig.ledger, limit=500)
    assert held["kind"].to_list().count("account_held") == 1
    assert rig.states(run_id) == ["accepted"]


class Seconds:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _reader(rig: Rig, clock: Callable[[], float]) -> Reader:
    breaker = Breaker(clock=clock)
    return Reader(rig.ledger, rig.clients, rig.account_id, rate=0, breaker=breaker, clock=clock)


@pytest.mark.parametrize(("asked", "holds"), [("60", None), ("4000", Hold.RATE_LIMITED)])
def test_a_read_that_is_told_to_wait_keeps_all_reads_waiting_as_long_as_asked(
    rig: Rig, asked: str, holds: Hold | None
) -> None:
    clock = Seconds()
    read = _reader(rig, clock)
    rig.sandbox.faults.add("status", on="balance", status=429, retry_after=asked)
    with pytest.raises(RateLimitedError):
        read(lambda client: client.credit_balance())

    clock.now += float(asked) - 1
    assert read.held_back and not read.allow_probe()
    for probe in (False, True):
        with pytest.raises(HeldBackError):
            read(lambda client: client.credit_balance(), probe=probe)
    clock.now += 1

    assert rig.sandbox.requests("balance") == 1
    assert not read.held_back and read(lambda client: client.credit_balance())["balance"] > 0
    assert rig.account().hold is holds
    if holds is not None:
        assert rig.account().hold_until == pytest.approx(rig.clock() + float(asked), abs=5)


def test_ids_that_the_server_does_not_know_are_no_sign_of_an_outage(rig: Rig) -> None:
    read = _reader(rig, Seconds())

    for _ in range(20):
        with pytest.raises(NotFoundError):
            read(lambda client: client.task("gone"))

    assert not read.held_back and rig.sandbox.requests("task") == 20


def test_ten_minutes_of_outage_cost_five_reads_and_one_probe_every_five_seconds(rig: Rig) -> None:
    clock = Seconds()
    read = _reader(rig, clock)
    rig.sandbox.faults.add("status", on="reads", status=503, times=None)

    for _ in range(1200):  # every half a second somebody wants to read
        clock.now += 0.5
        probe = read.held_back and read.allow_probe()
        try:
            read(lambda client: client.credit_balance(), probe=probe)
        except OpenmartError:
            continue

    assert 5 + 115 <= rig.sandbox.requests("balance") <= 5 + 120
