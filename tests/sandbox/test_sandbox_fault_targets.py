"""Which requests a fault hits, how often, and how it is switched."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import requests

from openmart_lib.errors import InputError
from openmart_lib.sandbox import FAULTS, Sandbox, parse_fault

from .client import LANCE_TASK, TASKS, Client, finished_batch, post, raw_post
from .conftest import Clock


def test_a_fault_lets_the_first_pass_hits_as_often_as_told_and_is_gone(client: Client) -> None:
    fault = client.sandbox.faults.add("status", status=503, after=1, times=2)

    statuses = [post(client).status_code for _ in range(5)]

    assert statuses == [200, 503, 503, 200, 200]
    assert (fault.used, client.sandbox.faults.active()) == (2, ())


def test_a_fault_without_times_stays_until_it_is_removed(client: Client) -> None:
    fault = client.sandbox.faults.add("status", times=None)

    before = [post(client).status_code for _ in range(3)]
    client.sandbox.faults.remove(fault.number)

    assert before == [503, 503, 503]
    assert post(client).status_code == 200


def test_faults_of_one_name_act_one_after_the_other(client: Client) -> None:
    for status in (500, 429, 402):
        client.sandbox.faults.add("status", status=status)

    assert [post(client).status_code for _ in range(4)] == [500, 429, 402, 200]


def test_faults_of_different_names_act_together(client: Client) -> None:
    client.sandbox.faults.add("no_batch_id")
    client.sandbox.faults.add("cut_answer", at=-1)

    received = raw_post(client)

    assert b"submit_for" in received and b"batch_id" not in received and not received.endswith(b"}}")


@pytest.mark.parametrize(
    ("on", "hit"),
    [
        ("any", {"find_tech", "find_people", "status", "task_ids", "task", "balance", "lance"}),
        ("submit", {"find_tech", "find_people"}),
        ("find_people", {"find_people"}),
        ("reads", {"status", "task_ids", "task", "balance"}),
        ("status", {"status"}),
        ("task_ids", {"task_ids"}),
        ("task", {"task"}),
        ("balance", {"balance"}),
        ("lance", {"lance"}),
    ],
)
def test_a_fault_hits_the_requests_it_is_on_and_no_others(client: Client, on: str, hit: set[str]) -> None:
    batch_id = client.created("find_tech", {})
    (task_id,) = client.task_ids(batch_id).json()
    client.sandbox.faults.add("status", on=on, times=None)

    answers = {
        "find_tech": post(client),
        "find_people": client.submit("find_people", [TASKS["find_people"]]),
        "status": client.status(batch_id),
        "task_ids": client.task_ids(batch_id),
        "task": client.task(task_id),
        "balance": client.balance(),
        "lance": client.lance([LANCE_TASK]),
    }

    assert {name for name, answer in answers.items() if answer.status_code == 503} == hit


@pytest.mark.parametrize("fault", ["answer_lost", "drop_before", "cut_answer"])
@pytest.mark.parametrize("on", ["task", "lance"])
def test_the_connection_faults_hit_reads_too(client: Client, clock: Clock, fault: str, on: str) -> None:
    (task_id,) = client.task_ids(finished_batch(client, clock, 1)).json()
    client.sandbox.faults.add(fault, on=on)

    with pytest.raises(requests.ConnectionError):
        client.task(task_id) if on == "task" else client.lance([LANCE_TASK])

    assert client.task(task_id).status_code == client.lance([LANCE_TASK]).status_code == 200


def test_a_fault_on_lance_speaks_lances_language(client: Client) -> None:
    client.sandbox.faults.add("status", on="lance", status=500)

    answer = client.lance([LANCE_TASK])

    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no_such_fault", {}),
        ("status", {"on": "nowhere"}),
        ("data_null", {"on": "submit"}),
        ("status", {"seconds": 1}),
        ("status", {"status": "many"}),
        ("status", {"times": 0}),
        ("status", {"times": "often"}),
        ("status", {"after": -1}),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: Sandbox, name: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        sandbox.faults.add(name, **arguments)

    assert sandbox.faults.active() == ()


def test_the_command_line_form_of_a_fault_is_read(sandbox: Sandbox) -> None:
    name, arguments = parse_fault(
        "status,on=find_people,times=none,after=2,status=429,retry_after=5,html=true"
    )
    fault = sandbox.faults.add(name, **arguments)

    assert (fault.name, fault.on, fault.times, fault.after) == ("status", "find_people", None, 2)
    assert fault.values == {"status": 429, "detail": "", "retry_after": "5", "html": True}
    with pytest.raises(InputError):
        parse_fault("status,429")


def test_faults_are_switched_over_http(client: Client) -> None:
    def faults(method: str, **arguments: Any) -> requests.Response:
        return client.request(method, "/_sandbox/faults", headers={}, **arguments)

    added = faults("POST", json={"name": "status", "on": "find_tech", "times": None, "status": 429})
    refused = post(client).status_code
    listed = faults("GET").json()
    faults("DELETE", params={"number": added.json()["number"]})
    then = post(client).status_code

    assert (added.status_code, refused, then) == (201, 429, 200)
    assert [fault["name"] for fault in listed["active"]] == ["status"]
    assert (listed["active"][0]["used"], listed["active"][0]["status"]) == (1, 429)
    assert listed["faults"] == dict(FAULTS)
    faults("POST", json={"name": "drop_before"})
    assert faults("DELETE").json()["active"] == []
    assert faults("POST", json={"name": "nonsense"}).status_code == 400
    assert faults("POST", json={"name": "status", "colour": 1}).status_code == 400
    assert faults("POST", data=b"[").status_code == 400
    assert msgspec.json.decode(faults("GET").content)["active"] == []
