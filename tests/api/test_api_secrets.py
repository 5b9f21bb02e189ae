"""The key stays with the server it is for: not in errors, logs, output, other hosts or proxies."""

from __future__ import annotations

import http.client
import io
import logging
import pickle
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_examples import KEY, LANCE_TASK, QUICK, RECEIPT, TASK_ANSWER, TASK_ID, TASKS
from raw_server import RawServer, answer, babble, break_tls, drip, reply, reset, send_and_close, silence

from openmart_lib import errors
from openmart_lib.api import LanceClient, OpenmartClient, RetryPolicy, Timeouts
from openmart_lib.api.wire import Kind
from openmart_lib.settings import Secret

Connect = Callable[..., OpenmartClient]
Serve = Callable[..., RawServer]
SHORT = Timeouts(connect=5.0, read=0.2, total=0.4)
ECHO = {"detail": f"who is {KEY}?", "headers": {"X-API-Key": KEY}}

CALLS: dict[str, Callable[[OpenmartClient], Any]] = {
    "submit": lambda client: client.submit(Kind.FIND_TECH, [TASKS[Kind.FIND_TECH]]),
    "task": lambda client: client.task(TASK_ID),
    "credit_balance": lambda client: client.credit_balance(),
}
FAULTS = {
    **{
        f"echo {status}": reply(status, ECHO) for status in (302, 400, 401, 402, 403, 404, 418, 422, 429, 500)
    },
    "echo in plain text": reply(500, f"key {KEY} failed"),
    "echo where the excerpt ends": reply(200, "x" * 1995 + KEY),
    "echo cut": send_and_close(answer(200, ECHO)[:-3]),
    "header": reply(301, b"", Location=f"https://elsewhere.example/?key={KEY}"),
    "request id": reply(500, {}, X_Request_Id="x\ny"),
    "no HTTP": send_and_close(f"{KEY} {KEY}\r\n".encode()),
    "reset": reset,
    "silence": silence,
    "drip": drip(b"HTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.fixture
def spoken(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], str]]:
    """All that was logged (any logger, DEBUG) or printed so far."""
    caplog.set_level(logging.DEBUG)

    def everything() -> str:
        output = capfd.readouterr()
        records = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        return "\n".join([*records, caplog.text, output.out, output.err])

    yield everything


def all_that_an_error_shows(error: BaseException) -> str:
    """Its text, attributes, traceback with locals, and the same of every error it is chained to."""
    seen: set[int] = set()
    texts: list[str] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        frames = traceback.TracebackException.from_exception(one, capture_locals=False)
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), "".join(frames.format())]
        texts += [repr(vars(value)) for value in vars(one).values() if hasattr(value, "__dict__")]
        todo += [one.__cause__, one.__context__]
    return "\n".join(texts)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("fault", list(FAULTS))
def test_no_error_and_no_log_line_holds_the_key(
    fault: str, name: str, serve: Serve, connect: Connect, spoken: Callable[[], str]
) -> None:
    server = serve(FAULTS[fault])
    timeouts = SHORT if fault in ("silence", "drip") else QUICK
    client = connect(server.url, timeouts=timeouts, retry=RetryPolicy(max_attempts=2))

    with pytest.raises(errors.OpenmartError) as caught:
        CALLS[name](client)

    assert server.count(1) and server.requests[0].headers["x-api-key"] == KEY
    assert KEY not in all_that_an_error_shows(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert KEY not in spoken()


@pytest.mark.parametrize("name", list(CALLS))
def test_no_error_before_the_first_byte_holds_the_key(
    name: str, serve: Serve, connect: Connect, spoken: Callable[[], str], free_port: int, tls: ssl.SSLContext
) -> None:
    secret_proxy = f"http://user:{KEY}@127.0.0.1"
    refused = serve(reply(407, b""))
    clients = [
        connect(f"http://127.0.0.1:{free_port}"),
        connect(f"https://127.0.0.1:{serve(greet=babble).port}"),
        connect(serve(silence, tls=tls).url),
        connect("https://openmart.test", proxy=f"{secret_proxy}:{refused.port}"),
        connect("https://openmart.test", proxy=f"{secret_proxy}:{free_port}"),
    ]

    for client in clients:
        with pytest.raises(errors.NoAnswerError) as caught:
            CALLS[name](client)
        assert KEY not in all_that_an_error_shows(caught.value)
        assert caught.value.__cause__ is None and caught.value.__context__ is None

    assert KEY not in spoken()


@pytest.mark.parametrize("cut", range(1, len(KEY) - 7))
def test_a_key_echoed_in_a_cut_answer_is_not_shown_in_part(cut: int, serve: Serve, connect: Connect) -> None:
    server = serve(send_and_close(answer(500, f"unknown key {KEY}")[:-cut]))

    with pytest.raises(errors.SubmissionUnknownError) as caught:
        CALLS["submit"](connect(server.url))

    assert caught.value.body == "unknown key ****"


def test_words_of_megabytes_are_read_in_no_time(serve: Serve, connect: Connect) -> None:
    """Looking for e-mail addresses in a text without blanks takes the square of its length."""
    server = serve(reply(400, {"detail": "x" * 4_000_000}))

    with pytest.raises(errors.RefusedError) as caught:
        CALLS["submit"](connect(server.url))

    assert caught.value.detail == "x" * 300


def test_tls_broken_after_the_request_shows_no_key(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path, spoken: Callable[[], str]
) -> None:
    server = serve(break_tls, tls=tls)

    with pytest.raises(errors.SubmissionUnknownError) as caught:
        CALLS["submit"](connect(server.url, ca_bundle=certificate))

    assert KEY not in all_that_an_error_shows(caught.value) + spoken()
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_http_client_debugging_does_not_print_the_key(
    serve: Serve, connect: Connect, spoken: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The well-known recipe to see requests' traffic would print every header."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)

    CALLS["task"](connect(serve(reply(200, TASK_ANSWER)).url))
    CALLS["submit"](connect(serve(reply(200, RECEIPT)).url))

    assert KEY not in spoken()


def test_clients_do_not_show_their_key(connect: Connect) -> None:
    client = connect("https://openmart.test")
    lance = LanceClient(Secret(KEY), base_url="https://lance.test")

    shown = [f"{one!r} {one} {one._transport!r} {one._transport.service!r}" for one in (client, lance)]

    assert KEY not in "".join(shown)
    assert shown[0].startswith("OpenmartClient(") and "openmart.test" in shown[0]


def test_a_secret_in_a_client_is_not_pickled(connect: Connect) -> None:
    with pytest.raises(Exception) as caught:
        pickle.dump(connect("https://openmart.test"), io.BytesIO())

    assert KEY not in all_that_an_error_shows(caught.value)


@pytest.mark.parametrize(
    "bad",
    ["", " ", f"{KEY}\n", f" {KEY}", f"{KEY}\r\nX-Evil: 1", f"{KEY}’", f"{KEY}ä", f"{KEY}\x00", "key 1"],
)
def test_a_key_no_header_can_carry_is_refused_without_showing_it(bad: str) -> None:
    """requests would raise an error whose text is the key."""
    for make in (OpenmartClient, LanceClient):
        for key in (bad, Secret(bad)):
            with pytest.raises(errors.ConfigError, match="Copy the key again") as caught:
                make(key)
            assert KEY not in all_that_an_error_shows(caught.value)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [("x-api-key", "x-api-key", KEY), ("bearer", "authorization", f"Bearer {KEY}")],
)
def test_the_key_goes_where_the_setting_says(
    auth: str, header: str, value: str, serve: Serve, connect: Connect
) -> None:
    server = serve(reply(200, TASK_ANSWER), reply(200, RECEIPT))
    client = connect(server.url, auth=auth)

    CALLS["task"](client)
    CALLS["submit"](client)

    for request in server.requests:
        assert request.headers[header] == value
        assert ("authorization" in request.headers) == (auth == "bearer")
        assert ("x-api-key" in request.headers) == (auth == "x-api-key")


@pytest.mark.parametrize("auth", ["x-api-key", "bearer"])
def test_netrc_and_proxy_variables_change_and_receive_nothing(
    auth: str, serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would replace a Bearer key by netrc's password, and show ours to HTTP_PROXY."""
    proxy = serve(reply(200, {"balance": 1}))
    target = serve(reply(200, {"balance": 2}), reply(200, RECEIPT))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password stolen\ndefault login user password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = connect(target.url, auth=auth)

    assert client.credit_balance()["balance"] == 2
    CALLS["submit"](client)

    assert proxy.connections == 0
    assert all(KEY in str(request.headers) for request in target.requests)
    assert "Basic" not in str([request.headers for request in target.requests])


def test_ca_bundle_variables_of_the_environment_are_not_trusted(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply(200, TASK_ANSWER), tls=tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))

    with pytest.raises(errors.NoAnswerError, match="certificate"):
        connect(server.url).task(TASK_ID)

    assert server.requests == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", list(CALLS))
def test_redirects_are_not_followed(status: int, name: str, serve: Serve, connect: Connect) -> None:
    """requests strips Authorization on the way to another host, but not X-API-Key, nor a 307's body."""
    elsewhere = serve(reply(200, TASK_ANSWER))
    server = serve(reply(status, b"", Location=f"http://localhost:{elsewhere.port}/x?token=1"))

    with pytest.raises(errors.OpenmartError, match="localhost") as caught:
        CALLS[name](connect(server.url))

    assert elsewhere.connections == 0 and len(server.requests) == 1
    assert "token" not in str(caught.value)
    assert caught.value.status == status


def test_cookies_are_not_kept(serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, TASK_ANSWER, Set_Cookie="session=1; Path=/"))
    client = connect(server.url)

    CALLS["task"](client)
    CALLS["task"](client)

    assert all("cookie" not in request.headers for request in server.requests)


def test_personal_data_in_a_servers_words_is_taken_out(serve: Serve, connect: Connect) -> None:
    server = serve(reply(400, {"detail": "ana@roastery.example and +1 555 010 0199 are bad\n\x1b[31mred"}))

    with pytest.raises(errors.RefusedError) as caught:
        CALLS["submit"](connect(server.url))

    assert caught.value.detail == "(e-mail) and (phone) are bad [31mred"
    assert "roastery" not in str(caught.value)


def test_log_lines_name_method_path_status_and_seconds(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """No query, no body."""
    caplog.set_level(logging.DEBUG, logger="openmart_lib.api")
    client = connect(serve(reply(200, [TASK_ID]), reply(200, RECEIPT)).url)

    client.task_ids("b-1", status="COMPLETED")
    CALLS["submit"](client)

    lines = [record.getMessage() for record in caplog.records if record.name == "openmart_lib.api"]
    assert lines[0].startswith("GET /api/v1/task/batch/b-1/task_ids 200 ") and lines[0].endswith(" s")
    assert lines[1].startswith("POST /api/v1/task/batch/find_tech 200 ")
    assert "COMPLETED" not in "".join(lines) and "roastery" not in "".join(lines)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openmart.ai",
        "http://10.0.0.1",
        "ftp://x.example",
        "api.openmart.ai",
        "",
        "https://",
        "https://user:password@x.example",
        "https://x.example/?a=1",
        "https://x.example/#a",
        "https://x.example:99999",
        "https://[::1",
        "https://*.example",
        "https://a..example",
        "https://" + "a" * 64 + ".ä.example",
        "https://exa mple",
    ],
)
def test_a_base_url_that_could_leak_the_key_is_refused(url: str) -> None:
    with pytest.raises(errors.ConfigError, match="OPENMART_BASE_URL"):
        OpenmartClient(KEY, base_url=url)
    with pytest.raises(errors.ConfigError, match="LANCE_BASE_URL"):
        LanceClient(KEY, base_url=url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://x.example/api"]
)
def test_https_and_this_computer_are_fine_as_base_url(url: str) -> None:
    assert url in repr(OpenmartClient(KEY, base_url=url))


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "", "http://", "http://x:99999", f"ftp://{KEY}@x", "http://[::1"]
)
def test_a_proxy_that_could_be_bypassed_is_refused_without_showing_it(proxy: str) -> None:
    """A SOCKS proxy would need other connection classes, and silence about it would go around it."""
    with pytest.raises(errors.ConfigError, match="proxy") as caught:
        OpenmartClient(KEY, proxy=proxy)

    assert KEY not in all_that_an_error_shows(caught.value)


def test_this_computer_is_never_asked_for_through_a_proxy(serve: Serve, connect: Connect) -> None:
    """The sandbox runs here; a proxy would look for it on its own side."""
    proxy, target = serve(reply(200, {})), serve(reply(200, TASK_ANSWER))

    CALLS["task"](connect(target.url, proxy=proxy.url))

    assert proxy.connections == 0 and len(target.requests) == 1


def test_an_unknown_auth_and_an_absent_ca_bundle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="OPENMART_AUTH"):
        OpenmartClient(KEY, auth="basic")
    with pytest.raises(errors.ConfigError, match="does not exist"):
        OpenmartClient(KEY, ca_bundle=tmp_path / "absent.pem")


def test_a_ca_bundle_is_trusted(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path
) -> None:
    server = serve(reply(200, TASK_ANSWER), tls=tls)

    assert CALLS["task"](connect(server.url, ca_bundle=certificate))["status"] == "COMPLETED"


def test_a_certificate_for_another_name_is_not_trusted(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path
) -> None:
    server = serve(reply(200, TASK_ANSWER), tls=tls)

    with pytest.raises(errors.NoAnswerError, match="certificate"):
        CALLS["task"](connect(f"https://localhost:{server.port}", ca_bundle=certificate))

    assert server.requests == []


def test_lance_sends_its_token_as_bearer(serve: Serve) -> None:
    server = serve(reply(200, []))

    with LanceClient(Secret(KEY), base_url=server.url) as client:
        client.query([LANCE_TASK])

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in server.requests[0].headers
    assert socket.gethostname() not in str(server.requests[0].headers)
