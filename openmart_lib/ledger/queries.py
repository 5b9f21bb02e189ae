"""Reads: what pages, the command line and notebooks show, as values and polars frames.

Counts come from the counters kept in the ledger's own transactions; what walks rows, links, answers or
requests is in ``row_reads`` and reached from here.
"""

from __future__ import annotations

import json
from typing import Any, Final

import polars as pl
from sqlalchemy import func, select

from openmart_lib.errors import LedgerError
from openmart_lib.ledger.accounts import AccountInfo, account_info
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.overview import Pending, RunInfo, newest_run_id, run_info, runs
from openmart_lib.ledger.row_reads import (
    FOREIGN_SCHEMA,
    answer_parts,
    answers,
    foreign_tracking,
    last_event,
    links,
    read_frame,
    requests,
    row_states,
)
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import (
    account,
    batch,
    event,
    meta,
    run,
    task,
    upload,
)
from openmart_lib.ledger.states import BatchState
from openmart_lib.wording import worded

__all__ = [
    "FOREIGN_SCHEMA",
    "Pending",
    "RunInfo",
    "accounts",
    "answer_parts",
    "answers",
    "batches",
    "decisions",
    "events",
    "foreign_tracking",
    "incomplete_batches",
    "last_event",
    "links",
    "newest_run_id",
    "progress",
    "requests",
    "revision",
    "row_states",
    "run_info",
    "runs",
    "submissions",
    "upload_rows",
]


# Built once: the worker and every page ask several times a second.
_ACCOUNTS: Final = select(account)
_REVISION: Final = select(meta.c.value).where(meta.c.name == "revision")


@in_plain_words
def accounts(ledger: Ledger) -> list[AccountInfo]:
    """Return the accounts of this environment."""
    with ledger.read() as connection:
        return [account_info(row) for row in connection.execute(_ACCOUNTS)]


@in_plain_words
def revision(ledger: Ledger) -> int:
    """Return a number that grows with every change of the ledger; equal numbers, equal content."""
    with ledger.read() as connection:
        known = connection.execute(_REVISION).scalar()
    return int(known or 0)


@in_plain_words
def decisions(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """Return what was decided about a run's rows against the rules, as ``intake.overrides`` writes it.

    Empty where nothing was, and once the run's personal data was deleted: edits quote cells.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        query = select(run.c.decisions).where(run.c.id == run_pk(connection, run_id))
        stored = connection.execute(query).scalar()
    return dict(json.loads(stored)) if stored else {}


@in_plain_words
def batches(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per batch of a run, in order of ``batch_no``.

    Columns: pk, batch_no, state, task_count, open_tasks, open_rows, attempts, batch_id, sent_at,
    answered_at, http_status, detail, nothing_created, processing, completed, errored, total, ready_at,
    asked_at, changed_at, next_poll_at, polls, read_error, collected_at, closed_by_person, resend_of_no,
    search_of_no (of the refused batch whose bad row is looked for, if this is a part of it),
    first_tracking_id, last_tracking_id. Times are UTC seconds (Float64).
    """
    # With both columns given, either end of the index answers, and no task is walked over.
    own = (task.c.batch_pk == batch.c.id) & (task.c.run_id == batch.c.run_id)
    first = select(func.min(task.c.task_no)).where(own).scalar_subquery()
    last = select(func.max(task.c.task_no)).where(own).scalar_subquery()
    old, root = batch.alias("old"), batch.alias("root")
    columns = [batch.c[name] for name in _BATCH_COLUMNS if name != "pk"]
    query = (
        select(
            batch.c.id.label("pk"),
            *columns,
            old.c.batch_no.label("resend_of_no"),
            root.c.batch_no.label("search_of_no"),
            first.label("first_no"),
            last.label("last_no"),
        )
        .join(old, old.c.id == batch.c.resend_of, isouter=True)
        .join(root, root.c.id == batch.c.search_of, isouter=True)
        .order_by(batch.c.batch_no)
    )
    with ledger.read() as connection:
        frame = read_frame(
            connection, query.where(batch.c.run_id == run_pk(connection, run_id)), _BATCH_SCHEMA
        )
    return frame.with_columns(
        worded("{}-{}", pl.lit(run_id), "first_no").alias("first_tracking_id"),
        worded("{}-{}", pl.lit(run_id), "last_no").alias("last_tracking_id"),
    ).drop("first_no", "last_no")


@in_plain_words
def incomplete_batches(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per closed batch whose lists never gave some of its tasks back, by ``batch_no``.

    Columns: pk, batch_no, task_count, missing_tasks (Int64), closed_by_person (Boolean), sent_at,
    collected_at (Float64, UTC s; the latter is when it was closed).
    """
    missing = select(func.count()).where(task.c.batch_pk == batch.c.id, task.c.final_at.is_(None))
    columns = [batch.c[name] for name in ("batch_no", "task_count", "closed_by_person", "sent_at")]
    query = select(
        batch.c.id.label("pk"),
        *columns,
        batch.c.collected_at,
        missing.scalar_subquery().label("missing_tasks"),
    )
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        # Only batches that were closed at some time are counted: a run may have a million tasks.
        closed = select(event.c.batch_pk).where(event.c.run_id == pk, event.c.kind == "batch_closed")
        mine = query.where(batch.c.id.in_(closed), batch.c.state == BatchState.COLLECTED)
        frame = read_frame(connection, mine.order_by(batch.c.batch_no), _INCOMPLETE_SCHEMA)
    return frame.filter(pl.col("missing_tasks") > 0)


def progress(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per change: ``at`` (Float64, UTC s), ``final_rows`` (Int64, cumulative)."""
    query = select(event.c.at, event.c.rows.label("final_rows")).where(event.c.rows.is_not(None))
    with ledger.read() as connection:
        mine = query.where(event.c.run_id == run_pk(connection, run_id)).order_by(event.c.id)
        frame = read_frame(connection, mine, {"at": pl.Float64, "final_rows": pl.Int64})
    return frame.with_columns(pl.col("final_rows").cum_sum())


@in_plain_words
def submissions(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per accepted batch: ``at`` (Float64, UTC s), ``batch_no`` (Int64)."""
    query = (
        select(event.c.at, batch.c.batch_no)
        .join(batch, batch.c.id == event.c.batch_pk)
        .where(event.c.kind == "batch_accepted")
        .order_by(event.c.id)
    )
    with ledger.read() as connection:
        mine = query.where(event.c.run_id == run_pk(connection, run_id))
        return read_frame(connection, mine, {"at": pl.Float64, "batch_no": pl.Int64})


@in_plain_words
def events(ledger: Ledger, run_id: str | None = None, *, limit: int = 200) -> pl.DataFrame:
    """Return the newest events first: at (Float64), kind, run_id (public), batch_no, detail (JSON text)."""
    query = (
        select(event.c.at, event.c.kind, run.c.public_id.label("run_id"), batch.c.batch_no, event.c.detail)
        .join(run, run.c.id == event.c.run_id, isouter=True)
        .join(batch, batch.c.id == event.c.batch_pk, isouter=True)
        .order_by(event.c.id.desc())
        .limit(limit)
    )
    text = pl.String
    with ledger.read() as connection:
        if run_id is not None:
            query = query.where(event.c.run_id == run_pk(connection, run_id))
        shape = {"at": pl.Float64, "kind": text, "run_id": text, "batch_no": pl.Int64, "detail": text}
        return read_frame(connection, query, shape)


@in_plain_words
def upload_rows(ledger: Ledger, run_id: str) -> pl.LazyFrame:
    """Return the uploaded rows in upload order: seq, file_line, then the uploaded columns as text.

    Raises:
        LedgerError: If the file that holds them is gone.
    """
    with ledger.read() as connection:
        name = connection.execute(
            select(upload.c.parquet)
            .join(run, run.c.upload_id == upload.c.id)
            .where(run.c.id == run_pk(connection, run_id))
        ).scalar_one()
    path = ledger.uploads_dir / name
    if not path.is_file():
        raise LedgerError(
            f"The uploaded rows of run {run_id} are gone ({path}). Its results are in the ledger unharmed. "
            "Restore the file from a backup."
        )
    return pl.scan_parquet(path)


_BATCH_COLUMNS: Final[dict[str, Any]] = {
    "pk": pl.Int64,
    "batch_no": pl.Int64,
    "state": pl.String,
    "task_count": pl.Int64,
    "open_tasks": pl.Int64,
    "open_rows": pl.Int64,
    "attempts": pl.Int64,
    "batch_id": pl.String,
    "sent_at": pl.Float64,
    "answered_at": pl.Float64,
    "http_status": pl.Int64,
    "detail": pl.String,
    "nothing_created": pl.Boolean,
    "processing": pl.Int64,
    "completed": pl.Int64,
    "errored": pl.Int64,
    "total": pl.Int64,
    "ready_at": pl.Float64,
    "asked_at": pl.Float64,
    "changed_at": pl.Float64,
    "next_poll_at": pl.Float64,
    "polls": pl.Int64,
    "read_error": pl.String,
    "collected_at": pl.Float64,
    "closed_by_person": pl.Boolean,
}
_INCOMPLETE_SCHEMA: Final[dict[str, Any]] = {
    "pk": pl.Int64,
    "batch_no": pl.Int64,
    "task_count": pl.Int64,
    "closed_by_person": pl.Boolean,
    "sent_at": pl.Float64,
    "collected_at": pl.Float64,
    "missing_tasks": pl.Int64,
}
_BATCH_SCHEMA: Final[dict[str, Any]] = _BATCH_COLUMNS | {
    "resend_of_no": pl.Int64,
    "search_of_no": pl.Int64,
    "first_no": pl.Int64,
    "last_no": pl.Int64,
}
