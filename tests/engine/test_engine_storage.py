"""A ledger or a journal that cannot be written: no POST without a durable row, and no accepted id lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from engine_oracle import assert_truth
from engine_rig import Rig
from sqlalchemy.exc import OperationalError

from openmart_lib.engine.clocks import elapsed
from openmart_lib.ledger import Hold, answers, submissions
from openmart_lib.ledger.interruptions import interruptions
from openmart_lib.ledger.journal import FILE_NAME, read_journal


def _full(*_: Any, **__: Any) -> None:
    raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def _fails(times: int, real: Callable[..., Any]) -> tuple[Callable[..., Any], list[float]]:
    """Return a stand-in that fails so often before the real function is called, and the moments of its calls."""
    calls: list[float] = []

    def stand_in(*given: Any, **named: Any) -> Any:
        calls.append(time.monotonic())
        return _full() if len(calls) <= times else real(*given, **named)

    return stand_in, calls


@contextmanager
def _locked(rig: Rig) -> Iterator[None]:
    """Hold the ledger's write lock, as another program may."""
    other = sqlite3.connect(rig.ledger.folder / "ledger.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_an_accepted_id_survives_a_ledger_that_is_locked_when_the_answer_comes(rig: Rig) -> None:
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)

    with _locked(rig):
        time.sleep(0.2)
        journal = list(read_journal(rig.ledger.folder / FILE_NAME))
        assert [line["kind"] for line in journal] == ["sent", "accepted"], "the journal needs no lock"
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_full_disk_at_acceptance_is_waited_out_and_the_id_is_not_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in, calls = _fails(2, submissions.accept)
    monkeypatch.setattr(submissions, "accept", stand_in)
    run_id = rig.plan(2)

    rig.settle()

    assert len(calls) == 3 and calls[2] - calls[0] > 0.5, "0.2 s, then 0.4 s"
    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_worker_that_ends_while_the_disk_is_full_leaves_the_id_to_the_next_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "accept", _full)
    run_id = rig.plan(2)
    rig.until(lambda: rig.posts() == 1, skip=False)
    journal = rig.ledger.folder / FILE_NAME
    rig.until(lambda: "accepted" in {line["kind"] for line in read_journal(journal)}, skip=False)

    assert rig.dispatcher.stop(grace=0.1) == 1, "it still tries when its time is over"
    monkeypatch.undo()
    rig.restart_worker()
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_claim_that_cannot_be_stored_sends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "claim", _full)
    run_id = rig.plan(2)

    for _ in range(20):
        rig.dispatcher.step()

    assert rig.posts() == 0 and rig.states(run_id) == ["planned"]
    monkeypatch.undo()
    rig.settle()
    assert rig.states(run_id) == ["collected"]


class FullJournal:
    """A journal on a full disk."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.refused = 0

    def append(self, kind: str, **_: Any) -> None:
        if kind == self._kind:
            self.refused += 1
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        """Nothing to close."""


def test_a_journal_that_cannot_be_written_sends_nothing_until_it_can(rig: Rig) -> None:
    journal, full = rig.journal, FullJournal("sent")
    rig.journal = full
    rig.restart_worker()
    run_id = rig.plan(2)

    rig.until(lambda: full.refused >= 3)
    assert rig.posts() == 0
    assert rig.outcomes(run_id) == {"pending": 2}
    assert "No space left on device" in (rig.account().hold_detail or rig.batch(run_id)["detail"])
    rig.journal = journal
    rig.restart_worker()
    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_journal_that_cannot_take_the_accepted_id_leaves_it_to_the_ledger(rig: Rig) -> None:
    rig.journal.close()
    rig.journal = FullJournal("accepted")
    rig.restart_worker()
    run_id = rig.plan(2)

    rig.settle()

    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_results_that_cannot_be_stored_are_read_again_and_nothing_is_missing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in, calls = _fails(3, answers.store_answers)
    monkeypatch.setattr(answers, "store_answers", stand_in)
    run_id = rig.plan(3)

    rig.settle()

    assert len(calls) == 4
    assert "missing" not in rig.outcomes(run_id) and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_results_that_could_not_be_stored_for_an_hour_are_not_called_missing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "store_answers", _full)
    run_id = rig.plan(3)

    rig.pass_time(3600)

    assert rig.outcomes(run_id) == {"pending": 3}
    monkeypatch.undo()
    rig.settle()
    assert "missing" not in rig.outcomes(run_id)
    assert_truth(rig.sandbox, rig.ledger)


def test_a_ledger_that_takes_no_counters_is_not_asked_for_the_same_poll_without_a_pause(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["accepted"])
    monkeypatch.setattr(answers, "store_counts", _full)
    before = rig.sandbox.requests("status")

    began = time.monotonic()
    while time.monotonic() < began + 0.3 or rig.sandbox.requests("status") == before:
        rig.clock.skip(30.0)
        rig.dispatcher.step()
        time.sleep(0.005)

    asked = rig.sandbox.requests("status") - before
    assert asked <= 1 + time.monotonic() - began, "the next one after a second"
    monkeypatch.undo()
    rig.settle()
    assert rig.states(run_id) == ["collected"]


def test_a_part_of_a_step_that_fails_does_not_keep_the_others_from_being_done(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = rig.plan(1)
    rig.until(lambda: rig.states(run_id) == ["accepted"])
    monkeypatch.setattr(submissions, "next_candidate", _full)

    rig.settle()

    assert rig.states(run_id) == ["collected"]


def test_a_computer_that_cannot_start_a_thread_puts_the_batch_back_and_sends_it_later_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused, enough = threading.Thread.start, [], threading.Event()

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("ThreadPoolExecutor") and not enough.is_set():
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    rig.start_worker(slots=1)
    run_id = rig.plan(1)
    rig.dispatcher.step()

    assert refused and rig.states(run_id) == ["planned"]
    assert rig.account().hold is Hold.OUTAGE

    enough.set()
    rig.settle()
    assert rig.posts() == 1 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_the_sleep_of_the_computer_is_written_down(rig: Rig) -> None:
    rig.dispatcher._clocks = (elapsed() - 7200, time.monotonic() - 1)

    rig.dispatcher.step()
    rig.dispatcher.step()

    seen = interruptions(rig.ledger, since=0.0)
    assert [(one.kind, round(one.seconds / 10)) for one in seen] == [("computer_slept", 720)]
