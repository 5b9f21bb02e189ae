"""Addresses of prepared files: random, for one file, gone with their time; large files cost no memory."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette

from openmart_lib.dashboard import routes
from openmart_lib.dashboard.routes import LIFETIME, OFFERS, Offers, sweep_exports
from openmart_lib.results.files import CUT_OFF_AFTER, sweep

LARGE = 100 * 1024**2  # bytes

SERVER = """
import sys
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from openmart_lib.dashboard.routes import OFFERS, ROUTES

def memory(request):
    [line] = [one for one in open("/proc/self/status") if one.startswith(sys.argv[2])]
    return PlainTextResponse(line.split()[1])

address = OFFERS.add(Path(sys.argv[1]), "large.csv", "somebody")
server = uvicorn.Server(uvicorn.Config(Starlette(routes=[*ROUTES, Route("/memory", memory)]), port=0,
                                       log_level="error"))
class Told(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], address, flush=True)
Told(server.config).run()
"""


@pytest.fixture
def offers() -> Iterator[Offers]:
    """Addresses of the test's own."""
    made = Offers()
    yield made
    made.withdraw("me")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run-0123.csv"
    path.write_text("ada@one.invalid")
    return path


def test_an_address_stands_for_one_file_and_cannot_be_guessed(offers: Offers, file: Path) -> None:
    other = file.with_name("other.csv")
    other.write_text("x")

    first, second = offers.add(file, "a.csv", "me"), offers.add(other, "b.csv", "me")

    assert first != second and len(first.rsplit("/", 1)[1]) >= 43
    found = offers.find(first)
    assert found is not None and (found.path, found.name) == (file, "a.csv")
    for wrong in (first[:-1], first + "x", "/api/exports/", "/api/exports/../ledger.db", str(file)):
        assert offers.find(wrong) is None


def test_when_its_time_is_over_the_address_and_the_file_are_gone(offers: Offers, file: Path) -> None:
    address = offers.add(file, "a.csv", "me", lifetime=0.05)

    _eventually(lambda: not file.exists())
    assert offers.find(address) is None


def test_a_computer_that_slept_over_the_end_gives_nothing_out(
    offers: Offers, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = offers.add(file, "a.csv", "me")
    later = time.time() + LIFETIME + 1
    monkeypatch.setattr(time, "time", lambda: later)

    assert offers.find(address) is None
    assert not file.exists()


def test_withdrawing_ends_all_of_one_owner_and_nobody_elses(offers: Offers, file: Path) -> None:
    other = file.with_name("other.csv")
    other.write_text("x")
    mine, theirs = offers.add(file, "a.csv", "me"), offers.add(other, "b.csv", "you")

    offers.withdraw("me")

    assert offers.find(mine) is None and not file.exists()
    assert offers.find(theirs) is not None
    offers.withdraw("you")


@pytest.fixture
def port() -> Iterator[str]:
    """A server with our routes, on a free port."""
    config = uvicorn.Config(Starlette(routes=routes.ROUTES), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 60
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    yield str(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()


def test_the_route_serves_the_file_under_its_name_and_lets_nobody_keep_it(port: str, file: Path) -> None:
    address = OFFERS.add(file, "Spring list é.csv", "me")
    status, headers, body = _get(port, address)

    assert (status, body) == (200, b"ada@one.invalid")
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"].startswith("attachment; filename*=utf-8''Spring%20list")

    OFFERS.withdraw("me")
    status, _, body = _get(port, address)

    assert status == 410
    assert b"Nothing is lost: open Results and prepare it again." in body
    assert _get(port, "/api/exports/forged")[0] == 410


def test_a_file_is_taken_once_when_its_last_byte_was_served(port: str, file: Path) -> None:
    """A look at its size, or at its beginning, is not to have it; a download that was resumed is."""
    taken: list[str] = []
    address = OFFERS.add(file, "a.csv", "me", taken=lambda: taken.append("taken"))

    _get(port, address, method="HEAD")
    _get(port, address, only=3)
    assert taken == []

    assert _get(port, address, since=3)[2] == b"@one.invalid"
    _eventually(lambda: taken == ["taken"])
    _get(port, address)
    _get(port, address)  # answered after the one before was noted, had it been
    assert taken == ["taken"]
    OFFERS.withdraw("me")


def test_files_are_swept_at_the_start_and_by_age_but_not_while_they_are_written(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("a.csv", 0), ("b.csv", 2 * LIFETIME + 1), (".c.part", 60), (".d.part", CUT_OFF_AFTER)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (now - age, now - age))

    assert sweep_exports(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".c.part", "a.csv"]
    assert sweep_exports(tmp_path, at_start=True) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".c.part"]
    assert sweep(tmp_path / "nowhere", older_than=0, now=now) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_large_download_costs_the_server_next_to_no_memory(tmp_path: Path) -> None:
    """So it is passed on piece by piece, and begins at once however large it is."""
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(LARGE)
    command = [sys.executable, "-c", SERVER, str(large), "VmHWM"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        port, address = process.stdout.readline().split()
        before = int(_get(port, "/memory")[2])
        _get(port, address, only=1024)  # the first one imports what it needs

        received = _fetch(port, address)

        grown = int(_get(port, "/memory")[2]) - before
    finally:
        process.kill()
        process.wait()
        process.stdout and process.stdout.close()
    assert received == LARGE
    assert grown < 20 * 1024, f"{grown} kB"
    assert urlsplit(address).path == address


def _eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    assert holds()


def _get(
    port: str, path: str, only: int | None = None, *, since: int = 0, method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    part = f"bytes={since}-{only - 1 if only else ''}"
    connection.request(method, path, headers={"Range": part} if only or since else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def _fetch(port: str, path: str) -> int:
    """Fetch a large file piece by piece; return its length."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    received = 0
    while piece := answer.read(1024**2):
        received += len(piece)
    connection.close()
    return received
