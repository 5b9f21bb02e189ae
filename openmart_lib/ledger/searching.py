"""Find the row: a refused batch is sent again in halves, until what Openmart refuses stands alone.

A definite no created nothing, so the tasks of a refused batch may be sent again without a person's typed
word; whatever may have been created is never part of it. A half that is accepted or unknown is a batch like
any other; one that is refused is halved again in the transaction that refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import copies, moves
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.settling import settle
from openmart_lib.ledger.states import BatchState

BATCH_REFUSED: Final = "Openmart refused this batch"
ROW_REFUSED: Final = "Openmart refused this row alone"
TASK_REFUSED: Final = "Openmart refused these {} rows, which are one task, alone"
ALL_REFUSED: Final = (
    "Openmart refuses every part of this batch, so the cause is likely an option of the run, not a row"
)
# A search is hopeless when so many parts were refused, so many of them single tasks, and none accepted.
HOPELESS_PARTS: Final = 8
HOPELESS_SINGLES: Final = 3  # several bad rows spread over a batch make all its large parts refused


@in_plain_words
def find_row(ledger: Ledger, pk: int) -> list[int]:
    """Send a refused batch's tasks again as two batches with new tracking ids; return their keys.

    The search goes on by itself until each bad row stands alone in a batch of one. The refused batch stays
    refused; each row's best outcome counts.

    Raises:
        LedgerError: If the batch is not refused, was searched already, or holds one task; if its run is
            cancelled; or if its tasks may be at Openmart from another batch.
    """
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        tasks = copies.open_tasks(connection, pk)
        _check_searchable(ledger, connection, row, tasks)
        return _halve(ledger, connection, row, tasks, root=pk, kind="search_started", now=ledger.now())


@in_plain_words
def stop_search(ledger: Ledger, pk: int) -> int:
    """Stop looking for the bad row of a refused batch: cancel its unsent parts; return how many.

    Parts being sent are collected when they are accepted, and not halved when they are refused.

    Raises:
        LedgerError: If no search of this batch is going on.
    """
    going = (BatchState.PLANNED, BatchState.SENDING)
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        parts = connection.execute(
            select(batch.c.id, batch.c.state)
            .where(batch.c.run_id == row.run_id, batch.c.search_of == pk, batch.c.state.in_(going))
            .order_by(batch.c.id)
        ).all()
        if not parts:
            raise LedgerError(
                "No search for a bad row of this batch is going on. Nothing was changed. "
                "Reload the page to see what was found."
            )
        append_event(connection, ledger.now(), "search_stopped", run=row.run_id, batch=pk)
        planned = [part.id for part in parts if part.state == BatchState.PLANNED]
        for part in planned:
            moves.cancel(connection, part, moves.SEARCH_STOPPED, now=ledger.now())
    return len(planned)


def reason(connection: Connection, row: Any, detail: str) -> str:
    """Return what the rows of a batch say that was just refused: what it means, then the server's words."""
    if row.search_of is not None and is_hopeless(connection, row):
        said = ALL_REFUSED
    elif row.search_of is not None and row.task_count == 1:
        said = ROW_REFUSED if row.open_rows == 1 else TASK_REFUSED.format(row.open_rows)
    else:
        said = BATCH_REFUSED
    return f"{said}: {detail}" if detail else said


def split(ledger: Ledger, connection: Connection, row: Any, *, now: float) -> None:
    """Plan a just refused part of a search as two halves, in the transaction that refused it.

    Nothing happens when it is no part of a search, holds one task, or the search is over: its run was
    cancelled, a person stopped it, an earlier batch may have been created after all, or it is hopeless.
    """
    if row.search_of is None:
        return
    tasks = copies.open_tasks(connection, row.id)
    if (
        len(tasks) < 2
        or _is_cancelled(connection, row)
        or moves.search_stopped(connection, row)
        or copies.may_have_been_created(connection, row)
    ):
        return
    if is_hopeless(connection, row):
        append_event(connection, now, "search_hopeless", run=row.run_id, batch=row.search_of, part=row.id)
        return
    _halve(ledger, connection, row, tasks, root=row.search_of, kind="search_halved", now=now)


def is_hopeless(connection: Connection, row: Any) -> bool:
    """Whether the search that this batch is a part of was refused everything, single tasks too."""
    refused = batch.c.state == BatchState.REFUSED
    taken = batch.c.state.in_([BatchState.ACCEPTED, BatchState.COLLECTED])
    query = select(
        func.count().filter(refused).label("parts"),
        func.count().filter(refused, batch.c.task_count == 1).label("singles"),
        func.count().filter(taken).label("taken"),
    ).where(batch.c.run_id == row.run_id, batch.c.search_of == row.search_of)
    seen = connection.execute(query).one()
    return seen.parts >= HOPELESS_PARTS and seen.singles >= HOPELESS_SINGLES and not seen.taken


def _check_searchable(ledger: Ledger, connection: Connection, row: Any, tasks: Sequence[Any]) -> None:
    heirs = select(batch.c.id).where(batch.c.run_id == row.run_id, batch.c.resend_of == row.id)
    if row.state != BatchState.REFUSED or connection.execute(heirs.limit(1)).first() is not None:
        raise LedgerError(
            "This batch is not refused, or its bad row is looked for already. Nothing was sent. "
            "Reload the page to see its state."
        )
    if len(tasks) < 2:
        raise LedgerError(
            "This batch holds one task, so that one was refused. Nothing was sent or spent. "
            "Correct its row and submit it again."
        )
    if _is_cancelled(connection, row):
        raise LedgerError(
            "The run of this batch was cancelled, so nothing of it is sent any more. Nothing was sent. "
            "Submit the refused rows again as a new run."
        )
    if copies.may_have_been_created(connection, row):
        raise LedgerError(
            "This batch repeats one that Openmart may have taken, so sending parts of it could be charged "
            "twice. Nothing was sent. Find out at Openmart what became of the first one."
        )
    if copies.forgotten_batches(ledger, connection, row.run_id):
        raise LedgerError(
            "After this ledger's backup was made, batches of this run were sent that it does not know, "
            "maybe with these rows, and they may have been charged. Nothing was sent. Ask Openmart what "
            "became of them before you submit the refused rows as a new run."
        )


def _is_cancelled(connection: Connection, row: Any) -> bool:
    cancelled_at = select(run.c.cancelled_at).where(run.c.id == row.run_id)
    return connection.execute(cancelled_at).scalar() is not None


def _halve(
    ledger: Ledger,
    connection: Connection,
    row: Any,
    tasks: Sequence[Any],
    *,
    root: int,
    kind: str,
    now: float,
) -> list[int]:
    """Plan two halves of a batch; return their keys."""
    middle = len(tasks) // 2
    parts: list[int] = []
    seqs: list[int] = []
    for half in (tasks[:middle], tasks[middle:]):
        part, mine = copies.copy_batch(ledger, connection, row, half, search_of=root)
        parts.append(part)
        seqs += mine
    rows = settle(connection, row.run_id, seqs)
    append_event(connection, now, kind, run=row.run_id, batch=row.id, rows=rows, parts=parts)
    return parts
