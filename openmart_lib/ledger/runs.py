"""Runs: planned once per Confirm, paused, resumed and cancelled by people."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, func, insert, select, update

from openmart_lib.api.wire import MAX_TASKS_PER_BATCH, Kind
from openmart_lib.errors import LedgerError, RunExistsError, RunNotFoundError
from openmart_lib.ledger.accounts import ensure_account, resume_account
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import batch, counter, run, task, upload
from openmart_lib.ledger.settling import mark_open_rows
from openmart_lib.ledger.states import BatchState, Outcome
from openmart_lib.ledger.tracking import new_run_id

CHUNK_ROWS: Final = 2_000  # no write transaction is larger: the worker must be able to write in between
PAUSED_BY_PERSON: Final = "paused by you"
_OUTCOME_OF_INTAKE: Final = {
    "accepted": Outcome.PENDING,
    "duplicate": Outcome.DUPLICATE,
    "rejected": Outcome.REJECTED,
    "skipped": Outcome.SKIPPED,
    "reused": Outcome.REUSED,
}


@dataclass(frozen=True)
class NewRun:
    """Everything one Confirm decides.

    ``frame`` has seq, file_line and the uploaded columns as text; ``rows`` one row per uploaded row (seq,
    file_line, intake, code, reason, domain, asked_title, duplicate_of); ``tasks`` task_no, request (JSON
    without tracking_id), domain; ``links`` seq, task_no, person_no. ``worst_credits`` is the most it may
    cost, as shown.
    """

    name: str
    kind: Kind
    mapping: dict[str, list[str]]
    options: dict[str, Any]
    content_key: str
    confirm_token: str
    upload_name: str
    upload_sha256: str
    upload_format: dict[str, Any]
    frame: pl.DataFrame
    rows: pl.DataFrame
    tasks: pl.DataFrame
    links: pl.DataFrame
    worst_credits: float
    key_fingerprint: str
    key_last4: str
    again: bool = False
    tasks_per_batch: int = field(default=MAX_TASKS_PER_BATCH)


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run of the same content."""

    run_id: str
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class CancelCount:
    """What a cancel could stop, and what it could not."""

    cancelled_batches: int
    with_openmart_batches: int


def plan_run(ledger: Ledger, new: NewRun, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Write a run into the ledger; return its public id. Nothing is sent before the last row is written.

    The same ``confirm_token`` gives the same run, however often it is asked for; a planning that was
    interrupted goes on where it stopped. ``progress`` is told (rows written, rows in all).

    Raises:
        RunExistsError: If the same content was submitted before and ``again`` is not set.
    """
    with ledger.write() as connection:
        pk, run_id, planned = _find_or_insert(ledger, connection, new)
    if not planned:
        _plan(ledger, pk, new, progress)
    return run_id


def find_same_content(ledger: Ledger, content_key: str) -> EarlierRun | None:
    """Return the newest run of the same content, if there is one."""
    with ledger.read() as connection:
        row = _same_content(connection, ledger.environment, content_key)
    return EarlierRun(row.public_id, row.name, row.created_at) if row else None


def pause_run(ledger: Ledger, run_id: str, *, reason: str = PAUSED_BY_PERSON) -> None:
    """Stop claiming this run's batches; what is with Openmart goes on and is collected.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(
            update(run).where(run.c.id == pk).values(paused_at=ledger.now(), pause_reason=reason)
        )
        append_event(connection, ledger.now(), "run_paused", run=pk, reason=reason)


def resume_run(ledger: Ledger, run_id: str) -> None:
    """Go on with a paused run, and end its account's hold if one waits for a person.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(update(run).where(run.c.id == pk).values(paused_at=None, pause_reason=None))
        account_id = connection.execute(select(run.c.account_id).where(run.c.id == pk)).scalar_one()
        resume_account(connection, account_id, now=ledger.now())
        append_event(connection, ledger.now(), "run_resumed", run=pk)


def cancel_run(ledger: Ledger, run_id: str) -> CancelCount:
    """Cancel what was not sent; what is with Openmart cannot be recalled and will be collected.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        connection.execute(update(run).where(run.c.id == pk).values(cancelled_at=ledger.now()))
        append_event(connection, ledger.now(), "run_cancelled", run=pk)
    cancelled = 0
    while True:  # one transaction per few batches: a million rows must not hold the write lock
        with ledger.write() as connection:
            found = _planned(connection, pk, limit=CHUNK_ROWS // MAX_TASKS_PER_BATCH)
            for batch_pk in found:
                _cancel_batch(connection, batch_pk, pk, ledger.now())
        if not found:
            break
        cancelled += len(found)
    with ledger.read() as connection:
        sent = connection.execute(
            select(func.count()).where(
                batch.c.run_id == pk, batch.c.state.in_([BatchState.SENDING, BatchState.ACCEPTED])
            )
        ).scalar_one()
    return CancelCount(cancelled, int(sent))


def adopt_run(ledger: Ledger, run_id: str, *, key_fingerprint: str, key_last4: str) -> None:
    """Let a run that was planned with another key go on with the present one (its unsent batches).

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.write() as connection:
        pk = run_pk(connection, run_id)
        account_id = ensure_account(connection, ledger.environment, key_fingerprint, key_last4)
        connection.execute(update(run).where(run.c.id == pk).values(account_id=account_id))
        connection.execute(update(batch).where(batch.c.run_id == pk).values(account_id=account_id))
        append_event(connection, ledger.now(), "run_adopted", run=pk, account=account_id)


def run_pk(connection: Connection, run_id: str) -> int:
    """Return the integer key of a run.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    found = connection.execute(select(run.c.id).where(run.c.public_id == run_id)).scalar()
    if found is None:
        raise RunNotFoundError(
            f"There is no run {run_id!r} in this environment. Nothing was changed. "
            "List the runs with `openmart status`, or open Monitor."
        )
    return int(found)


def _find_or_insert(ledger: Ledger, connection: Connection, new: NewRun) -> tuple[int, str, bool]:
    seen = connection.execute(select(run).where(run.c.confirm_token == new.confirm_token)).first()
    if seen is not None:
        return seen.id, seen.public_id, seen.planned_at is not None
    same = _same_content(connection, ledger.environment, new.content_key)
    if same is not None and not new.again:
        if same.planned_at is None:  # its planning was cut off: nothing of it was ever sent
            return same.id, same.public_id, False
        raise RunExistsError(
            f"The same list with the same options was submitted before, as {same.name!r}. "
            "Nothing was sent. Open that run, or submit again on purpose.",
            run_id=same.public_id,
            name=same.name,
        )
    return _insert_run(ledger, connection, new, 0 if same is None else same.repeat_no + 1)


def _same_content(connection: Connection, environment: str, content_key: str) -> Any:
    return connection.execute(
        select(run)
        .where(run.c.environment == environment, run.c.content_key == content_key)
        .order_by(run.c.repeat_no.desc())
        .limit(1)
    ).first()


def _insert_run(ledger: Ledger, connection: Connection, new: NewRun, repeat_no: int) -> tuple[int, str, bool]:
    run_id = new_run_id()
    now = ledger.now()
    columns = [name for name in new.frame.columns if name not in ("seq", "file_line")]
    upload_values = {
        "name": new.upload_name,
        "sha256": new.upload_sha256,
        "format": json.dumps(new.upload_format, ensure_ascii=False),
        "columns": json.dumps(columns, ensure_ascii=False),
        "row_count": new.frame.height,
        "parquet": f"{run_id}.parquet",
        "created_at": now,
    }
    upload_key = connection.execute(insert(upload).values(upload_values)).inserted_primary_key
    assert upload_key is not None
    values = {
        "public_id": run_id,
        "environment": ledger.environment,
        "account_id": ensure_account(connection, ledger.environment, new.key_fingerprint, new.key_last4),
        "upload_id": upload_key[0],
        "name": new.name,
        "kind": new.kind,
        "mapping": json.dumps(new.mapping, ensure_ascii=False),
        "options": json.dumps(new.options, ensure_ascii=False),
        "content_key": new.content_key,
        "repeat_no": repeat_no,
        "confirm_token": new.confirm_token,
        "row_count": new.rows.height,
        "task_count": new.tasks.height,
        "worst_credits": new.worst_credits,
        "created_at": now,
    }
    key = connection.execute(insert(run).values(values)).inserted_primary_key
    assert key is not None
    append_event(connection, now, "run_created", run=key[0], row_count=new.rows.height)
    return int(key[0]), run_id, False


def _plan(ledger: Ledger, pk: int, new: NewRun, progress: Callable[[int, int], None] | None) -> None:
    """Write rows, batches, tasks and links in chunks; every insert may be repeated after a kill."""
    with ledger.read() as connection:
        query = select(upload.c.parquet, run.c.account_id).join(run, run.c.upload_id == upload.c.id)
        parquet, account_id = connection.execute(query.where(run.c.id == pk)).one()
    _write_parquet(ledger, new.frame, parquet)
    steps = max(1, new.rows.height + new.tasks.height + new.links.height)
    done = 0
    for statement, chunk in _statements(pk, account_id, ledger.environment, new):
        with ledger.write() as connection:
            connection.exec_driver_sql(statement, chunk)
        done += len(chunk)
        if progress is not None:
            progress(min(new.rows.height, done * new.rows.height // steps), new.rows.height)
    _finish_planning(ledger, pk, new)


def _statements(
    pk: int, account_id: int, environment: str, new: NewRun
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield driver statements with at most ``CHUNK_ROWS`` tuples each (Core costs twice the time here)."""
    outcome = pl.col("intake").replace_strict(
        {intake: str(outcome) for intake, outcome in _OUTCOME_OF_INTAKE.items()}
    )
    rows = new.rows.select(
        pl.lit(pk).alias("run_id"),
        *("seq", "file_line", "intake", "code", "reason", "domain", "asked_title", "duplicate_of"),
        outcome.alias("outcome"),
        pl.when(pl.col("intake") != "accepted").then(pl.col("reason")).alias("outcome_reason"),
    )
    yield from _inserts("uploaded_row", rows)
    size = new.tasks_per_batch
    numbered = new.tasks.with_columns(((pl.col("task_no") - 1) // size + 1).alias("batch_no"))
    links_per_batch = new.links.group_by(((pl.col("task_no") - 1) // size + 1).alias("batch_no")).len("rows")
    batches = numbered.group_by("batch_no").len("tasks").join(links_per_batch, on="batch_no").sort("batch_no")
    columns = "run_id, account_id, environment, batch_no, kind, state, task_count, open_tasks, open_rows"
    insert_batch = f"INSERT OR IGNORE INTO batch ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    kind, state = str(new.kind), str(BatchState.PLANNED)
    for part in batches.iter_slices(CHUNK_ROWS):
        yield (
            insert_batch,
            [
                (pk, account_id, environment, number, kind, state, tasks, tasks, open_rows)
                for number, tasks, open_rows in part.rows()
            ],
        )
    insert_task = (
        "INSERT OR IGNORE INTO task (run_id, task_no, batch_pk, domain, request) "
        "VALUES (?, ?, (SELECT id FROM batch WHERE run_id = ? AND batch_no = ?), ?, ?)"
    )
    for part in numbered.select("task_no", "batch_no", "domain", "request").iter_slices(CHUNK_ROWS):
        yield (
            insert_task,
            [(pk, no, pk, batch_no, domain, text) for no, batch_no, domain, text in part.rows()],
        )
    links = new.links.select(
        pl.lit(pk).alias("run_id"),
        *("task_no", "person_no", "seq"),
        pl.lit(str(Outcome.PENDING)).alias("outcome"),
    )
    yield from _inserts("row_task", links)


def _inserts(table: str, frame: pl.DataFrame) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    marks = ", ".join("?" * frame.width)
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(frame.columns)}) VALUES ({marks})"
    for part in frame.iter_slices(CHUNK_ROWS):
        yield statement, part.rows()


def _finish_planning(ledger: Ledger, pk: int, new: NewRun) -> None:
    counts = new.rows["intake"].value_counts().rows()
    counters = [
        {"run_id": pk, "name": f"outcome:{_OUTCOME_OF_INTAKE[intake]}", "n": n} for intake, n in counts
    ]
    final = sum(n for intake, n in counts if intake != "accepted")
    with ledger.write() as connection:
        planned = connection.execute(
            update(run)
            .where(run.c.id == pk, run.c.planned_at.is_(None))
            .values(planned_at=ledger.now())
            .returning(run.c.id)
        ).scalar()
        if planned is None:  # another tab finished the same planning first
            return
        stored = connection.execute(select(func.count()).where(task.c.run_id == pk)).scalar_one()
        if stored != new.tasks.height:
            raise LedgerError(
                f"Only {stored:,} of {new.tasks.height:,} tasks could be stored. Nothing was sent. "
                "Check the disk and submit again."
            )
        if counters:
            connection.execute(insert(counter).values(counters))
        append_event(connection, ledger.now(), "run_planned", run=pk, rows=final)


def _write_parquet(ledger: Ledger, frame: pl.DataFrame, name: str) -> None:
    path = ledger.uploads_dir / name
    if path.exists():
        return
    partial = path.with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        frame.write_parquet(file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _planned(connection: Connection, pk: int, *, limit: int) -> list[int]:
    return list(
        connection.execute(
            select(batch.c.id)
            .where(batch.c.run_id == pk, batch.c.state == BatchState.PLANNED)
            .order_by(batch.c.batch_no)
            .limit(limit)
        ).scalars()
    )


def _cancel_batch(connection: Connection, batch_pk: int, pk: int, now: float) -> None:
    connection.execute(update(batch).where(batch.c.id == batch_pk).values(state=BatchState.CANCELLED))
    reason = "the run was cancelled before this row was sent; nothing was spent"
    rows = mark_open_rows(connection, batch_pk, Outcome.CANCELLED, reason, final=True)
    append_event(connection, now, "batch_cancelled", run=pk, batch=batch_pk, rows=rows)
