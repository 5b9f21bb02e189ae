"""Accounts: one environment and one key; what holds for all its runs is held here.

A hold that a person must end (401, 402, 403, wrong address, five unknowns in a row) is never replaced by
one that ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, case, insert, or_, select, update

from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import account
from openmart_lib.ledger.states import PERSON_HOLDS, Hold

UNKNOWNS_IN_A_ROW: Final = 5  # then a person decides
OUTAGE_BACKOFF: Final = 30.0  # seconds after an unknown, doubling
OUTAGE_BACKOFF_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as it stands. Times are UTC seconds."""

    id: int
    environment: str
    key_last4: str
    hold: Hold | None
    hold_detail: str | None
    held_at: float | None
    hold_until: float | None
    needs_read: bool
    cautious: bool
    unknown_streak: int

    @property
    def waits_for_person(self) -> bool:
        """Whether only a person can end the hold."""
        return self.hold in PERSON_HOLDS


def ensure_account(connection: Connection, environment: str, key_fingerprint: str, key_last4: str) -> int:
    """Return the id of the account of this environment and key, creating it if it is new."""
    found = connection.execute(
        select(account.c.id).where(
            account.c.environment == environment, account.c.key_fingerprint == key_fingerprint
        )
    ).scalar()
    if found is not None:
        return int(found)
    values = {"environment": environment, "key_fingerprint": key_fingerprint, "key_last4": key_last4}
    key = connection.execute(insert(account).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def account_info(row: Any) -> AccountInfo:
    """Return an ``AccountInfo`` of a row of the account table."""
    return AccountInfo(
        id=row.id,
        environment=row.environment,
        key_last4=row.key_last4,
        hold=Hold(row.hold) if row.hold else None,
        hold_detail=row.hold_detail,
        held_at=row.held_at,
        hold_until=row.hold_until,
        needs_read=row.needs_read,
        cautious=row.cautious,
        unknown_streak=row.unknown_streak,
    )


def hold(
    connection: Connection,
    account_id: int,
    reason: Hold,
    *,
    now: float,
    detail: str,
    until: float | None = None,
    needs_read: bool = False,
) -> None:
    """Hold an account. ``until`` is when it ends by itself (None = a person ends it).

    Two holds that end by themselves add up: the later end counts.
    """
    row = connection.execute(select(account).where(account.c.id == account_id)).one()
    if row.hold in PERSON_HOLDS and reason not in PERSON_HOLDS:
        return
    if row.hold and row.hold not in PERSON_HOLDS and until is not None:
        until = max(until, row.hold_until or 0.0)
        needs_read = needs_read or row.needs_read
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(hold=reason, hold_detail=detail, held_at=now, hold_until=until, needs_read=needs_read)
    )
    append_event(connection, now, "account_held", account=account_id, hold=reason, until=until)


def note_unknown(connection: Connection, account_id: int, *, now: float, backoff: float, seen: str) -> None:
    """Count an unclear submission: wait for a free read and a doubling backoff, after five for a person."""
    streak = connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(unknown_streak=account.c.unknown_streak + 1, cautious=True)
        .returning(account.c.unknown_streak)
    ).scalar_one()
    if streak >= UNKNOWNS_IN_A_ROW:
        hold(connection, account_id, Hold.UNKNOWNS, now=now, detail=seen)
        return
    wait = min(backoff * 2 ** (streak - 1), backoff * OUTAGE_BACKOFF_MAX / OUTAGE_BACKOFF)
    hold(connection, account_id, Hold.OUTAGE, now=now, detail=seen, until=now + wait, needs_read=True)


def note_accepted(connection: Connection, account_id: int) -> None:
    """Forget the unclear submissions: the server took one."""
    connection.execute(
        update(account)
        .where(account.c.id == account_id, or_(account.c.unknown_streak > 0, account.c.cautious.is_(True)))
        .values(unknown_streak=0, cautious=False)
    )


def note_read_succeeded(ledger: Ledger, account_id: int) -> None:
    """Let an outage end: a free read came back."""
    with ledger.write() as connection:
        connection.execute(update(account).where(account.c.id == account_id).values(needs_read=False))


def lift_expired_holds(ledger: Ledger) -> int:
    """End the holds whose time is over and that need no read any more; return how many."""
    now = ledger.now()
    over = and_(
        account.c.hold.is_not(None),
        account.c.hold.not_in(list(PERSON_HOLDS)),
        account.c.needs_read.is_(False),
        or_(account.c.hold_until <= now, account.c.hold_until.is_(None)),
    )
    with ledger.read() as connection:
        if connection.execute(select(account.c.id).where(over).limit(1)).scalar() is None:
            return 0
    with ledger.write() as connection:
        ids = connection.execute(select(account.c.id).where(over)).scalars().all()
        for account_id in ids:
            _release(connection, account_id, now)
        return len(ids)


def resume_account(connection: Connection, account_id: int, *, now: float) -> None:
    """End any hold of an account, on a person's word; after unknowns it goes on one POST at a time."""
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(cautious=case((account.c.hold == Hold.UNKNOWNS, True), else_=account.c.cautious))
    )
    connection.execute(update(account).where(account.c.id == account_id).values(unknown_streak=0))
    _release(connection, account_id, now)


def _release(connection: Connection, account_id: int, now: float) -> None:
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(hold=None, hold_detail=None, held_at=None, hold_until=None, needs_read=False)
    )
    append_event(connection, now, "account_released", account=account_id)
