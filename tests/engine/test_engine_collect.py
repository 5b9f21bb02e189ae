"""How a batch's reads are handed to the threads that read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from engine_rig import Rig

from openmart_lib.api.wire import Kind, TaskAnswer
from openmart_lib.engine.collect import Collection
from openmart_lib.engine.right_of_way import RightOfWay
from openmart_lib.ledger.answers import DueBatch


class Jobs:
    """An executor that only keeps what it is given, and a recorder that writes nothing."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, job: Callable[[], None]) -> None:
        self.waiting.append(job)

    def record(self, *_: Any, **__: Any) -> None: ...


@pytest.mark.parametrize(
    ("tasks", "at_once", "jobs"), [(100, 32, 32), (100, 8, 25), (100, 200, 100), (20, 32, 20), (0, 32, 0)]
)
def test_a_batch_is_spread_over_the_threads_in_jobs_of_a_few_reads(
    rig: Rig, tasks: int, at_once: int, jobs: int
) -> None:
    """A job of many would make the batches behind it wait; a job for each read costs more to hand over."""
    executor: Any = Jobs()
    read: list[str] = []
    ids = [f"task-{number:03}" for number in range(tasks)]
    due = DueBatch(1, "none", 1, Kind.FIND_PEOPLE, tasks, 0, 0.0, 0.0, None)

    class Client:
        def task(self, task_id: str) -> TaskAnswer:
            read.append(task_id)
            return TaskAnswer(task_id=task_id, status="PROCESSING", tracking_id=None, data=None, raw="")

    def reader(question: Any) -> Any:
        return question(Client())

    way, pacing = RightOfWay(), rig.pacing
    round_ = Collection(
        rig.ledger, executor, reader, due, first=way, sure=False, pacing=pacing, done=lambda _: None
    )

    round_.start(executor, ids, at_once=at_once)
    assert len(executor.waiting) == jobs
    for job in executor.waiting:
        before = len(read)
        job()
        assert len(read) - before <= 4, "whoever waits behind it gets a turn"

    assert read == ids, "each once"
