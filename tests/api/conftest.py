"""Fixtures of the api tests: scripted servers, clients that never wait, a certificate made on the spot."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_examples import KEY, QUICK
from raw_server import Behaviour, RawServer

from openmart_lib.api import LanceClient, OpenmartClient


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Start scripted servers; all are closed at the end."""
    servers: list[RawServer] = []

    def start(*behaviours: Behaviour, **options: Any) -> RawServer:
        servers.append(RawServer(*behaviours, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def waits() -> list[float]:
    """The waits between the tries of the clients under test, in seconds."""
    return []


@pytest.fixture
def connect(waits: list[float]) -> Iterator[Callable[..., OpenmartClient]]:
    """Make Openmart clients that note their waits instead of waiting."""
    clients: list[OpenmartClient] = []

    def make(base_url: str, **options: Any) -> OpenmartClient:
        options = {"timeouts": QUICK, "sleep": waits.append} | options
        clients.append(OpenmartClient(KEY, base_url=base_url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def connect_lance(waits: list[float]) -> Iterator[Callable[..., LanceClient]]:
    """Make Lance clients that note their waits instead of waiting."""
    clients: list[LanceClient] = []

    def make(base_url: str, **options: Any) -> LanceClient:
        options = {"timeouts": QUICK, "sleep": waits.append} | options
        clients.append(LanceClient(KEY, base_url=base_url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key in one file, for 127.0.0.1 and openmart.test."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=openmart.test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:openmart.test"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate


@pytest.fixture(scope="session")
def tls(certificate: Path) -> ssl.SSLContext:
    """The server side of that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of this computer on which nobody listens, held so that nobody takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
