"""Free reads that a person waits for, and how the engine finds its server and its pace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from engine_rig import Rig

from openmart_lib.api import Timeouts
from openmart_lib.engine import ask, key_fingerprint, key_last4
from openmart_lib.engine.clients import READ_TIMEOUTS, SUBMIT_TIMEOUTS, Clients
from openmart_lib.engine.pacing import Pacing
from openmart_lib.errors import NoAnswerError, NotFoundError, ServerError
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import Secret, Settings


def test_a_person_reads_the_balance_and_a_batch(rig: Rig) -> None:
    run_id = rig.plan(2)
    rig.settle()

    assert ask.balance(rig.settings)["balance"] > 0
    assert ask.batch(rig.settings, rig.batch(run_id)["batch_id"])["total"] == 2


def test_what_a_person_asks_is_tried_twice_and_then_told(rig: Rig) -> None:
    rig.sandbox.faults.add("status", on="balance", status=503, times=1)
    assert ask.balance(rig.settings)["balance"] > 0

    rig.sandbox.faults.add("status", on="balance", status=503, times=None)
    before = rig.sandbox.requests("balance")
    with pytest.raises(ServerError):
        ask.balance(rig.settings)
    assert rig.sandbox.requests("balance") - before == 2


def test_a_question_that_cannot_be_answered_says_why(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        ask.batch(rig.settings, "no-such-batch")
    with pytest.raises(NoAnswerError, match="not running yet"):
        ask.balance(replace(rig.settings, data_dir=tmp_path / "elsewhere"))


def test_a_person_is_not_kept_waiting_longer_than_fifteen_seconds() -> None:
    waits = ask.TWICE.wait(1, retry_after=None)

    assert 2 * ask.PATIENCE.total + ask.TWICE.max_wait <= 15.0
    assert waits is not None and ask.TWICE.wait(1, retry_after=2.0) is None


def test_the_engine_follows_a_sandbox_that_moves_to_another_port(rig: Rig) -> None:
    first = rig.plan(1)
    rig.settle()
    rig.sandbox.stop()
    with Sandbox(rig.settings.sandbox_dir.parent / "blocker", port=_port(rig), speed=1000):
        rig.sandbox.start()
        second = rig.plan(1)

        rig.settle()

    assert rig.states(first) == rig.states(second) == ["collected"]


def _port(rig: Rig) -> int:
    return int((rig.settings.sandbox_dir / "port").read_text())


def test_keys_are_told_apart_by_a_salted_fingerprint_that_does_not_hold_them(rig: Rig) -> None:
    one, two = (
        replace(rig.settings, api_key=Secret(text)) for text in ("key-0123456789-a", "key-0123456789-b")
    )

    prints = {key_fingerprint(rig.ledger, each) for each in (one, two, rig.settings)}

    assert len(prints) == 3 and not any("0123" in text for text in prints)
    assert (key_last4(one), key_last4(rig.settings)) == ("89-a", "")


def test_the_real_api_is_asked_at_the_documented_pace_and_the_sandbox_as_much_faster_as_it_lives() -> None:
    real = Pacing.of(Settings(api_key=Secret("k"), stall_after=600.0))
    fast = Pacing.of(Settings(sandbox_speed=10.0))
    fastest = Pacing.of(Settings(sandbox_speed=10_000.0))

    assert (real.outage_backoff, real.probe_every, real.min_poll) == (30.0, 5.0, 5.0)
    assert real.stall_after == 600.0
    assert (fast.outage_backoff, fast.probe_every, fast.missing_after) == (3.0, 0.5, 60.0)
    assert fastest.min_poll > 0 and fastest.probe_every > 0, "never a loop without a pause"


def test_a_read_gives_up_earlier_than_a_submission_of_which_the_answer_is_worth_waiting_for(rig: Rig) -> None:
    rig.clients = Clients(rig.settings, reading=Timeouts(connect=60.0, read=0.2, total=60.0))
    rig.restart_worker()
    rig.sandbox.faults.add("slow", on="submit", seconds=0.5)
    rig.sandbox.faults.add("slow", on="status", seconds=0.5)
    run_id = rig.plan(1)

    rig.until(lambda: rig.states(run_id) == ["accepted"])
    rig.until(lambda: rig.batch(run_id)["read_error"] is not None)
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert READ_TIMEOUTS.total < SUBMIT_TIMEOUTS.total and SUBMIT_TIMEOUTS.read >= 60.0
