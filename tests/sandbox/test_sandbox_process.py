"""The sandbox as a process: found by its port file, one at a time, ending with its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from openmart_lib.sandbox import read_journal, sandbox_url

from .client import TASKS

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start sandbox processes on the test's folder; all are ended afterwards."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, directory: Path = tmp_path / "sandbox") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "openmart_lib.sandbox", "--dir", str(directory), "--speed", "1000"]
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                pipe.close()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)
    return value


def health(folder: Path) -> dict[str, Any] | None:
    url = sandbox_url(folder)
    try:
        return dict(requests.get(f"{url}/_sandbox/health", timeout=60).json()) if url else None
    except requests.ConnectionError:
        return None


def submit(folder: Path, tracking_id: str) -> requests.Response:
    tasks = [TASKS["find_tech"] | {"tracking_id": tracking_id}]
    url = f"{sandbox_url(folder)}/api/v1/task/batch/find_tech"
    return requests.post(url, json=tasks, headers={"X-API-Key": "k"}, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sandbox"


def test_it_serves_and_ends_when_its_parents_pipe_closes(start: Start, folder: Path) -> None:
    process = start("--with-parent")
    wait_for(lambda: health(folder))
    assert submit(folder, "t1").status_code == 200

    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(60) == 0
    assert health(folder) is None
    assert [batch.tracking_ids for batch in read_journal(folder)] == [("t1",)]


def test_a_second_process_stands_by_and_takes_over_state_and_port(start: Start, folder: Path) -> None:
    first = start("--with-parent")
    before = wait_for(lambda: health(folder))
    url = sandbox_url(folder)
    batch_id = submit(folder, "t1").json()["batch_id"]
    second = start("--with-parent")
    time.sleep(0.2)
    assert health(folder) == before  # the second one waits

    first.kill()
    after = wait_for(lambda: (now := health(folder)) and now["instance"] != before["instance"] and now)

    counts = requests.get(
        f"{url}/api/v1/task/batch/{batch_id}/status", headers={"X-API-Key": "k"}, timeout=60
    )
    assert after["speed"] == 1000
    assert sandbox_url(folder) == url
    assert counts.json()["total"] == 1
    assert second.poll() is None


def test_one_that_stands_by_ends_with_its_parent_too(start: Start, folder: Path) -> None:
    start("--with-parent")
    before = wait_for(lambda: health(folder))
    waiting = start("--with-parent")

    assert waiting.stdin is not None
    waiting.stdin.close()

    assert waiting.wait(60) == 0
    assert health(folder) == before


def test_ctrl_c_is_the_parents_business(start: Start, folder: Path) -> None:
    process = start("--with-parent")
    wait_for(lambda: health(folder))

    process.send_signal(signal.SIGINT)
    time.sleep(0.1)

    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_without_a_parent_it_ends_on_ctrl_c_and_not_with_its_input(start: Start, folder: Path) -> None:
    process = start()
    assert process.stdin is not None
    process.stdin.close()
    wait_for(lambda: health(folder))

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 0


def test_faults_can_be_on_from_the_start(start: Start, folder: Path) -> None:
    start("--fault", "status,status=429,retry_after=7", "--fault", "answer_lost,after=1")
    wait_for(lambda: health(folder))

    refused = submit(folder, "t1")
    with pytest.raises(requests.ConnectionError):
        submit(folder, "t2")

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert submit(folder, "t3").status_code == 200
    assert [batch.tracking_ids for batch in read_journal(folder)] == [("t2",), ("t3",)]


def test_a_bad_argument_ends_it_with_a_sentence(start: Start) -> None:
    process = start("--fault", "nonsense")
    _, said = process.communicate(timeout=60)

    assert process.returncode == 2
    assert b"Traceback" not in said and said.strip().endswith(b".")


def test_what_was_answered_is_in_the_journal_after_a_kill(start: Start, folder: Path) -> None:
    answered = []
    for round_number in range(2):
        process = start()
        wait_for(lambda: health(folder))
        for number in range(5):
            name = f"{round_number}-{number}"
            answered.append((submit(folder, name).json()["batch_id"], (name,)))
        process.kill()
        process.wait()

    assert [(batch.batch_id, batch.tracking_ids) for batch in read_journal(folder)] == answered
