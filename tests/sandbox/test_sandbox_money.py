"""The sandbox's books: what was created, what it cost, and what is left always add up."""

from __future__ import annotations

from typing import Any

import pytest

from openmart_lib.sandbox import read_journal

from .client import KINDS, TASKS, Client
from .conftest import Clock


def price_of(kind: str, task: dict[str, Any]) -> int:
    """Count the credits in a task's answer, as a client would."""
    data = task.get("data")
    if kind == "find_tech":
        return 2 * (task["status"] == "COMPLETED")
    if kind == "lookup_business_email":
        return len(data or [])
    emails = sum(bool((person.get("email") or {}).get("email")) for person in data or [])
    return 3 * emails + 8 * sum(bool(person.get("phones")) for person in data or [])


def companies(count: int, **members: Any) -> list[dict[str, Any]]:
    return [{"domain": f"acme{number}.com", "tracking_id": f"t{number}"} | members for number in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_journal_and_balance_tell_the_same_sum(client: Client, clock: Clock, kind: str) -> None:
    batch_id = client.created(kind, *companies(100, **({"max_k": 3} if kind == "find_people" else {})))
    clock.now += 130

    in_answers = sum(price_of(kind, task) for task in client.tasks(batch_id))

    assert in_answers > 50
    assert client.sandbox.journal()[0].credits == in_answers
    assert client.sandbox.credits_spent() == in_answers
    assert client.balance().json()["balance"] == 100_000 - in_answers


def test_a_part_is_held_back_at_once_and_the_rest_is_charged_while_tasks_end(
    client: Client, clock: Clock
) -> None:
    client.created("find_people", *companies(100, max_k=3, info_access=["EMAIL", "PHONE"]))

    at_once = client.balance().json()["balance"]
    spent_at_once = client.sandbox.credits_spent()
    course = []
    for _ in range(14):
        clock.now += 10
        course.append(client.sandbox.credits_spent())

    assert spent_at_once == 0
    assert at_once == 100_000 - 100 * 3 * 11 // 4
    assert course == sorted(course) and course[0] == 0 and len(set(course)) > 5
    assert client.balance().json()["balance"] == 100_000 - course[-1]


def test_a_balance_read_right_after_submitting_is_too_high(client: Client, clock: Clock) -> None:
    client.created("find_people", *companies(100, max_k=1, info_access=["EMAIL"]))

    right_after = client.balance().json()["balance"]
    clock.now += 130

    assert 100_000 > right_after > client.balance().json()["balance"]


def test_tasks_that_fail_or_never_end_are_not_charged(client: Client, clock: Clock) -> None:
    for domain in ("errored.example", "cancelled.example", "stuck.example", "nobody.example"):
        client.created("find_people", {"domain": domain, "max_k": 8})
    clock.now += 1000

    assert client.sandbox.credits_spent() == 0
    assert client.balance().json()["balance"] == 100_000 - 22 * 8 // 8  # a quarter of 88 stays held back


def test_a_refused_submission_costs_nothing(client: Client, clock: Clock) -> None:
    client.submit("find_people", [{"title": "Owner"}])
    client.submit("find_people", [TASKS["find_people"]], headers={"X-API-Key": "bad-1"})
    clock.now += 1000

    assert client.balance().json()["balance"] == 100_000


def test_the_balance_may_go_below_zero(client: Client, clock: Clock) -> None:
    tasks = [TASKS["find_people"] | {"domain": "people3.example", "max_k": 3}] * 100  # 3,300 credits
    for _ in range(31):
        assert client.submit("find_people", tasks).status_code == 200
    clock.now += 130

    assert client.balance().json()["balance"] == 100_000 - 31 * 3300


def test_the_journal_holds_every_task_as_it_was_sent(client: Client, clock: Clock) -> None:
    tasks = [TASKS["lookup_people"] | {"tracking_id": "a"}, TASKS["lookup_people"]]
    batch_id = client.submit("lookup_people", tasks).json()["batch_id"]

    (batch,) = read_journal(client.sandbox.state_dir)

    assert (batch.batch_id, batch.kind, batch.created_at) == (batch_id, "lookup_people", clock.now)
    assert batch.tracking_ids == ("a", None)
    assert list(batch.tasks) == tasks
    assert client.sandbox.created_tracking_ids() == ["a"]


def test_the_same_submission_twice_is_created_and_paid_twice(client: Client, clock: Clock) -> None:
    for _ in range(2):
        client.created("find_tech", {"domain": "everything.example", "tracking_id": "t1"})
    clock.now += 130

    assert client.sandbox.created_tracking_ids() == ["t1", "t1"]
    assert client.sandbox.credits_spent() == 4


def test_requests_and_bodies_are_counted_whether_good_or_not(client: Client) -> None:
    client.submit("find_tech", [])
    client.submit("find_tech", [TASKS["find_tech"]])
    client.submit("find_people", [TASKS["find_people"]], headers={})
    client.balance()

    counted = client.request("GET", "/_sandbox/requests", headers={}).json()

    assert client.sandbox.requests("submit") == 3
    assert client.sandbox.requests("find_tech") == 2
    assert client.sandbox.requests("balance") == 1
    assert client.sandbox.bodies("find_tech")[0] == b"[]"
    assert counted["requests"] == {name: client.sandbox.requests(name) for name in counted["requests"]}
    assert counted["bodies"]["find_tech"][0] == "[]" and len(counted["bodies"]["find_people"]) == 1


def test_only_the_last_500_bodies_are_kept(client: Client) -> None:
    for number in range(505):
        client.request("POST", "/api/v1/task/batch/find_tech", data=f"{number}".encode())

    bodies = client.sandbox.bodies("find_tech")

    assert (len(bodies), bodies[0], bodies[-1]) == (500, b"5", b"504")
    assert client.sandbox.requests("find_tech") == 505
    shown = client.request("GET", "/_sandbox/requests?last=2", headers={}).json()["bodies"]["find_tech"]
    assert shown == ["503", "504"]


def test_the_journal_is_shown_over_http(client: Client, clock: Clock) -> None:
    client.created("find_tech", {"domain": "everything.example", "tracking_id": "t1"})
    clock.now += 130

    short = client.request("GET", "/_sandbox/journal", headers={}).json()
    full = client.request("GET", "/_sandbox/journal?full=1", headers={}).json()

    assert short == {"batches": 1, "tasks": 1, "credits": 2, "credits_spent": 2, "balance": 99_998}
    assert full["created"][0]["tracking_ids"] == ["t1"]
    assert full["created"][0]["tasks"][0]["domain"] == "everything.example"
