"""Watch lists, what the worker writes: the answers of a round, its end, and what keeps Lance from answering.

A round is one pass over a list's open triples. It may be cut off anywhere: what it has stored counts, and
the next worker asks the rest in the same round. What holds for all (a token that is not accepted, an outage)
is written to every list that is still being asked, and taken off all of them by the first good answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, case, func, or_, select, tuple_, update

from openmart_lib.api.lance_states import EnrichmentState, Triple
from openmart_lib.ledger.claiming import FAR_AHEAD
from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.schema import watch_item, watch_list
from openmart_lib.ledger.watching import Ended, WatchMode, note_counts

PAGE: Final = 10_000  # triples read at a time
QUIET_ROUNDS: Final = 3  # at least so many rounds without a change, however the clock was set

_STORE: Final = """
UPDATE watch_item
   SET state = ?, status = ?, data_found = ?, error = ?, created_at = ?, updated_at = ?, enrichment_id = ?,
       credit_transaction_id = ?
 WHERE list_id = ? AND entity_id = ? AND entity_type = ? AND field = ?
   AND (state IS NOT ? OR status IS NOT ? OR updated_at IS NOT ? OR error IS NOT ? OR data_found IS NOT ?)
"""
_ASKED: Final = """
UPDATE watch_item SET open = ?, asked_round = ?, asked_at = ?
 WHERE list_id = ? AND entity_id = ? AND entity_type = ? AND field = ?
"""


@dataclass(frozen=True, slots=True)
class DueWatch:
    """A list whose states are to be asked now. Times are UTC seconds.

    ``round_no`` is this round's number; ``waits`` how many rounds ended since asking began.
    """

    pk: int
    list_id: str
    mode: WatchMode
    round_no: int
    begun_at: float
    waits: int


def due_watch(ledger: Ledger, environment: str) -> DueWatch | None:
    """Return the list of this environment of Lance's that has been due longest, None if there is none."""
    now = ledger.now()
    due = or_(watch_list.c.next_ask_at <= now, watch_list.c.next_ask_at > now + FAR_AHEAD)
    query = select(watch_list).where(_asked(environment), watch_list.c.held.is_(False), due)
    with ledger.read() as connection:
        row = connection.execute(query.order_by(watch_list.c.next_ask_at).limit(1)).first()
    if row is None:
        return None
    return DueWatch(row.id, row.public_id, WatchMode(row.mode), row.rounds + 1, row.begun_at, row.waits)


def open_triples(ledger: Ledger, due: DueWatch) -> Iterator[Triple]:
    """Give the open triples of a list that this round has not asked yet, read page by page."""
    keys = watch_item.c.entity_id, watch_item.c.entity_type, watch_item.c.field
    query = (
        select(*keys)
        .where(watch_item.c.list_id == due.pk, watch_item.c.open, watch_item.c.asked_round < due.round_no)
        .order_by(*keys)
        .limit(PAGE)
    )
    page = query
    while True:
        with ledger.read() as connection:
            rows = connection.execute(page).all()
        for row in rows:
            yield Triple(*row)
        if len(rows) < PAGE:
            return
        page = query.where(tuple_(*keys) > tuple_(*rows[-1]))


def store_states(ledger: Ledger, due: DueWatch, states: Sequence[tuple[Triple, EnrichmentState]]) -> int:
    """Store what a part of a round brought; return how many states are new, -1 when the list was ended.

    At most 1,000 at a time: each is two changes. In a list of one pass nothing stays open.
    """
    now = ledger.now()
    once = due.mode is WatchMode.EXISTS
    with ledger.write(patient=True) as connection:
        going = select(watch_list.c.id).where(
            watch_list.c.id == due.pk, watch_list.c.next_ask_at.is_not(None)
        )
        if connection.execute(going).first() is None:
            return -1
        stored = connection.exec_driver_sql(_STORE, [_values(due.pk, *each) for each in states])
        asked = [(not (once or state.final), due.round_no, now, due.pk, *triple) for triple, state in states]
        connection.exec_driver_sql(_ASKED, asked)
        changed = stored.rowcount
        if changed:
            connection.execute(update(watch_list).where(watch_list.c.id == due.pk).values(changed_at=now))
    return changed


def end_round(ledger: Ledger, due: DueWatch, *, changed: bool, wait: float, unchanged_after: float) -> None:
    """End a round that asked everything, and say when the next one begins, if there is to be one.

    Args:
        changed: Whether a state changed in it.
        wait: Seconds until the next round.
        unchanged_after: Seconds without a change after which nothing is asked by itself any more.
    """
    note_counts(ledger, due.pk)
    mine = watch_item.c.list_id == due.pk, watch_item.c.open
    with ledger.read() as connection:  # walking over many would hold up the money path's writes
        left = connection.execute(select(func.count()).select_from(watch_item).where(*mine)).scalar_one()
    now = ledger.now()
    one = watch_list.c.id == due.pk
    with ledger.write() as connection:
        row = connection.execute(select(watch_list).where(one)).first()
        if row is None or row.next_ask_at is None:
            return
        quiet = 0 if changed else row.quiet_rounds + 1
        values: dict[str, Any] = {"rounds": due.round_no, "asked_at": now, "quiet_rounds": quiet}
        refreshed = row.begun_at != due.begun_at
        if not left:
            why = Ended.ONE_PASS if due.mode is WatchMode.EXISTS else Ended.FINAL
            values |= {"ended_why": why, "next_ask_at": None}
        elif refreshed:
            values |= {"next_ask_at": now}
        elif quiet >= QUIET_ROUNDS and now - row.changed_at >= unchanged_after:
            values |= {"ended_why": Ended.UNCHANGED, "next_ask_at": None}
        else:
            values |= {"next_ask_at": now + wait, "waits": due.waits + 1}
        connection.execute(update(watch_list).where(one).values(values | {"error": None}))


def note_trouble(
    ledger: Ledger, environment: str, words: str, *, until: float, pk: int | None = None
) -> None:
    """Write why Lance gives no answers, and ask nothing before ``until`` (UTC seconds).

    On every list of an environment that is still being asked, or with ``pk`` on that one.
    """
    mine = _asked(environment) if pk is None else and_(_asked(environment), watch_list.c.id == pk)
    sooner = or_(watch_list.c.next_ask_at < until, watch_list.c.next_ask_at > until + FAR_AHEAD)
    later = case((sooner, until), else_=watch_list.c.next_ask_at)
    with ledger.write(patient=True) as connection:
        connection.execute(
            update(watch_list)
            .where(mine)
            .values(error=words, next_ask_at=later, waits=watch_list.c.waits + 1)
        )


def hold_lists(ledger: Ledger, environment: str, words: str) -> None:
    """Ask nothing more for any list until a person has acted on these words."""
    with ledger.write(patient=True) as connection:
        connection.execute(update(watch_list).where(_asked(environment)).values(error=words, held=True))


def refuse_list(ledger: Ledger, pk: int, words: str) -> None:
    """End a list whose questions Lance does not take; the others go on."""
    with ledger.write(patient=True) as connection:
        connection.execute(
            update(watch_list)
            .where(watch_list.c.id == pk, watch_list.c.next_ask_at.is_not(None))
            .values(error=words, ended_why=Ended.REFUSED, next_ask_at=None)
        )


def end_trouble(ledger: Ledger, environment: str) -> None:
    """Take errors and holds off all lists: Lance answers, or the settings may have changed."""
    troubled = and_(_asked(environment), or_(watch_list.c.held, watch_list.c.error.is_not(None)))
    with ledger.read() as connection:
        if connection.execute(select(watch_list.c.id).where(troubled).limit(1)).first() is None:
            return
    with ledger.write(patient=True) as connection:
        connection.execute(update(watch_list).where(troubled).values(held=False, error=None))


def _asked(environment: str) -> Any:
    """Lists of an environment that are still being asked."""
    return and_(
        watch_list.c.environment == environment,
        watch_list.c.planned_at.is_not(None),
        watch_list.c.next_ask_at.is_not(None),
    )


def _values(pk: int, triple: Triple, state: EnrichmentState) -> tuple[Any, ...]:
    said = (state.state, state.status, state.data_found, state.error, state.created_at, state.updated_at)
    ids = (state.enrichment_id, state.credit_transaction_id)
    compared = (state.state, state.status, state.updated_at, state.error, state.data_found)
    return (*said, *ids, pk, *triple, *compared)
