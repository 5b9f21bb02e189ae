"""Real processes: killed, told to end, stopped, doubled; the sandbox's journal and the ledger must agree."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from engine_oracle import assert_truth
from engine_processes import (
    PATIENCE,
    ROOT,
    SPEED,
    Program,
    Programs,
    environment,
    pid_of_worker,
    wait_for,
)
from engine_rig import Rig

from openmart_lib.engine import Supervisor, Worker, worker_status
from openmart_lib.engine.worker import NOT_RESPONDING
from openmart_lib.ledger.journal import FILE_NAME, read_journal
from openmart_lib.sandbox import Sandbox, sandbox_url

SLOW_SIGNALS = [pytest.param(name, marks=pytest.mark.slow) for name in ("SIGINT", "SIGHUP")]


class Child:
    """A worker whose parent, here the test, holds the pipe that keeps it alive."""

    def __init__(self, programs: Programs) -> None:
        with programs.said.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openmart_lib.engine", "--with-parent"],
                stdin=subprocess.PIPE,
                stderr=said,
                env=environment(programs.rig),
                cwd=ROOT,
            )

    def send_signal(self, number: int) -> None:
        """End it as a parent does: a Ctrl-C reaches both, and the child leaves it to the parent."""
        self.process.send_signal(number)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def live(rig: Rig) -> Rig:
    """A rig without a dispatcher of its own, whose sandbox lives 500 times as fast."""
    rig.dispatcher.stop(grace=1.0)
    rig.sandbox.stop()
    rig.sandbox = Sandbox(rig.settings.sandbox_dir, speed=SPEED, submit_seconds=0.05)
    rig.sandbox.start()
    return rig


@pytest.fixture
def programs(live: Rig, forking: None) -> Iterator[Programs]:
    started = Programs(live)
    yield started
    started.end()


def test_a_worker_killed_during_a_post_is_followed_by_one_that_does_not_repeat_it(
    live: Rig, programs: Programs
) -> None:
    live.sandbox.faults.add("slow", on="submit", seconds=2.0, times=4)  # time to be killed in
    run_id = live.plan(4, per_batch=1)
    first = programs.start()
    wait_for(lambda: live.posts() == 4)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert live.states(run_id) == ["sending"] * 4
    wait_for(lambda: len(live.sandbox.journal()) == 4)

    second = programs.start()
    wait_for(lambda: live.states(run_id) == ["unknown"] * 4)
    later = live.plan(2, per_batch=1)
    wait_for(lambda: live.states(later) == ["collected"] * 2)

    assert live.posts() == 4 + 2
    assert not second.ended
    assert_truth(live.sandbox, live.ledger)


def test_a_second_worker_stands_by_and_takes_over_at_once_when_the_first_dies(
    live: Rig, programs: Programs
) -> None:
    first = programs.start()
    wait_for(lambda: pid_of_worker(live) == first.pid)
    second = programs.start()
    run_id = live.plan(2, per_batch=1)
    wait_for(lambda: live.states(run_id) == ["collected"] * 2)
    assert live.posts() == 2 and pid_of_worker(live) == first.pid and not second.ended

    first.send_signal(signal.SIGKILL)
    wait_for(lambda: pid_of_worker(live) == second.pid)
    later = live.plan(1)
    wait_for(lambda: live.states(later) == ["collected"])

    assert live.posts() == 3
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.parametrize("how", ["the parent's pipe closes", "SIGTERM", *SLOW_SIGNALS])
def test_a_worker_that_is_told_to_end_lets_its_posts_finish_and_writes_them_down(
    live: Rig, programs: Programs, request: pytest.FixtureRequest, how: str
) -> None:
    live.sandbox.faults.add("slow", on="submit", seconds=2.0, times=3)  # time to be told in
    run_id = live.plan(3, per_batch=1)
    worker: Program | Child
    if how.startswith("the parent"):
        worker = Child(programs)
        request.addfinalizer(worker.end)
    else:
        worker = programs.start()
    wait_for(lambda: live.posts() == 3)

    worker.send_signal(signal.SIGINT if how.startswith("the parent") else getattr(signal, how))

    assert worker.wait() == 0
    assert live.states(run_id) == ["accepted"] * 3
    assert "Waiting for 3 submission(s)" in programs.said.read_text()
    assert not worker_status(live.settings).alive
    live.start_worker()
    live.settle()
    assert live.states(run_id) == ["collected"] * 3 and live.posts() == 3
    assert_truth(live.sandbox, live.ledger)


def test_a_second_ctrl_c_ends_the_worker_at_once_and_its_posts_become_unknown(
    live: Rig, programs: Programs
) -> None:
    live.sandbox.faults.add("slow", on="submit", seconds=600.0)
    run_id = live.plan(1)
    worker = programs.start()
    wait_for(lambda: live.posts() == 1)

    worker.send_signal(signal.SIGINT)
    wait_for(lambda: "Waiting for 1 submission(s)" in programs.said.read_text())
    worker.send_signal(signal.SIGINT)

    assert worker.wait() == 1
    live.start_worker()
    assert live.states(run_id) == ["unknown"]


def test_a_stopped_worker_keeps_its_lock_and_is_shown_as_not_responding_until_it_wakes(
    live: Rig, programs: Programs
) -> None:
    live.sandbox.faults.add("slow", on="submit", seconds=2.0)  # time to be stopped in
    run_id = live.plan(1)
    stopped = programs.start()
    wait_for(lambda: live.posts_read() == 1)
    stopped.send_signal(signal.SIGSTOP)
    standing_by = programs.start()
    beat = live.ledger.folder / "worker.beat"
    told = json.loads(beat.read_text())
    wait_for(lambda: len(live.sandbox.journal()) == 1)

    beat.write_text(json.dumps(told | {"monotonic": time.monotonic() - NOT_RESPONDING - 1}))
    status = worker_status(live.settings)
    assert status.alive and not status.responding and status.pid == stopped.pid
    assert live.states(run_id) == ["sending"], "nobody takes over"

    stopped.send_signal(signal.SIGCONT)
    wait_for(lambda: live.states(run_id) == ["collected"])
    wait_for(lambda: worker_status(live.settings).responding)
    assert not standing_by.ended and live.posts() == 1
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.parametrize(("kills", "batches"), [(2, 8), pytest.param(8, 80, marks=pytest.mark.slow)])
def test_a_worker_killed_again_and_again_loses_nothing_and_pays_nothing_twice(
    live: Rig, programs: Programs, kills: int, batches: int
) -> None:
    run_id = live.plan(2 * batches, per_batch=2)
    journal = live.ledger.folder / FILE_NAME

    def lines() -> int:
        return sum(1 for _ in read_journal(journal))

    for _ in range(kills):
        worker, before = programs.start(), lines()
        with contextlib.suppress(AssertionError):  # held for a while after the last kill: it dies idle
            wait_for(lambda before=before: lines() >= before + 5, timeout=2.0)
        worker.kill()
    programs.start()
    wait_for(lambda: not set(live.states(run_id)) & {"planned", "sending", "accepted"})

    assert live.posts() <= batches
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.slow
def test_the_supervisor_restarts_a_killed_worker_and_stop_ends_everything(rig: Rig) -> None:
    rig.sandbox.stop()
    rig.dispatcher.stop(grace=1.0)
    run_id = rig.plan(2, per_batch=1)
    supervisor = Supervisor(rig.settings)

    with supervisor:
        wait_for(lambda: rig.states(run_id) == ["collected"] * 2)
        first = pid_of_worker(rig)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: pid_of_worker(rig) not in (None, first))
        later = rig.plan(1)
        wait_for(lambda: rig.states(later) == ["collected"])
        url = sandbox_url(rig.settings.sandbox_dir)
        assert url is not None and requests.get(f"{url}/_sandbox/health", timeout=PATIENCE).ok

    assert not worker_status(rig.settings).alive
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/_sandbox/health", timeout=PATIENCE)
    assert_truth(rig.sandbox, rig.ledger)


def test_a_worker_whose_parent_is_killed_finishes_its_post_and_ends(live: Rig) -> None:
    run_id = live.plan(1)
    script = (
        "import time; from openmart_lib.engine import Supervisor; from openmart_lib.settings import load_settings\n"
        "Supervisor(load_settings()).start(); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(live), cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: live.posts() == 1)
    finally:
        parent.kill()
        parent.wait()

    wait_for(lambda: not worker_status(live.settings).alive)

    assert live.states(run_id) == ["accepted"] and live.posts() == 1
    assert_truth(live.sandbox, live.ledger)


def test_the_same_worker_in_a_thread_works_and_stops(rig: Rig) -> None:
    rig.dispatcher.stop(grace=1.0)
    worker = Worker(rig.settings)
    thread = threading.Thread(target=worker.run)
    thread.start()
    run_id = rig.plan(1)

    wait_for(lambda: rig.states(run_id) != ["planned"] and worker_status(rig.settings).responding)
    worker.stop()
    thread.join(PATIENCE)

    assert not thread.is_alive() and rig.states(run_id) == ["accepted"]
    assert not worker_status(rig.settings).alive
    assert_truth(rig.sandbox, rig.ledger)


def test_no_worker_is_alive_where_none_ever_was(rig: Rig) -> None:
    status = worker_status(rig.settings)

    assert not status.alive and not status.responding and status.pid is None
