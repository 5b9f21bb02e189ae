"""Reads of batches, tasks and the balance, as the contract has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from .client import KINDS, Client
from .conftest import Clock

FINAL = ["COMPLETED", "ERRORED", "CANCELLED"]


def mixed_batch(client: Client) -> str:
    """Two tasks COMPLETED, one ERRORED, one CANCELLED, each named after its company."""
    names = ["people3", "errored", "cancelled", "everything"]
    return client.created(
        "find_people", *({"domain": f"{name}.example", "tracking_id": name} for name in names)
    )


def test_a_batch_goes_from_processing_to_ready_as_its_tasks_end(client: Client, clock: Clock) -> None:
    batch_id = mixed_batch(client)

    at_once = client.status(batch_id).json()
    clock.now += 29.9
    just_before = client.status(batch_id).json()
    clock.now += 100.2
    in_the_end = client.status(batch_id).json()

    running = {"processing": 4, "completed": 0, "errored": 0, "total": 4, "batch_ready": False}
    assert at_once == just_before == running
    assert in_the_end == {"processing": 0, "completed": 2, "errored": 1, "total": 4, "batch_ready": True}


def test_the_counters_always_agree_with_the_tasks_and_only_move_forward(client: Client, clock: Clock) -> None:
    batch_id = client.created("find_people", *({"domain": f"acme{number}.com"} for number in range(100)))
    seen: list[int] = []
    for _ in range(15):
        counts = client.status(batch_id).json()
        by_status = {name: len(client.task_ids(batch_id, name).json()) for name in [*FINAL, "PROCESSING"]}

        assert by_status["PROCESSING"] == counts["processing"]
        assert (by_status["COMPLETED"], by_status["ERRORED"]) == (counts["completed"], counts["errored"])
        assert sum(by_status.values()) == counts["total"] == 100
        assert counts["batch_ready"] == (counts["processing"] == 0)
        seen.append(counts["processing"])
        clock.now += 10

    assert seen == sorted(seen, reverse=True)
    assert (seen[0], seen[-1]) == (100, 0)
    assert len(set(seen)) > 5


def test_task_ids_is_a_bare_array_in_an_order_of_its_own(client: Client, clock: Clock) -> None:
    sent = [f"t{number}" for number in range(50)]
    batch_id = client.created("find_tech", *({"tracking_id": name} for name in sent))
    clock.now += 130

    ids = client.task_ids(batch_id).json()
    listed = [task["tracking_id"] for task in client.tasks(batch_id)]

    assert len(ids) == len(set(ids)) == 50
    assert all(isinstance(task_id, str) for task_id in ids)
    assert listed != sent
    assert sorted(listed) == sorted(sent)


def test_the_filter_lists_the_tasks_of_one_status(client: Client, clock: Clock) -> None:
    batch_id = mixed_batch(client)
    clock.now += 130

    listed = {name: client.task_ids(batch_id, name).json() for name in FINAL}
    names = {
        name: sorted(client.task(task_id).json()["tracking_id"] for task_id in ids)
        for name, ids in listed.items()
    }

    assert names == {
        "COMPLETED": ["everything", "people3"],
        "ERRORED": ["errored"],
        "CANCELLED": ["cancelled"],
    }
    assert client.task_ids(batch_id, "PROCESSING").json() == []


@pytest.mark.parametrize("status", ["", "PENDING", "FAILED", "completed"])
def test_an_unknown_status_to_filter_by_is_refused(client: Client, status: str) -> None:
    answer = client.task_ids(mixed_batch(client), status)

    assert (answer.status_code, answer.json()) == (400, {"detail": "invalid status"})


def test_a_running_task_has_no_data_yet(client: Client) -> None:
    (task_id,) = client.task_ids(client.created("find_tech", {})).json()

    assert client.task(task_id).json() == {"task_id": task_id, "status": "PROCESSING"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_tracking_id_comes_back_only_if_one_was_given(client: Client, clock: Clock, kind: str) -> None:
    batch_id = client.created(kind, {"tracking_id": "row-1"}, {})
    clock.now += 130

    given = [task["tracking_id"] for task in client.tasks(batch_id) if "tracking_id" in task]

    assert given == ["row-1"]


@pytest.mark.parametrize(
    ("domain", "status"), [("errored.example", "ERRORED"), ("cancelled.example", "CANCELLED")]
)
def test_a_task_that_failed_has_null_data_and_no_reason(
    client: Client, clock: Clock, domain: str, status: str
) -> None:
    batch_id = client.created("find_people", {"domain": domain, "tracking_id": "t"})
    clock.now += 130

    (task,) = client.tasks(batch_id)

    assert task == {"task_id": task["task_id"], "status": status, "tracking_id": "t", "data": None}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stuck_task_never_ends(client: Client, clock: Clock, kind: str) -> None:
    batch_id = client.created(kind, {"domain": "stuck.example"}, {"domain": "everything.example"})
    clock.now += 1e9

    assert client.status(batch_id).json()["processing"] == 1
    assert client.status(batch_id).json()["batch_ready"] is False
    assert len(client.task_ids(batch_id, "PROCESSING").json()) == 1


def test_the_same_task_reads_the_same_every_time(client: Client, clock: Clock) -> None:
    batch_id = client.created("find_people", {"domain": "people3.example", "max_k": 3})
    clock.now += 130
    (task_id,) = client.task_ids(batch_id).json()

    assert client.task(task_id).content == client.task(task_id).content


@pytest.mark.parametrize("wrong", ["", "0", "-1", "zzzz", "/../x", "ffff", " 001", "%2F"])
def test_an_id_that_does_not_exist_is_not_found(client: Client, wrong: str) -> None:
    batch_id = client.created("find_tech", {})
    unknown = batch_id[: -len(wrong)] + wrong if wrong else batch_id

    assert client.task(unknown).status_code == 404
    assert client.status(unknown + "x").status_code == 404
    assert client.task_ids(unknown + "x").status_code == 404


def test_ids_of_another_team_are_not_found(client: Client) -> None:
    batch_id = client.created("find_tech", {})
    (task_id,) = client.task_ids(batch_id).json()

    client.headers = {"X-API-Key": "other-key"}

    answers = [client.status(batch_id), client.task_ids(batch_id), client.task(task_id)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_another_key_of_the_same_team_sees_the_same(client: Client) -> None:
    batch_id = client.created("find_tech", {})

    client.headers = {"Authorization": "Bearer another-key"}

    assert client.status(batch_id).status_code == 200


@pytest.mark.parametrize("key", ["", "bad-1"])
def test_reads_ask_for_a_key(client: Client, key: str) -> None:
    batch_id = client.created("find_tech", {})
    (task_id,) = client.task_ids(batch_id).json()
    client.headers = {"X-API-Key": key} if key else {}

    answers = [client.status(batch_id), client.task_ids(batch_id), client.task(task_id), client.balance()]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(answer.json() == {"detail": "Invalid API Key"} for answer in answers)


def test_ids_look_like_uuids_and_are_none(client: Client) -> None:
    batch_id = client.created("find_tech", {}, {})

    for name in [batch_id, *client.task_ids(batch_id).json()]:
        assert [len(part) for part in name.split("-")] == [8, 4, 4, 4, 12]
        assert name.split("-")[2] == "0000"  # a version 4 UUID has a 4 here


def test_every_submission_gets_ids_of_its_own(client: Client) -> None:
    batch_ids = [client.created("find_tech", {}) for _ in range(20)]
    task_ids = [client.task_ids(batch_id).json()[0] for batch_id in batch_ids]

    assert len({*batch_ids, *task_ids}) == 40


def test_the_balance_starts_at_100000_in_a_monthly_window(client: Client, clock: Clock) -> None:
    answer = client.balance().json()

    start, end = (datetime.fromisoformat(answer[name]) for name in ("period_start", "period_end"))
    assert answer["balance"] == 100_000
    assert start.timestamp() <= clock.now < end.timestamp()
    assert 28 <= (end - start).days <= 31
    assert (start.month, start.day) != (1, 1)


def test_the_billing_window_holds_every_day_of_a_year(client: Client, clock: Clock) -> None:
    for _ in range(180):
        answer: dict[str, Any] = client.balance().json()

        assert datetime.fromisoformat(answer["period_start"]).timestamp() <= clock.now
        assert clock.now < datetime.fromisoformat(answer["period_end"]).timestamp()
        clock.now += 2.05 * 86_400
