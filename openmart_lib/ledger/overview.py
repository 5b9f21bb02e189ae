"""Runs as they stand: state, outcomes, where the pending rows are. Read from counters and batches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Float, Integer, Select, bindparam, func, select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import account, batch, counter, run, upload
from openmart_lib.ledger.states import OPEN_STATES, PERSON_HOLDS, BatchState, Hold, Outcome, Pause, RunState

FOUND: Final = (
    "records",
    "emails",
    "verified_emails",
    "phones",
    "mailboxes",
    "technologies",
    "rows_with_email",
    "rows_with_verified_email",
    "rows_with_phone",
)
HOLD_WORDS: Final = {
    Hold.UNAUTHORIZED: "Openmart does not accept the key (401)",
    Hold.CREDIT_LIMIT: "credit limit reached (402)",
    Hold.BANNED: "Openmart has banned this user (403)",
    Hold.WRONG_ADDRESS: "the address does not behave like Openmart",
    Hold.UNKNOWNS: "five submissions in a row got no clear answer",
    Hold.RATE_LIMITED: "Openmart asked us to wait (429)",
    Hold.OUTAGE: "waiting until Openmart answers again",
}


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows without their last word, split by where they are."""

    waiting: int = 0
    sending: int = 0
    at_openmart: int = 0
    fetching: int = 0
    elsewhere: int = 0  # waited for in the run that buys them

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.sending + self.at_openmart + self.fetching + self.elsewhere


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as it stands. Times are UTC seconds; ``outcomes`` adds up to ``row_count``."""

    run_id: str
    account_id: int
    name: str
    kind: Kind
    state: RunState
    pause_reason: str | None
    environment: str
    upload_name: str
    upload_sha256: str
    upload_format: dict[str, Any]
    columns: list[str]
    row_count: int
    task_count: int
    created_at: float
    planned_at: float | None
    cancelled_at: float | None
    finished_at: float | None
    mapping: dict[str, list[str]]
    options: dict[str, Any]
    outcomes: dict[Outcome, int]
    pending: Pending
    batches: dict[BatchState, int]
    found: dict[str, int]
    worst_credits: float
    key_last4: str
    other_key: bool
    hold: Hold | None
    stalled_batches: int

    @property
    def final_rows(self) -> int:
        """Rows that have their last word."""
        return self.row_count - self.outcomes[Outcome.PENDING]

    @property
    def rows_in_doubt(self) -> int:
        """Final rows of which nobody knows whether Openmart took them, while a person must say what then."""
        return self.outcomes[Outcome.UNKNOWN] if self.batches[BatchState.UNKNOWN] else 0

    @property
    def looked_up_rows(self) -> int:
        """Rows that are asked about themselves: what ``found`` counts is a part of these.

        A row that repeats one has its answer free; one that is served by an earlier run was counted there.
        """
        elsewhere = (Outcome.DUPLICATE, Outcome.REUSED, Outcome.REJECTED, Outcome.SKIPPED)
        return self.row_count - sum(self.outcomes[one] for one in elsewhere)

    @property
    def made_elsewhere(self) -> bool:
        """Whether another tool submitted it: what it asked for and what it cost are not known here."""
        return bool(self.options.get("made_elsewhere"))

    @property
    def needs_person(self) -> bool:
        """Whether something of this run waits for a person's decision."""
        unsent, accepted = self.batches[BatchState.PLANNED], self.batches[BatchState.ACCEPTED]
        held = self.hold in PERSON_HOLDS and unsent > 0
        waits_for_key = self.other_key and unsent + accepted > 0
        waits_for_word = self.state is RunState.PAUSED and Pause.of(self.pause_reason) is not None
        if held or waits_for_key or waits_for_word:
            return True
        return self.batches[BatchState.UNKNOWN] > 0 or self.stalled_batches > 0

    @property
    def moving(self) -> bool:
        """Whether something will change without a person: sending, waiting or fetching."""
        going = self.batches[BatchState.SENDING] + self.batches[BatchState.ACCEPTED]
        return self.state in (RunState.ACTIVE, RunState.PLANNING) or going > 0


@in_plain_words
def runs(
    ledger: Ledger, *, key_fingerprint: str | None = None, stall_after: float = 1200.0, limit: int = 500
) -> list[RunInfo]:
    """Return the runs of this environment, newest first."""
    with ledger.read() as connection:
        rows = connection.execute(_NEWEST, {"b_limit": limit}).all()
        return _run_infos(connection, rows, key_fingerprint, stall_after)


@in_plain_words
def run_info(
    ledger: Ledger, run_id: str, *, key_fingerprint: str | None = None, stall_after: float = 1200.0
) -> RunInfo:
    """Return one run.

    Raises:
        RunNotFoundError: If there is no such run in this environment.
    """
    with ledger.read() as connection:
        rows = connection.execute(_ONE, {"b_pk": run_pk(connection, run_id)}).all()
        return _run_infos(connection, rows, key_fingerprint, stall_after)[0]


@in_plain_words
def newest_run_id(ledger: Ledger) -> str:
    """Return the public id of the newest run.

    Raises:
        RunNotFoundError: If there is no run yet.
    """
    with ledger.read() as connection:
        found = connection.execute(select(run.c.public_id).order_by(run.c.id.desc()).limit(1)).scalar()
    if found is None:
        raise RunNotFoundError("There is no run yet. Nothing was changed. Start one with `openmart run`.")
    return str(found)


def _run_query() -> Select[Any]:
    return (
        select(
            run,
            account.c.key_last4,
            account.c.key_fingerprint,
            account.c.hold,
            account.c.hold_until,
            upload.c.name.label("upload_name"),
            upload.c.sha256,
            upload.c.format,
            upload.c.columns,
        )
        .join(account, account.c.id == run.c.account_id)
        .join(upload, upload.c.id == run.c.upload_id)
    )


# Built once: every page and every waiting command asks several times a second.
_READY: Final = batch.c.ready_at.is_not(None)
_IDS: Final[BindParameter[Any]] = bindparam("b_ids", expanding=True)
_NEWEST: Final = _run_query().order_by(run.c.id.desc()).limit(bindparam("b_limit", type_=Integer))
_ONE: Final = _run_query().where(run.c.id == bindparam("b_pk"))
_COUNTERS: Final = select(counter.c.run_id, counter.c.name, counter.c.n).where(counter.c.run_id.in_(_IDS))
_BATCH_GROUPS: Final = (
    select(
        batch.c.run_id,
        batch.c.state,
        _READY.label("ready"),
        func.count().label("n"),
        func.sum(batch.c.open_rows).label("open_rows"),
        func.max(func.coalesce(batch.c.collected_at, batch.c.answered_at)).label("ended"),
    )
    .where(batch.c.run_id.in_(_IDS))
    .group_by(batch.c.run_id, batch.c.state, _READY)
)
# Batches that had not changed when last asked about: a night of sleep is no stall.
_STALLED: Final = (
    select(batch.c.run_id, func.count())
    .where(
        batch.c.run_id.in_(_IDS),
        batch.c.state == BatchState.ACCEPTED,
        batch.c.asked_at - batch.c.changed_at > bindparam("b_stall_after", type_=Float),
    )
    .group_by(batch.c.run_id)
)


def _run_infos(
    connection: Connection, rows: Sequence[Any], fingerprint: str | None, stall_after: float
) -> list[RunInfo]:
    wanted = {"b_ids": [row.id for row in rows]}
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for run_id, name, n in connection.execute(_COUNTERS, wanted):
        counts[run_id][name] = n
    groups: dict[int, list[Any]] = defaultdict(list)
    for group in connection.execute(_BATCH_GROUPS, wanted):
        groups[group.run_id].append(group)
    still = connection.execute(_STALLED, wanted | {"b_stall_after": stall_after})
    stalled = {run_id: n for run_id, n in still}  # noqa: C416 - a Row is no pair for mypy
    return [
        _run_info(row, counts[row.id], groups[row.id], stalled.get(row.id, 0), fingerprint) for row in rows
    ]


def _run_info(
    row: Any, counts: dict[str, int], groups: list[Any], stalled: int, fingerprint: str | None
) -> RunInfo:
    states = dict.fromkeys(BatchState, 0)
    open_rows: dict[tuple[BatchState, bool], int] = defaultdict(int)
    for group in groups:
        batch_state = BatchState(group.state)
        states[batch_state] += group.n
        open_rows[batch_state, bool(group.ready)] += group.open_rows or 0
    outcomes = {outcome: counts.get(f"outcome:{outcome}", 0) for outcome in Outcome}
    if row.planned_at is None:
        so_far = Outcome.PENDING if row.cancelled_at is None else Outcome.CANCELLED
        outcomes = dict.fromkeys(Outcome, 0) | {so_far: row.row_count}
    hold = Hold(row.hold) if row.hold else None
    other_key = fingerprint is not None and row.key_fingerprint != fingerprint
    state, reason = _state(row, states, hold, other_key, outcomes[Outcome.PENDING])
    ends = [row.cancelled_at, *(group.ended for group in groups)]
    ended = [end for end in ends if end is not None]
    over = not any(states[open_state] for open_state in OPEN_STATES) and state is not RunState.PLANNING
    over = over and not outcomes[Outcome.PENDING]
    return RunInfo(
        run_id=row.public_id,
        account_id=row.account_id,
        name=row.name,
        kind=Kind(row.kind),
        state=state,
        pause_reason=reason,
        environment=row.environment,
        upload_name=row.upload_name,
        upload_sha256=row.sha256,
        upload_format=json.loads(row.format),
        columns=json.loads(row.columns),
        row_count=row.row_count,
        task_count=row.task_count,
        created_at=row.created_at,
        planned_at=row.planned_at,
        cancelled_at=row.cancelled_at,
        finished_at=(max(ended) if ended else row.planned_at) if over else None,
        mapping=json.loads(row.mapping),
        options=json.loads(row.options),
        outcomes=outcomes,
        pending=_pending(open_rows, outcomes[Outcome.PENDING], row),
        batches=states,
        found={name: counts.get(f"found:{name}", 0) for name in FOUND},
        worst_credits=row.worst_credits,
        key_last4=row.key_last4,
        other_key=other_key,
        hold=hold,
        stalled_batches=stalled,
    )


def _pending(open_rows: dict[tuple[BatchState, bool], int], pending: int, row: Any) -> Pending:
    """Split the pending rows by where they are; the parts add up to ``pending``.

    A row that was sent again counts in two batches while both are open, and its other batch may have
    answered: what is too much is taken off where it is least far.
    """
    if row.planned_at is None:
        return Pending(waiting=pending)
    places = [
        open_rows[BatchState.PLANNED, False] + open_rows[BatchState.PLANNED, True],
        open_rows[BatchState.SENDING, False] + open_rows[BatchState.SENDING, True],
        open_rows[BatchState.ACCEPTED, False],
        open_rows[BatchState.ACCEPTED, True],
    ]
    too_much = sum(places) - pending
    for place, rows in enumerate(places):
        taken = min(rows, max(0, too_much))
        places[place] -= taken
        too_much -= taken
    waiting, sending, at_openmart, fetching = places
    return Pending(waiting, sending, at_openmart, fetching, max(0, -too_much))


def _state(
    row: Any, states: dict[BatchState, int], hold: Hold | None, other_key: bool, pending: int
) -> tuple[RunState, str | None]:
    if row.cancelled_at is not None:
        return RunState.CANCELLED, None
    if row.planned_at is None:
        return RunState.PLANNING, None
    if not any(states[state] for state in OPEN_STATES):  # rows may wait for the run that buys them
        return (RunState.ACTIVE if pending else RunState.DONE), None
    if row.paused_at is not None:
        return RunState.PAUSED, row.pause_reason
    if other_key:
        return RunState.PAUSED, f"planned with another key (…{row.key_last4})"
    if hold in PERSON_HOLDS and states[BatchState.PLANNED]:
        return RunState.PAUSED, HOLD_WORDS[hold]
    return RunState.ACTIVE, None
