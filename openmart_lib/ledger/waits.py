"""Waits after the clock was set: their ends move along, so that each lasts as long as it was meant to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, update

from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import account, balance, batch, watch_list
from openmart_lib.ledger.states import WITH_OPENMART, BatchState

_TIMES_OF_A_BATCH = "sent_at", "answered_at", "changed_at", "asked_at", "ready_at", "next_poll_at"
_TIMES_OF_A_LIST = "begun_at", "changed_at", "asked_at", "next_ask_at"


def clock_was_set(ledger: Ledger, by: float) -> None:
    """Move what is still waited for, and the times of batches and watch lists on their way, as the clock.

    Without it a clock set ahead would end a wait that the server asked for, call batches stalled or their
    rows missing, and end watch lists as unchanged; one set back would leave them alone, and take an old
    balance for the newest, for as long as it was set back.

    Args:
        by: Seconds; negative when it was set back. The ledger's clock is the new one already.
    """
    now = ledger.now()
    with ledger.write() as connection:
        on_their_way = batch.c.state.in_(WITH_OPENMART)
        connection.execute(_moved(batch, by, *_TIMES_OF_A_BATCH).where(on_their_way))
        waiting = batch.c.state == BatchState.PLANNED, batch.c.not_before > now - by
        connection.execute(_moved(batch, by, "not_before").where(*waiting))
        _move_holds(connection, by)
        connection.execute(_moved(balance, by, "at").where(balance.c.at > now))
        asked = watch_list.c.next_ask_at.is_not(None)
        connection.execute(_moved(watch_list, by, *_TIMES_OF_A_LIST).where(asked))
        append_event(connection, now, "clock_set", by=by)


def _move_holds(connection: Connection, by: float) -> None:
    held = account.c.hold.is_not(None)
    connection.execute(_moved(account, by, "held_at", "hold_until").where(held))


def _moved(table: Table, by: float, *columns: str) -> Any:
    return update(table).values({name: table.c[name] + by for name in columns})
