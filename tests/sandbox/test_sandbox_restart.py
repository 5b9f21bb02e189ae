"""What was created survives: stops, kills, torn lines; and the folder is private and has one owner."""

from __future__ import annotations

import json
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
import requests

from openmart_lib.errors import ConfigError, InputError
from openmart_lib.sandbox import Sandbox, read_journal, sandbox_url

from .client import TASKS, Client
from .conftest import Clock


def test_batches_go_on_after_a_restart_as_if_nothing_had_happened(client: Client, clock: Clock) -> None:
    batch_id = client.created(
        "find_people", *({"domain": f"acme{n}.com", "tracking_id": f"t{n}"} for n in range(50))
    )
    clock.now += 70
    before = (client.status(batch_id).json(), client.task_ids(batch_id).json(), client.tasks(batch_id))
    money = (client.balance().json(), client.sandbox.credits_spent())

    client.sandbox.stop()
    client.sandbox.start()

    assert (
        client.status(batch_id).json(),
        client.task_ids(batch_id).json(),
        client.tasks(batch_id),
    ) == before
    assert (client.balance().json(), client.sandbox.credits_spent()) == money


def test_another_speed_after_a_restart_does_not_change_the_past(tmp_path: Path, clock: Clock) -> None:
    with Sandbox(tmp_path, speed=1000, clock=clock) as first, Client(first).session:
        batch_id = Client(first).created("find_tech", {})
        clock.now += 0.13
        (task_id,) = Client(first).task_ids(batch_id).json()
        assert Client(first).task(task_id).json()["status"] != "PROCESSING"
    with Sandbox(tmp_path, speed=1, submit_seconds=0, clock=clock) as second:
        assert Client(second).task(task_id).json()["status"] != "PROCESSING"


def test_the_port_is_kept_and_told_in_the_port_file(tmp_path: Path) -> None:
    assert sandbox_url(tmp_path) is None
    with Sandbox(tmp_path) as first:
        url = first.url
        assert sandbox_url(tmp_path) == url
    with Sandbox(tmp_path) as second:
        assert second.url == url


def test_another_port_is_taken_when_the_remembered_one_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        (tmp_path / "port").write_text(f"{other.getsockname()[1]}\n")
        with Sandbox(tmp_path) as sandbox:
            assert requests.get(f"{sandbox.url}/_sandbox/health", timeout=60).status_code == 200
            assert sandbox_url(tmp_path) == sandbox.url


@pytest.mark.parametrize("content", ["", "x", "0", "70000", "-1"])
def test_a_useless_port_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "port").write_text(content)

    assert sandbox_url(tmp_path) is None
    with Sandbox(tmp_path) as sandbox:
        assert sandbox_url(tmp_path) == sandbox.url


def test_a_port_asked_for_that_is_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ConfigError, match="another port"):
        Sandbox(tmp_path, port=other.getsockname()[1]).start()
    with Sandbox(tmp_path) as sandbox:  # the failed start has let go of everything
        assert sandbox.journal() == []


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_an_impossible_port_is_an_error(tmp_path: Path, port: int) -> None:
    with pytest.raises(ConfigError, match="another port"):
        Sandbox(tmp_path, port=port).start()


def test_a_last_line_cut_short_by_a_crash_is_taken_off(client: Client) -> None:
    client.created("find_tech", {"tracking_id": "whole"})
    client.sandbox.stop()
    path = client.sandbox.state_dir / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])

    assert [batch.tracking_ids for batch in client.sandbox.journal()] == [("whole",)]
    client.sandbox.start()
    client.created("find_tech", {"tracking_id": "next"})

    assert client.sandbox.created_tracking_ids() == ["whole", "next"]


def test_a_torn_line_longer_than_a_block_is_taken_off_whole(client: Client) -> None:
    client.created("find_tech", {"tracking_id": "whole"})
    client.sandbox.stop()
    path = client.sandbox.state_dir / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)

    client.sandbox.start()

    assert path.read_bytes() == whole
    path.write_bytes(b"x" * 200_000)
    client.sandbox.stop()
    client.sandbox.start()
    assert path.read_bytes() == b""


def test_a_damaged_line_is_named_and_nothing_is_lost(client: Client) -> None:
    client.created("find_tech", {})
    client.sandbox.stop()
    path = client.sandbox.state_dir / "journal.jsonl"
    damaged = b"{}}\n" + path.read_bytes()
    path.write_bytes(damaged)

    with pytest.raises(ConfigError, match="damaged at byte 0"):
        client.sandbox.start()
    with pytest.raises(ConfigError):
        read_journal(client.sandbox.state_dir)

    assert path.read_bytes() == damaged


def test_a_second_sandbox_on_the_same_folder_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match="already runs"):
        Sandbox(sandbox.state_dir).start()

    assert requests.get(f"{sandbox.url}/_sandbox/health", timeout=60).status_code == 200


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be used"):
        Sandbox(tmp_path / "file" / "sandbox").start()


def test_the_folder_and_its_files_are_private(client: Client) -> None:
    client.created("find_tech", {})
    folder = client.sandbox.state_dir

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"journal.jsonl": 0o600, "port": 0o600}


def test_a_sandbox_without_a_folder_leaves_nothing_behind() -> None:
    sandbox = Sandbox(speed=1000)
    with pytest.raises(InputError, match="not running"):
        sandbox.journal()
    with sandbox:
        folder = sandbox.state_dir
        Client(sandbox).created("find_tech", {})
        assert len(sandbox.journal()) == 1

    assert not folder.exists()
    with pytest.raises(InputError, match="not running"):
        _ = sandbox.url


def test_stopping_waits_for_no_hanging_request(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, speed=0.001)  # a submission takes hours
    sandbox.start()
    sandbox.faults.add("hang", on="balance", times=None, seconds=600)
    targets = [("POST", "/api/v1/task/batch/find_tech")] * 2 + [("GET", "/api/v2/credit-balance")] * 2
    failures: list[Exception] = []

    def ask(method: str, path: str) -> None:
        try:
            requests.request(method, sandbox_url(tmp_path) + path, headers={"X-API-Key": "k"}, timeout=600)
        except requests.RequestException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=target) for target in targets]
    for thread in threads:
        thread.start()
    while sandbox.requests("submit") + sandbox.requests("balance") < 4:
        time.sleep(0.005)
    begin = time.monotonic()
    sandbox.stop()
    stopped = time.monotonic() - begin
    for thread in threads:
        thread.join(60)

    assert stopped < 60
    assert len(failures) == 4
    assert sandbox.journal() == []


def test_stopping_twice_and_starting_twice(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="already runs"):
        sandbox.start()

    sandbox.stop()
    sandbox.stop()
    sandbox.start()

    assert requests.get(f"{sandbox.url}/_sandbox/health", timeout=60).status_code == 200


@pytest.mark.parametrize(
    "arguments", [{"speed": 0}, {"speed": -1}, {"submit_seconds": -1}, {"task_seconds": (2, 1)}]
)
def test_impossible_durations_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Sandbox(**arguments)  # type: ignore[arg-type] # wrong on purpose


def test_task_seconds_bound_every_task(tmp_path: Path, clock: Clock) -> None:
    with Sandbox(tmp_path, submit_seconds=0, task_seconds=(5, 6), clock=clock) as sandbox:
        batch_id = Client(sandbox).created("find_tech", *({} for _ in range(50)))
        clock.now += 4.99
        before = Client(sandbox).status(batch_id).json()["processing"]
        clock.now += 1.02

        assert (before, Client(sandbox).status(batch_id).json()["processing"]) == (50, 0)


def test_health_names_instance_version_and_speed(sandbox: Sandbox) -> None:
    def health() -> dict[str, object]:
        return dict(requests.get(f"{sandbox.url}/_sandbox/health", timeout=60).json())

    first = health()
    sandbox.stop()
    sandbox.start()

    assert (first["speed"], first["version"]) == (1000, "2026-11-reading-1")
    assert first["instance"] != health()["instance"]


def test_a_batch_is_on_disk_before_its_answer_leaves(client: Client) -> None:
    """The file is read by another reader the moment the answer is here."""
    for number in range(20):
        batch_id = client.submit("find_tech", [TASKS["find_tech"]]).json()["batch_id"]
        lines = (client.sandbox.state_dir / "journal.jsonl").read_bytes().splitlines()
        assert len(lines) == number + 1
        assert json.loads(lines[-1])["batch"]["batch_id"] == batch_id


def test_many_submissions_at_once_are_all_created_once(sandbox: Sandbox) -> None:
    def send(number: int) -> None:
        client = Client(sandbox)
        with client.session:
            for part in range(5):
                client.created("find_tech", {"tracking_id": f"{number}-{part}"})

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = {f"{number}-{part}" for number in range(8) for part in range(5)}
    assert len(sandbox.created_tracking_ids()) == 40
    assert set(sandbox.created_tracking_ids()) == expected
    assert len({batch.batch_id for batch in sandbox.journal()}) == 40
