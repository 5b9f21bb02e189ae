"""Accounts: one environment and one key; what holds for all its runs is held here.

A hold that a person must end (401, 402, 403, wrong address, five unknowns in a row) is never replaced by
one that ends by itself. A wait that the server asked for (429) outlives it: whatever a person resumes,
nothing is sent before that wait is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import account
from openmart_lib.ledger.states import PERSON_HOLDS, Hold

UNKNOWNS_IN_A_ROW: Final = 5  # then a person decides
OUTAGE_BACKOFF: Final = 30.0  # seconds after an unknown, doubling
OUTAGE_BACKOFF_MAX: Final = 300.0
CLOCK_SET_BACK: Final = 60.0  # seconds that a hold may have begun in the future before the clock is doubted
# Built once: it runs for every submission that is accepted.
_FORGET_UNKNOWNS: Final = (
    update(account)
    .where(
        account.c.id == bindparam("b_account"),
        or_(account.c.unknown_streak > 0, account.c.cautious.is_(True)),
    )
    .values(unknown_streak=0, cautious=False)
)


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
        hold_until=None if row.hold in PERSON_HOLDS else row.hold_until,
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

    Two holds that end by themselves add up: the later end counts, and its reason is the one shown. While a
    person is waited for, ``hold_until`` keeps the end of a 429's wait, for the moment of resuming.
    """
    row = connection.execute(select(account).where(account.c.id == account_id)).one()
    if row.hold == reason and reason in PERSON_HOLDS:
        return  # every read and every submission in flight says so again
    mine = account.c.id == account_id
    if row.hold in PERSON_HOLDS and reason not in PERSON_HOLDS:
        if reason is Hold.RATE_LIMITED and until is not None:
            later = max(until, row.hold_until or 0.0)
            connection.execute(update(account).where(mine).values(hold_until=later))
        return
    if reason in PERSON_HOLDS:
        asked_to_wait = row.hold == Hold.RATE_LIMITED or row.hold in PERSON_HOLDS
        until, needs_read = row.hold_until if asked_to_wait else None, False
    elif row.hold and until is not None:
        needs_read = needs_read or row.needs_read
        if (row.hold_until or 0.0) > until:
            reason, detail, until = Hold(row.hold), row.hold_detail, row.hold_until
    values = {"hold": reason, "hold_detail": detail, "held_at": now, "hold_until": until}
    connection.execute(update(account).where(mine).values(values | {"needs_read": needs_read}))
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
    connection.execute(_FORGET_UNKNOWNS, {"b_account": account_id})


def note_read_succeeded(ledger: Ledger, account_id: int) -> None:
    """Let an outage end: a free read came back."""
    waiting = (account.c.id == account_id) & account.c.needs_read.is_(True)
    with ledger.read() as connection:
        if connection.execute(select(account.c.id).where(waiting)).scalar() is None:
            return
    with ledger.write() as connection:
        connection.execute(update(account).where(waiting).values(needs_read=False))


_ANY_HELD: Final = select(account.c.id).where(account.c.hold.is_not(None)).limit(1)


def lift_expired_holds(ledger: Ledger) -> int:
    """End the holds whose time is over and that need no read any more; return how many.

    A hold that began in the future was made before the clock was set back: its wait begins anew, so that
    it is neither shortened nor as long as the clock was wrong.
    """
    with ledger.read() as connection:
        if connection.execute(_ANY_HELD).scalar() is None:
            return 0
    now = ledger.now()
    by_itself = account.c.hold.is_not(None) & account.c.hold.not_in(list(PERSON_HOLDS))
    over = and_(
        by_itself,
        account.c.needs_read.is_(False),
        or_(account.c.hold_until <= now, account.c.hold_until.is_(None)),
    )
    ahead = by_itself & (account.c.held_at > now + CLOCK_SET_BACK)
    with ledger.read() as connection:
        if connection.execute(select(account.c.id).where(or_(over, ahead)).limit(1)).scalar() is None:
            return 0
    with ledger.write() as connection:
        anew = now + account.c.hold_until - account.c.held_at
        connection.execute(update(account).where(ahead).values(hold_until=anew, held_at=now))
        ids = connection.execute(select(account.c.id).where(over)).scalars().all()
        for account_id in ids:
            _release(connection, account_id, now)
        return len(ids)


def resume_account(connection: Connection, account_id: int, *, now: float) -> None:
    """End a hold that waits for a person; after unknowns the account goes on one POST at a time.

    Holds that end by themselves stay: a person cannot shorten the wait that the server asked for, nor
    tell that an outage is over. A 429's wait that began under the hold goes on as one.
    """
    row = connection.execute(select(account).where(account.c.id == account_id)).one()
    if row.hold not in PERSON_HOLDS:
        return
    if row.hold == Hold.UNKNOWNS:
        values = {"unknown_streak": 0, "cautious": True}
        connection.execute(update(account).where(account.c.id == account_id).values(values))
    _release(connection, account_id, now)
    if row.hold_until is not None and row.hold_until > now:
        words = "Openmart asked to wait before this was resumed"
        hold(connection, account_id, Hold.RATE_LIMITED, now=now, detail=words, until=row.hold_until)


def _release(connection: Connection, account_id: int, now: float) -> None:
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(hold=None, hold_detail=None, held_at=None, hold_until=None, needs_read=False)
    )
    append_event(connection, now, "account_released", account=account_id)
