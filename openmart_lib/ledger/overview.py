"""Runs as they stand: state, outcomes, where the pending rows are. Read from counters and batches."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import account, batch, counter, run, upload
from openmart_lib.ledger.states import PERSON_HOLDS, BatchState, Hold, Outcome, RunState

OPEN_STATES: Final = (BatchState.PLANNED, BatchState.SENDING, BatchState.ACCEPTED)
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

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.sending + self.at_openmart + self.fetching


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
    def made_elsewhere(self) -> bool:
        """Whether another tool submitted it: what it asked for and what it cost are not known here."""
        return bool(self.options.get("made_elsewhere"))

    @property
    def needs_person(self) -> bool:
        """Whether something of this run waits for a person's decision."""
        unsent, accepted = self.batches[BatchState.PLANNED], self.batches[BatchState.ACCEPTED]
        held = self.hold in PERSON_HOLDS and unsent > 0
        waits_for_key = self.other_key and unsent + accepted > 0
        return held or waits_for_key or self.batches[BatchState.UNKNOWN] > 0 or self.stalled_batches > 0

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
        return _run_infos(
            connection,
            _run_query().order_by(run.c.id.desc()).limit(limit),
            ledger,
            key_fingerprint,
            stall_after,
        )


@in_plain_words
def run_info(
    ledger: Ledger, run_id: str, *, key_fingerprint: str | None = None, stall_after: float = 1200.0
) -> RunInfo:
    """Return one run.

    Raises:
        RunNotFoundError: If there is no such run in this environment.
    """
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        return _run_infos(
            connection, _run_query().where(run.c.id == pk), ledger, key_fingerprint, stall_after
        )[0]


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


def _run_infos(
    connection: Connection, query: Select[Any], ledger: Ledger, fingerprint: str | None, stall_after: float
) -> list[RunInfo]:
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for run_id, name, n in connection.execute(
        select(counter.c.run_id, counter.c.name, counter.c.n).where(counter.c.run_id.in_(ids))
    ):
        counts[run_id][name] = n
    grouped = _batch_groups(connection, ids)
    stalled = _stalled(connection, ids, stall_after)
    return [
        _run_info(row, counts[row.id], grouped.get(row.id, []), stalled.get(row.id, 0), fingerprint)
        for row in rows
    ]


def _batch_groups(connection: Connection, ids: list[int]) -> dict[int, list[Any]]:
    """Return per run: (state, ready, batches, open rows, latest end)."""
    ready = batch.c.ready_at.is_not(None)
    query = (
        select(
            batch.c.run_id,
            batch.c.state,
            ready.label("ready"),
            func.count().label("n"),
            func.sum(batch.c.open_rows).label("open_rows"),
            func.max(func.coalesce(batch.c.collected_at, batch.c.answered_at)).label("ended"),
        )
        .where(batch.c.run_id.in_(ids))
        .group_by(batch.c.run_id, batch.c.state, ready)
    )
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        groups[row.run_id].append(row)
    return groups


def _stalled(connection: Connection, ids: list[int], stall_after: float) -> dict[int, int]:
    """Count batches that had not changed when last asked about: a night of sleep is no stall."""
    quiet = batch.c.asked_at - batch.c.changed_at
    query = (
        select(batch.c.run_id, func.count())
        .where(and_(batch.c.run_id.in_(ids), batch.c.state == BatchState.ACCEPTED, quiet > stall_after))
        .group_by(batch.c.run_id)
    )
    return {run_id: n for run_id, n in connection.execute(query)}  # noqa: C416 - a Row is no pair for mypy


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
    state, reason = _state(row, states, hold, other_key)
    ends = [row.cancelled_at, *(group.ended for group in groups)]
    ended = [end for end in ends if end is not None]
    over = not any(states[open_state] for open_state in OPEN_STATES) and state is not RunState.PLANNING
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
    return Pending(*places)


def _state(
    row: Any, states: dict[BatchState, int], hold: Hold | None, other_key: bool
) -> tuple[RunState, str | None]:
    if row.cancelled_at is not None:
        return RunState.CANCELLED, None
    if row.planned_at is None:
        return RunState.PLANNING, None
    if not any(states[state] for state in OPEN_STATES):
        return RunState.DONE, None
    if row.paused_at is not None:
        return RunState.PAUSED, row.pause_reason
    if other_key:
        return RunState.PAUSED, f"planned with another key (…{row.key_last4})"
    if hold in PERSON_HOLDS and states[BatchState.PLANNED]:
        return RunState.PAUSED, HOLD_WORDS[hold]
    return RunState.ACTIVE, None
