"""Lance's query: strict on what is asked, and a state that only moves forward."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest

from openmart_lib.sandbox import Sandbox

from .client import Client
from .conftest import Clock

ENTITY = "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001"
TASK = {"entityId": ENTITY, "field": "phones", "entityType": "person"}


def triples(count: int, field: str = "phones") -> list[dict[str, str]]:
    names = (uuid.UUID(int=number * 7919 + 5, version=4) for number in range(count))
    return [{"entityId": str(name), "field": field, "entityType": "person"} for name in names]


def asked(client: Client, tasks: list[dict[str, str]]) -> list[dict[str, Any]]:
    found = []
    for start in range(0, len(tasks), 200):
        answer = client.lance(tasks[start : start + 200])
        assert answer.status_code == 200
        found += answer.json()
    return found


def newest(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for record in sorted(records, key=lambda record: str(record["updatedAt"])):
        best[record["entityId"]] = record
    return best


@pytest.mark.parametrize(
    "body",
    [
        {"tasks": []},
        {"tasks": [TASK] * 201},
        {},
        [],
        {"tasks": [TASK], "limit": 1},
        {"tasks": TASK},
        {"tasks": [{"field": "phones"}]},
        {"tasks": [{"entityId": ENTITY}]},
        {"tasks": [TASK | {"entityId": "not-a-uuid"}]},
        {"tasks": [TASK | {"entityId": 7}]},
        {"tasks": [TASK | {"field": "fax"}]},
        {"tasks": [TASK | {"field": ["phones"]}]},
        {"tasks": [TASK | {"entityType": "dog"}]},
        {"tasks": [TASK | {"entityType": None}]},
        {"tasks": [TASK | {"row": 1}]},
        {"tasks": ["x"]},
    ],
)
def test_a_body_outside_the_contract_is_a_validation_error(client: Client, body: Any) -> None:
    answer = client.lance_body(body)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


def test_a_body_that_is_no_json_is_a_validation_error(client: Client) -> None:
    answer = client.request(
        "POST",
        "/api/v1/operations/enrichment/batch/query",
        data=b"{",
        headers={"Authorization": "Bearer t"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


def test_1_to_200_triples_are_answered(client: Client) -> None:
    assert client.lance(triples(1)).status_code == 200
    assert client.lance(triples(200)).status_code == 200


def test_a_token_without_organisation_is_told_so(client: Client) -> None:
    answer = client.lance([TASK], token="token-no-org-1")

    assert (answer.status_code, answer.json()) == (400, {"message": "Organization ID is missing"})


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer bad-1"}, {"X-API-Key": "key-1"}]
)
def test_without_a_good_bearer_token_the_answer_is_unauthorized(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.request(
        "POST", "/api/v1/operations/enrichment/batch/query", json={"tasks": [TASK]}, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


def test_the_answer_is_a_bare_array_without_those_never_requested(client: Client) -> None:
    tasks = triples(1000)

    found = {record["entityId"] for record in asked(client, tasks)}

    assert found < {task["entityId"] for task in tasks}
    assert 0.7 < len(found) / 1000 < 0.9


def test_every_record_has_the_members_of_the_contract(client: Client) -> None:
    for record in asked(client, triples(200)):
        assert set(record) == {
            "id",
            "createdAt",
            "updatedAt",
            "entityId",
            "entityType",
            "field",
            "status",
            "error",
            "dataFound",
            "createdBy",
            "orgId",
            "globalEnrichmentId",
            "creditTransactionId",
        }


def test_what_is_pending_ends_within_600_seconds_and_then_stays(client: Client, clock: Clock) -> None:
    tasks = triples(1000)

    first = Counter(record["status"] for record in newest(asked(client, tasks)).values())
    clock.now += 59
    still = Counter(record["status"] for record in newest(asked(client, tasks)).values())
    clock.now += 542
    last = newest(asked(client, tasks))
    clock.now += 86_400
    later = newest(asked(client, tasks))

    states = Counter((record["status"], record["dataFound"]) for record in last.values())
    assert first == still and first["pending"] > 500 and first["finished"] > 50
    assert set(states) == {("finished", True), ("finished", False), ("timeout", None), ("failed", None)}
    assert states["finished", True] > states["finished", False] > states["timeout", None] / 2
    assert all((record["error"] is not None) == (record["status"] == "failed") for record in last.values())
    assert later == last


def test_a_record_keeps_its_identity_while_its_state_moves_on(client: Client, clock: Clock) -> None:
    tasks = triples(200)

    before = newest(asked(client, tasks))
    clock.now += 601
    after = newest(asked(client, tasks))

    assert {name: record["id"] for name, record in before.items()} == {
        name: record["id"] for name, record in after.items()
    }
    assert all(after[name]["createdAt"] == record["createdAt"] for name, record in before.items())
    assert all(after[name]["updatedAt"] >= record["updatedAt"] for name, record in before.items())


def test_at_times_an_older_record_comes_too(client: Client, clock: Clock) -> None:
    tasks = triples(1000)

    records = asked(client, tasks)
    clock.now += 601
    doubled = [
        name for name, count in Counter(record["entityId"] for record in records).items() if count == 2
    ]

    assert 20 < len(doubled) < 100
    assert len({record["id"] for record in records}) == len(records)
    assert [record["entityId"] for record in asked(client, tasks)].count(doubled[0]) == 2


def test_the_order_is_not_that_of_the_request(client: Client) -> None:
    tasks = triples(100)

    order = [record["entityId"] for record in client.lance(tasks).json()]

    assert order != [task["entityId"] for task in tasks if task["entityId"] in order]
    assert client.lance(tasks[::-1]).json() == client.lance(tasks).json()


def test_entity_field_and_type_are_different_questions(client: Client) -> None:
    person, company = triples(200), [task | {"entityType": "company"} for task in triples(200)]

    answers = [newest(asked(client, tasks)) for tasks in (person, company, triples(200, "summary"))]

    assert answers[0].keys() != answers[1].keys() != answers[2].keys()
    assert {record["entityType"] for record in answers[1].values()} == {"company"}
    assert {record["field"] for record in answers[2].values()} == {"summary"}


def test_the_type_left_out_means_person(client: Client) -> None:
    without = [{name: task[name] for name in ("entityId", "field")} for task in triples(50)]

    assert client.lance(without).json() == client.lance(triples(50)).json()


def test_a_triple_asked_twice_in_one_query_is_answered_once(client: Client) -> None:
    tasks = triples(20)

    assert client.lance(tasks + tasks).json() == client.lance(tasks).json()


def test_the_moment_of_the_first_question_survives_a_restart(client: Client, clock: Clock) -> None:
    tasks, sandbox = triples(200), client.sandbox
    before = newest(asked(client, tasks))
    clock.now += 300
    half = newest(asked(client, tasks))

    sandbox.stop()
    sandbox.start()
    after = newest(asked(client, tasks))

    assert after == half
    assert after != before
    assert isinstance(sandbox, Sandbox)
