"""Whether a byte of a submission was handed over: what stops before it, and what breaks after it.

Before it nothing was spent and the batch may be sent again; after it only a person decides.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from api_examples import BATCH_ID, RECEIPT, TASKS
from raw_server import RawServer, answer, babble, break_tls, reply, send_and_close, tunnel_to

from openmart_lib import errors
from openmart_lib.api import OpenmartClient, Timeouts
from openmart_lib.api.wire import Kind

Connect = Callable[..., OpenmartClient]
Serve = Callable[..., RawServer]

IMPATIENT = Timeouts(connect=0.2, read=0.1, total=2.0)
KINDS = pytest.mark.parametrize("kind", list(Kind))


@KINDS
def test_tls_broken_after_the_body_was_read_is_unknown(
    kind: Kind, serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path
) -> None:
    """requests raises the same SSLError as for a bad certificate; the connection's record tells them apart."""
    server = serve(break_tls, tls=tls)

    with pytest.raises(errors.SubmissionUnknownError):
        connect(server.url, ca_bundle=certificate).submit(kind, [TASKS[kind]])

    assert server.count(1) == 1 and server.requests[0].body


@KINDS
def test_a_certificate_not_to_be_trusted_stops_before_the_first_byte(
    kind: Kind, serve: Serve, connect: Connect, tls: ssl.SSLContext
) -> None:
    server = serve(reply(200, RECEIPT), tls=tls)

    with pytest.raises(errors.NoAnswerError, match="certificate is not to be trusted"):
        connect(server.url).submit(kind, [TASKS[kind]])

    assert server.connections == 1 and server.requests == []


@KINDS
def test_a_failed_handshake_is_no_answer(kind: Kind, serve: Serve, connect: Connect) -> None:
    server = serve(greet=babble)
    url = f"https://127.0.0.1:{server.port}"

    with pytest.raises(errors.NoAnswerError, match="TLS handshake failed"):
        connect(url).submit(kind, [TASKS[kind]])

    assert server.connections == 1


@KINDS
def test_a_refused_connection_is_no_answer(kind: Kind, connect: Connect, free_port: int) -> None:
    with pytest.raises(errors.NoAnswerError, match=r"connection was refused.*nothing was spent"):
        connect(f"http://127.0.0.1:{free_port}").submit(kind, [TASKS[kind]])


@KINDS
def test_a_connection_that_is_never_taken_is_no_answer(kind: Kind, connect: Connect) -> None:
    """The listener's queue is full, so the connection stays half open until the timeout."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            with pytest.raises(errors.NoAnswerError, match=r"no connection within 0\.2 s"):
                connect(f"http://127.0.0.1:{address[1]}", timeouts=IMPATIENT).submit(kind, [TASKS[kind]])
        finally:
            for filler in fillers:
                filler.close()


@KINDS
def test_a_name_that_cannot_be_resolved_is_no_answer(
    kind: Kind, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver is the one thing replaced here: asking a real one would leave this computer."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(errors.NoAnswerError, match=r"name could not be resolved.*nothing was spent"):
        connect("https://openmart.invalid").submit(kind, [TASKS[kind]])


@KINDS
@pytest.mark.parametrize("status", [200, 403, 407, 502])
def test_a_proxy_that_refuses_or_breaks_the_tunnel_is_no_answer(
    status: int, kind: Kind, serve: Serve, connect: Connect
) -> None:
    """The bytes of CONNECT are not the request's; 200 stands for a proxy that then hangs up."""
    proxy = serve(send_and_close(answer(status, b"")))

    with pytest.raises(errors.NoAnswerError):
        connect("https://openmart.test", proxy=proxy.url).submit(kind, [TASKS[kind]])

    assert [one.method for one in proxy.requests] == ["CONNECT"]
    assert "x-api-key" not in proxy.requests[0].headers


@KINDS
def test_through_a_proxy_the_record_is_as_exact(
    kind: Kind, serve: Serve, connect: Connect, tls: ssl.SSLContext, certificate: Path
) -> None:
    """Accepted, then broken after the body: the second is unknown, the tunnel notwithstanding."""
    target = serve(reply(200, RECEIPT), break_tls, tls=tls)
    proxy = serve(tunnel_to(target.port))
    client = connect("https://openmart.test", proxy=proxy.url, ca_bundle=certificate)

    assert client.submit(kind, [TASKS[kind]])["batch_id"] == BATCH_ID
    with pytest.raises(errors.SubmissionUnknownError):
        client.submit(kind, [TASKS[kind]])

    assert target.count(2) == 2 and target.requests[0].headers["x-api-key"]
    assert proxy.connections == 2


def test_a_failed_proxy_connection_is_no_answer(connect: Connect, free_port: int) -> None:
    client = connect("https://openmart.test", proxy=f"http://127.0.0.1:{free_port}")

    with pytest.raises(errors.NoAnswerError, match="connection was refused"):
        client.find_tech([TASKS[Kind.FIND_TECH]])


def test_every_submission_has_a_connection_of_its_own(serve: Serve, connect: Connect) -> None:
    """A pooled connection may be dead already; then a submission would be unknown for nothing."""
    server = serve(reply(200, RECEIPT))
    client = connect(server.url)

    for _ in range(3):
        client.find_tech([TASKS[Kind.FIND_TECH]])

    assert server.connections == 3


def test_submissions_leave_the_connections_of_reads_alone(serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, {"balance": 1}), reply(200, RECEIPT), reply(200, {"balance": 1}))
    client = connect(server.url, max_connections=1)

    client.credit_balance()
    client.find_tech([TASKS[Kind.FIND_TECH]])
    client.credit_balance()

    assert server.connections == 2


def test_an_early_refusal_of_a_large_body_is_heard(serve: Serve, connect: Connect) -> None:
    """A server may say 413 and hang up while we are still sending."""

    def refuse_early(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer(413, {"detail": "too large"}, Connection="close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    server = serve(greet=refuse_early)

    with pytest.raises(errors.RefusedError, match="too large"):
        connect(server.url).submit_body(Kind.FIND_TECH, b"[" + b" " * 4_000_000 + b"]")
