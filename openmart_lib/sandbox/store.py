"""What the sandbox has created: batches by id, money, and when Lance was first asked about what.

Only the server's event loop touches a store, but for the journal's writes, which a thread of its own does
so that a slow disk delays the submission and nothing else.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from openmart_lib.api.wire import Kind
from openmart_lib.sandbox.batch import LETTER_OF, Batch, new_batch_id, split_task_id
from openmart_lib.sandbox.journal import BatchLine, Journal, Line, Place
from openmart_lib.sandbox.world import find, worst_case

OPENING_BALANCE: Final = 100_000  # credits
_TASKS_KEPT: Final = 128  # batches whose tasks stay decoded in memory


class CreditLimitError(Exception):
    """A batch would take the credits charged past the limit that a fault has set."""


class Store:
    """The state of one sandbox folder."""

    def __init__(self, directory: Path, clock: Callable[[], float]) -> None:
        """Open the folder's journal and take up its state.

        Raises:
            ConfigError: If the folder is in use or its journal is damaged.
        """
        self._clock = clock
        self._journal = Journal(directory)
        self._disk = ThreadPoolExecutor(1, "sandbox-journal")
        self._places: dict[str, Place] = {}
        self._tasks: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._unsettled: set[str] = set()
        self._settled_credits = 0
        self._promised = 0  # credits of all batches once all their tasks have ended
        self.batches: dict[str, Batch] = {}
        self.first_asked: dict[str, float] = {}
        for place, line in self._journal.replay():
            if line.batch is not None:
                self._promised += sum(line.batch.credits)
                self._keep(line.batch, place)
            self._note(line.lance or {})

    def close(self) -> None:
        """Finish the write under way and close the journal."""
        self._disk.shutdown()
        self._journal.close()

    async def create(
        self,
        kind: Kind,
        tasks: Sequence[dict[str, Any]],
        *,
        team: str,
        window: tuple[float, float],
        limit: float = math.inf,
    ) -> Batch:
        """Create a batch; return once it is in the journal and on disk.

        Raises:
            CreditLimitError: If its credits would pass ``limit``; nothing is created.
            OSError: If the journal cannot be written; nothing is created.
        """
        findings = [find(kind, task) for task in tasks]
        line = BatchLine(
            at=self._clock(),
            kind=kind,
            batch_id=new_batch_id(os.urandom(12)),
            team=team,
            window=window,
            endings="".join(LETTER_OF[finding.status] for finding in findings),
            credits=[finding.credits for finding in findings],
            worst=[worst_case(kind, task) for task in tasks],
            tasks=msgspec.Raw(msgspec.json.encode(tasks)),
        )
        price = sum(line.credits)
        if self._promised + price > limit:
            raise CreditLimitError
        self._promised += price
        try:
            place = await self._write(Line(batch=line))
        except OSError:
            self._promised -= price
            raise
        return self._keep(line, place)

    async def remember_lance(self, first_asked: dict[str, float]) -> None:
        """Keep the moments at which enrichments were first asked about, on disk."""
        await self._write(Line(lance=first_asked))
        self._note(first_asked)

    def task(self, task_id: str) -> tuple[Batch, int] | None:
        """Return a task's batch and its index in there, None if there is no such task."""
        split = split_task_id(task_id)
        batch = self.batches.get(split[0]) if split else None
        if split is None or batch is None or not 0 <= split[1] < len(batch):
            return None
        return (batch, split[1]) if batch.task_id(split[1]) == task_id else None

    def request(self, batch: Batch, index: int) -> dict[str, Any]:
        """Return a task as it was received."""
        tasks = self._tasks.get(batch.batch_id)
        if tasks is None:
            tasks = self._journal.tasks(self._places[batch.batch_id])
            self._tasks[batch.batch_id] = tasks
            if len(self._tasks) > _TASKS_KEPT:
                self._tasks.popitem(last=False)
        return tasks[index]

    def spent(self, now: float) -> int:
        """Return the credits charged by a moment."""
        return self._settle(now) + sum(batch.charged(now) for batch in self._running())

    def balance(self, now: float) -> int:
        """Return the credits left at a moment; what is held back for running tasks counts as gone."""
        return OPENING_BALANCE - self.spent(now) - sum(batch.reserved(now) for batch in self._running())

    def _running(self) -> Iterable[Batch]:
        return [self.batches[batch_id] for batch_id in self._unsettled]

    def _settle(self, now: float) -> int:
        for batch in self._running():
            if batch.settled(now):
                self._unsettled.discard(batch.batch_id)
                self._settled_credits += sum(batch.credits)
        return self._settled_credits

    def _note(self, first_asked: dict[str, float]) -> None:
        for key, moment in first_asked.items():
            self.first_asked.setdefault(key, moment)

    def _keep(self, line: BatchLine, place: Place) -> Batch:
        batch = Batch(
            line.batch_id,
            line.kind,
            line.team,
            line.at,
            line.window,
            line.endings,
            bytes(line.credits),
            bytes(line.worst),
        )
        self.batches[batch.batch_id] = batch
        self._places[batch.batch_id] = place
        self._unsettled.add(batch.batch_id)
        return batch

    async def _write(self, line: Line) -> Place:
        return await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.append, line)
