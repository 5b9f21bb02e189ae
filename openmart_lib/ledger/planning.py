"""Planning: a Confirm becomes a run, its rows, batches and tasks, in chunks that a kill may cut anywhere.

Until the last chunk is written, ``run.planned_at`` is NULL and no worker sees the run. Each chunk may be
written again: going on after a kill, in another tab or by the same content submitted anew is the same code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, func, insert, select, update

from openmart_lib.api.wire import MAX_TASKS_PER_BATCH, Kind
from openmart_lib.errors import LedgerError, RunExistsError
from openmart_lib.ledger.accounts import ensure_account
from openmart_lib.ledger.batching import Batching, batching
from openmart_lib.ledger.ledger import Ledger, append_event
from openmart_lib.ledger.schema import (
    event,
    reused_row,
    row_task,
    run,
    task,
    upload,
    uploaded_row,
)
from openmart_lib.ledger.settling import add_to_counters, follow_sources
from openmart_lib.ledger.states import BatchState, Outcome
from openmart_lib.ledger.tariff import Tariff
from openmart_lib.ledger.tracking import random_id
from openmart_lib.ledger.uploads import insert_upload, uploaded_columns, write_upload

CHUNK_ROWS: Final = 2_000  # no write transaction is larger: the worker must be able to write in between
_UNLESS_THERE: Final = "ON CONFLICT DO NOTHING"
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
    without tracking_id), domain and, if it is known, likeness (Int64: equal, so the same purchase);
    ``links`` seq, task_no, person_no. ``worst_credits`` is the most it may cost, as shown.

    Attributes:
        decisions: What was decided against the rules, row by row; JSON types, None when nothing was.
        estimate: What was shown at Confirm, JSON types; ``tariff.Tariff`` reads the prices in it. Without
            one no credits are counted for the run.
        spend_at_most: Credits that the run may cost at most, by the prices in ``estimate``; None: no limit.
        pilot_rows: So many rows, chosen at random, are sent first, and the rest waits for a person; 0: none.
        reused: Rows that an earlier task serves, intake ``reused``: seq, source_run_id (the run's integer
            key), source_task_no, source_person_no.
        never_checked: The changes of the never-contact lists that the rows were compared with.
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
    decisions: dict[str, Any] | None = None
    estimate: dict[str, Any] | None = None
    spend_at_most: float | None = None
    pilot_rows: int = 0
    reused: pl.DataFrame | None = None
    never_checked: int = 0


def find_or_insert(ledger: Ledger, connection: Connection, new: NewRun) -> tuple[int, str, bool]:
    """Return the run of this Confirm as (integer key, public id, whether it is planned), made if it is new.

    Raises:
        RunExistsError: If the same content was planned before and ``new.again`` is not set.
    """
    query = _with_upload(select(run)).where(run.c.confirm_token == new.confirm_token)
    seen = connection.execute(query).first()
    if seen is not None and (seen.planned_at is not None or _goes_on_with(connection, seen, new)):
        return seen.id, seen.public_id, seen.planned_at is not None
    if seen is not None:  # it was cut off, and what is confirmed now is not what was being written
        aside = {"confirm_token": f"{new.confirm_token} {seen.public_id}", "cancelled_at": ledger.now()}
        connection.execute(update(run).where(run.c.id == seen.id).values(aside))
    earlier = planned_run(connection, ledger.environment, new.content_key)
    if earlier is not None and not new.again:
        raise RunExistsError(
            f"The same list with the same options was submitted before, as {earlier.name!r}. "
            "Nothing was sent. Open that run, or submit again on purpose.",
            run_id=earlier.public_id,
            name=earlier.name,
        )
    newest = connection.execute(_with_upload(_same_content(ledger.environment, new.content_key))).first()
    if newest is not None and newest.planned_at is None and _goes_on_with(connection, newest, new):
        connection.execute(update(run).where(run.c.id == newest.id).values(cancelled_at=None))
        return newest.id, newest.public_id, False
    return _insert_run(ledger, connection, new, 0 if newest is None else newest.repeat_no + 1)


def _same_content(environment: str, content_key: str) -> Select[Any]:
    return (
        select(run)
        .where(run.c.environment == environment, run.c.content_key == content_key)
        .order_by(run.c.repeat_no.desc())
        .limit(1)
    )


def planned_run(connection: Connection, environment: str, content_key: str) -> Any:
    """Return the newest run of this content of which something may have been sent."""
    query = _same_content(environment, content_key).where(run.c.planned_at.is_not(None))
    return connection.execute(query).first()


def _with_upload(query: Select[Any]) -> Select[Any]:
    return query.add_columns(upload.c.sha256, upload.c.columns).join(upload, upload.c.id == run.c.upload_id)


def _goes_on_with(connection: Connection, cut_off: Any, new: NewRun) -> bool:
    """Whether a planning that was cut off wrote the rows of this very upload: nothing of it was ever sent."""
    created = select(event.c.detail).where(event.c.run_id == cut_off.id, event.c.kind == "run_created")
    shape = json.loads(connection.execute(created).scalar() or "{}").get("shape", f"0/{new.tasks_per_batch}/")
    written = (cut_off.sha256, json.loads(cut_off.columns), cut_off.row_count, cut_off.task_count, shape)
    wanted = (new.upload_sha256, uploaded_columns(new), new.rows.height, new.tasks.height, _shape(new))
    return bool(written == wanted)


def _shape(new: NewRun) -> str:
    """Return what decides, beside the content, which rows are written and in which batches."""
    reused = "" if new.reused is None else hashlib.sha256(new.reused.write_csv().encode()).hexdigest()[:16]
    return f"{new.pilot_rows}/{new.tasks_per_batch}/{reused}"


def _insert_run(ledger: Ledger, connection: Connection, new: NewRun, repeat_no: int) -> tuple[int, str, bool]:
    run_id = random_id()
    now = ledger.now()
    values = {
        "public_id": run_id,
        "environment": ledger.environment,
        "account_id": ensure_account(connection, ledger.environment, new.key_fingerprint, new.key_last4),
        "upload_id": insert_upload(connection, new, run_id, now),
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
        "decisions": _json_or_null(new.decisions),
        "estimate": _json_or_null(new.estimate),
        "spend_at_most": new.spend_at_most,
    }
    key = connection.execute(insert(run).values(values)).inserted_primary_key
    assert key is not None
    append_event(connection, now, "run_created", run=key[0], row_count=new.rows.height, shape=_shape(new))
    return int(key[0]), run_id, False


def _json_or_null(values: dict[str, Any] | None) -> str | None:
    return json.dumps(values, ensure_ascii=False) if values else None


def write_rows(
    ledger: Ledger,
    pk: int,
    new: NewRun,
    progress: Callable[[int, int], None] | None,
    *,
    at_end: Callable[[Connection], None] | None = None,
) -> None:
    """Write rows, batches, tasks and links in chunks; every insert may be repeated after a kill.

    A row that is there already is passed over, anything else that is wrong with a row raises. ``at_end`` is
    called in the transaction that makes the run visible to the worker.
    """
    with ledger.read() as connection:
        query = select(upload.c.parquet, run.c.account_id).join(run, run.c.upload_id == upload.c.id)
        parquet, account_id = connection.execute(query.where(run.c.id == pk)).one()
    write_upload(ledger, new.frame, parquet)
    planned = batching(
        new.tasks,
        new.links,
        size=new.tasks_per_batch,
        tariff=Tariff.from_estimate(new.estimate),
        pilot_rows=new.pilot_rows,
        seed=new.content_key,
    )
    steps = max(1, new.rows.height + new.tasks.height + new.links.height)
    done = 0
    for statement, chunk in _statements(pk, account_id, ledger.environment, new, planned):
        with ledger.write() as connection:
            connection.exec_driver_sql(statement, chunk)
        done += len(chunk)
        if progress is not None:
            progress(min(new.rows.height, done * new.rows.height // steps), new.rows.height)
    if new.reused is not None:
        follow_sources(ledger, pk)
    _finish_planning(ledger, pk, new, planned.pilot_batches, at_end)


def _statements(
    pk: int, account_id: int, environment: str, new: NewRun, planned: Batching
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
    columns = (
        "run_id, account_id, environment, batch_no, kind, state, task_count, open_tasks, open_rows, "
        "worst_credits, never_checked"
    )
    marks = ", ".join("?" * 11)
    insert_batch = f"INSERT INTO batch ({columns}) VALUES ({marks}) {_UNLESS_THERE}"
    kind, state, checked = str(new.kind), str(BatchState.PLANNED), new.never_checked
    for part in planned.batches.iter_slices(CHUNK_ROWS):
        yield (
            insert_batch,
            [
                (pk, account_id, environment, no, kind, state, tasks, tasks, open_rows, worst, checked)
                for no, tasks, open_rows, worst in part.rows()
            ],
        )
    insert_task = (
        "INSERT INTO task (run_id, task_no, batch_pk, domain, request, likeness) "
        f"VALUES (?, ?, (SELECT id FROM batch WHERE run_id = ? AND batch_no = ?), ?, ?, ?) {_UNLESS_THERE}"
    )
    likeness = pl.col("likeness") if "likeness" in planned.tasks.columns else pl.lit(None).alias("likeness")
    tasks = planned.tasks.select("task_no", "batch_no", "domain", "request", likeness)
    for part in tasks.iter_slices(CHUNK_ROWS):
        yield (
            insert_task,
            [(pk, no, pk, batch_no, domain, text, like) for no, batch_no, domain, text, like in part.rows()],
        )
    links = new.links.select(
        pl.lit(pk).alias("run_id"),
        *("task_no", "person_no", "seq"),
        pl.lit(str(Outcome.PENDING)).alias("outcome"),
    )
    yield from _inserts("row_task", links)
    if new.reused is not None:
        columns_of_reused = "seq", "source_run_id", "source_task_no", "source_person_no"
        yield from _inserts("reused_row", new.reused.select(pl.lit(pk).alias("run_id"), *columns_of_reused))


def _inserts(table: str, frame: pl.DataFrame) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    marks = ", ".join("?" * frame.width)
    statement = f"INSERT INTO {table} ({', '.join(frame.columns)}) VALUES ({marks}) {_UNLESS_THERE}"
    for part in frame.iter_slices(CHUNK_ROWS):
        yield statement, part.rows()


def _finish_planning(
    ledger: Ledger,
    pk: int,
    new: NewRun,
    pilot_batches: int | None,
    at_end: Callable[[Connection], None] | None,
) -> None:
    counts = new.rows["intake"].value_counts().rows()
    counters = [(f"outcome:{_OUTCOME_OF_INTAKE[intake]}", n) for intake, n in counts]
    final = sum(n for intake, n in counts if intake != "accepted")
    still_planning = (run.c.id == pk) & run.c.planned_at.is_(None)
    with ledger.read() as connection:  # counting a million lines would hold up the worker's writes
        if connection.execute(select(run.c.id).where(still_planning)).scalar() is not None:
            _check_all_stored(connection, pk, new)
    with ledger.write() as connection:
        visible = {"planned_at": ledger.now(), "pilot_batches": pilot_batches}
        planned = connection.execute(update(run).where(still_planning).values(visible))
        if not planned.rowcount:  # another tab finished the same planning first
            return
        add_to_counters(connection, pk, counters)  # beside what reused rows have changed while waiting
        if at_end is not None:
            at_end(connection)
        append_event(connection, ledger.now(), "run_planned", run=pk, rows=final)


def _check_all_stored(connection: Connection, pk: int, new: NewRun) -> None:
    reused = new.rows.clear() if new.reused is None else new.reused
    for table, what, frame in (
        (uploaded_row, "rows", new.rows),
        (task, "tasks", new.tasks),
        (row_task, "ties of rows to tasks", new.links),
        (reused_row, "rows served by an earlier result", reused),
    ):
        stored = connection.execute(select(func.count()).where(table.c.run_id == pk)).scalar_one()
        if stored != frame.height:
            raise LedgerError(
                f"{stored:,} instead of {frame.height:,} {what} are stored, so the list names one twice. "
                "Nothing was sent. Submit the list again."
            )
