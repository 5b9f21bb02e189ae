"""The clients against the sandbox: the whole way of a batch, and each fault of its table under its name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from api_examples import LANCE_TASK, QUICK, TASKS

from openmart_lib import errors
from openmart_lib.api import LanceClient, OpenmartClient, RetryPolicy, Timeouts
from openmart_lib.api.wire import Kind, TaskStatus
from openmart_lib.sandbox import Sandbox

Connect = Callable[..., OpenmartClient]
ONCE = RetryPolicy(max_attempts=1)
IMPATIENT = Timeouts(connect=1.0, read=0.5, total=0.7)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(submit_seconds=0.0, task_seconds=(0.0, 0.0)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.faults.clear()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_batch_goes_all_the_way(kind: Kind, sandbox: Sandbox, connect: Connect) -> None:
    client = connect(sandbox.url)
    tasks = [TASKS[kind] | {"tracking_id": f"{kind.value}-{number}"} for number in range(3)]

    receipt = client.submit(kind, tasks)
    limit = time.monotonic() + 60.0
    while not (counts := client.batch_status(receipt["batch_id"]))["batch_ready"]:
        assert time.monotonic() < limit
        time.sleep(0.02)
    answers = [client.task(task_id) for task_id in client.task_ids(receipt["batch_id"])]

    assert counts["total"] == 3 and counts["processing"] == 0
    assert {answer["tracking_id"] for answer in answers} == {task["tracking_id"] for task in tasks}
    assert {answer["status"] for answer in answers} <= set(TaskStatus) - {TaskStatus.PROCESSING}
    assert isinstance(client.credit_balance()["balance"], int)


UNKNOWN: list[tuple[str, dict[str, object], bool]] = [
    ("answer_lost", {}, True),
    ("answer_lost", {"reset": True}, True),
    ("drop_before", {}, False),
    ("drop_before", {"reset": True}, False),
    ("cut_answer", {"at": -5}, True),
    ("hang", {"seconds": 2.0}, True),
    ("drip", {"seconds": 2.0}, True),
    ("status_created", {}, True),
    ("status_created", {"status": 504, "html": True}, True),
    ("status", {"status": 503, "retry_after": "1"}, False),
    ("status", {"status": 409}, False),
    ("redirect", {}, False),
    ("no_batch_id", {}, True),
    ("invalid_json", {}, True),
    ("truncated_json", {}, True),
    ("empty_body", {}, True),
    ("wrong_content_type", {"html": True}, True),
    ("huge", {"gzip": True}, True),
    ("deep_json", {}, True),
]


@pytest.mark.parametrize(("fault", "values", "created"), UNKNOWN, ids=lambda value: str(value)[:40])
def test_whether_it_was_created_or_not_an_unclear_submission_is_unknown(
    fault: str, values: dict[str, object], created: bool, sandbox: Sandbox, connect: Connect
) -> None:
    """The client cannot know; the sandbox's journal does."""
    sandbox.faults.add(fault, on="submit", **values)
    asked, there = sandbox.requests("submit"), len(sandbox.journal())

    timeouts = IMPATIENT if fault in ("hang", "drip") else QUICK
    with pytest.raises(errors.SubmissionUnknownError):
        connect(sandbox.url, timeouts=timeouts).find_tech([TASKS[Kind.FIND_TECH]])

    limit = time.monotonic() + 60.0
    while len(sandbox.journal()) < there + created:  # a hasty client leaves before that
        assert time.monotonic() < limit
        time.sleep(0.005)
    assert sandbox.requests("submit") == asked + 1
    assert len(sandbox.journal()) == there + created


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 411, 413, 414, 415, 422, 429, 431])
def test_a_definite_no_created_nothing(status: int, sandbox: Sandbox, connect: Connect) -> None:
    sandbox.faults.add("status", on="submit", status=status, detail="the words", retry_after="7")
    there = len(sandbox.journal())

    with pytest.raises(
        errors.ResponseError, match=r"the words.*Nothing was spent|submissions.*Nothing"
    ) as caught:
        connect(sandbox.url).find_tech([TASKS[Kind.FIND_TECH]])

    assert len(sandbox.journal()) == there and caught.value.detail == "the words"
    assert getattr(caught.value, "retry_after", 7.0) == 7.0


def test_what_a_wrong_content_type_calls_html_is_read_all_the_same(
    sandbox: Sandbox, connect: Connect
) -> None:
    sandbox.faults.add("wrong_content_type", on="any", times=None)
    client = connect(sandbox.url)

    assert client.task_ids(client.find_tech([TASKS[Kind.FIND_TECH]])["batch_id"])


@pytest.mark.parametrize(
    ("fault", "expected"), [("ids_wrapped", 1), ("ids_null", 0), ("ids_doubled", 2), ("ids_late", 0)]
)
def test_lists_of_ids_are_read_as_they_come(
    fault: str, expected: int, sandbox: Sandbox, connect: Connect
) -> None:
    client = connect(sandbox.url)
    batch_id = client.find_tech([TASKS[Kind.FIND_TECH]])["batch_id"]
    sandbox.faults.add(fault, on="task_ids")

    assert len(client.task_ids(batch_id)) == expected


def test_a_refused_filter_is_told_apart(sandbox: Sandbox, connect: Connect) -> None:
    client = connect(sandbox.url)
    batch_id = client.find_tech([TASKS[Kind.FIND_TECH]])["batch_id"]
    sandbox.faults.add("filter_refused")

    assert len(client.task_ids(batch_id)) == 1
    with pytest.raises(errors.RefusedError):
        client.task_ids(batch_id, status="COMPLETED")


def test_reads_outlast_a_short_outage(sandbox: Sandbox, connect: Connect, waits: list[float]) -> None:
    sandbox.faults.add("status", on="balance", times=3, status=503)

    assert connect(sandbox.url).credit_balance()["balance"] is not None
    assert len(waits) == 3


def test_an_id_of_nobody_is_not_found(sandbox: Sandbox, connect: Connect) -> None:
    for call in (OpenmartClient.task, OpenmartClient.batch_status, OpenmartClient.task_ids):
        with pytest.raises(errors.NotFoundError):
            call(connect(sandbox.url), "00000000-0000-4000-8000-000000000000")


def test_lance_answers_and_fails_like_any_read(
    sandbox: Sandbox, connect_lance: Callable[..., LanceClient], waits: list[float]
) -> None:
    sandbox.faults.add("status", on="lance", status=500)

    records = connect_lance(sandbox.url).query([LANCE_TASK])

    assert len(waits) == 1
    assert all(record["entityId"] == LANCE_TASK["entityId"] for record in records)
