"""The time of day jumps, or the computer sleeps: no wait is cut short, nothing is called unknown, polls go on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from engine_oracle import assert_all_collected, assert_truth
from engine_processes import (
    Programs,
    assert_posted_once,
    live_rig,
    wait_for,
)
from engine_rig import Rig

from openmart_lib.dashboard import batch_table, words
from openmart_lib.dashboard.run_pace import pace
from openmart_lib.engine import worker_status
from openmart_lib.engine.clocks import SetClock
from openmart_lib.ledger import Hold, queries

HOUR, DAY = 3600.0, 86_400.0
JUMPS = [
    pytest.param(DAY, id="a day ahead"),
    pytest.param(-DAY, id="a day back"),
    pytest.param(HOUR, id="an hour ahead"),
    pytest.param(-HOUR - 60, id="an hour back"),
]
# The clocks of Berlin go from 02:00 to 03:00, and from 03:00 to 02:00, at these moments (UTC).
CLOCK_CHANGES = {"summer time begins": 1_774_746_000.0, "summer time ends": 1_792_890_000.0}


@dataclass
class Jumping:
    """A rig whose ledger's clock is set by the test, while the server's goes on as time does."""

    rig: Rig
    set_by: float = 0.0

    def __post_init__(self) -> None:
        self.rig.ledger.now = lambda: self.rig.clock() + self.set_by

    def live(self, seconds: float, until: Callable[[], bool] = lambda: False, *, step: float = 1.0) -> float:
        """Let true time pass, or less if a condition holds before; return how much."""
        passed = 0.0
        while passed < seconds and not until():
            self.rig.clock.skip(step)
            passed += step
            self.rig.dispatcher.step()
            self.rig.until(lambda: self.rig.idle, step=False)
        return passed


@pytest.fixture
def jumping(rig: Rig) -> Jumping:
    return Jumping(rig)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_is_set_while_batches_are_at_openmart_changes_nothing(
    jumping: Jumping, jump: float
) -> None:
    rig = jumping.rig
    run_id = rig.plan(6, per_batch=2, rejected=1)
    rig.until(lambda: rig.states(run_id) == ["accepted"] * 3, skip=False)
    jumping.live(5)
    before = rig.reads()

    jumping.set_by = jump
    took = jumping.live(600, lambda: rig.states(run_id) == ["collected"] * 3)

    assert took < 60 + rig.pacing.max_poll, "a task takes 30 s, and then comes a poll"
    assert rig.reads() - before <= 6 + 3 * 8, "no storm of polls"
    assert rig.posts() == 3 and not {"pending", "missing", "unknown"} & set(rig.outcomes(run_id))
    assert_truth(rig.sandbox, rig.ledger)
    assert_all_collected(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_is_set_while_posts_are_open_makes_none_of_them_unknown(
    jumping: Jumping, jump: float
) -> None:
    rig = jumping.rig
    rig.sandbox.faults.add("slow", on="submit", seconds=0.2, times=3)
    run_id = rig.plan(3, per_batch=1)
    rig.until(lambda: rig.posts() == 3, skip=False)

    jumping.set_by = jump
    jumping.live(600, lambda: rig.states(run_id) == ["collected"] * 3)

    assert rig.states(run_id) == ["collected"] * 3 and rig.posts() == 3
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("jump", JUMPS)
def test_after_an_unknown_a_jump_of_the_clock_sends_nothing_before_a_free_read_succeeds(
    jumping: Jumping, jump: float
) -> None:
    rig = jumping.rig
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("answer_lost")
    rig.sandbox.faults.add("status", on="reads", status=503, times=None)
    run_id = rig.plan(4, per_batch=2)
    rig.until(lambda: rig.states(run_id) == ["unknown", "planned"], skip=False)

    jumping.set_by = jump
    jumping.live(300, step=5.0)
    assert rig.posts() == 1 and rig.states(run_id) == ["unknown", "planned"]

    rig.sandbox.faults.clear()
    jumping.live(600, lambda: rig.states(run_id) == ["unknown", "collected"])
    assert rig.states(run_id) == ["unknown", "collected"] and rig.posts() == 2
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("jump", JUMPS)
def test_no_length_of_time_on_screen_is_negative_after_the_clock_was_set(
    jumping: Jumping, jump: float
) -> None:
    rig = jumping.rig
    run_id = rig.plan(6, per_batch=1)
    rig.until(lambda: rig.states(run_id).count("accepted") == 6, skip=False)
    jumping.live(25)
    jumping.set_by = jump
    jumping.live(3)

    batches = queries.batches(rig.ledger, run_id)
    for now in (rig.ledger.now(), rig.clock()):
        asked = batch_table.for_reading(batches, now=now)["Asked"].to_list()
        left = pace(batches, now=now, lanes=4)
        said = [text or "" for text in asked] + [left.left, left.phase]
        assert not [text for text in said if "-" in text], said


@pytest.mark.parametrize("seconds", [-DAY, -1.0, -0.001, 0.0, 0.4])
def test_a_length_of_time_below_a_second_is_said_so_however_far_below(seconds: float) -> None:
    assert words.duration(seconds) == "under 1 s"


@pytest.mark.parametrize(
    ("wall", "passed", "by"),
    [(10, 10, 0), (7205, 7205, 0), (7210, 10, 7200), (-3590, 10, -3600), (12, 10, 0)],
)
def test_a_clock_that_was_set_is_told_from_time_that_passed_asleep_or_awake(
    wall: float, passed: float, by: float
) -> None:
    moments = [1000.0, 1000.0 + wall, 1001.0 + wall], [50.0, 50.0 + passed, 51.0 + passed]
    clock = SetClock(iter(moments[0]).__next__, iter(moments[1]).__next__)

    assert clock.look() == by
    assert clock.look() == 0.0, "told once"


# A real worker, on a clock of its own ----------------------------------------------------------------------


@pytest.fixture
def live(rig: Rig) -> Rig:
    """A rig whose work is done by processes; a submission takes 0.4 s."""
    return live_rig(rig, submit_seconds=0.4)


@pytest.fixture
def programs(live: Rig, forking: None) -> Iterator[Programs]:
    started = Programs(live)
    yield started
    started.end()


@pytest.fixture
def clock(live: Rig) -> Path:
    """The file that says by how many seconds a worker's clock is wrong."""
    path = live.settings.data_dir / "clock"
    set_clock(path, 0.0)
    return path


def set_clock(clock: Path, seconds: float, *, slept: float = 0.0) -> None:
    """Set a worker's clock in one step, or let its computer have slept."""
    written = clock.with_suffix(".new")
    written.write_text(f"{seconds} {slept}")
    written.replace(clock)


def test_a_worker_that_stood_by_while_the_clock_was_set_does_not_move_the_waits_a_second_time(
    live: Rig, programs: Programs, clock: Path
) -> None:
    first = programs.start(clock=clock)
    wait_for(lambda: worker_status(live.settings).responding)
    second = programs.start(clock=clock)
    set_clock(clock, HOUR)
    wait_for(lambda: "clock_set" in queries.events(live.ledger, limit=1000)["kind"].to_list())

    first.kill()
    wait_for(lambda: worker_status(live.settings).pid == second.pid)
    run_id = live.plan(2)
    wait_for(lambda: live.states(run_id) == ["collected"])

    events = queries.events(live.ledger, limit=1000)["kind"].to_list()
    assert events.count("clock_set") == 1


def test_a_worker_whose_clock_is_set_to_and_fro_by_a_day_finishes_as_if_nothing_had_been(
    live: Rig, programs: Programs, clock: Path
) -> None:
    worker = programs.start(clock=clock)
    run_id = live.plan(24, per_batch=1)

    for sent, shift in ((4, DAY), (8, -DAY), (16, 1800.0), (20, 0.0)):
        wait_for(lambda sent=sent: live.posts() >= sent)
        set_clock(clock, shift)
        status = worker_status(live.settings)
        assert status.alive and status.responding, "a clock that jumps is no worker that hangs"

    wait_for(lambda: live.states(run_id) == ["collected"] * 24)
    assert not worker.ended and live.posts() == 24
    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.parametrize(
    "jump", [DAY, -600.0, *(pytest.param(by, marks=pytest.mark.slow) for by in (HOUR, -DAY))]
)
def test_the_wait_that_openmart_asked_for_lasts_as_long_as_asked_although_the_clock_is_set(
    live: Rig, programs: Programs, clock: Path, jump: float
) -> None:
    live.sandbox.faults.add("status", on="submit", status=429, retry_after="3")
    programs.start(clock=clock)
    run_id = live.plan(1)
    wait_for(lambda: live.account().hold is Hold.RATE_LIMITED)
    asked_at = time.monotonic()

    set_clock(clock, jump)
    wait_for(lambda: live.posts() == 2)

    assert time.monotonic() - asked_at > 2.5, "the second try came no sooner than asked"
    wait_for(lambda: live.states(run_id) == ["collected"])
    assert "clock_set" in queries.events(live.ledger, limit=1000)["kind"].to_list()
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_batch_is_not_called_stalled_because_the_clock_was_set(
    live: Rig, programs: Programs, clock: Path, jump: float
) -> None:
    live.sandbox.faults.add("stuck")
    programs.start(clock=clock)
    run_id = live.plan(2)
    wait_for(lambda: live.sandbox.requests("status") >= 2)

    set_clock(clock, jump)
    asked = live.sandbox.requests("status")
    wait_for(lambda: live.sandbox.requests("status") >= asked + 3)

    assert live.info(run_id).stalled_batches == 0 and live.states(run_id) == ["accepted"]


@pytest.mark.parametrize("change", CLOCK_CHANGES)
def test_a_worker_in_berlin_does_not_notice_that_the_clocks_change(
    live: Rig, programs: Programs, clock: Path, change: str
) -> None:
    set_clock(clock, CLOCK_CHANGES[change] - 1.0 - time.time())
    programs.start(clock=clock, TZ="Europe/Berlin")
    run_id = live.plan(16, per_batch=1)

    wait_for(lambda: live.states(run_id) == ["collected"] * 16)

    batches = queries.batches(live.ledger, run_id)
    lasted = batches.select(pl.col("collected_at") - pl.col("answered_at")).to_series()
    assert lasted.min() >= 0 and lasted.max() < 60
    assert live.posts() == 16 and _slept(live) == []
    assert_truth(live.sandbox, live.ledger)


def test_a_computer_that_sleeps_with_posts_open_accepts_what_was_answered_and_doubts_what_was_cut(
    live: Rig, programs: Programs, clock: Path
) -> None:
    """The answers of two POSTs wait in the sleeper's own buffers; the connections of two were given up."""
    live.sandbox.faults.add("slow", on="submit", seconds=1.0, times=4)  # time to fall asleep in
    live.sandbox.faults.add("answer_lost", after=2, times=2)
    worker = programs.start(clock=clock)
    run_id = live.plan(4, per_batch=1)
    wait_for(lambda: live.posts_read() == 4)

    worker.send_signal(signal.SIGSTOP)
    wait_for(lambda: len(live.sandbox.journal()) == 4)
    set_clock(clock, 0.0, slept=2 * HOUR)
    worker.send_signal(signal.SIGCONT)
    wait_for(lambda: sorted(live.states(run_id)) == ["collected"] * 2 + ["unknown"] * 2)
    later = live.plan(2, per_batch=1)
    wait_for(lambda: live.states(later) == ["collected"] * 2)

    assert live.posts() == 6
    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)
    [slept] = _slept(live)
    assert slept["seconds"] == pytest.approx(2 * HOUR, abs=60)


def _slept(live: Rig) -> list[dict[str, float]]:
    events = queries.events(live.ledger, limit=1000)
    return [json.loads(detail) for detail in events.filter(pl.col("kind") == "computer_slept")["detail"]]
