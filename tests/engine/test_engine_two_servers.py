"""Several programs on one data folder: one works, the others stand by, and whoever is killed is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from engine_oracle import assert_all_collected, assert_truth
from engine_processes import (
    PATIENCE,
    ROOT,
    PageServer,
    Programs,
    assert_posted_once,
    environment,
    kept_sandbox,
    live_rig,
    pid_of_worker,
    wait_for,
)
from engine_rig import Rig
from forked import Forked

from openmart_lib.engine import worker_status
from openmart_lib.ledger import BatchState, queries
from openmart_lib.ledger.runs import pause_run

FINAL = {BatchState.COLLECTED, BatchState.UNKNOWN}


@pytest.fixture
def live(rig: Rig) -> Iterator[Rig]:
    """A rig whose work is done by processes; a submission takes 0.4 s."""
    with kept_sandbox(rig):
        yield live_rig(rig, submit_seconds=0.4)


@pytest.fixture
def programs(live: Rig, forking: None) -> Iterator[Programs]:
    started = Programs(live)
    yield started
    started.end()


@pytest.fixture
def serve(live: Rig) -> Iterator[Callable[[], PageServer]]:
    """Start page servers; what is left of them is killed at the end, and their workers end by themselves."""
    servers: list[PageServer] = []

    def start() -> PageServer:
        servers.append(PageServer(live).start())
        return servers[-1]

    yield start
    for server in servers:
        server.end()
    wait_for(lambda: not worker_status(live.settings).alive)


def is_over(live: Rig, run_id: str) -> bool:
    return set(live.states(run_id)) <= FINAL


@pytest.mark.slow
def test_a_killed_page_servers_worker_finishes_its_posts_and_the_restarted_server_goes_on(
    live: Rig, serve: Callable[[], PageServer]
) -> None:
    server = serve()
    wait_for(lambda: worker_status(live.settings).responding)
    run_id = live.plan(20, per_batch=1)
    wait_for(lambda: live.posts() >= 4)
    server.process.kill()
    wait_for(lambda: not worker_status(live.settings).alive)

    states = live.states(run_id)
    sent = live.posts()
    assert "sending" not in states and "unknown" not in states, "every answer was waited for"
    assert len(states) - states.count("planned") == sent < 20, "and nothing was sent after the server's end"

    serve()
    wait_for(lambda: live.states(run_id) == ["collected"] * 20)
    assert live.posts() == 20
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.slow
def test_a_page_server_and_its_worker_killed_together_leave_unknowns_that_the_next_server_never_sends(
    live: Rig, serve: Callable[[], PageServer]
) -> None:
    server = serve()
    wait_for(lambda: worker_status(live.settings).responding)
    live.sandbox.faults.add("slow", on="submit", seconds=2.0, times=4)  # time to be killed in
    run_id = live.plan(6, per_batch=1)
    wait_for(lambda: live.posts() == 4)
    os.kill(pid_of_worker(live) or 0, signal.SIGKILL)
    server.process.kill()
    wait_for(lambda: len(live.sandbox.journal()) == 4)

    server = serve()
    wait_for(lambda: server.answers)
    wait_for(lambda: is_over(live, run_id))

    assert live.states(run_id) == ["unknown"] * 4 + ["collected"] * 2 and live.posts() == 6
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


def test_of_two_servers_a_command_line_run_and_an_extra_worker_one_works_and_the_others_take_over(
    live: Rig, serve: Callable[[], PageServer], programs: Programs
) -> None:
    first, second = serve(), serve()
    programs.start()
    for server in (first, second):
        wait_for(lambda server=server: server.answers)
    run_id = live.plan(40, per_batch=1)
    pause_run(live.ledger, run_id)  # until the command line, up at last, resumes it
    command = Forked(
        [sys.executable, "-m", "openmart_lib", "resume", run_id, "--wait"],
        cwd=ROOT,
        env=environment(live),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(3):
            _kill_the_worker(live)
        second.process.kill()
        wait_for(lambda: is_over(live, run_id))

        assert command.wait(PATIENCE) in (0, 3), "done, or done with rows in doubt"
        assert first.answers
    finally:
        command.kill()
        command.wait()
    assert_posted_once(live)
    assert live.states(run_id).count("unknown") <= 3 * 4
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


def _kill_the_worker(live: Rig) -> None:
    """Kill whoever works while it sends; return when somebody else works."""
    wait_for(lambda: "sending" in live.states(queries.newest_run_id(live.ledger)))
    pid = pid_of_worker(live)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: worker_status(live.settings).responding and pid_of_worker(live) not in (None, pid))


def test_a_worker_whose_lock_file_was_removed_ends_and_no_other_works_before_its_posts_are_back(
    live: Rig, programs: Programs
) -> None:
    first = programs.start()
    wait_for(lambda: worker_status(live.settings).responding)
    standing_by = programs.start()
    live.sandbox.faults.add("slow", on="submit", seconds=2.0)
    run_id = live.plan(1)
    wait_for(lambda: live.posts() == 1)
    (live.ledger.folder / "worker.lock").unlink()

    assert first.wait() == 0
    assert live.states(run_id) == ["accepted"], "never unknown in between: nobody took over"
    assert "was removed" in programs.said.read_text()
    wait_for(lambda: live.states(run_id) == ["collected"])

    assert not standing_by.ended and live.posts() == 1
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.slow
def test_a_stopped_worker_is_not_replaced_and_records_the_answer_that_came_while_it_was_stopped(
    live: Rig, programs: Programs
) -> None:
    stopped = programs.start()
    run_id = live.plan(3, per_batch=1)
    wait_for(lambda: live.posts_read() == 3)
    stopped.send_signal(signal.SIGSTOP)
    standing_by = programs.start()
    wait_for(lambda: len(live.sandbox.journal()) == 3)

    wait_for(lambda: not worker_status(live.settings).responding)
    status = worker_status(live.settings)
    assert status.alive and status.pid == stopped.pid and status.heartbeat_at is not None
    assert time.time() - status.heartbeat_at >= 15.0
    assert live.states(run_id) == ["sending"] * 3 and not standing_by.ended

    stopped.send_signal(signal.SIGCONT)
    wait_for(lambda: live.states(run_id) == ["collected"] * 3)
    assert live.posts() == 3 and worker_status(live.settings).pid == stopped.pid
    assert_truth(live.sandbox, live.ledger)
