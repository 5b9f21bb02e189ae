"""Moves of one batch, made in the transaction of whoever decides them: the building blocks of the money path.

``submissions`` calls them for what happens to a submission, ``decisions`` and ``runs`` for what people do.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Float, Integer, bindparam, select, update

from openmart_lib.api.wire import BatchCounts
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import accounts, spending
from openmart_lib.ledger.ledger import append_event
from openmart_lib.ledger.schema import batch, event, run
from openmart_lib.ledger.settling import mark_open_rows, reopen_rows
from openmart_lib.ledger.states import BatchState, Event, Outcome, moved

RUN_CANCELLED: Final = "the run was cancelled before this row was sent; nothing was spent"
FIRST_TURNED_UP: Final = "the first batch turned up before this one was sent; nothing was spent on it"
SEARCH_STOPPED: Final = (
    "the search for the bad row was stopped before this row was sent again; nothing was spent"
)
IN_DOUBT: Final = "we don't know whether Openmart took this batch; it may have been charged"

# Built once: they run for every submission.
_THE_BATCH: Final = select(batch).where(batch.c.id == bindparam("b_pk"))
_COUNTERS: Final = ("processing", "completed", "errored", "total")
_ACCEPT: Final = (
    update(batch)
    .where(batch.c.id == bindparam("b_pk"))
    .values({batch.c[name]: bindparam(f"b_{name}", type_=Integer) for name in _COUNTERS})
    .values(
        state=BatchState.ACCEPTED,
        batch_id=bindparam("b_batch_id"),
        answered_at=bindparam("b_now", type_=Float),
        changed_at=bindparam("b_now", type_=Float),
        next_poll_at=bindparam("b_next"),
        nothing_created=False,
        http_status=None,
        detail=None,
    )
)


def the_batch(connection: Connection, pk: int) -> Any:
    """Return a batch's row.

    Raises:
        LedgerError: If there is no such batch.
    """
    row = connection.execute(_THE_BATCH, {"b_pk": pk}).first()
    if row is None:
        raise LedgerError(f"There is no batch {pk} in this ledger. Nothing was changed. Reload the page.")
    return row


def check(connection: Connection, pk: int, event: Event) -> Any:
    """Return a batch's row after checking that the money path allows this event now.

    Raises:
        LedgerError: If it does not, or if there is no such batch.
    """
    row = the_batch(connection, pk)
    state = BatchState(row.state)
    if event is Event.ACCEPT and state in (BatchState.ACCEPTED, BatchState.COLLECTED):
        return row  # told twice: by the journal and by the answer itself
    if moved(state, event) is None:
        raise LedgerError(f"batch {pk} is {state}: {event} is no move of the money path")
    return row


def accept(
    connection: Connection,
    row: Any,
    batch_id: str,
    counts: BatchCounts | None,
    *,
    now: float,
    poll_after: float,
) -> None:
    """Make a batch ACCEPTED under this id; its rows wait for results."""
    values: dict[str, Any] = {
        "b_pk": row.id,
        "b_batch_id": batch_id,
        "b_now": now,
        "b_next": now + poll_after,
    }
    for name in _COUNTERS:
        values[f"b_{name}"] = counts[name] if counts else None
    spending.follow(connection, row, BatchState.ACCEPTED)
    connection.execute(_ACCEPT, values)
    rows = 0
    if row.state == BatchState.SENDING:
        accounts.note_accepted(connection, row.account_id)  # only this tells that submissions work again
    else:
        rows = mark_open_rows(connection, row.id, Outcome.PENDING, None)
        cancel_heirs(connection, row, FIRST_TURNED_UP, now=now)
    append_event(connection, now, "batch_accepted", run=row.run_id, batch=row.id, rows=rows or None)


def replace_id(connection: Connection, row: Any, batch_id: str, *, now: float) -> None:
    """Collect an accepted batch under the id that the server gave, not under the one a person attached."""
    values: dict[str, Any] = {"batch_id": batch_id, "changed_at": now}
    rows = 0
    reopen_rows(connection, row.id)
    if the_batch(connection, row.id).open_tasks > 0:
        rows = mark_open_rows(connection, row.id, Outcome.PENDING, None)
        values |= {"state": BatchState.ACCEPTED, "ready_at": None, "next_poll_at": now}
        values |= {"collected_at": None, "closed_by_person": False}
    connection.execute(update(batch).where(batch.c.id == row.id).values(values))
    ids = {"had": row.batch_id, "got": batch_id}
    append_event(connection, now, "batch_other_id", run=row.run_id, batch=row.id, rows=rows or None, **ids)


def reopen(connection: Connection, row: Any, *, now: float) -> int:
    """Make a closed batch ACCEPTED again, asked about at once; return how many of its rows are missing.

    ``changed_at`` stays, and with it the batch's age: a batch that stood still is stalled as before, so that
    what has finished meanwhile is fetched at the first look.
    """
    reopen_rows(connection, row.id)
    values: dict[str, Any] = {"state": moved(BatchState(row.state), Event.REOPEN), "next_poll_at": now}
    values |= {"ready_at": None, "collected_at": None, "closed_by_person": False}
    connection.execute(update(batch).where(batch.c.id == row.id).values(values))
    rows = mark_open_rows(connection, row.id, Outcome.PENDING, None)
    append_event(connection, now, "batch_reopened", run=row.run_id, batch=row.id, rows=rows)
    return -rows


def lose(connection: Connection, row: Any, *, now: float, seen: str, status: int | None = None) -> None:
    """Make a batch UNKNOWN: only a person or a late answer moves it on."""
    spending.follow(connection, row, BatchState.UNKNOWN, nothing_created=row.nothing_created)
    connection.execute(
        update(batch)
        .where(batch.c.id == row.id)
        .values(state=BatchState.UNKNOWN, detail=seen, http_status=status, answered_at=now)
    )
    rows = mark_open_rows(connection, row.id, Outcome.UNKNOWN, IN_DOUBT)
    append_event(connection, now, "batch_unknown", run=row.run_id, batch=row.id, rows=rows, seen=seen)


def back_to_planned(
    connection: Connection, row: Any, *, now: float, detail: str, not_before: float, status: int | None = None
) -> None:
    """Make a batch PLANNED again; CANCELLED if it need not be sent any more.

    That is so when while it was being sent its run was cancelled, its first try turned up, or the search
    that it is a part of was stopped.
    """
    spending.follow(connection, row, BatchState.PLANNED)
    connection.execute(
        update(batch)
        .where(batch.c.id == row.id)
        .values(state=BatchState.PLANNED, not_before=not_before, http_status=status, detail=detail)
    )
    cancelled_at = connection.execute(select(run.c.cancelled_at).where(run.c.id == row.run_id)).scalar()
    if cancelled_at is not None:
        cancel(connection, row.id, RUN_CANCELLED, now=now)
    elif first_try_turned_up(connection, row):
        cancel(connection, row.id, FIRST_TURNED_UP, now=now)
    elif search_stopped(connection, row):
        cancel(connection, row.id, SEARCH_STOPPED, now=now)


def cancel(connection: Connection, pk: int, reason: str, *, now: float) -> None:
    """Make a PLANNED batch CANCELLED: it will never be sent.

    Raises:
        LedgerError: If it is not PLANNED.
    """
    row = check(connection, pk, Event.CANCEL)
    connection.execute(update(batch).where(batch.c.id == pk).values(state=BatchState.CANCELLED))
    rows = mark_open_rows(connection, pk, Outcome.CANCELLED, reason, final=True)
    append_event(connection, now, "batch_cancelled", run=row.run_id, batch=pk, rows=rows)


def first_try_turned_up(connection: Connection, row: Any) -> bool:
    """Whether the server has a batch that this one repeats, directly or through other resends."""
    while row is not None and row.resend_of is not None:
        row = connection.execute(select(batch).where(batch.c.id == row.resend_of)).first()
        if row is not None and row.state in (BatchState.ACCEPTED, BatchState.COLLECTED):
            return True
    return False


def search_stopped(connection: Connection, row: Any) -> bool:
    """Whether a person stopped the search for a bad row that this batch is a part of."""
    if row.search_of is None:
        return False
    stopped = select(event.c.id).where(
        event.c.run_id == row.run_id, event.c.kind == "search_stopped", event.c.batch_pk == row.search_of
    )
    return connection.execute(stopped.limit(1)).first() is not None


def cancel_heirs(connection: Connection, row: Any, reason: str, *, now: float) -> None:
    """Cancel all that was to be sent again for a batch that turned up, or may: it need not be paid twice."""
    mine = select(batch.c.id, batch.c.state).where(batch.c.run_id == row.run_id)
    heirs = connection.execute(mine.where(batch.c.resend_of == row.id)).all()
    while heirs:
        for heir in heirs:
            if heir.state == BatchState.PLANNED:
                cancel(connection, heir.id, reason, now=now)
        parents = [heir.id for heir in heirs]
        heirs = connection.execute(mine.where(batch.c.resend_of.in_(parents))).all()
