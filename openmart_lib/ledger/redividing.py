"""Redividing: an older copy of the ledger learns from the journal how batches were divided since it was made.

A batch that waited may have become two (the balance covered its first rows, or a row of it was withdrawn), or
may have been refused and then sent in parts. The copy still holds it whole, and would send again what left
under another number. The journal names the tasks of each submission, so the division is made again here, and
what left gets the word that the journal has for it. Of parts whose task numbers the copy does not know, the
batch that they repeat is in doubt: never sent by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, select, update

from openmart_lib.ledger import copies, moves, spending
from openmart_lib.ledger.dividing import divide
from openmart_lib.ledger.journal import Key, Told
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import batch, run, task
from openmart_lib.ledger.settling import mark_open_rows, reopen_rows
from openmart_lib.ledger.states import NEVER_SENT, BatchState, Outcome

SENT_BY_ANOTHER: Final = "the journal knows that this batch was sent, and this ledger did not"
SENT_IN_PARTS: Final = "the journal knows that rows of this batch were sent in another one"
SENT_ONCE_MORE: Final = (
    "the batch that this one repeats was sent once more, as the journal knows; nothing was spent on it"
)
SENT_ON: Final = "the journal knows that this batch was turned away, and this ledger did not"


def redivide(ledger: Ledger, told: Mapping[Key, Told], known: Collection[Key]) -> int:
    """Divide the batches of an older copy as they were divided when they left; return how many are in doubt.

    Only while every unfinished run is paused. May be cut off at any line and done again.

    Args:
        told: What the journal says last of each batch.
        known: The batches that this ledger has.
    """
    left = {key: word for key, word in told.items() if word.may_be_created and word.tasks}
    doubted = 0
    for key in sorted(left.keys() - set(known)):
        with ledger.write() as connection:
            doubted += _bring_back(ledger, connection, key, told)
    for key in sorted(left.keys() & set(known)):
        with ledger.write() as connection:
            _cut(ledger, connection, key, left[key])
    return doubted


def doubt(ledger: Ledger, connection: Connection, pk: int, *, seen: str = SENT_BY_ANOTHER) -> None:
    """Doubt a batch that an older copy of the ledger believes was not sent, or not created."""
    row = moves.the_batch(connection, pk)
    if row.nothing_created:
        _doubt_again(ledger, connection, row, seen=seen)
    else:
        reopen_rows(connection, pk)
        moves.lose(connection, moves.the_batch(connection, pk), now=ledger.now(), seen=seen)


def _doubt_again(ledger: Ledger, connection: Connection, row: Any, *, seen: str) -> None:
    """Doubt a batch of which nothing was created as far as the copy knows: it, or its repeat, left since.

    What the copy was to send in its place, free of any doubt, is cancelled: a person decides anew.
    """
    pk, now = row.id, ledger.now()
    spending.follow(connection, row, BatchState(row.state))
    known = {"nothing_created": False, "detail": seen, "http_status": None, "answered_at": now}
    connection.execute(update(batch).where(batch.c.id == pk).values(known))
    moves.cancel_heirs(connection, row, SENT_ONCE_MORE, now=now)
    rows = mark_open_rows(connection, pk, Outcome.UNKNOWN, moves.IN_DOUBT)
    append_event(connection, now, "batch_unknown", run=row.run_id, batch=pk, rows=rows or None, seen=seen)


def _bring_back(ledger: Ledger, connection: Connection, key: Key, told: Mapping[Key, Told]) -> int:
    """Give a batch that left, and that this ledger does not have, back its number and its tasks.

    Where that cannot be done, whatever it was made from is in doubt; return how many batches that are.
    """
    if (pk := _run_pk(connection, key)) is None:
        return 0
    doubted, found = 0, False
    for row in list(_owners(connection, pk, told[key].tasks)):
        found = True
        ready = _waiting(ledger, connection, row, told.get((key[0], row.batch_no)))
        kept = [each.task_no for each in copies.open_tasks(connection, row.id)]
        kept = [task_no for task_no in kept if task_no not in told[key].tasks]
        if ready.state == BatchState.PLANNED and kept and not _has(connection, pk, key[1]):
            divide(ledger, connection, ready, kept, batch_no=key[1])
        elif ready.state in NEVER_SENT:
            doubt(ledger, connection, row.id, seen=SENT_IN_PARTS)
            doubted += 1
    if not found and (repeated := _known_first(ledger, connection, pk, key, told)) is not None:
        doubt(ledger, connection, repeated.id, seen=SENT_IN_PARTS)
        doubted += 1
    return doubted


def _cut(ledger: Ledger, connection: Connection, key: Key, word: Told) -> None:
    """Leave in a batch what left with it; what was taken out before waits in a batch of its own."""
    pk = _run_pk(connection, key)
    row = _numbered(connection, pk, key[1])
    if row is None or row.task_count <= len(word.tasks) or row.attempts >= word.attempt:
        return
    row = _waiting(ledger, connection, row, word)
    mine = {each.task_no for each in copies.open_tasks(connection, row.id)}
    kept = mine & word.tasks
    if row.state == BatchState.PLANNED and kept and kept != mine:
        divide(ledger, connection, row, kept)


def _waiting(ledger: Ledger, connection: Connection, row: Any, word: Told | None) -> Any:
    """Return a batch, back from SENDING where the journal knows that this attempt was turned away."""
    if row.state != BatchState.SENDING or word is None:
        return row
    if word.attempt > row.attempts or (word.kind == "released" and word.attempt == row.attempts):
        moves.back_to_planned(connection, row, now=ledger.now(), detail=SENT_ON, not_before=0.0)
    return moves.the_batch(connection, row.id)


def _known_first(ledger: Ledger, connection: Connection, pk: int, key: Key, told: Mapping[Key, Told]) -> Any:
    """Return the batch that this one repeats, itself or through others, if it is in no doubt here."""
    seen: set[int] = set()
    number = told[key].repeats
    while number is not None and number not in seen:
        seen.add(number)
        if (row := _numbered(connection, pk, number)) is not None:
            row = _waiting(ledger, connection, row, told.get((key[0], number)))  # copied while it was sent
            return row if row.state in NEVER_SENT or row.nothing_created else None
        word = told.get((key[0], number))
        number = None if word is None else word.repeats
    return None


def _owners(connection: Connection, pk: int, task_nos: Collection[int]) -> Iterator[Any]:
    """Yield the batches of a run that hold some of these tasks."""
    mine = (task.c.run_id == pk) & task.c.task_no.in_(list(task_nos)) & task.c.final_at.is_(None)
    owners = select(batch).where(batch.c.id.in_(select(task.c.batch_pk).where(mine))).order_by(batch.c.id)
    yield from connection.execute(owners).all()


def _numbered(connection: Connection, pk: int | None, batch_no: int) -> Any:
    mine = (batch.c.run_id == pk) & (batch.c.batch_no == batch_no)
    return connection.execute(select(batch).where(mine)).first()


def _has(connection: Connection, pk: int, batch_no: int) -> bool:
    return _numbered(connection, pk, batch_no) is not None


def _run_pk(connection: Connection, key: Key) -> int | None:
    return connection.execute(select(run.c.id).where(run.c.public_id == key[0])).scalar()
