"""Every fault does what its line in the table says, over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import sys
import time
import zlib
from typing import Any

import msgspec
import pytest
import requests

from openmart_lib.errors import InputError
from openmart_lib.sandbox import FAULTS, Sandbox, parse_fault

from .client import TASKS, Client
from .conftest import Clock

LANCE_TASK = {"entityId": "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001", "field": "phones", "entityType": "person"}


def post(client: Client, tracking_id: str = "t1") -> requests.Response:
    return client.submit("find_tech", [TASKS["find_tech"] | {"tracking_id": tracking_id}])


def raw_post(client: Client) -> bytes:
    """Send one submission and return every byte of the answer, until the connection ends."""
    body = json.dumps([TASKS["find_tech"]])
    head = f"POST /api/v1/task/batch/find_tech HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nContent-Length: {len(body)}\r\n"
    received = b""
    with socket.create_connection(
        ("127.0.0.1", int(client.sandbox.url.rpartition(":")[2])), timeout=5
    ) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n{body}".encode())
        while chunk := connection.recv(4096):
            received += chunk
    return received


def finished_batch(client: Client, clock: Clock, count: int = 4) -> str:
    batch_id = client.created("find_tech", *({"domain": "everything.example"} for _ in range(count)))
    clock.now += 130
    return batch_id


def created(client: Client) -> int:
    return len(client.sandbox.journal())


def test_every_fault_of_the_table_has_a_test_here() -> None:
    here = [name for name in dir(sys.modules[__name__]) if name.startswith("test_")]

    untested = [fault for fault in FAULTS if not any(name.startswith(f"test_{fault}_") for name in here)]

    assert untested == []


# the connection


@pytest.mark.parametrize("reset", [False, True])
def test_answer_lost_creates_the_batch_and_ends_the_connection_without_a_byte(
    client: Client, reset: bool
) -> None:
    client.sandbox.faults.add("answer_lost", reset=reset)

    with pytest.raises(requests.ConnectionError) as caught:
        post(client)

    assert ("Connection reset" in str(caught.value)) == reset
    assert client.sandbox.created_tracking_ids() == ["t1"]


@pytest.mark.parametrize("reset", [False, True])
def test_drop_before_ends_the_connection_and_creates_nothing(client: Client, reset: bool) -> None:
    client.sandbox.faults.add("drop_before", reset=reset)

    with pytest.raises(requests.ConnectionError):
        post(client)

    assert created(client) == 0
    assert client.sandbox.requests("find_tech") == 1


def test_cut_answer_ends_the_connection_after_so_many_bytes_of_the_whole_answer(client: Client) -> None:
    client.sandbox.faults.add("cut_answer", at=10_000)
    whole = raw_post(client)
    assert (
        whole.startswith(b"HTTP/1.1 200 OK\r\n") and json.loads(whole.partition(b"\r\n\r\n")[2])["batch_id"]
    )

    for at in [*range(0, len(whole), 7), len(whole) - 1]:
        client.sandbox.faults.add("cut_answer", at=at)
        assert len(raw_post(client)) == at
    client.sandbox.faults.add("cut_answer", at=-1)
    assert len(raw_post(client)) == len(whole) - 1

    assert created(client) == client.sandbox.requests("find_tech")


def test_hang_creates_the_batch_and_says_nothing(client: Client) -> None:
    client.sandbox.faults.add("hang", seconds=60)

    with pytest.raises(requests.ReadTimeout):
        client.session.post(
            f"{client.sandbox.url}/api/v1/task/batch/find_tech",
            json=[TASKS["find_tech"]],
            headers=client.headers,
            timeout=0.1,
        )

    assert created(client) == 1


def test_hang_ends_the_connection_without_a_byte_when_its_seconds_are_over(client: Client) -> None:
    client.sandbox.faults.add("hang", seconds=0.1)

    begin = time.monotonic()
    received = raw_post(client)

    assert received == b""
    assert 0.1 <= time.monotonic() - begin < 2


def test_slow_delays_an_otherwise_good_answer(client: Client) -> None:
    client.sandbox.faults.add("slow", seconds=0.1)

    begin = time.monotonic()
    answer = post(client)

    assert answer.status_code == 200
    assert 0.1 <= time.monotonic() - begin < 2


def test_drip_sends_a_good_answer_byte_by_byte(client: Client) -> None:
    client.sandbox.faults.add("drip", seconds=0.2)

    begin = time.monotonic()
    received = raw_post(client)

    assert json.loads(received.partition(b"\r\n\r\n")[2])["batch_id"]
    assert 0.2 <= time.monotonic() - begin < 3


# the status


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_status_created_answers_an_error_although_the_batch_exists(
    client: Client, status: int, html: bool
) -> None:
    client.sandbox.faults.add("status_created", status=status, html=html)

    answer = post(client)

    assert answer.status_code == status
    assert (answer.headers["content-type"].partition(";")[0] == "text/html") == html
    assert client.sandbox.created_tracking_ids() == ["t1"]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 422, 429, 500, 502, 503, 599])
def test_status_answers_as_told_and_creates_nothing(client: Client, status: int) -> None:
    client.sandbox.faults.add("status", status=status, detail="as told")

    answer = post(client)

    assert (answer.status_code, answer.json()) == (status, {"detail": "as told"})
    assert created(client) == 0


@pytest.mark.parametrize("text", ["5", "0", "-5", "1.5", "abc", "99999", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_status_sends_retry_after_word_for_word(client: Client, text: str) -> None:
    client.sandbox.faults.add("status", status=429, retry_after=text)

    # urllib3 raises on some of these texts, so they are read below it
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(client.sandbox.url.rpartition(":")[2]), timeout=5
    )
    connection.request("POST", "/api/v1/task/batch/find_tech", "[]", client.headers)
    answer = connection.getresponse()
    connection.close()

    assert (answer.status, answer.headers["retry-after"]) == (429, text)


def test_status_can_be_a_gateway_page_without_retry_after(client: Client) -> None:
    client.sandbox.faults.add("status", status=503, html=True)

    answer = post(client)

    assert answer.headers["content-type"].startswith("text/html") and "<h1>" in answer.text
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_names_another_place_and_creates_nothing(client: Client, status: int) -> None:
    client.sandbox.faults.add("redirect", location="http://127.0.0.2:9/x", status=status)

    answer = post(client)

    assert (answer.status_code, answer.headers["location"]) == (status, "http://127.0.0.2:9/x")
    assert created(client) == 0


def test_credits_limit_refuses_the_batch_that_would_pass_it_and_those_after(client: Client) -> None:
    client.sandbox.faults.add("credits_limit", limit=5)
    batch = [TASKS["find_tech"] | {"domain": "everything.example"}]  # 2 credits

    statuses = [client.submit("find_tech", batch).status_code for _ in range(4)]
    client.sandbox.faults.clear()
    later = client.submit("find_tech", batch).status_code

    assert statuses == [200, 200, 402, 402]
    assert later == 200
    assert created(client) == 3


def test_not_found_once_hides_a_task_that_exists_for_one_request(client: Client, clock: Clock) -> None:
    (task_id,) = client.task_ids(finished_batch(client, clock, 1)).json()
    client.sandbox.faults.add("not_found_once")

    assert [client.task(task_id).status_code for _ in range(3)] == [404, 200, 200]


# the body


def test_no_batch_id_creates_the_batch_and_keeps_its_id(client: Client) -> None:
    client.sandbox.faults.add("no_batch_id")

    answer = post(client)

    assert answer.status_code == 200
    assert set(answer.json()) == {"submit_for", "status"}
    assert created(client) == 1


@pytest.mark.parametrize("fault", ["invalid_json", "truncated_json", "empty_body"])
def test_a_spoiled_body_is_complete_http_and_no_json(client: Client, fault: str) -> None:
    client.sandbox.faults.add(fault)

    answer = post(client)

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert created(client) == 1


def test_invalid_json_is_text(client: Client) -> None:
    client.sandbox.faults.add("invalid_json")

    assert post(client).text == "{batch_id: oops"


def test_truncated_json_is_the_first_half_of_the_answer(client: Client) -> None:
    whole = post(client).content
    client.sandbox.faults.add("truncated_json")

    half = post(client).content

    assert len(half) == len(whole) // 2
    assert half.startswith(b'{"batch_id":"')


def test_empty_body_has_no_byte(client: Client) -> None:
    client.sandbox.faults.add("empty_body")

    answer = post(client)

    assert (answer.content, answer.headers["content-length"]) == (b"", "0")


@pytest.mark.parametrize("html", [False, True])
def test_wrong_content_type_calls_the_answer_html(client: Client, html: bool) -> None:
    client.sandbox.faults.add("wrong_content_type", html=html)

    answer = post(client)

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>" if html else '{"batch_id":"')


def test_huge_pads_the_answer_with_blanks(client: Client) -> None:
    client.sandbox.faults.add("huge", bytes=1_000_000)

    answer = post(client)

    assert len(answer.content) > 1_000_000
    assert answer.json()["batch_id"]


def test_huge_can_be_a_compressed_bomb(client: Client) -> None:
    client.sandbox.faults.add("huge", bytes=20_000_000, gzip=True)

    answer = client.submit("find_tech", [TASKS["find_tech"]], stream=True)
    packed = answer.raw.read(decode_content=False)

    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 100_000
    assert len(zlib.decompress(packed, wbits=31)) > 20_000_000
    assert json.loads(gzip.decompress(packed))["batch_id"]


def test_deep_json_nests_arrays(client: Client) -> None:
    client.sandbox.faults.add("deep_json", depth=5000)

    assert post(client).content == b"[" * 5000 + b"]" * 5000


# what reads say


def test_ready_early_is_true_while_tasks_run(client: Client) -> None:
    batch_id = client.created("find_tech", {}, {})
    client.sandbox.faults.add("ready_early")

    early, honest = client.status(batch_id).json(), client.status(batch_id).json()

    assert (early["batch_ready"], early["processing"]) == (True, 2)
    assert honest["batch_ready"] is False


def test_flapping_ready_alternates(client: Client) -> None:
    batch_id = client.created("find_tech", {})
    client.sandbox.faults.add("flapping_ready")

    assert [client.status(batch_id).json()["batch_ready"] for _ in range(5)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_counts_back_says_everything_is_processing_again(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("counts_back", after=1)

    completed = [client.status(batch_id).json()["completed"] for _ in range(3)]

    assert completed == [4, 0, 4]


def test_ids_late_lists_nothing_at_first(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("ids_late", times=2)

    assert [len(client.task_ids(batch_id).json()) for _ in range(3)] == [0, 0, 4]


def test_ids_doubled_lists_every_id_twice(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_doubled")

    assert client.task_ids(batch_id).json() == ids + ids


def test_ids_shrink_leaves_the_last_ids_out(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_shrink", missing=3)
    client.sandbox.faults.add("ids_shrink", missing=9)

    assert client.task_ids(batch_id).json() == ids[:1]
    assert client.task_ids(batch_id).json() == []


def test_ids_wrapped_puts_the_list_into_an_object(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_wrapped")

    assert client.task_ids(batch_id).json() == {"task_ids": ids}


def test_ids_null_is_null(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("ids_null")

    assert client.task_ids(batch_id, "ERRORED").json() is None


def test_filter_refused_refuses_only_lists_with_a_filter(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("filter_refused")

    statuses = [
        client.task_ids(batch_id, status).status_code for status in (None, "COMPLETED", None, "ERRORED")
    ]

    assert statuses == [200, 400, 200, 400]


def test_stuck_lets_no_further_task_end_while_it_is_on(client: Client, clock: Clock) -> None:
    early = finished_batch(client, clock)
    late = client.created("find_tech", {})
    client.sandbox.faults.add("stuck")
    clock.now += 1000

    during = [client.status(batch_id).json()["processing"] for batch_id in (early, late)]
    (task_id,) = client.task_ids(late).json()
    task_during = client.task(task_id).json()["status"]
    client.sandbox.faults.clear()

    assert (during, task_during) == ([0, 1], "PROCESSING")
    assert client.status(late).json()["processing"] == 0


def test_foreign_tracking_id_is_one_nobody_sent(client: Client, clock: Clock) -> None:
    batch_id = client.created("find_tech", {"tracking_id": "mine"})
    clock.now += 130
    client.sandbox.faults.add("foreign_tracking_id")

    (task,) = client.tasks(batch_id)

    assert task["tracking_id"].startswith("foreign-")
    assert client.tasks(batch_id)[0]["tracking_id"] == "mine"


def test_data_null_empties_a_completed_task(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock, 1)
    client.sandbox.faults.add("data_null")

    (spoiled,), (whole,) = client.tasks(batch_id), client.tasks(batch_id)

    assert (spoiled["status"], spoiled["data"]) == ("COMPLETED", None)
    assert whole["data"]


# which requests


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
