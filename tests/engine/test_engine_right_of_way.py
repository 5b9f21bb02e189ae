"""What is paid for goes before free reads, and never holds them up for long."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import PATIENT, Rig

from openmart_lib.engine import right_of_way
from openmart_lib.engine.right_of_way import RightOfWay
from openmart_lib.ledger import submissions

A_MOMENT = 0.1  # seconds for what must not happen


def giving(way: RightOfWay) -> threading.Thread:
    thread = threading.Thread(target=way.give, daemon=True)
    thread.start()
    return thread


def test_who_gives_way_goes_on_when_the_last_that_goes_first_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_of_way, "LONGEST", PATIENT)
    way = RightOfWay()

    with way.taken():
        with way.taken():
            thread = giving(way)
        thread.join(A_MOMENT)
        assert thread.is_alive(), "one still goes first"

    thread.join(PATIENT / 2)
    assert not thread.is_alive()


def test_who_gives_way_does_not_wait_for_one_that_hangs() -> None:
    way = RightOfWay()

    with way.taken():
        thread = giving(way)
        thread.join(PATIENT)

        assert not thread.is_alive()


def test_what_fails_while_it_goes_first_leaves_the_way_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_of_way, "LONGEST", 2 * PATIENT)
    way = RightOfWay()

    with pytest.raises(OSError, match="full"), way.taken():
        raise OSError("the disk is full")

    thread = giving(way)
    thread.join(PATIENT)
    assert not thread.is_alive()


def test_no_task_is_read_while_a_batch_is_claimed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right_of_way, "LONGEST", PATIENT)
    answers = gate(rig, "task")
    rig.plan(40)
    threads = rig.settings.read_concurrency
    rig.until(lambda: rig.sandbox.requests("task") == threads)
    real, seen = submissions.claim, []

    def claim(*given: Any, **named: Any) -> Any:
        answers.open()  # every thread could go on to its next task now
        threading.Event().wait(A_MOMENT)
        seen.append(rig.sandbox.requests("task"))
        return real(*given, **named)

    monkeypatch.setattr(submissions, "claim", claim)
    rig.plan(1)
    rig.settle()

    assert seen == [threads]
    assert rig.sandbox.requests("task") == 41
    assert_truth(rig.sandbox, rig.ledger)
