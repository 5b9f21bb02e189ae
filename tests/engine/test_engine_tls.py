"""TLS that breaks: after the server has read a submission it may have cost credits; before that it has not."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from engine_oracle import assert_all_collected, assert_truth
from engine_rig import PATIENCE, Rig

from openmart_lib.engine.clients import Clients
from openmart_lib.ledger import Hold
from openmart_lib.settings import Secret

NEW_KEY: Final = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
Answering = Callable[[ssl.SSLSocket, bytes], None]


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, which signs what it is asked to."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str, *, days: int = 2) -> ssl.SSLContext:
        """Return a server's side of a certificate for this name; a negative number of days: expired."""
        own = self.folder / f"{name.replace(':', '-')}{days}"
        key, request, extension = own.with_suffix(".key"), own.with_suffix(".csr"), own.with_suffix(".ext")
        extension.write_text(f"subjectAltName={name}")
        openssl(f"req {NEW_KEY} -subj /CN=server -keyout {key} -out {request}")
        openssl(
            f"x509 -req -in {request} -CA {self.bundle} -CAkey {self.folder / 'ca.key'} -CAcreateserial "
            f"-days {days} -extfile {extension} -out {own.with_suffix('.pem')}"
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.with_suffix(".pem"), key)
        return context


def openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)


class Front:
    """A TLS server in front of the sandbox: relays each request, and does with the answer what it is told."""

    def __init__(self, port_behind: int, context: ssl.SSLContext) -> None:
        self._behind = port_behind
        self.context: ssl.SSLContext | None = context  # None: it speaks no TLS at all
        self.answering: Answering = ssl.SSLSocket.sendall
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        """Relay one request; a client that hangs up, or breaks off the handshake, is what tests are about."""
        raw.settimeout(10.0)
        with contextlib.suppress(OSError), raw:
            if self.context is None:
                raw.recv(4096)
                raw.sendall(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
                return
            with self.context.wrap_socket(raw, server_side=True) as connection:
                request = _read_request(connection)
                with socket.create_connection(("127.0.0.1", self._behind), timeout=10.0) as behind:
                    behind.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                    answer = b"".join(iter(lambda: behind.recv(65536), b""))
                answering = self.answering if request.startswith(b"POST") else ssl.SSLSocket.sendall
                answering(connection, answer)


def _read_request(connection: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _gone()
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].partition(b":")[2]):
        body += connection.recv(65536) or _gone()
    return head + b"\r\n\r\n" + body


def _gone() -> bytes:
    raise ConnectionError("the client hung up")


def end_without_a_word(connection: ssl.SSLSocket, _: bytes) -> None:
    """Close the TCP connection without TLS's own goodbye."""
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: ssl.SSLSocket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def break_the_record(connection: ssl.SSLSocket, _: bytes) -> None:
    """Send what is no TLS: the client raises the very error of a failed handshake."""
    with socket.socket(fileno=socket.dup(connection.fileno())) as below:
        below.sendall(b"this is no TLS record" * 10)


def half_an_answer(connection: ssl.SSLSocket, answer: bytes) -> None:
    connection.sendall(answer[: len(answer) // 2])
    connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("authority")
    openssl(f"req -x509 {NEW_KEY} -days 2 -subj /CN=authority -keyout {folder}/ca.key -out {folder}/ca.pem")
    return Authority(folder)


@pytest.fixture
def front(rig: Rig, authority: Authority) -> Iterator[Front]:
    """The rig's sandbox behind TLS, trusted by OPENMART_CA_BUNDLE."""
    server = Front(int(rig.sandbox.url.rpartition(":")[2]), authority.sign("IP:127.0.0.1"))
    connect(rig, server.url, authority.bundle)
    yield server
    server.close()


def connect(rig: Rig, url: str, bundle: Path | None) -> None:
    """Let the rig's worker talk to this address as to the real one."""
    there = replace(rig.settings, api_key=Secret("key-of-the-tls-tests"), base_url=url, ca_bundle=bundle)
    rig.clients.close()
    rig.clients = Clients(there, submitting=PATIENCE, reading=PATIENCE)
    rig.restart_worker(slots=1)


def test_a_server_whose_certificate_the_bundle_vouches_for_is_worked_with(rig: Rig, front: Front) -> None:
    run_id = rig.plan(3)

    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1
    assert_all_collected(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("ending", [end_without_a_word, reset, break_the_record, half_an_answer])
def test_tls_that_breaks_after_the_body_was_read_leaves_the_batch_unknown_and_unsent_for_ever(
    rig: Rig, front: Front, ending: Answering
) -> None:
    front.answering = ending
    run_id = rig.plan(4, per_batch=2)
    rig.until(lambda: rig.states(run_id) == ["unknown", "planned"], skip=False)
    assert len(rig.sandbox.journal()) == 1, "the server took it"

    front.answering = ssl.SSLSocket.sendall
    rig.settle()
    rig.pass_time(7200)

    assert rig.states(run_id) == ["unknown", "collected"] and rig.posts() == 2
    assert rig.outcomes(run_id)["unknown"] == 2 and rig.batch(run_id)["detail"]
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("wrong", ["expired", "another host's", "not vouched for", "no TLS at all"])
def test_a_handshake_that_fails_has_sent_nothing_and_the_batch_waits_for_a_server_to_be_trusted(
    rig: Rig, front: Front, authority: Authority, wrong: str
) -> None:
    good = front.context
    if wrong == "expired":
        front.context = authority.sign("IP:127.0.0.1", days=-1)
    elif wrong == "another host's":
        front.context = authority.sign("DNS:openmart.example")
    elif wrong == "no TLS at all":
        front.context = None
    else:
        connect(rig, front.url, None)
    run_id = rig.plan(4, per_batch=2)

    rig.until(lambda: rig.account().hold is Hold.OUTAGE, skip=False)
    rig.until(lambda: rig.idle, step=False)
    rig.clock.skip(3600.0)
    for _ in range(20):  # whatever the hour, a free read must succeed before the next try
        rig.dispatcher.step()
        rig.until(lambda: rig.idle, step=False)

    assert rig.states(run_id) == ["planned"] * 2 and rig.posts() == 0
    assert rig.outcomes(run_id) == {"pending": 4}
    seen = rig.account().hold_detail or ""
    assert ("certificate is not to be trusted" in seen) == (wrong != "no TLS at all"), seen
    assert "TLS handshake failed" in seen or wrong != "no TLS at all", seen
    assert "Nothing was" in seen or "nothing was" in seen

    front.context = good
    if wrong == "not vouched for":
        connect(rig, front.url, authority.bundle)
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 2 and rig.posts() == 2
    assert_truth(rig.sandbox, rig.ledger)
