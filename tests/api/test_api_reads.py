"""Reads: tolerant of shapes, tried again as the policy says, and each no under its own name."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import pytest
from api_examples import BATCH_ID, QUICK, TASK_ANSWER, TASK_ID
from raw_server import RawServer, answer, reply, reset, send_and_close, silence

from openmart_lib import errors
from openmart_lib.api import OpenmartClient, RetryPolicy, Timeouts

Connect = Callable[..., OpenmartClient]
Serve = Callable[..., RawServer]
COUNTS = {"processing": 3, "completed": 6, "errored": 1, "total": 10, "batch_ready": False}
ONCE = RetryPolicy(max_attempts=1)

READS: dict[str, tuple[Callable[[OpenmartClient], Any], Any]] = {
    "batch_status": (lambda client: client.batch_status(BATCH_ID), COUNTS),
    "task_ids": (lambda client: client.task_ids(BATCH_ID), [TASK_ID]),
    "task": (lambda client: client.task(TASK_ID), TASK_ANSWER),
    "credit_balance": (lambda client: client.credit_balance(), {"balance": 4812}),
}
EVERY_READ = pytest.mark.parametrize("name", list(READS))

FINAL_NO = {
    400: errors.RefusedError,
    401: errors.AuthError,
    402: errors.CreditsError,
    403: errors.BannedError,
    404: errors.NotFoundError,
    405: errors.WrongAddressError,
    410: errors.WrongAddressError,
    413: errors.RefusedError,
    422: errors.RefusedError,
    301: errors.WrongAddressError,
    302: errors.WrongAddressError,
    307: errors.WrongAddressError,
    501: errors.ServerError,
}
PASSING = {
    "408": (reply(408, {}), errors.ServerError),
    "429": (reply(429, {}), errors.RateLimitedError),
    "500": (reply(500, "<html>oh</html>"), errors.ServerError),
    "502": (reply(502, {}), errors.ServerError),
    "503": (reply(503, {}), errors.ServerError),
    "504": (reply(504, {}), errors.ServerError),
    "reset": (reset, errors.NoAnswerError),
    "closed": (send_and_close(b""), errors.NoAnswerError),
    "silence": (silence, errors.NoAnswerError),
    "cut": (send_and_close(answer(200, TASK_ANSWER)[:-9]), errors.InvalidAnswerError),
    "not JSON": (reply(200, "<html>login</html>"), errors.InvalidAnswerError),
    "empty": (reply(200, b""), errors.InvalidAnswerError),
    "another shape": (reply(200, "true"), errors.InvalidAnswerError),
}

PATIENCE = {"silence": Timeouts(connect=1.0, read=0.03, total=2.0)}


@EVERY_READ
def test_a_read_is_one_get_and_keeps_its_connection(name: str, serve: Serve, connect: Connect) -> None:
    call, body = READS[name]
    server = serve(reply(200, body))
    client = connect(server.url)

    call(client)
    call(client)

    assert [one.method for one in server.requests] == ["GET", "GET"]
    assert server.connections == 1 and server.requests[0].body == b""


@EVERY_READ
@pytest.mark.parametrize("status", sorted(FINAL_NO))
def test_a_final_no_is_asked_once(
    status: int, name: str, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    server = serve(reply(status, {"detail": "words"}, Location="https://elsewhere.example/?q=1"))

    with pytest.raises(FINAL_NO[status], match="free") as caught:
        READS[name][0](connect(server.url))

    assert type(caught.value) is FINAL_NO[status]
    assert caught.value.status == status and caught.value.detail == "words"
    assert server.count(1) == 1 and waits == []


@EVERY_READ
@pytest.mark.parametrize("failure", list(PASSING))
def test_a_passing_failure_is_asked_four_times_then_raised(
    failure: str, name: str, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    behaviour, expected = PASSING[failure]
    server = serve(behaviour)

    with pytest.raises(expected) as caught:
        READS[name][0](connect(server.url, timeouts=PATIENCE.get(failure, QUICK)))

    assert type(caught.value) is expected
    assert server.count(4) == 4
    assert len(waits) == 3
    assert waits[0] <= 0.5 and waits[1] <= 1.0 and waits[2] <= 2.0


@EVERY_READ
def test_a_passing_failure_that_passes_is_not_noticed(
    name: str, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    call, body = READS[name]
    server = serve(reply(500, {}), reset, reply(200, body))

    assert call(connect(server.url)) is not None

    assert server.count(3) == 3 and len(waits) == 2


def test_a_refused_connection_is_tried_again(connect: Connect, waits: list[float], free_port: int) -> None:
    with pytest.raises(errors.NoAnswerError, match="connection was refused"):
        connect(f"http://127.0.0.1:{free_port}").credit_balance()

    assert len(waits) == 3


@pytest.mark.parametrize("failure", list(PASSING))
def test_a_policy_of_one_attempt_asks_once(
    failure: str, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    """The engine plans its own repeats in the ledger."""
    behaviour, expected = PASSING[failure]
    server = serve(behaviour)

    with pytest.raises(expected):
        connect(server.url, retry=ONCE, timeouts=PATIENCE.get(failure, QUICK)).task(TASK_ID)

    assert server.count(1) == 1 and waits == []


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_floor(status: int, serve: Serve, connect: Connect, waits: list[float]) -> None:
    server = serve(reply(status, {}, Retry_After="7"), reply(200, TASK_ANSWER))

    connect(server.url).task(TASK_ID)

    assert len(waits) == 1 and 7.0 <= waits[0] <= 7.5


def test_a_longer_retry_after_than_the_policy_waits_is_handed_on(
    serve: Serve, connect: Connect, waits: list[float]
) -> None:
    """Never shortened: the caller waits, and knows for how long."""
    server = serve(reply(429, {}, Retry_After="301"))

    with pytest.raises(errors.RateLimitedError) as caught:
        connect(server.url).task(TASK_ID)

    assert caught.value.retry_after == 301.0
    assert server.count(1) == 1 and waits == []


@pytest.mark.parametrize("value", ["-5", "1.5", "abc", "9" * 400, "Wed, 99 Foo 2026 99:99:99 GMT", "\xff"])
def test_a_nonsense_retry_after_breaks_nothing(value: str, serve: Serve, connect: Connect) -> None:
    server = serve(reply(503, {}, Retry_After=value))

    with pytest.raises(errors.ServerError):
        connect(server.url, retry=RetryPolicy(max_attempts=2)).task(TASK_ID)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (COUNTS, COUNTS),
        ({"batch_id": "b", "status": COUNTS}, COUNTS),
        ({"data": COUNTS}, COUNTS),
        (
            {"batch_ready": True},
            {"processing": None, "completed": None, "errored": None, "total": None, "batch_ready": True},
        ),
        (
            {"processing": "3", "completed": -1, "errored": None, "total": True, "batch_ready": "yes"},
            {"processing": None, "completed": None, "errored": None, "total": None, "batch_ready": False},
        ),
    ],
)
def test_counters_are_read_wherever_they_are(
    body: object, expected: object, serve: Serve, connect: Connect
) -> None:
    assert connect(serve(reply(200, body)).url).batch_status(BATCH_ID) == expected


@pytest.mark.parametrize("body", [{}, [], None, {"status": "ok"}, {"unknown": 1}, 7])
def test_a_status_without_counters_is_an_invalid_answer(body: object, serve: Serve, connect: Connect) -> None:
    """Read as zeros, a batch would never or wrongly end."""
    with pytest.raises(errors.InvalidAnswerError, match="no counters"):
        connect(serve(reply(200, body)).url, retry=ONCE).batch_status(BATCH_ID)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (["a", "b", "a"], ["a", "b", "a"]),
        ([], []),
        (None, []),
        ([1, "2"], ["1", "2"]),
        ({"task_ids": ["a"]}, ["a"]),
        ({"task_ids": None}, []),
        ({"data": ["a"], "total": 1}, ["a"]),
        ({"data": None}, []),
    ],
)
def test_task_ids_are_read_from_every_shape(
    body: object, expected: list[str], serve: Serve, connect: Connect
) -> None:
    assert connect(serve(reply(200, body)).url).task_ids(BATCH_ID) == expected


@pytest.mark.parametrize(
    "body", [{}, {"other": ["a"]}, "a", 1, [None], [{}], [""], [".."], {"task_ids": "a"}]
)
def test_a_list_that_may_hide_a_task_is_an_invalid_answer(
    body: object, serve: Serve, connect: Connect
) -> None:
    with pytest.raises(errors.InvalidAnswerError, match="task ids"):
        connect(serve(reply(200, json.dumps(body))).url, retry=ONCE).task_ids(BATCH_ID)


def test_the_status_filter_is_a_query(serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, []))
    client = connect(server.url)

    client.task_ids("b/1", status="COMPLETED")
    client.task_ids("b/1", status="A&B")
    client.task_ids("b/1")

    assert [one.path for one in server.requests] == [
        "/api/v1/task/batch/b%2F1/task_ids?status=COMPLETED",
        "/api/v1/task/batch/b%2F1/task_ids?status=A%26B",
        "/api/v1/task/batch/b%2F1/task_ids",
    ]


@pytest.mark.parametrize("task_id", ["a/b", "a?b", "a#b", "a b", "a%2Fb", "ä", "../x", "a;b", "-"])
def test_ids_are_one_segment_of_the_path(task_id: str, serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, {"status": "PROCESSING"}))

    assert connect(server.url).task(task_id)["task_id"] == task_id

    last = server.requests[0].path.removeprefix("/api/v1/task/")
    assert "/" not in last and "?" not in last and "#" not in last and unquote(last) == task_id


@pytest.mark.parametrize("bad", ["", " ", ".", "..", "a\nb", "a\x00b", "\ufffd"])
def test_an_id_that_is_none_is_refused_before_it_is_sent(bad: str, serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, {}))
    client = connect(server.url)

    for call in (client.task, client.task_ids, client.batch_status):
        with pytest.raises(errors.InputError):
            call(bad)

    assert server.requests == []


def test_a_task_keeps_its_text_byte_for_byte(serve: Serve, connect: Connect) -> None:
    """Unknown members, odd spacing and escapes are kept in raw; the ledger stores it."""
    text = '{ "status":"COMPLETED",  "tracking_id": "r-1", "new":{"x":[1.50]}, "data":[{"n":"\\u00e9 ü"}] }\n'
    server = serve(reply(200, text))

    task = connect(server.url).task(TASK_ID)

    assert task == {
        "task_id": TASK_ID,
        "status": "COMPLETED",
        "tracking_id": "r-1",
        "data": [{"n": "é ü"}],
        "raw": text,
    }


@pytest.mark.parametrize(
    ("body", "tracking_id", "data"),
    [
        ({"status": "PROCESSING"}, None, None),
        ({"status": "ERRORED", "tracking_id": None, "data": None}, None, None),
        ({"status": "SOMETHING_NEW", "tracking_id": 17, "data": {"x": 1}}, "17", {"x": 1}),
    ],
)
def test_a_task_may_lack_all_but_its_status(
    body: object, tracking_id: object, data: object, serve: Serve, connect: Connect
) -> None:
    task = connect(serve(reply(200, body)).url).task(TASK_ID)

    assert (task["task_id"], task["tracking_id"], task["data"]) == (TASK_ID, tracking_id, data)


@pytest.mark.parametrize(
    "body", [{}, {"status": None}, {"status": ""}, {"status": 3}, [], None, {"data": []}]
)
def test_a_task_without_status_is_an_invalid_answer(body: object, serve: Serve, connect: Connect) -> None:
    with pytest.raises(errors.InvalidAnswerError, match="no status"):
        connect(serve(reply(200, body)).url, retry=ONCE).task(TASK_ID)


@pytest.mark.parametrize(
    ("body", "metered"),
    [
        ({"balance": 10000, "period_start": "2026-01-01T00:00:00Z"}, False),
        ({"balance": 10000, "period_start": "2026-01-01T00:00:00.000+00:00"}, False),
        ({"balance": 10000, "period_start": "2026-01-01T01:00:00+01:00"}, False),
        ({"balance": 10000, "period_start": "2026-01-01T00:00:00"}, False),
        ({"balance": 9999, "period_start": "2026-01-01T00:00:00Z"}, True),
        ({"balance": 10000, "period_start": "2026-03-09T08:15:00Z"}, True),
        ({"balance": 10000, "period_start": "2026-01-01T00:00:01Z"}, True),
        ({"balance": 10000, "period_start": "soon"}, True),
        ({"balance": 10000}, True),
        ({"balance": 999_999_999_999, "period_start": None}, True),
        ({"balance": -3.5}, True),
    ],
)
def test_the_unlimited_placeholder_is_no_balance(
    body: dict[str, Any], metered: bool, serve: Serve, connect: Connect
) -> None:
    balance = connect(serve(reply(200, body)).url).credit_balance()

    assert balance["metered"] is metered and balance["balance"] == body["balance"]
    assert balance["period_start"] == body.get("period_start")


@pytest.mark.parametrize("body", [{}, [], None, {"balance": None}, {"balance": "4812"}, {"balance": True}])
def test_a_balance_that_is_no_number_is_an_invalid_answer(
    body: object, serve: Serve, connect: Connect
) -> None:
    with pytest.raises(errors.InvalidAnswerError, match="not a number"):
        connect(serve(reply(200, body)).url, retry=ONCE).credit_balance()


def test_many_threads_share_one_client(serve: Serve, connect: Connect) -> None:
    """Every thread gets its own answer, over no more connections than allowed."""
    server = serve(lambda *given: reply(200, {"status": "X", "task_id": given[1].path[-3:]})(*given))
    client = connect(server.url, max_connections=8)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(client.task, [f"{number:03}" for number in range(300)]))

    assert [one["task_id"] for one in answers] == [f"{number:03}" for number in range(300)]
    assert server.connections <= 8 and len(server.requests) == 300


def test_a_base_url_may_have_a_path(serve: Serve, connect: Connect) -> None:
    """A company's gateway may sit in front."""
    server = serve(reply(200, {"balance": 1}))

    connect(f"{server.url}/gateway/").credit_balance()

    assert server.requests[0].path == "/gateway/api/v2/credit-balance"


def test_a_client_is_a_context_manager(serve: Serve) -> None:
    server = serve(reply(200, {"balance": 1}))

    with OpenmartClient("k" * 12, base_url=server.url) as client:
        assert client.credit_balance()["balance"] == 1
