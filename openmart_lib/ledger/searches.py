"""How far the searches for bad rows are, and which rows were found to be refused alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import batch, event, row_task, task, uploaded_row
from openmart_lib.ledger.states import BatchState

_TAKEN: Final = (BatchState.ACCEPTED, BatchState.COLLECTED)
_NOT_SENT: Final = (BatchState.PLANNED, BatchState.CANCELLED)


@dataclass(frozen=True, slots=True)
class GuiltyRow:
    """An uploaded row that Openmart refused alone; ``reason`` has its words."""

    seq: int
    file_line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A batch of a search. ``halved``: it was refused, and its tasks are in two further parts."""

    pk: int
    batch_no: int
    state: BatchState
    task_count: int
    halved: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A refused batch (``pk``, ``batch_no``, ``task_count``) and the parts it was sent again as.

    ``stopped``: by a person. ``hopeless``: the program stopped halving, because everything was refused.
    """

    pk: int
    batch_no: int
    task_count: int
    parts: tuple[Part, ...]
    guilty: tuple[GuiltyRow, ...]
    stopped: bool
    hopeless: bool

    @property
    def waiting(self) -> int:
        """Parts that are not sent yet."""
        return self._count(BatchState.PLANNED)

    @property
    def sending(self) -> int:
        """Parts that are being sent."""
        return self._count(BatchState.SENDING)

    @property
    def unknown(self) -> int:
        """Parts that Openmart may have taken: a person decides about them."""
        return self._count(BatchState.UNKNOWN)

    @property
    def sent(self) -> int:
        """Parts that were sent, or are being sent."""
        return sum(part.state not in _NOT_SENT for part in self.parts)

    @property
    def accepted_tasks(self) -> int:
        """Tasks in parts that Openmart accepted."""
        return sum(part.task_count for part in self.parts if part.state in _TAKEN)

    @property
    def going(self) -> bool:
        """Whether a part is to be sent, or being sent."""
        return self.waiting + self.sending > 0

    @property
    def cut_off(self) -> bool:
        """Whether parts were cancelled before they were sent: the search, or its run, was stopped."""
        return self._count(BatchState.CANCELLED) > 0

    @property
    def left_over(self) -> tuple[Part, ...]:
        """Parts that were refused with several tasks and not halved: their bad rows are not known."""
        refused = (part for part in self.parts if part.state is BatchState.REFUSED)
        return tuple(part for part in refused if not part.halved and part.task_count > 1)

    def _count(self, state: BatchState) -> int:
        return sum(part.state is state for part in self.parts)


@in_plain_words
def searches(ledger: Ledger, run_id: str) -> list[Search]:
    """Return the searches of a run, by the number of their refused batch.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        parts = _parts(connection, pk)
        if not parts:
            return []
        guilty, told = _guilty(connection, pk), _told(connection, pk)
        columns = batch.c.id, batch.c.batch_no, batch.c.task_count
        roots = connection.execute(
            select(*columns).where(batch.c.id.in_(list(parts))).order_by(batch.c.batch_no)
        ).all()
    return [
        Search(
            pk=root.id,
            batch_no=root.batch_no,
            task_count=root.task_count,
            parts=tuple(parts[root.id]),
            guilty=tuple(guilty[root.id]),
            stopped=(root.id, "search_stopped") in told,
            hopeless=(root.id, "search_hopeless") in told,
        )
        for root in roots
    ]


def _parts(connection: Connection, pk: int) -> dict[int, list[Part]]:
    names = ("id", "batch_no", "state", "task_count", "resend_of", "search_of")
    mine = (batch.c.run_id == pk) & batch.c.search_of.is_not(None)
    query = select(*(batch.c[name] for name in names)).where(mine).order_by(batch.c.id)
    rows = connection.execute(query).all()
    parents = {row.resend_of for row in rows}
    parts: dict[int, list[Part]] = defaultdict(list)
    for row in rows:
        state = BatchState(row.state)
        halved = state is BatchState.REFUSED and row.id in parents
        parts[row.search_of].append(Part(row.id, row.batch_no, state, row.task_count, halved))
    return parts


def _guilty(connection: Connection, pk: int) -> dict[int, list[GuiltyRow]]:
    """Return per search the rows of its refused parts of one task, in upload order."""
    alone = (batch.c.state == BatchState.REFUSED) & (batch.c.task_count == 1)
    link = (row_task.c.run_id == task.c.run_id) & (row_task.c.task_no == task.c.task_no)
    row = (uploaded_row.c.run_id == row_task.c.run_id) & (uploaded_row.c.seq == row_task.c.seq)
    query = (
        select(batch.c.search_of, uploaded_row.c.seq, uploaded_row.c.file_line, row_task.c.reason)
        .join(task, task.c.batch_pk == batch.c.id)
        .join(row_task, link)
        .join(uploaded_row, row)
        .where(batch.c.run_id == pk, batch.c.search_of.is_not(None), alone)
        .order_by(uploaded_row.c.seq)
    )
    guilty: dict[int, list[GuiltyRow]] = defaultdict(list)
    for found in connection.execute(query):
        guilty[found.search_of].append(GuiltyRow(found.seq, found.file_line, found.reason or ""))
    return guilty


def _told(connection: Connection, pk: int) -> set[tuple[Any, str]]:
    kinds = ("search_stopped", "search_hopeless")
    query = select(event.c.batch_pk, event.c.kind).where(event.c.run_id == pk, event.c.kind.in_(kinds))
    return {(pk, kind) for pk, kind in connection.execute(query)}
