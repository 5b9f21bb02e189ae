"""Every fault of a submission does what its line in the table says, over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from pathlib import Path

import pytest
import requests

from openmart_lib.sandbox import FAULTS

from .client import TASKS, Client, finished_batch, post, raw_post
from .conftest import Clock


def created(client: Client) -> int:
    return len(client.sandbox.journal())


def test_every_fault_of_the_table_has_a_test() -> None:
    files = Path(__file__).parent.glob("test_sandbox_fault*.py")
    tests = "".join(file.read_text(encoding="utf-8") for file in files)

    untested = [fault for fault in FAULTS if f"def test_{fault}_" not in tests]

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


def test_drop_before_can_end_the_connection_while_the_body_is_still_being_sent(client: Client) -> None:
    client.sandbox.faults.add("drop_before", unread=True)
    head = (
        "POST /api/v1/task/batch/find_tech HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nContent-Length: 99\r\n\r\n["
    )

    with socket.create_connection(
        ("127.0.0.1", int(client.sandbox.url.rpartition(":")[2])), timeout=60
    ) as connection:
        connection.sendall(head.encode())
        received = connection.recv(4096)

    assert received == b""
    assert created(client) == 0 and client.sandbox.requests("find_tech") == 1


def test_answer_twice_sends_the_same_answer_again_behind_itself(client: Client) -> None:
    client.sandbox.faults.add("answer_twice")

    received = raw_post(client)

    half = len(received) // 2
    assert received[:half] == received[half:]
    assert b"connection: keep-alive" in received and created(client) == 1


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

    limit = time.monotonic() + 60
    while not created(client):  # on a busy machine the client leaves before the server has read a byte
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert created(client) == 1


def test_hang_ends_the_connection_without_a_byte_when_its_seconds_are_over(client: Client) -> None:
    client.sandbox.faults.add("hang", seconds=0.1)

    begin = time.monotonic()
    received = raw_post(client)

    assert received == b""
    assert time.monotonic() - begin >= 0.1


def test_slow_delays_an_otherwise_good_answer(client: Client) -> None:
    client.sandbox.faults.add("slow", seconds=0.1)

    begin = time.monotonic()
    answer = post(client)

    assert answer.status_code == 200
    assert time.monotonic() - begin >= 0.1


def test_drip_sends_a_good_answer_byte_by_byte(client: Client) -> None:
    client.sandbox.faults.add("drip", seconds=0.2)

    begin = time.monotonic()
    received = raw_post(client)

    assert json.loads(received.partition(b"\r\n\r\n")[2])["batch_id"]
    assert time.monotonic() - begin >= 0.2


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
        "127.0.0.1", int(client.sandbox.url.rpartition(":")[2]), timeout=60
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


def test_bad_row_refuses_every_batch_that_holds_its_domain_and_no_other(client: Client) -> None:
    client.sandbox.faults.add("bad_row", domain="bad.example", detail="Title is invalid")
    good = {"domain": "notbad.example"}

    answers = [
        client.submit("find_tech", [TASKS["find_tech"] | task for task in tasks])
        for tasks in ([good, {"domain": "bad.example"}], [{"domain": "under.bad.example"}], [good, good])
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 200]
    assert answers[0].json() == {"detail": "Title is invalid"}
    assert created(client) == 1, "a refusal creates nothing"


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


def test_stale_batch_id_creates_a_batch_and_names_the_first_one(client: Client) -> None:
    first = post(client, "t1").json()["batch_id"]
    client.sandbox.faults.add("stale_batch_id")

    told = [post(client, name).json()["batch_id"] for name in ("t2", "t3")]

    assert told[0] == first and told[1] != first
    assert client.sandbox.created_tracking_ids() == ["t1", "t2", "t3"]


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
