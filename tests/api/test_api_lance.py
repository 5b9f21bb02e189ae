"""Lance's batch query: a read in spite of being a POST."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from api_examples import LANCE_TASK
from raw_server import RawServer, reply, reset

from openmart_lib import errors
from openmart_lib.api import LanceClient, validate_lance_query
from openmart_lib.api.lance_states import triples
from openmart_lib.api.wire import LanceEntityType, LanceField

Connect = Callable[..., LanceClient]
Serve = Callable[..., RawServer]
RECORD = {**LANCE_TASK, "status": "finished", "dataFound": True, "updatedAt": "2026-02-03T09:00:15.000Z"}


def test_a_query_is_one_post_with_its_tasks(serve: Serve, connect_lance: Connect) -> None:
    server = serve(reply(200, [RECORD | {"new": 1}]))

    records = connect_lance(server.url).query([LANCE_TASK])

    assert records == [RECORD | {"new": 1}]
    assert server.requests[0].method == "POST"
    assert server.requests[0].path == "/api/v1/operations/enrichment/batch/query"
    assert json.loads(server.requests[0].body) == {"tasks": [LANCE_TASK]}
    assert server.requests[0].headers["content-type"] == "application/json"


def test_a_query_is_tried_again_with_its_whole_body(
    serve: Serve, connect_lance: Connect, waits: list[float]
) -> None:
    server = serve(reply(500, {"code": "INTERNAL_ERROR"}), reset, reply(200, []))

    assert connect_lance(server.url).query([LANCE_TASK] * 200) == []

    assert len(server.requests) == 3 and len(waits) == 2
    assert len({one.body for one in server.requests}) == 1


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"code": "VALIDATION_ERROR"}, errors.RefusedError),
        (400, {"error": {"message": "Organization ID is missing"}}, errors.RefusedError),
        (401, {"errors": [{"code": "UNAUTHORIZED"}]}, errors.AuthError),
        (401, "UNAUTHORIZED", errors.AuthError),
        (404, {}, errors.NotFoundError),
    ],
)
def test_a_no_has_the_servers_words_wherever_they_are(
    status: int, body: object, expected: type[Exception], serve: Serve, connect_lance: Connect
) -> None:
    """The layout of Lance's errors is not documented."""
    server = serve(reply(status, body))

    with pytest.raises(expected, match=r"Lance.*free") as caught:
        connect_lance(server.url).query([LANCE_TASK])

    for word in ("VALIDATION_ERROR", "Organization ID is missing", "UNAUTHORIZED"):
        assert (word in caught.value.detail) == (word in json.dumps(body))
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [None, [], {"data": None}, {"data": []}])
def test_no_records_come_in_many_shapes(body: object, serve: Serve, connect_lance: Connect) -> None:
    assert connect_lance(serve(reply(200, body)).url).query([LANCE_TASK]) == []


def test_of_several_records_the_newest_counts(serve: Serve, connect_lance: Connect) -> None:
    """Per entity, type and field; a record without a time is the oldest."""
    old = RECORD | {"status": "timeout", "updatedAt": "2026-02-03T09:00:15+02:00"}
    undated = RECORD | {"status": "pending", "updatedAt": None}
    other = RECORD | {"field": "emails", "entityType": None, "updatedAt": "soon"}
    server = serve(reply(200, [old, RECORD, other, undated]))

    records = connect_lance(server.url).query([LANCE_TASK])

    assert records == [RECORD, other]


@pytest.mark.parametrize(
    "body",
    [{}, {"a": 1}, "x", 3, [None], [{}], [{"entityId": "e", "field": "phones"}], [RECORD | {"status": None}]],
)
def test_an_answer_of_another_shape_is_invalid(body: object, serve: Serve, connect_lance: Connect) -> None:
    with pytest.raises(errors.InvalidAnswerError, match="record"):
        connect_lance(
            serve(reply(200, body if isinstance(body, dict | list) else json.dumps(body))).url
        ).query([LANCE_TASK])


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"entityId": "3f2b8c1e"}, "entityId"),
        ({"entityId": None}, "entityId"),
        ({"field": "phone"}, "field"),
        ({"field": ["phones"]}, "field"),
        ({"entityType": "Person"}, "entityType"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_task_is_refused_before_it_is_sent(
    change: dict[str, object], column: str, serve: Serve, connect_lance: Connect
) -> None:
    server = serve(reply(200, []))

    with pytest.raises(errors.InputError) as caught:
        connect_lance(server.url).query([LANCE_TASK, LANCE_TASK | change])

    assert (caught.value.row, caught.value.column) == (2, column)
    assert server.requests == []


@pytest.mark.parametrize("missing", list(LANCE_TASK))
def test_all_three_members_are_always_stated(missing: str) -> None:
    """The default entity type is easy to forget when joining results."""
    task = {name: value for name, value in LANCE_TASK.items() if name != missing}

    with pytest.raises(errors.InputError, match=f"{missing} is missing"):
        validate_lance_query([task])


@pytest.mark.parametrize("count", [0, 201])
def test_a_query_has_1_to_200_tasks(count: int) -> None:
    with pytest.raises(errors.InputError, match=f"1 to 200 tasks, and these are {count}"):
        validate_lance_query([LANCE_TASK] * count)

    validate_lance_query([LANCE_TASK] * 200)


# any number of triples -------------------------------------------------------------------------------------


def ids(count: int) -> list[str]:
    return [f"3f2b8c1e-5a77-4d1c-9e55-{number:012x}" for number in range(count)]


class Lance:
    """A server that answers each query by what is in it."""

    def __init__(self, answer: Callable[[list[dict[str, str]]], Any]) -> None:
        self.queries: list[list[dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["tasks"]
                outer.queries.append(tasks)
                status, body = answer(tasks)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.02))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def lance() -> Iterator[Callable[..., Lance]]:
    started: list[Lance] = []

    def start(answer: Callable[[list[dict[str, str]]], Any]) -> Lance:
        started.append(Lance(answer))
        return started[-1]

    yield start
    for one in started:
        one.close()


def every_second(tasks: list[dict[str, str]]) -> tuple[int, list[dict[str, Any]]]:
    """Records of every second entity, not in the order of the request."""
    even = [task for task in tasks if int(task["entityId"][-1], 16) % 2 == 0]
    return 200, [{**task, "status": "finished", "dataFound": True} for task in even][::-1]


def test_any_number_is_asked_in_queries_of_200_and_duplicates_once(
    lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    server = lance(every_second)
    wanted = triples([*ids(1_000), *(one.upper() for one in ids(1_000))], [LanceField.EMAILS])

    known = connect_lance(server.url).query_all([*wanted, *wanted])

    assert sorted(map(len, server.queries)) == [200] * 5
    assert {one.entity_id for one in known} == {one for one in ids(1_000) if int(one[-1], 16) % 2 == 0}


def test_answers_are_joined_on_id_type_and_field_whatever_their_order(
    lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    def shuffled(tasks: list[dict[str, str]]) -> tuple[int, list[dict[str, Any]]]:
        said = [
            {**task, "entityId": task["entityId"].upper(), "status": f"{task['field']} {task['entityType']}"}
            for task in tasks
        ]
        return 200, [{"entityId": "else", "field": "emails", "status": "finished"}, *said[::-1]]

    server = lance(shuffled)
    wanted = [one for kind in LanceEntityType for one in triples(ids(30), LanceField, kind)]

    known = connect_lance(server.url).query_all(wanted)

    assert list(map(len, server.queries)) == [180]
    assert set(known) == set(wanted)
    assert all(record["status"] == f"{one.field} {one.entity_type}" for one, record in known.items())


@pytest.mark.parametrize("asked", [["person"], ["company"], ["person", "company"]])
def test_a_record_without_a_type_is_a_persons_unless_only_the_company_was_asked_about(
    asked: list[str], lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    server = lance(
        lambda tasks: (200, [{"entityId": ids(1)[0], "field": "emails", "entityType": None, "status": "x"}])
    )
    wanted = [one for kind in asked for one in triples(ids(1), [LanceField.EMAILS], kind)]

    known = connect_lance(server.url).query_all(wanted)

    assert [one.entity_type for one in known] == [asked[0]]


def test_the_progress_of_many_queries_is_told(lance: Callable[..., Lance], connect_lance: Connect) -> None:
    told: list[tuple[int, int]] = []
    wanted = triples(ids(450), [LanceField.PHONES])

    connect_lance(lance(every_second).url).query_all(
        wanted, connections=1, progress=lambda done, of: told.append((done, of))
    )

    assert told == [(200, 450), (400, 450), (450, 450)]


def test_a_query_of_many_is_tried_again_as_the_read_it_is(
    lance: Callable[..., Lance], connect_lance: Connect, waits: list[float]
) -> None:
    failures = iter([True, True])
    server = lance(
        lambda tasks: (503, {"code": "INTERNAL_ERROR"}) if next(failures, False) else every_second(tasks)
    )

    known = connect_lance(server.url).query_all(triples(ids(600), [LanceField.EMAILS]))

    assert (len(known), len(server.queries), len(waits)) == (300, 5, 2)


def test_one_query_that_fails_for_good_fails_all_and_ends_the_asking(
    lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    server = lance(lambda tasks: (401, {"code": "UNAUTHORIZED"}))

    with pytest.raises(errors.AuthError, match="LANCE_TOKEN"):
        connect_lance(server.url).query_all(triples(ids(20_000), [LanceField.EMAILS]), connections=2)

    assert len(server.queries) < 20


def test_query_each_gives_the_others_although_one_fails(
    lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    bad = ids(1)[0]
    server = lance(
        lambda tasks: (
            (400, {"code": "VALIDATION_ERROR"})
            if any(task["entityId"] == bad for task in tasks)
            else every_second(tasks)
        )
    )

    answers = list(connect_lance(server.url).query_each(triples(ids(800), [LanceField.EMAILS])))

    assert sorted(answer.error is None for answer in answers) == [False, True, True, True]
    assert {one for answer in answers for one in answer.asked} == set(triples(ids(800), [LanceField.EMAILS]))


def test_an_id_that_is_no_uuid_is_said_before_anything_is_sent(
    lance: Callable[..., Lance], connect_lance: Connect
) -> None:
    server = lance(every_second)

    with pytest.raises(errors.InputError, match="entityId must be a UUID"):
        connect_lance(server.url).query_all(triples([*ids(300), "x"], [LanceField.EMAILS]))

    assert server.queries == []
