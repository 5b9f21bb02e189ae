"""Never-contact lists as the ledger keeps them: keyed hashes by list, never what they were made from.

Their changes are counted, and each batch keeps (``never_checked``) up to which change its rows were compared
with the lists. A claim takes no batch that was not compared with the last one, so whatever way a batch comes
to wait (planned meanwhile, back after a 429, sent again, part of a search), nobody who is listed leaves.

A restore keeps whoever was listed in the ledger that it replaces (``carrying``). That one may have drawn
another secret: then both are kept, an entry is hashed with the first, and a text compared by each.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.schema import batch, meta, suppressed
from openmart_lib.ledger.states import BatchState

SECRET: Final = "suppression secret"  # in ``meta``; with a number behind it, of another ledger
CHANGES: Final = "never-contact changes"  # in ``meta``: how often entries were added
_ROWS_AT_ONCE: Final = 2_000  # in one write transaction
_TAKE_OFF: Final = delete(suppressed).where(
    suppressed.c.kind == bindparam("of_kind"), suppressed.c.hash == bindparam("of_hash")
)


@dataclass(frozen=True, slots=True)
class NeverList:
    """A never-contact list: its entries by kind, and when it was changed last (UTC s)."""

    name: str
    emails: int
    domains: int
    people: int
    at: float

    @property
    def entries(self) -> int:
        """All of them."""
        return self.emails + self.domains + self.people


@in_plain_words
def secret(ledger: Ledger) -> bytes:
    """Return the key that entries are hashed with, drawn the first time it is asked for.

    Raises:
        LedgerError: If it could not be stored.
    """
    query = select(meta.c.value).where(meta.c.name == SECRET)
    with ledger.read() as connection:
        known = connection.execute(query).scalar()
    if known is None:
        with ledger.write() as connection:
            drawn = insert(meta).values(name=SECRET, value=secrets.token_hex(32))
            connection.execute(drawn.on_conflict_do_nothing())
            known = connection.execute(query).scalar_one()
    return bytes.fromhex(known)


@in_plain_words
def all_secrets(ledger: Ledger) -> list[bytes]:
    """Return every key that entries were hashed with, that of new ones first; none before the first entry."""
    query = select(meta.c.value).where(meta.c.name.startswith(SECRET)).order_by(meta.c.name)
    with ledger.read() as connection:
        return [bytes.fromhex(value) for value in connection.execute(query).scalars()]


@in_plain_words
def take_over(ledger: Ledger, secrets_: list[bytes], entries: list[dict[str, Any]]) -> int:
    """Add entries of another ledger, and the keys they were hashed with; return how many were new.

    Args:
        entries: Rows of the table ``suppressed``.

    Raises:
        LedgerError: If they could not be stored; what earlier transactions stored is.
    """
    known = all_secrets(ledger)
    with ledger.write() as connection:
        for key in secrets_:
            if key not in known:
                name = f"{SECRET} {len(known) + 1}" if known else SECRET
                connection.execute(insert(meta).values(name=name, value=key.hex()))
                known.append(key)
    before = _count(ledger)
    _insert(ledger, entries)
    return _count(ledger) - before


@in_plain_words
def add_entries(
    ledger: Ledger,
    list_name: str,
    entries: list[tuple[str, str]],
    *,
    instead_of: Sequence[tuple[str, str]] = (),
) -> int:
    """Add hashes to a list, which is made if it is new; return how many were not on it.

    Args:
        entries: (kind, hash); kinds are ``email``, ``domain`` and ``person``.
        instead_of: What some of the entries are on the list as, from an older version; taken off once they
            are on it as they are written now.

    Raises:
        LedgerError: If they could not be stored; what earlier transactions stored is.
    """
    now = ledger.now()
    before = _count(ledger)
    _insert(ledger, [{"kind": kind, "hash": one, "list_name": list_name, "at": now} for kind, one in entries])
    for start in range(0, len(instead_of), _ROWS_AT_ONCE):
        with ledger.write() as connection:
            older = [
                {"of_kind": kind, "of_hash": one} for kind, one in instead_of[start : start + _ROWS_AT_ONCE]
            ]
            connection.execute(_TAKE_OFF.where(suppressed.c.list_name == list_name), older)
    added = _count(ledger) - before
    with ledger.write() as connection:
        append_event(connection, ledger.now(), "never_contact_added", entries=added)
    return added


@in_plain_words
def remove_list(ledger: Ledger, list_name: str) -> int:
    """Remove a list; return how many entries it had. What is on another list stays there.

    Raises:
        LedgerError: If it could not be done.
    """
    with ledger.write() as connection:
        gone = connection.execute(delete(suppressed).where(suppressed.c.list_name == list_name)).rowcount
        append_event(connection, ledger.now(), "never_contact_removed", entries=gone)
    return int(gone)


@in_plain_words
def never_lists(ledger: Ledger) -> list[NeverList]:
    """Return the lists, by name."""
    columns = [
        func.count().filter(suppressed.c.kind == kind).label(kind) for kind in ("email", "domain", "person")
    ]
    query = select(suppressed.c.list_name, *columns, func.max(suppressed.c.at))
    with ledger.read() as connection:
        found = connection.execute(query.group_by(suppressed.c.list_name).order_by(suppressed.c.list_name))
        return [NeverList(*row) for row in found]


@in_plain_words
def hashes(ledger: Ledger) -> tuple[dict[str, set[str]], int]:
    """Return the hashes of all lists by kind, empty while there is no list, and their changes so far."""
    found: dict[str, set[str]] = {}
    with ledger.read() as connection:
        for kind, one in connection.execute(select(suppressed.c.kind, suppressed.c.hash).distinct()):
            found.setdefault(kind, set()).add(one)
        return found, int(connection.execute(select(_changes())).scalar_one())


def is_checked() -> ColumnElement[bool]:
    """Whether a batch was compared with the lists as they are now."""
    return batch.c.never_checked >= _changes()


@in_plain_words
def mark_checked(ledger: Ledger, batch_pks: list[int], changes: int) -> None:
    """Note that what waits in these batches was compared with the lists as of so many changes."""
    for start in range(0, len(batch_pks), _ROWS_AT_ONCE):
        mine = batch.c.id.in_(batch_pks[start : start + _ROWS_AT_ONCE])
        older = (batch.c.state == BatchState.PLANNED) & (batch.c.never_checked < changes)
        with ledger.write() as connection:
            connection.execute(update(batch).where(mine, older).values(never_checked=changes))


def _changes() -> ColumnElement[int]:
    counted = select(cast(meta.c.value, Integer)).where(meta.c.name == CHANGES).scalar_subquery()
    return func.coalesce(counted, literal(0))


def _count_change(connection: Connection) -> None:
    one = insert(meta).values(name=CHANGES, value="1")
    more = {"value": cast(meta.c.value, Integer) + 1}
    connection.execute(one.on_conflict_do_update(index_elements=["name"], set_=more))


def _insert(ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    """Add rows to the table that are not in it."""
    statement = insert(suppressed).on_conflict_do_nothing()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        with ledger.write() as connection:
            if connection.execute(statement, rows[start : start + _ROWS_AT_ONCE]).rowcount:
                _count_change(connection)


def _count(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return int(connection.execute(select(func.count()).select_from(suppressed)).scalar_one())
