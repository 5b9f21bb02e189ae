"""The total deadline: every request ends, whatever the server does, and only its own socket is shut."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from api_examples import RECEIPT, TASK_ANSWER, TASK_ID, TASKS
from raw_server import RawServer, Request, answer, drip, hang, reply

from openmart_lib import errors
from openmart_lib.api import OpenmartClient, RetryPolicy, Timeouts
from openmart_lib.api.answers import MAX_DEPTH
from openmart_lib.api.connection import WatchedAdapter
from openmart_lib.api.deadline import CURRENT_WATCH, DEADLINES, Deadlines, Watch
from openmart_lib.api.transport import MAX_ANSWER_BYTES
from openmart_lib.api.wire import Kind

Connect = Callable[..., OpenmartClient]
Serve = Callable[..., RawServer]
SHORT = Timeouts(connect=5.0, read=5.0, total=0.3)
ONCE = RetryPolicy(max_attempts=1)
TECH = [TASKS[Kind.FIND_TECH]]

DRIPS = {
    "status line": drip(b"", b"HTTP/1.1 200 OK"),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "body with a length": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"[1,"),
    "body without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"[1,"),
    "chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n"),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@contextmanager
def at_the_deadline() -> Iterator[None]:
    """Not before it; whoever missed it would wait for ever, or say so in other words."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started >= 0.25


@pytest.mark.parametrize("where", list(DRIPS))
def test_a_dripped_answer_to_a_submission_ends_at_the_deadline(
    where: str, serve: Serve, connect: Connect
) -> None:
    """Every byte renews a read timeout, so only the deadline can end this."""
    server = serve(DRIPS[where])

    with at_the_deadline(), pytest.raises(errors.SubmissionUnknownError, match=r"within 0\.3 s"):
        connect(server.url, timeouts=SHORT).find_tech(TECH)

    assert server.count(1) == 1


@pytest.mark.parametrize("where", list(DRIPS))
def test_a_dripped_answer_to_a_read_ends_at_the_deadline(where: str, serve: Serve, connect: Connect) -> None:
    server = serve(DRIPS[where])

    with (
        at_the_deadline(),
        pytest.raises((errors.NoAnswerError, errors.InvalidAnswerError), match=r"within 0\.3 s"),
    ):
        connect(server.url, timeouts=SHORT, retry=ONCE).task(TASK_ID)


def test_a_dripped_body_of_a_definite_no_is_still_that_no(serve: Serve, connect: Connect) -> None:
    server = serve(drip(b"HTTP/1.1 402 X\r\nContent-Length: 9999\r\n\r\n"))

    with at_the_deadline(), pytest.raises(errors.CreditsError):
        connect(server.url, timeouts=SHORT).find_tech(TECH)


def test_a_handshake_without_end_is_cut_and_nothing_was_sent(serve: Serve, connect: Connect) -> None:
    server = serve(greet=hang)

    with at_the_deadline(), pytest.raises(errors.NoAnswerError, match="nothing was spent"):
        connect(f"https://127.0.0.1:{server.port}", timeouts=SHORT).find_tech(TECH)


def test_a_proxy_that_never_answers_connect_is_cut_and_nothing_was_sent(
    serve: Serve, connect: Connect
) -> None:
    proxy = serve(drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"))

    with at_the_deadline(), pytest.raises(errors.NoAnswerError, match="nothing was spent"):
        connect("https://openmart.test", proxy=proxy.url, timeouts=SHORT).find_tech(TECH)


def test_a_body_nobody_takes_is_cut_and_unknown(serve: Serve, connect: Connect) -> None:
    """The server reads nothing, so the send buffers fill and sending blocks."""
    stop = threading.Event()

    def take_nothing(connection: socket.socket) -> None:
        stop.wait(60)

    server = serve(greet=take_nothing)

    with at_the_deadline(), pytest.raises(errors.SubmissionUnknownError, match=r"within 0\.3 s"):
        connect(server.url, timeouts=SHORT).submit_body(Kind.FIND_TECH, b" " * 30_000_000)

    stop.set()


def test_an_answer_in_time_is_not_disturbed(serve: Serve, connect: Connect) -> None:
    def slow(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        for byte in answer(200, RECEIPT):
            connection.sendall(bytes([byte]))
        return True

    client = connect(serve(slow).url, timeouts=Timeouts(60.0, 60.0, 60.0))

    assert client.find_tech(TECH)["batch_id"] == RECEIPT["batch_id"]


def test_a_deadline_that_passes_after_the_answer_leaves_the_pooled_connection_alone(
    serve: Serve, connect: Connect
) -> None:
    """The next request on the same connection outlives the first one's deadline."""
    quick = reply(200, TASK_ANSWER)

    def slow(connection: socket.socket, request: Request, stopping: threading.Event) -> bool:
        stopping.wait(0.7)
        return quick(connection, request, stopping)

    server = serve(quick, slow, slow)
    client = connect(server.url, timeouts=Timeouts(connect=5.0, read=5.0, total=1.3), retry=ONCE)

    for _ in range(3):
        assert client.task(TASK_ID)["status"] == "COMPLETED"

    assert server.connections == 1


def test_a_timer_that_fires_between_two_requests_does_not_touch_the_pool(serve: Serve) -> None:
    """The connection is back in the pool, and the first request has not been signed off yet."""
    server = serve(reply(200, TASK_ANSWER))
    adapter = WatchedAdapter(1)
    watches = [Watch(60.0), Watch(60.0)]

    for watch in watches:
        token = CURRENT_WATCH.set(watch)
        response = adapter.send(
            requests.Request("GET", f"{server.url}/").prepare(), stream=True, timeout=60.0
        )
        while response.raw.read1(65536):
            pass
        CURRENT_WATCH.reset(token)
        watch.expire()

    adapter.close()
    assert server.connections == 1 and len(server.requests) == 2
    assert not any(watch.expired for watch in watches)


def test_sending_slowly_is_no_connect_timeout(serve: Serve, connect: Connect) -> None:
    """urllib3 would allow a slow upload only the seconds meant for connecting."""

    def take_late(connection: socket.socket) -> None:
        time.sleep(0.15)
        reader = connection.makefile("rb")
        while reader.readline().strip():
            pass
        reader.read(8_000_000)
        reader.close()
        connection.sendall(answer(200, RECEIPT))

    client = connect(serve(greet=take_late).url, timeouts=Timeouts(connect=0.05, read=60.0, total=60.0))

    assert client.submit_body(Kind.FIND_TECH, b" " * 8_000_000)["batch_id"] == RECEIPT["batch_id"]


def test_a_watch_that_ended_shuts_nothing() -> None:
    """Also when the clock thread is late and holds it already."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = Watch(1.0)
        watch.follow(ours)
        watch.end()

        watch.expire()

        theirs.sendall(b"still open")
        assert ours.recv(20) == b"still open"
        assert not watch.expired


def test_a_watch_never_shuts_the_next_owner_of_a_descriptor() -> None:
    """The connection closes and its number is given to another; only our duplicate is shut."""
    ours, theirs = socket.socketpair()
    watch = Watch(1.0)
    watch.follow(ours)
    number = ours.fileno()
    ours.close()
    stranger, far = socket.socketpair()
    with theirs, stranger, far:
        assert number in (stranger.fileno(), far.fileno())

        watch.expire()

        far.sendall(b"untouched")
        assert stranger.recv(20) == b"untouched"
        assert theirs.recv(1) == b""


def test_a_connection_made_after_the_deadline_is_not_used() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = Watch(1.0)
        watch.expire()

        with pytest.raises(TimeoutError):
            watch.follow(ours)


def test_deadlines_expire_in_their_own_order_whatever_was_added_first() -> None:
    deadlines = Deadlines()
    late, soon, removed = Watch(60.0), Watch(60.0), Watch(1.0)
    deadlines.add(late, 0.15)
    deadlines.add(removed, 0.01)
    deadlines.add(soon, 0.05)
    deadlines.remove(removed)

    _wait_for(lambda: soon.expired)

    assert not late.expired
    _wait_for(lambda: late.expired)
    assert not removed.expired


def test_no_descriptor_and_no_watch_is_left_behind(serve: Serve, connect: Connect) -> None:
    server = serve(reply(200, TASK_ANSWER), reply(500, {}), reply(200, "x"), drip(b"HTTP/1.1 200 OK\r\n"))
    client = connect(server.url, timeouts=Timeouts(1.0, 1.0, 0.05), retry=ONCE)
    client.task(TASK_ID)
    before = _open_descriptors()

    for _ in range(10):
        with pytest.raises(errors.OpenmartError):
            client.task(TASK_ID)

    assert not DEADLINES._due
    # The scripted server runs in this process and may not have closed its last side yet.
    _wait_for(lambda: _open_descriptors() <= before)


def test_a_gzip_bomb_is_stopped_early(serve: Serve, connect: Connect) -> None:
    """100 KB that unpack to 100 MB: read to the cap, not to the end, and memory stays flat."""
    bomb = gzip.compress(bytes(100 * 2**20), 6)
    server = serve(reply(200, bomb, Content_Encoding="gzip"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(errors.InvalidAnswerError, match="larger than 32 MB"):
        connect(server.url, retry=ONCE).task(TASK_ID)
    with pytest.raises(errors.SubmissionUnknownError, match="larger than 32 MB"):
        connect(server.url).find_tech(TECH)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024


def test_an_answer_given_up_halfway_does_not_keep_its_place_in_the_pool(
    serve: Serve, connect: Connect
) -> None:
    """One connection is allowed, so the next read would wait for it for ever."""
    server = serve(
        reply(200, bytes(MAX_ANSWER_BYTES + 2**20)),
        reply(200, b"no gzip" * 99, Content_Encoding="gzip"),
        reply(200, TASK_ANSWER),
    )
    client = connect(server.url, retry=ONCE, max_connections=1)

    for words in ("larger than 32 MB", "could not be decompressed"):
        with pytest.raises(errors.InvalidAnswerError, match=words):
            client.task(TASK_ID)

    assert client.task(TASK_ID)["status"] == "COMPLETED"


def test_an_answer_just_under_the_cap_is_read(serve: Serve, connect: Connect) -> None:
    ids = ["x" * 1000] * (MAX_ANSWER_BYTES // 1010)
    server = serve(reply(200, ids))

    assert len(connect(server.url).task_ids("b")) == len(ids)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 200_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_is_bounded(levels: int, brackets: str, serve: Serve, connect: Connect) -> None:
    opening = "[" if brackets == "[]" else '{"a":'
    nested = f"{opening * levels}1{brackets[1] * levels}"
    server = serve(reply(200, f'{{"batch_id": "b", "status": "X", "data": {nested}}}'))

    with pytest.raises(errors.InvalidAnswerError, match="nested too deeply"):
        connect(server.url, retry=ONCE).task(TASK_ID)
    with pytest.raises(errors.SubmissionUnknownError):
        connect(server.url).find_tech(TECH)


def test_many_brackets_are_not_deep(serve: Serve, connect: Connect) -> None:
    data = [{"a": ["[[[["]} for _ in range(500)]
    server = serve(reply(200, {"status": "X", "data": data}))

    assert connect(server.url).task(TASK_ID)["data"] == data


def test_json_that_breaks_strict_readers_is_not_lost(serve: Serve, connect: Connect) -> None:
    """Half a surrogate pair, bytes that are no UTF-8, NaN, a byte order mark: the rest was paid for."""
    text = b'\xef\xbb\xbf{"status": "COMPLETED", "data": ["\\ud800 a", "\xff b", NaN, "c"]}'
    server = serve(reply(200, text))

    task = connect(server.url).task(TASK_ID)

    assert task["data"][2:] == [None, "c"]
    assert task["data"][0].endswith(" a") and task["data"][1].endswith(" b")
    assert json.loads(task["raw"])["data"] == task["data"]
    assert task["raw"].encode().decode() == task["raw"]


def _open_descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)
