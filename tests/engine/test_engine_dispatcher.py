"""The loop itself: it ends without leaving a claim behind, shows that it lives, and never does a thing twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import PATIENT, Rig
from sqlalchemy.exc import OperationalError

from openmart_lib.ledger import accounts, place, submissions
from openmart_lib.ledger.journal import FILE_NAME
from openmart_lib.ledger.replay import replay


def test_a_dispatcher_that_is_told_to_stop_while_it_claims_waits_for_the_post_of_that_claim(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    claiming, go_on, real = threading.Event(), threading.Event(), submissions.claim

    def slow_claim(*given: Any, **named: Any) -> Any:
        claimed = real(*given, **named)
        claiming.set()
        go_on.wait(PATIENT)
        return claimed

    monkeypatch.setattr(submissions, "claim", slow_claim)
    run_id = rig.plan(3, per_batch=1)
    loop = threading.Thread(target=rig.dispatcher.run)
    left: list[int] = []
    stopping = threading.Thread(target=lambda: left.append(rig.dispatcher.stop(grace=PATIENT)))
    loop.start()
    assert claiming.wait(PATIENT)

    stopping.start()
    stopping.join(timeout=0.1)
    assert stopping.is_alive(), "it waits for the claim under way"
    go_on.set()
    stopping.join(timeout=PATIENT)
    loop.join(timeout=PATIENT)

    assert left == [0]
    assert rig.states(run_id) == ["accepted", "planned", "planned"] and rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_a_dispatcher_shows_that_it_lives_while_it_waits_for_posts_in_flight(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = gate(rig, "submit_body")
    beats: list[int] = []

    def beat() -> None:
        beats.append(rig.dispatcher.in_flight)
        if beats.count(1) == 3:
            answer.open()

    monkeypatch.setattr(rig.dispatcher, "_on_step", beat)
    rig.plan(1)
    rig.until(lambda: rig.posts() == 1, skip=False)

    assert rig.dispatcher.stop(grace=PATIENT) == 0
    assert beats.count(1) >= 3


def test_a_stopped_dispatcher_claims_nothing_more(rig: Rig) -> None:
    rig.dispatcher.stop(grace=1.0)
    run_id = rig.plan(1)

    rig.dispatcher.run()
    rig.dispatcher.step()

    assert rig.states(run_id) == ["planned"] and rig.posts() == 0


def test_a_batch_whose_collecting_takes_long_is_not_polled_a_second_time_meanwhile(rig: Rig) -> None:
    answers = gate(rig, "task")
    run_id = rig.plan(3)
    rig.until(lambda: rig.sandbox.requests("task") == 3)
    polls = rig.sandbox.requests("status")

    for _ in range(10):
        rig.clock.skip(60.0)
        rig.dispatcher.step()

    assert rig.sandbox.requests("status") == polls
    answers.open()
    rig.settle()
    assert rig.sandbox.requests("task") == 3, "each task is read once"
    assert rig.states(run_id) == ["collected"]


def test_status_reads_stay_far_below_one_per_ten_tasks(rig: Rig) -> None:
    rig.plan(200, per_batch=100)

    rig.settle()

    assert rig.sandbox.requests("status") <= 0.1 * 200
    assert rig.sandbox.requests("task") == 200 and rig.sandbox.requests("task_ids") == 2


def test_a_ledger_that_cannot_be_used_is_complained_about_once_and_not_at_every_step(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    monkeypatch.setattr(accounts, "lift_expired_holds", full)

    for _ in range(20):
        rig.dispatcher.step()

    said = [record.getMessage() for record in caplog.records if "ledger" in record.getMessage()]
    assert said == ["the ledger cannot be used (OperationalError); trying again"]


def test_a_worker_that_starts_reads_a_long_journal_with_one_question_to_the_ledger(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = rig.plan(4, per_batch=1)
    rig.settle()
    asked: list[Any] = []
    monkeypatch.setattr(submissions, "accept_by_number", lambda *given: asked.append(given))

    assert replay(rig.ledger, rig.ledger.folder / FILE_NAME).accepted == 0

    assert rig.states(run_id) == ["collected"] * 4 and asked == []


def test_a_ledger_that_stands_in_the_way_keeps_everything_from_being_sent_until_it_does_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = rig.plan(3)
    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(place, "ROOM_TO_SUBMIT", 10**18)
        rig.start_worker(slots=1)
        for _ in range(3):
            rig.dispatcher.step()
        assert rig.posts() == 0 and rig.states(run_id) == ["planned"]
        assert caplog.text.count("The disk is nearly full") == 1

    rig.settle()
    assert rig.states(run_id) == ["collected"]
