"""Every fault of reads does what its line in the table says, over real sockets."""

from __future__ import annotations

from .client import Client, finished_batch
from .conftest import Clock


def test_ready_early_is_true_while_tasks_run(client: Client) -> None:
    batch_id = client.created("find_tech", {}, {})
    client.sandbox.faults.add("ready_early")

    early, honest = client.status(batch_id).json(), client.status(batch_id).json()

    assert (early["batch_ready"], early["processing"]) == (True, 2)
    assert honest["batch_ready"] is False


def test_flapping_ready_alternates(client: Client) -> None:
    batch_id = client.created("find_tech", {})
    client.sandbox.faults.add("flapping_ready")

    assert [client.status(batch_id).json()["batch_ready"] for _ in range(5)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_counts_back_says_everything_is_processing_again(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("counts_back", after=1)

    completed = [client.status(batch_id).json()["completed"] for _ in range(3)]

    assert completed == [4, 0, 4]


def test_ids_late_lists_nothing_at_first(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("ids_late", times=2)

    assert [len(client.task_ids(batch_id).json()) for _ in range(3)] == [0, 0, 4]


def test_ids_doubled_lists_every_id_twice(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_doubled")

    assert client.task_ids(batch_id).json() == ids + ids


def test_ids_shrink_leaves_the_last_ids_out(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_shrink", missing=3)
    client.sandbox.faults.add("ids_shrink", missing=9)

    assert client.task_ids(batch_id).json() == ids[:1]
    assert client.task_ids(batch_id).json() == []


def test_ids_wrapped_puts_the_list_into_an_object(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    ids = client.task_ids(batch_id).json()
    client.sandbox.faults.add("ids_wrapped")

    assert client.task_ids(batch_id).json() == {"task_ids": ids}


def test_ids_null_is_null(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("ids_null")

    assert client.task_ids(batch_id, "ERRORED").json() is None


def test_filter_refused_refuses_only_lists_with_a_filter(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock)
    client.sandbox.faults.add("filter_refused")

    statuses = [
        client.task_ids(batch_id, status).status_code for status in (None, "COMPLETED", None, "ERRORED")
    ]

    assert statuses == [200, 400, 200, 400]


def test_stuck_lets_no_further_task_end_while_it_is_on(client: Client, clock: Clock) -> None:
    early = finished_batch(client, clock)
    late = client.created("find_tech", {})
    client.sandbox.faults.add("stuck")
    clock.now += 1000

    during = [client.status(batch_id).json()["processing"] for batch_id in (early, late)]
    (task_id,) = client.task_ids(late).json()
    task_during = client.task(task_id).json()["status"]
    client.sandbox.faults.clear()

    assert (during, task_during) == ([0, 1], "PROCESSING")
    assert client.status(late).json()["processing"] == 0


def test_foreign_tracking_id_is_one_nobody_sent(client: Client, clock: Clock) -> None:
    batch_id = client.created("find_tech", {"tracking_id": "mine"})
    clock.now += 130
    client.sandbox.faults.add("foreign_tracking_id")

    (task,) = client.tasks(batch_id)

    assert task["tracking_id"].startswith("foreign-")
    assert client.tasks(batch_id)[0]["tracking_id"] == "mine"


def test_other_task_answers_with_the_first_task_of_the_batch(client: Client, clock: Clock) -> None:
    batch_id = client.created("find_tech", {"tracking_id": "t1"}, {"tracking_id": "t2"})
    clock.now += 130
    second = next(each for each in client.tasks(batch_id) if each["tracking_id"] == "t2")
    client.sandbox.faults.add("other_task")

    mixed, honest = (client.task(second["task_id"]).json() for _ in range(2))

    assert mixed["tracking_id"] == "t1" and mixed["task_id"] != second["task_id"]
    assert honest == second


def test_data_null_empties_a_completed_task(client: Client, clock: Clock) -> None:
    batch_id = finished_batch(client, clock, 1)
    client.sandbox.faults.add("data_null")

    (spoiled,), (whole,) = client.tasks(batch_id), client.tasks(batch_id)

    assert (spoiled["status"], spoiled["data"]) == ("COMPLETED", None)
    assert whole["data"]
