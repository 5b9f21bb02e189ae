"""Told to end, by whatever: a page server, a command line, a worker; in a terminal that is typed into or closed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
from engine_oracle import assert_truth
from engine_processes import (
    PATIENCE,
    ROOT,
    PageServer,
    Terminal,
    assert_posted_once,
    environment,
    kept_sandbox,
    live_rig,
    wait_for,
)
from engine_rig import Rig

from openmart_lib.engine import worker_status

Open = Callable[[Sequence[str]], Terminal]
MANY = 24  # batches: 6 s of sending


@pytest.fixture
def live(rig: Rig) -> Iterator[Rig]:
    """A rig whose work is done by processes; a submission takes 1 s, time enough to be interrupted."""
    with kept_sandbox(rig):
        yield live_rig(rig, submit_seconds=1.0)
        wait_for(lambda: not worker_status(rig.settings).alive)


@pytest.fixture
def terminal(live: Rig) -> Iterator[Open]:
    """Open terminal windows; they are closed at the end."""
    opened: list[Terminal] = []

    def start(command: Sequence[str]) -> Terminal:
        opened.append(Terminal(command, environment(live, TERM="dumb")))
        return opened[-1]

    yield start
    for each in opened:
        each.end()


@pytest.fixture
def server(live: Rig) -> Iterator[PageServer]:
    """A page server that is not started yet."""
    prepared = PageServer(live)
    yield prepared
    if hasattr(prepared, "process"):
        prepared.end()


def slow(value: str) -> object:
    """A case of the long version only."""
    return pytest.param(value, marks=pytest.mark.slow)


def openmart(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "openmart_lib", *arguments]


def plan_and_wait_for_posts(live: Rig) -> str:
    """Plan more than is sent in a few seconds; return when submissions are open."""
    run_id = live.plan(MANY, per_batch=1)
    wait_for(lambda: live.posts() >= 4)
    return run_id


def assert_answered(live: Rig, run_id: str) -> None:
    """Check that every submission was answered and written down, and that the rest was not sent."""
    states = live.states(run_id)
    assert set(states) <= {"planned", "accepted", "collected"}, states
    assert states.count("planned") == MANY - live.posts() > 0


def assert_ended_well(live: Rig, run_id: str) -> None:
    """Check the same once the worker has ended, and that the ledger has the truth."""
    wait_for(lambda: not worker_status(live.settings).alive)
    assert_answered(live, run_id)
    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.slow
def test_a_page_server_told_to_end_waits_for_its_posts_and_says_so(live: Rig, server: PageServer) -> None:
    server.start()
    run_id = plan_and_wait_for_posts(live)

    server.process.terminate()

    server.process.wait(PATIENCE)
    assert_answered(live, run_id)
    assert "Submissions on their way are finished first" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
    assert_ended_well(live, run_id)


def test_ctrl_c_in_the_terminal_of_a_page_server_waits_for_its_posts(
    live: Rig, server: PageServer, terminal: Open
) -> None:
    window = terminal(server.command)
    run_id = plan_and_wait_for_posts(live)

    window.type(b"\x03")

    wait_for(lambda: window.says("Submissions on their way are finished first"))
    wait_for(lambda: window.ended)
    assert_answered(live, run_id)
    assert_ended_well(live, run_id)


@pytest.mark.slow
def test_a_second_ctrl_c_ends_the_page_server_and_leaves_the_posts_to_its_worker(
    live: Rig, server: PageServer, terminal: Open
) -> None:
    live.sandbox.faults.add("slow", on="submit", seconds=4.0, times=None)
    window = terminal(server.command)
    run_id = plan_and_wait_for_posts(live)
    window.type(b"\x03")
    wait_for(lambda: window.says("A second Ctrl-C does not wait"))

    window.type(b"\x03")

    wait_for(lambda: window.ended)
    assert "sending" in live.states(run_id), "it did not wait"
    assert_ended_well(live, run_id)


@pytest.mark.parametrize(
    "program", [slow("page server"), "openmart run --wait", slow("openmart worker"), "worker"]
)
def test_a_terminal_that_is_closed_ends_what_runs_in_it_when_its_posts_are_back(
    live: Rig, server: PageServer, terminal: Open, program: str
) -> None:
    run_id = live.plan(MANY, per_batch=1)
    commands = {
        "page server": server.command,
        "openmart run --wait": openmart("resume", run_id, "--wait"),
        "openmart worker": openmart("worker"),
        "worker": [sys.executable, "-m", "openmart_lib.engine"],
    }
    window = terminal(commands[program])
    wait_for(lambda: live.posts() >= 4)

    window.close()

    window.process.wait(PATIENCE)
    assert_answered(live, run_id)
    assert_ended_well(live, run_id)


@pytest.mark.parametrize("how", ["SIGTERM", slow("SIGHUP")])
def test_a_command_that_waits_and_is_told_to_end_waits_for_its_posts_and_says_how_to_go_on(
    live: Rig, how: str
) -> None:
    run_id = live.plan(MANY, per_batch=1)
    command = subprocess.Popen(
        openmart("resume", run_id, "--wait"),
        cwd=ROOT,
        env=environment(live),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: live.posts() >= 4)

    command.send_signal(getattr(signal, how))

    _, said = command.communicate(timeout=PATIENCE)
    assert command.returncode == 128 + getattr(signal, how)
    assert f"openmart resume {run_id} --wait" in said and "Traceback" not in said
    assert_ended_well(live, run_id)


@pytest.mark.parametrize("program", [slow("page server"), "worker"])
def test_with_nohup_a_program_outlives_its_terminal(
    live: Rig, server: PageServer, terminal: Open, program: str
) -> None:
    command = server.command if program == "page server" else [sys.executable, "-m", "openmart_lib.engine"]
    log = live.settings.data_dir / "nohup.log"
    window = terminal(["sh", "-c", 'exec nohup "$@" >"$0" 2>&1', str(log), *command])
    run_id = live.plan(6, per_batch=1)
    wait_for(lambda: live.posts() >= 4)

    window.close()

    wait_for(lambda: live.states(run_id) == ["collected"] * 6)
    assert window.process.poll() is None
    window.process.terminate()
    window.process.wait(PATIENCE)
    assert_truth(live.sandbox, live.ledger)
