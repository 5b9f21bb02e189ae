"""What a person decides about a batch whose fate is not known, or that never finishes.

Each is one transaction, each is an event, and none of them is ever done by the program on its own.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import copies, moves, spending
from openmart_lib.ledger.answers import mark_missing
from openmart_lib.ledger.erased import check_not_erased
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.schema import batch, run
from openmart_lib.ledger.settling import mark_open_rows, settle
from openmart_lib.ledger.states import BatchState, Event, Outcome, moved

GIVEN_UP: Final = "given up by a person; it may have been charged"
GIVEN_UP_FREE: Final = "given up by a person; Openmart had created nothing, so nothing was spent"
CREATED_NOTHING: Final = "Openmart created nothing for this batch; it was sent again as another one"


@in_plain_words
def resend_batch(ledger: Ledger, pk: int) -> int:
    """Send an unknown batch's tasks again as a new batch with new tracking ids; return the new batch's key.

    The old batch stays: if its answer turns up it is collected too, and each row's best outcome counts.
    Tasks whose answer is here are not sent again.

    Raises:
        LedgerError: If the batch is not unknown (any more), its run is cancelled, or the batch that it
            repeats itself turned up.
    """
    now = ledger.now()
    with ledger.write() as connection:
        old = moves.the_batch(connection, pk)
        wanted = copies.open_tasks(connection, pk)
        if moved(BatchState(old.state), Event.RESEND) is None or not wanted:
            raise LedgerError(
                "This batch is not in doubt any more, so there is nothing to resend. Nothing was sent. "
                "Reload the page to see its state."
            )
        if connection.execute(select(run.c.cancelled_at).where(run.c.id == old.run_id)).scalar() is not None:
            raise LedgerError(
                "The run of this batch was cancelled, so nothing of it is sent any more. Nothing was sent. "
                "Give the batch up, and submit its rows again as a new run."
            )
        if moves.first_try_turned_up(connection, old):
            raise LedgerError(
                "The batch that this one repeats turned up, so its rows are being collected already. "
                "Nothing was sent. Give this one up, or attach its id if you find it."
            )
        if old.nothing_created:  # no money is in doubt: the new batch alone has the word
            mark_open_rows(connection, pk, Outcome.REFUSED, CREATED_NOTHING)
        connection.execute(update(batch).where(batch.c.id == pk).values(state=BatchState.RESENT))
        search_of = None if moves.search_stopped(connection, old) else old.search_of
        new_pk, seqs = copies.copy_batch(ledger, connection, old, wanted, search_of=search_of)
        spending.allow_again(connection, old, new_pk)
        rows = settle(connection, old.run_id, seqs)
        append_event(connection, now, "batch_resent", run=old.run_id, batch=new_pk, rows=rows, old=pk)
    return new_pk


@in_plain_words
def drop_batch(ledger: Ledger, pk: int) -> None:
    """Give an unknown batch up: its rows stay unknown, and may have been charged.

    Raises:
        LedgerError: If the batch is not unknown (any more).
    """
    now = ledger.now()
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        if moved(BatchState(row.state), Event.DROP) is None:
            raise LedgerError(
                "This batch is not in doubt any more, so there is nothing to give up. Nothing was changed. "
                "Reload the page to see its state."
            )
        connection.execute(update(batch).where(batch.c.id == pk).values(state=BatchState.DROPPED))
        reason = GIVEN_UP_FREE if row.nothing_created else GIVEN_UP
        mark_open_rows(connection, pk, Outcome.UNKNOWN, reason)
        append_event(connection, now, "batch_dropped", run=row.run_id, batch=pk)


@in_plain_words
def attach_batch(ledger: Ledger, pk: int, batch_id: str) -> None:
    """Give an unknown batch the id that a person found elsewhere; it is collected like any other.

    Raises:
        LedgerError: If the id is empty, belongs to another batch, or this batch is not in doubt.
    """
    wanted = batch_id.strip()
    if not wanted:
        raise LedgerError("No batch id was given. Nothing was changed. Paste the id Openmart gave.")
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        if row.state not in (BatchState.UNKNOWN, BatchState.RESENT, BatchState.DROPPED):
            raise LedgerError(
                "This batch is not in doubt any more, so no id is needed. Nothing was changed. "
                "Reload the page to see its state."
            )
        mine = (batch.c.environment == ledger.environment) & (batch.c.batch_id == wanted)
        if connection.execute(select(batch.c.id).where(mine)).first() is not None:
            raise LedgerError(
                "This batch id already belongs to another batch here, so its rows are already being "
                "collected there. Nothing was changed. Check the id."
            )
        moves.accept(connection, row, wanted, None, now=ledger.now(), poll_after=0.0)


@in_plain_words
def close_batch(ledger: Ledger, pk: int) -> int:
    """Stop waiting for a batch that does not finish; return how many rows became ``missing``.

    Tasks that finished are stored before and stay; late ones still land.
    """
    return mark_missing(ledger, pk, by_person=True)


@in_plain_words
def reopen_batch(ledger: Ledger, pk: int) -> int:
    """Look again for rows that a closed batch never gave back; return how many are waited for again.

    Costs nothing: the batch is asked about like any other at Openmart. Also for a batch that the program
    closed because its lists stayed without them.

    Raises:
        LedgerError: If the batch is not closed, every row of it has its answer, or its run was erased.
    """
    with ledger.write() as connection:
        row = moves.the_batch(connection, pk)
        if moved(BatchState(row.state), Event.REOPEN) is None or not copies.open_tasks(connection, pk):
            raise LedgerError(
                "Nothing of this batch is missing, so there is nothing to look for. Nothing was changed. "
                "Reload the page to see its state."
            )
        check_not_erased(connection, row.run_id)
        return moves.reopen(connection, row, now=ledger.now())
