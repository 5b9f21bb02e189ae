"""Claiming: which batch is next, and the one statement that claims it only if everything allows it.

Run, environment, account hold, time, a free slot, the run's limit, the account's reserve and its pilot are
tested in the statement itself, so nothing that changes meanwhile lets a batch through; and that its rows were
compared with the never-contact lists as they are.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from openmart_lib.ledger import limits, pilots
from openmart_lib.ledger.schema import account, batch, run
from openmart_lib.ledger.states import BatchState
from openmart_lib.ledger.suppressing import is_checked

FAR_AHEAD: Final = 3600.0  # seconds; the clock was set back, or it is a 429's wait, which the account keeps
_SENDING: Final = batch.alias("sending")
_REPEATED: Final = batch.alias("repeated")


def _is_due(now: Any) -> ColumnElement[bool]:
    return or_(batch.c.not_before <= now, batch.c.not_before > now + FAR_AHEAD)


def _next_run() -> Select[Any]:
    of_run = batch.c.run_id == run.c.id
    latest = select(func.max(batch.c.sent_at)).where(of_run).correlate(run).scalar_subquery()
    due = _is_due(bindparam("b_now", type_=Float))
    planned = select(batch.c.id).where(of_run, batch.c.state == BatchState.PLANNED, due, pilots.may_go())
    return (
        select(run.c.id, run.c.public_id, run.c.kind)
        .where(
            run.c.account_id == bindparam("b_account"),
            run.c.planned_at.is_not(None),
            run.c.paused_at.is_(None),
            run.c.cancelled_at.is_(None),
            exists(planned),
            limits.next_fits(),
        )
        .order_by(latest.asc().nulls_first(), run.c.id)
        .limit(1)
    )


# Built once: the dispatcher asks whenever a slot is free.
NEXT_RUN: Final = _next_run()
_DUE: Final = (
    select(
        batch.c.id,
        batch.c.batch_no,
        batch.c.search_of,
        batch.c.task_count,
        is_checked().label("checked"),
        select(_REPEATED.c.batch_no)
        .where(_REPEATED.c.id == batch.c.resend_of)
        .scalar_subquery()
        .label("repeats"),
    )
    .join(run, run.c.id == batch.c.run_id)
    .where(
        batch.c.run_id == bindparam("b_run"),
        batch.c.state == BatchState.PLANNED,
        _is_due(bindparam("b_now", type_=Float)),
        pilots.may_go(),
    )
    .limit(1)
)
OLDEST_DUE: Final = _DUE.order_by(batch.c.id)
NEWEST_DUE: Final = _DUE.order_by(batch.c.id.desc())


def _claim() -> ReturningUpdate[Any]:
    my_account, now = bindparam("b_account", type_=Integer), bindparam("b_now", type_=Float)
    in_flight = (
        select(func.count())
        .where(_SENDING.c.account_id == my_account, _SENDING.c.state == BatchState.SENDING)
        .scalar_subquery()
    )
    # NULL while the account is held, and nothing is smaller than NULL.
    free_slots = (
        select(case((account.c.cautious, 1), else_=bindparam("b_slots", type_=Integer)))
        .where(account.c.id == my_account, account.c.hold.is_(None))
        .scalar_subquery()
    )
    allowed = exists(
        select(run.c.id).where(
            run.c.id == batch.c.run_id,
            run.c.account_id == my_account,
            run.c.environment == bindparam("b_environment"),
            run.c.planned_at.is_not(None),
            run.c.paused_at.is_(None),
            run.c.cancelled_at.is_(None),
            limits.fits(batch.c.worst_credits),
            pilots.may_go(),
        )
    )
    return (
        update(batch)
        .where(
            batch.c.id == bindparam("b_pk"),
            batch.c.state == BatchState.PLANNED,
            batch.c.task_count == bindparam("b_tasks", type_=Integer),  # it was divided after it was chosen
            is_checked(),
            _is_due(now),
            allowed,
            in_flight < free_slots,
            limits.keeps_reserve(my_account, batch.c.worst_credits),
        )
        .values(
            state=BatchState.SENDING,
            worker_id=bindparam("b_worker"),
            sent_at=now,
            body_sha256=bindparam("b_digest"),
            attempts=batch.c.attempts + 1,
            answered_at=None,
            http_status=None,
            detail=None,
        )
        .returning(
            batch.c.run_id,
            batch.c.attempts,
            batch.c.worst_credits,
            batch.c.nothing_created,
            literal(BatchState.PLANNED).label("state"),
        )
    )


CLAIM: Final = _claim()
