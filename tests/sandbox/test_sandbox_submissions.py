"""Submissions are refused exactly as the contract says, and nothing else is."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from openmart_lib.sandbox import Sandbox

from .client import BATCH_SIZE, KINDS, TASKS, Client

REMOVED = object()


def changed(kind: str, **members: Any) -> dict[str, Any]:
    task = TASKS[kind] | members
    return {name: value for name, value in task.items() if value is not REMOVED}


def refusal(client: Client, kind: str, tasks: Any) -> str:
    answer = client.submit(kind, tasks)
    assert answer.status_code == 400
    assert client.sandbox.journal() == []
    return str(answer.json()["detail"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_task_is_accepted_with_its_counters_nested_under_status(
    client: Client, kind: str
) -> None:
    answer = client.submit(kind, [TASKS[kind]])

    assert answer.status_code == 200
    assert set(answer.json()) == {"batch_id", "submit_for", "status"}
    assert answer.json()["status"] == {
        "processing": 1,
        "completed": 0,
        "errored": 0,
        "total": 1,
        "batch_ready": False,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 101, 250])
def test_a_batch_of_another_size_than_1_to_100_is_refused_in_the_documented_words(
    client: Client, kind: str, count: int
) -> None:
    assert refusal(client, kind, [TASKS[kind]] * count) == BATCH_SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_100_tasks_is_accepted(client: Client, kind: str) -> None:
    answer = client.submit(kind, [TASKS[kind]] * 100)

    assert answer.json()["status"]["total"] == 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [REMOVED, None, ""])
def test_a_task_without_a_domain_is_refused_in_the_documented_words(
    client: Client, kind: str, value: Any
) -> None:
    assert refusal(client, kind, [TASKS[kind], changed(kind, domain=value)]) == "Domain is required"


@pytest.mark.parametrize("value", [REMOVED, None, ""])
def test_a_mailbox_task_without_a_company_name_is_refused_in_the_documented_words(
    client: Client, value: Any
) -> None:
    task = changed("lookup_business_email", company_name=value)

    assert refusal(client, "lookup_business_email", [task]) == "CompanyName is required"


def test_the_domain_is_named_first_when_both_are_missing(client: Client) -> None:
    assert refusal(client, "lookup_business_email", [{}]) == "Domain is required"


@pytest.mark.parametrize(
    ("kind", "members", "detail"),
    [
        ("find_people", {"title": REMOVED}, "Title is required"),
        ("find_people", {"title": ""}, "Title is required"),
        ("lookup_people", {"people": REMOVED}, "People is required"),
        ("lookup_people", {"people": []}, "People is required"),
        ("lookup_people", {"people": [{"last_name": "Silva"}]}, "FirstName is required"),
        ("lookup_people", {"people": [{"first_name": "Ana"}]}, "LastName is required"),
        ("lookup_people", {"people": [{"first_name": "Ana", "last_name": ""}]}, "LastName is required"),
        ("find_tech", {"tech_type": REMOVED}, "TechType is required"),
        ("find_tech", {"tech_type": None}, "TechType is required"),
    ],
)
def test_other_required_members_are_asked_for_by_their_go_names(
    client: Client, kind: str, members: dict[str, Any], detail: str
) -> None:
    assert refusal(client, kind, [changed(kind, **members)]) == detail


@pytest.mark.parametrize(
    ("kind", "members", "name"),
    [
        *(("find_people", {"max_k": value}, "MaxK") for value in (0, 9, -1, "2", 1.5, True, None)),
        *(("find_people", {"version": value}, "Version") for value in (2, "0", None)),
        *(
            (kind, {"info_access": value}, "InfoAccess")
            for kind in ("find_people", "lookup_people")
            for value in ([], ["EMAIL", "EMAIL"], ["email"], ["EMAIL", "PHONE", "FAX"], "EMAIL", None, [1])
        ),
        ("lookup_people", {"people": [{"first_name": "A", "last_name": "B"}] * 9}, "People"),
        ("lookup_people", {"people": "Ana Silva"}, "People"),
        ("lookup_people", {"people": [{"first_name": "A", "last_name": 1}]}, "LastName"),
        (
            "lookup_people",
            {"people": [{"first_name": "A", "last_name": "B", "linkedin_url": ""}]},
            "LinkedinUrl",
        ),
        *(
            (kind, {"tracking_id": value}, "TrackingID")
            for kind in KINDS
            for value in ("", "x" * 129, 7, None)
        ),
        *(
            (kind, {"notify_url": "http://hooks.example/x"}, "NotifyUrl")
            for kind in KINDS
            if kind != "find_tech"
        ),
        *((kind, {"city": ""}, "City") for kind in KINDS if kind != "find_tech"),
        ("find_people", {"company_name": ""}, "CompanyName"),
        ("find_people", {"country": 49}, "Country"),
        *(
            (kind, {"domain": value}, "Domain")
            for kind in KINDS
            for value in (
                "https://acme.com",
                "acme.com/shop",
                "acme",
                "a.b",
                "ana@acme.com",
                "ac me.com",
                "acme.com.",
                "acme.com\n",
                "x" * 250 + ".comm",
                42,
                ["acme.com"],
            )
        ),
    ],
)
def test_a_value_outside_the_contract_is_refused(
    client: Client, kind: str, members: dict[str, Any], name: str
) -> None:
    assert refusal(client, kind, [changed(kind, **members)]) == f"{name} is invalid"


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        *((kind, {"tracking_id": "x" * 128}) for kind in KINDS),
        *((kind, {"domain": "@Roastery.example"}) for kind in KINDS),
        *((kind, {"domain": "x" * 250 + ".com"}) for kind in KINDS),
        (
            "find_people",
            {"max_k": 8, "info_access": ["PHONE", "EMAIL"], "version": 1, "city": "San Francisco"},
        ),
        ("find_people", {"notify_url": "https://hooks.example/openmart", "state": "CA", "country": "US"}),
        ("lookup_people", {"people": [{"first_name": "A", "last_name": "B", "linkedin_url": "x"}] * 8}),
        ("find_tech", {"company_name": "Roastery"}),
    ],
)
def test_every_value_the_contract_allows_is_accepted(
    client: Client, kind: str, members: dict[str, Any]
) -> None:
    assert client.submit(kind, [changed(kind, **members)]).status_code == 200


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("find_people", "people"),
        ("lookup_people", "max_k"),
        ("lookup_people", "version"),
        ("lookup_people", "title"),
        ("lookup_business_email", "info_access"),
        ("find_tech", "city"),
        ("find_tech", "notify_url"),
        ("find_tech", "info_access"),
        ("find_people", "seq"),
    ],
)
def test_a_member_the_route_does_not_have_is_refused(client: Client, kind: str, name: str) -> None:
    assert refusal(client, kind, [changed(kind, **{name: "x"})]) == f'json: unknown field "{name}"'


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"tasks": []}', b"null", b"[1]", b"[null]", b"\xff[]", b"[" * 90_000]
)
def test_a_body_that_is_no_array_of_objects_is_refused(client: Client, body: bytes) -> None:
    answer = client.request("POST", "/api/v1/task/batch/find_people", data=body)

    assert (answer.status_code, answer.json()) == (400, {"detail": "invalid JSON body"})


def test_a_mailbox_batch_comes_with_the_surprising_label(client: Client) -> None:
    labels = {kind: client.submit(kind, [TASKS[kind]]).json()["submit_for"] for kind in KINDS}

    assert labels == {
        "find_people": "find_people",
        "lookup_people": "lookup_people",
        "lookup_business_email": "lookup_people",
        "find_tech": "find_tech",
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": "k"}, 200),
        ({"Authorization": "Bearer k"}, 200),
        ({"Authorization": "bearer k"}, 200),
        ({}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "two words"}, 401),
        ({"X-API-Key": "schlüssel".encode()}, 401),
        ({"X-API-Key": "bad-key"}, 401),
        ({"Authorization": "Basic azp2"}, 401),
        ({"Authorization": "Bearer bad-key"}, 401),
        ({"X-API-Key": "banned-user"}, 403),
        ({"X-API-Key": "bad-key", "Authorization": "Bearer k"}, 401),
    ],
)
def test_the_key_is_taken_from_either_header(client: Client, headers: dict[str, Any], status: int) -> None:
    submission = client.submit("find_tech", [TASKS["find_tech"]], headers=headers)
    read = client.request("GET", "/api/v2/credit-balance", headers=headers)

    assert (submission.status_code, read.status_code) == (status, status)
    if status == 401:
        assert submission.json() == read.json() == {"detail": "Invalid API Key"}
    assert len(client.sandbox.journal()) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "tasks", "status"),
    [({"X-API-Key": "k"}, [TASKS["find_tech"]], 200), ({"X-API-Key": "k"}, [], 400), ({}, [], 401)],
)
def test_every_submission_waits_bad_bodies_and_bad_keys_included(
    tmp_path: Path, headers: dict[str, str], tasks: list[Any], status: int
) -> None:
    with Sandbox(tmp_path, submit_seconds=0.1) as slow, Client(slow).session as session:
        begin = time.monotonic()
        answer = session.post(
            f"{slow.url}/api/v1/task/batch/find_tech", json=tasks, headers=headers, timeout=60
        )
        took = time.monotonic() - begin

    assert answer.status_code == status
    assert took >= 0.1


def test_a_client_that_hangs_up_during_the_wait_has_created_its_batch(sandbox: Sandbox) -> None:
    body = json.dumps([TASKS["find_tech"] | {"tracking_id": "t1"}])
    head = f"POST /api/v1/task/batch/find_tech HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as connection:
        connection.sendall((head + body).encode())

    deadline = time.monotonic() + 60
    while not sandbox.created_tracking_ids() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert sandbox.created_tracking_ids() == ["t1"]


def test_a_client_that_hangs_up_inside_the_body_has_created_nothing(sandbox: Sandbox) -> None:
    head = "POST /api/v1/task/batch/find_tech HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nContent-Length: 500\r\n\r\n[{"
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as connection:
        connection.sendall(head.encode())

    deadline = time.monotonic() + 60
    while not sandbox.requests("find_tech") and time.monotonic() < deadline:
        time.sleep(0.01)
    Client(sandbox).created("find_tech", {"tracking_id": "later"})

    assert sandbox.requests("find_tech") == 2
    assert sandbox.created_tracking_ids() == ["later"]


def test_unknown_paths_and_methods_are_refused_as_json(client: Client) -> None:
    unknown = client.submit("find_gold", [])
    wrong_method = client.request("GET", "/api/v1/task/batch/find_people")

    assert (unknown.status_code, wrong_method.status_code) == (404, 405)
    assert "detail" in unknown.json() and "detail" in wrong_method.json()
