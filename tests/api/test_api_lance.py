"""Lance's batch query: a read in spite of being a POST."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from api_examples import LANCE_TASK
from raw_server import RawServer, reply, reset

from openmart_lib import errors
from openmart_lib.api import LanceClient, validate_lance_query

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
