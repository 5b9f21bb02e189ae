"""Submissions: what each thing that can happen to a POST is called, and that it is sent at most once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest
from api_examples import BATCH_ID, QUICK, RECEIPT, TASKS
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from raw_server import (
    RawServer,
    answer,
    reply,
    reset,
    send_and_close,
    silence,
)

from openmart_lib import errors
from openmart_lib.api import OpenmartClient, Timeouts, body_sha256, encode_tasks
from openmart_lib.api.wire import Kind

Connect = Callable[..., OpenmartClient]
Serve = Callable[..., RawServer]

IMPATIENT = Timeouts(connect=0.2, read=0.1, total=2.0)
KINDS = pytest.mark.parametrize("kind", list(Kind))

DEFINITE_NO = {
    400: errors.RefusedError,
    401: errors.AuthError,
    402: errors.CreditsError,
    403: errors.BannedError,
    404: errors.WrongAddressError,
    405: errors.WrongAddressError,
    411: errors.WrongAddressError,
    413: errors.RefusedError,
    414: errors.WrongAddressError,
    415: errors.WrongAddressError,
    422: errors.RefusedError,
    429: errors.RateLimitedError,
    431: errors.WrongAddressError,
}
UNCLEAR = [101, 204, 300, 301, 302, 303, 304, 307, 308, 406, 407, 408, 409, 410, 418, 421, 425, 428, 451]
UNCLEAR += [499, 500, 501, 502, 503, 504, 507, 520, 524, 599]

UNCLEAR_ANSWERS = {
    "silence": silence,
    "reset": reset,
    "closed without a word": send_and_close(b""),
    "closed in the headers": send_and_close(answer(200, RECEIPT)[:30]),
    "cut in the body": send_and_close(answer(200, RECEIPT)[:-10]),
    "body shorter than said": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}"),
    "no HTTP": send_and_close(b"220 smtp.example ESMTP\r\n"),
    "two lengths": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 9\r\n\r\n{}"),
    "not JSON": reply(200, "<html>It works</html>"),
    "empty": reply(200, b""),
    "a list": reply(200, [RECEIPT]),
    "no batch id": reply(200, {"status": {"total": 1}}),
    "null batch id": reply(200, {"batch_id": None}),
    "empty batch id": reply(200, {"batch_id": ""}),
    "blank batch id": reply(200, {"batch_id": "  "}),
    "true as batch id": reply(200, {"batch_id": True}),
    "dots as batch id": reply(200, {"batch_id": ".."}),
    "broken gzip": reply(200, b"\x1f\x8bnonsense", Content_Encoding="gzip"),
    "broken deflate": reply(200, b"\xff\xfe", Content_Encoding="deflate"),
}


@KINDS
def test_an_accepted_batch_is_one_post_of_a_bare_array(kind: Kind, serve: Serve, connect: Connect) -> None:
    """The URL's last part is the kind; tasks go out as they were given."""
    server = serve(reply(200, RECEIPT))

    receipt = connect(server.url).submit(kind, [TASKS[kind]])

    assert receipt["batch_id"] == BATCH_ID
    assert [(one.method, one.path) for one in server.requests] == [
        ("POST", f"/api/v1/task/batch/{kind.value}")
    ]
    assert json.loads(server.requests[0].body) == [TASKS[kind]]
    assert server.requests[0].headers["content-type"] == "application/json"


def test_the_four_methods_call_their_own_routes(serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, RECEIPT))
    client = connect(server.url)

    client.find_people([TASKS[Kind.FIND_PEOPLE]])
    client.lookup_people([TASKS[Kind.LOOKUP_PEOPLE]])
    client.lookup_business_email([TASKS[Kind.LOOKUP_BUSINESS_EMAIL]])
    client.find_tech([TASKS[Kind.FIND_TECH]])

    assert [one.path.rsplit("/")[-1] for one in server.requests] == [kind.value for kind in Kind]


@KINDS
def test_an_invalid_task_is_not_sent(kind: Kind, serve: Serve, connect: Connect) -> None:
    """The server would take 26 s to say so."""
    server = serve(reply(200, RECEIPT))
    good, bad = TASKS[kind], TASKS[kind] | {"tracking_id": "other", "domain": "https://roastery.example/"}
    client = connect(server.url)
    method = getattr(client, kind.value)

    for send in (lambda: client.submit(kind, [good, bad]), lambda: method([good, bad])):
        with pytest.raises(errors.InputError) as caught:
            send()
        assert (caught.value.row, caught.value.column) == (2, "domain")

    assert server.connections == 0


def test_an_encoded_body_is_sent_byte_for_byte(serve: Serve, connect: Connect) -> None:
    """The ledger stores the hash of these very bytes before they leave."""
    server = serve(reply(200, RECEIPT))
    body = encode_tasks([TASKS[Kind.FIND_PEOPLE], TASKS[Kind.FIND_PEOPLE] | {"title": "Größe 顾客"}])

    connect(server.url).submit_body(Kind.FIND_PEOPLE, body)

    assert server.requests[0].body == body
    assert body_sha256(server.requests[0].body) == body_sha256(body)
    assert json.loads(body)[1]["title"] == "Größe 顾客"


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_any_2xx_with_a_batch_id_is_a_receipt(status: int, serve: Serve, connect: Connect) -> None:
    server = serve(reply(status, RECEIPT))

    assert connect(server.url).submit(Kind.FIND_TECH, [TASKS[Kind.FIND_TECH]])["batch_id"] == BATCH_ID


@pytest.mark.parametrize(
    ("body", "batch_id"),
    [
        ({"batch_id": 4711}, "4711"),
        ({"batch_id": 0}, "0"),
        ({"data": {"batch_id": "b-1"}}, "b-1"),
        ({"batch_id": None, "data": {"batch_id": "b-1"}}, "b-1"),
        ({"batch_id": "a b/c?d"}, "a b/c?d"),
        ({"batch_id": "b-1", "status": None, "submit_for": None, "new": {"x": []}}, "b-1"),
    ],
)
def test_receipts_are_read_tolerantly(body: object, batch_id: str, serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, body, Content_Type="text/html"))

    receipt = connect(server.url).submit(Kind.FIND_TECH, [TASKS[Kind.FIND_TECH]])

    assert receipt == {"batch_id": batch_id, "submit_for": None, "status": None}


def test_a_receipt_in_a_chunked_gzip_answer_without_length_is_read(serve: Serve, connect: Connect) -> None:
    """Receipts come as servers and gateways like to send them."""
    data = gzip.compress(json.dumps(RECEIPT).encode())
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:7], data[7:]))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(send_and_close(head + pieces + b"0\r\n\r\n"))

    assert connect(server.url).submit(Kind.FIND_TECH, [TASKS[Kind.FIND_TECH]])["batch_id"] == BATCH_ID


@KINDS
@pytest.mark.parametrize("status", sorted(DEFINITE_NO))
def test_a_definite_no_is_one_post_and_its_own_error(
    status: int, kind: Kind, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    """Nothing was created, and the message says that nothing was spent."""
    server = serve(reply(status, {"detail": "Domain is required"}))

    with pytest.raises(DEFINITE_NO[status], match="Nothing was spent") as caught:
        connect(server.url).submit(kind, [TASKS[kind]])

    assert type(caught.value) is DEFINITE_NO[status]
    assert caught.value.status == status and caught.value.detail == "Domain is required"
    assert server.count(1) == 1 and waits == []


@KINDS
@pytest.mark.parametrize("status", UNCLEAR)
def test_an_unclear_status_is_one_post_and_unknown(
    status: int, kind: Kind, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    """Even with Retry-After, and even when its body looks like a receipt."""
    body = b"" if status in (101, 204, 304) else RECEIPT
    server = serve(reply(status, body, Retry_After="0", Connection="close"))

    with pytest.raises(errors.SubmissionUnknownError, match="may have been created and charged") as caught:
        connect(server.url).submit(kind, [TASKS[kind]])

    assert caught.value.status == status
    assert server.count(1) == 1 and waits == []


@KINDS
@pytest.mark.parametrize("name", list(UNCLEAR_ANSWERS))
def test_an_unclear_answer_is_one_post_and_unknown(
    name: str, kind: Kind, serve: Serve, connect: Connect, waits: list[float]
) -> None:
    server = serve(UNCLEAR_ANSWERS[name])

    with pytest.raises(errors.SubmissionUnknownError) as caught:
        connect(server.url, timeouts=IMPATIENT if name == "silence" else QUICK).submit(kind, [TASKS[kind]])

    assert caught.value.seen and caught.value.seen in str(caught.value)
    assert server.count(1) == 1 and waits == []


@pytest.mark.parametrize("status", sorted(DEFINITE_NO))
def test_a_definite_no_stays_one_when_its_body_is_cut_or_a_bomb(
    status: int, serve: Serve, connect: Connect
) -> None:
    cut = answer(status, {"detail": "Domain is required"})[:-8]
    server = serve(send_and_close(cut), reply(status, b"\x1f\x8b?", Content_Encoding="gzip"))
    client = connect(server.url)

    for _ in range(2):
        with pytest.raises(DEFINITE_NO[status]) as caught:
            client.find_tech([TASKS[Kind.FIND_TECH]])
        assert caught.value.detail == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("12", 12.0), ("0", 0.0), ("-5", None), ("1.5", None), ("abc", None), ("", None), ("99999", 99999.0)],
)
def test_a_429_carries_retry_after(value: str, seconds: float | None, serve: Serve, connect: Connect) -> None:
    server = serve(reply(429, {}, Retry_After=value))

    with pytest.raises(errors.RateLimitedError) as caught:
        connect(server.url).find_tech([TASKS[Kind.FIND_TECH]])

    assert caught.value.retry_after == seconds


def test_retry_after_as_a_date_is_read_by_the_servers_clock(serve: Serve, connect: Connect) -> None:
    """Our clock may be years off; the answer's Date header is the moment the server spoke."""
    headers = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT", "Retry_After": "Wed, 01 Jan 2020 00:01:30 GMT"}
    server = serve(reply(429, {}, **headers))

    with pytest.raises(errors.RateLimitedError) as caught:
        connect(server.url).find_tech([TASKS[Kind.FIND_TECH]])

    assert caught.value.retry_after == 90.0


def test_the_body_of_an_unclear_answer_is_kept_for_the_person_who_decides(
    serve: Serve, connect: Connect
) -> None:
    """A batch id in a cut answer can still be attached by hand."""
    server = serve(send_and_close(answer(200, RECEIPT | {"filler": "x" * 5000})[:-1]))

    with pytest.raises(errors.SubmissionUnknownError) as caught:
        connect(server.url).find_tech([TASKS[Kind.FIND_TECH]])

    assert BATCH_ID in caught.value.body and len(caught.value.body) == 2_000
    assert caught.value.status == 200 and "cut off" in caught.value.seen


def test_a_request_id_of_the_server_is_kept(serve: Serve, connect: Connect) -> None:
    server = serve(reply(400, {"detail": "no"}, X_Request_Id="req-17"))

    with pytest.raises(errors.RefusedError) as caught:
        connect(server.url).find_tech([TASKS[Kind.FIND_TECH]])

    assert caught.value.request_id == "req-17"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%b\r\n" % (len(part), part)
    for part in (json.dumps(RECEIPT).encode()[:40], json.dumps(RECEIPT).encode()[40:])
)
ENDED_BY_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(RECEIPT).encode()


@examples(40)
@given(share=st.floats(0, 1, exclude_max=True), whole=st.sampled_from([200, 400, 429, 500]))
@example(share=0.999, whole=200)
def test_a_reply_cut_anywhere_is_unknown_or_a_definite_no(
    share: float, whole: int, serve: Serve, connect: Connect
) -> None:
    """Never a receipt, never a second POST; the status line of a no may have arrived whole."""
    data = answer(whole, RECEIPT if whole == 200 else {"detail": "Domain is required"})
    server = serve(send_and_close(data[: int(share * len(data))]))

    with pytest.raises((errors.SubmissionUnknownError, errors.ResponseError)) as caught:
        connect(server.url).find_tech([TASKS[Kind.FIND_TECH]])

    expected = DEFINITE_NO.get(whole, errors.SubmissionUnknownError)
    assert isinstance(caught.value, errors.SubmissionUnknownError | expected)
    assert server.count(1) == 1
    server.close()


@pytest.mark.parametrize(
    "data", [answer(200, RECEIPT), CHUNKED, ENDED_BY_CLOSE], ids=["length", "chunked", "close"]
)
def test_a_receipt_cut_at_every_single_byte_never_gives_a_wrong_id(
    data: bytes, serve: Serve, connect: Connect
) -> None:
    """With a length, or chunks whose end is missing, it gives none at all."""
    served = iter(range(len(data)))
    server = serve(lambda *given: send_and_close(data[: next(served)])(*given))
    client = connect(server.url)

    for _ in range(len(data)):
        with pytest.raises(errors.SubmissionUnknownError):
            client.find_tech([TASKS[Kind.FIND_TECH]])

    assert server.count(len(data)) == len(data)
