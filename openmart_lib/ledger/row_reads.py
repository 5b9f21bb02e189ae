"""Reads that walk the rows, tasks or answers of a run: all of them, or only those that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, func, select

from openmart_lib.ledger.exports import TAKEN
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import batch, event, remote_task, row_task, task, uploaded_row
from openmart_lib.wording import worded

BATCHES_PER_PART: Final = 100  # of a run's answers: at most 10,000 tasks are read or flattened at a time
_FETCHED: Final = 20_000  # lines taken from the database at a time: a run may have a million


@in_plain_words
def row_states(
    ledger: Ledger, run_id: str, *, first: int | None = None, of: Collection[str] = ()
) -> pl.DataFrame:
    """Return one row per uploaded row, in order.

    Columns: seq, file_line, intake, code, reason, domain, asked_title, duplicate_of, outcome,
    outcome_reason.

    Args:
        first: Only so many rows, the first ones.
        of: Only these columns: of a million rows each takes its time.
    """
    schema = {name: dtype for name, dtype in _ROW_SCHEMA.items() if not of or name in of}
    columns = [uploaded_row.c[name] for name in schema]
    with ledger.read() as connection:
        mine = uploaded_row.c.run_id == run_pk(connection, run_id)
        query = select(*columns).where(mine).order_by(uploaded_row.c.seq).limit(first)
        return read_frame(connection, query, schema)


@in_plain_words
def links(
    ledger: Ledger,
    run_id: str,
    *,
    seq: int | None = None,
    first: int | None = None,
    task_nos: Collection[int] | None = None,
) -> pl.DataFrame:
    """Return one row per tie of a task (or person) to a row: seq, task_no, person_no, outcome, reason.

    Args:
        seq: Only the ties of this uploaded row; read by index.
        first: Only those of so many uploaded rows, the first ones; read by index.
        task_nos: Only the ties of these tasks.
    """
    columns = [row_task.c[name] for name in _LINK_SCHEMA]
    query = select(*columns)
    if seq is not None:
        query = query.where(row_task.c.seq == seq)
    if first is not None:
        query = query.where(row_task.c.seq <= first)
    if task_nos is not None:
        query = query.where(row_task.c.task_no.in_(task_nos))
    with ledger.read() as connection:
        mine = row_task.c.run_id == run_pk(connection, run_id)
        # Sorted here: told to sort, SQLite goes through all ties instead of the index of rows.
        return read_frame(connection, query.where(mine), _LINK_SCHEMA).sort("task_no", "person_no")


@in_plain_words
def answers(
    ledger: Ledger,
    run_id: str,
    *,
    task_nos: Collection[int] | None = None,
    part: int | None = None,
) -> pl.DataFrame:
    """Return one row per fetched remote task, by task number.

    Columns: task_no (null: a tracking id we did not send), tracking_id, task_id, batch_id, batch_no, status,
    payload (the answer's JSON text), fetched_at (Float64, UTC s).

    Args:
        task_nos: Only the answers of these tasks; read by index.
        part: Only those of one part, as ``answer_parts`` numbers them.
    """
    query = (
        select(
            remote_task.c.task_no,
            remote_task.c.tracking_id,
            remote_task.c.task_id,
            batch.c.batch_id,
            batch.c.batch_no,
            remote_task.c.status,
            remote_task.c.payload,
            remote_task.c.fetched_at,
        )
        .join(batch, batch.c.id == remote_task.c.batch_pk)
        .where(remote_task.c.fetched_at.is_not(None))
        .order_by(remote_task.c.task_no, remote_task.c.id)
    )
    if task_nos is not None:
        query = query.where(remote_task.c.task_no.in_(task_nos))
    if part is not None:
        first = part * BATCHES_PER_PART
        query = query.where(batch.c.id >= first, batch.c.id < first + BATCHES_PER_PART)
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        # By the remote task's run the database would walk the whole run for one part of it.
        mine = remote_task.c.run_id == pk if part is None else batch.c.run_id == pk
        return read_frame(connection, query.where(mine), _ANSWER_SCHEMA)


@in_plain_words
def answer_parts(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per part of a run's answers (the batches whose keys share a hundred) that has any.

    Columns: part (Int64), listed (Int64, remote tasks known), newest (Int64, the last event that stored
    answers in it; null without), stored_at (Float64, UTC s, when that was). A part whose three values are
    the same holds the same answers.
    """
    known = select(func.count()).where(remote_task.c.batch_pk == batch.c.id).scalar_subquery()
    listed = select(batch.c.id.label("batch_pk"), known.label("listed"))
    stored = (
        select(
            event.c.batch_pk, func.max(event.c.id).label("newest"), func.max(event.c.at).label("stored_at")
        )
        .where(event.c.kind == "answers_stored")
        .group_by(event.c.batch_pk)
    )
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        counts = read_frame(connection, listed.where(batch.c.run_id == pk), _LISTED_SCHEMA)
        events = read_frame(connection, stored.where(event.c.run_id == pk), _STORED_SCHEMA)
    return (
        counts.filter(pl.col("listed") > 0)
        .join(events, on="batch_pk", how="left")
        .group_by(pl.col("batch_pk").floordiv(BATCHES_PER_PART).alias("part"))
        .agg(pl.col("listed").sum(), pl.col("newest").max(), pl.col("stored_at").max())
        .sort("part")
    )


@in_plain_words
def last_event(ledger: Ledger, run_id: str) -> tuple[int, float]:
    """Return id and time (UTC s) of the newest event of a run: whatever changed its rows has written one.

    That a file was taken is none of them: it changes no row.
    """
    with ledger.read() as connection:
        mine = event.c.run_id == run_pk(connection, run_id)
        query = select(func.max(event.c.id)).where(mine, event.c.kind != TAKEN)
        newest = connection.execute(query).scalar()
        at = connection.execute(select(event.c.at).where(event.c.id == newest)).scalar()
    return int(newest or 0), float(at or 0.0)


@in_plain_words
def requests(ledger: Ledger, run_id: str, task_nos: Collection[int] | None = None) -> pl.DataFrame:
    """Return one row per task.

    Columns: task_no, domain, request (JSON), status, task_id, batch_no, batch_state, tracking_id.
    Of a batch made by another tool the request is ``{}`` and the tracking id is that tool's, or null.
    """
    query = (
        select(
            task.c.task_no,
            task.c.domain,
            task.c.request,
            task.c.status,
            task.c.task_id,
            batch.c.batch_no,
            batch.c.state.label("batch_state"),
        )
        .join(batch, batch.c.id == task.c.batch_pk)
        .order_by(task.c.task_no)
    )
    if task_nos is not None:
        query = query.where(task.c.task_no.in_(task_nos))
    with ledger.read() as connection:
        mine = task.c.run_id == run_pk(connection, run_id)
        frame = read_frame(connection, query.where(mine), _REQUEST_SCHEMA)
    foreign = foreign_tracking(ledger, run_id)
    if foreign.height:
        return frame.join(foreign, on="task_no", how="left", maintain_order="left")
    return frame.with_columns(worded("{}-{}", pl.lit(run_id), "task_no").alias("tracking_id"))


@in_plain_words
def foreign_tracking(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per task of a batch made by another tool: task_no, tracking_id (null if it has none).

    Empty for every run that was sent from here: its tracking ids are the run's id and the task's number.
    """
    query = (
        select(task.c.task_no, remote_task.c.tracking_id)
        .join(batch, batch.c.id == task.c.batch_pk)
        .join(remote_task, (remote_task.c.batch_pk == batch.c.id) & (remote_task.c.task_id == task.c.task_id))
        .where(batch.c.made_elsewhere.is_(True))
        .order_by(task.c.task_no)
    )
    with ledger.read() as connection:
        mine = batch.c.run_id == run_pk(connection, run_id)
        return read_frame(connection, query.where(mine), FOREIGN_SCHEMA)


def read_frame(connection: Connection, query: Select[Any], schema: dict[str, Any]) -> pl.DataFrame:
    """Return what a query finds as a frame of these columns, read some thousand lines at a time."""
    frames = [pl.DataFrame(schema=schema)]
    for rows in connection.execute(query).partitions(_FETCHED):
        columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
        frames.append(pl.DataFrame([pl.Series(name, cells, dtype) for (name, dtype), cells in columns]))
    return pl.concat(frames)


FOREIGN_SCHEMA: Final[dict[str, Any]] = {"task_no": pl.UInt32, "tracking_id": pl.String}
_ROW_SCHEMA: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "file_line": pl.UInt32,
    "intake": pl.String,
    "code": pl.String,
    "reason": pl.String,
    "domain": pl.String,
    "asked_title": pl.String,
    "duplicate_of": pl.UInt32,
    "outcome": pl.String,
    "outcome_reason": pl.String,
}
_LINK_SCHEMA: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "task_no": pl.UInt32,
    "person_no": pl.UInt32,
    "outcome": pl.String,
    "reason": pl.String,
}
_ANSWER_SCHEMA: Final[dict[str, Any]] = {
    "task_no": pl.UInt32,
    "tracking_id": pl.String,
    "task_id": pl.String,
    "batch_id": pl.String,
    "batch_no": pl.Int64,
    "status": pl.String,
    "payload": pl.String,
    "fetched_at": pl.Float64,
}
_REQUEST_SCHEMA: Final[dict[str, Any]] = {
    "task_no": pl.UInt32,
    "domain": pl.String,
    "request": pl.String,
    "status": pl.String,
    "task_id": pl.String,
    "batch_no": pl.Int64,
    "batch_state": pl.String,
}
_LISTED_SCHEMA: Final[dict[str, Any]] = {"batch_pk": pl.Int64, "listed": pl.Int64}
_STORED_SCHEMA: Final[dict[str, Any]] = {"batch_pk": pl.Int64, "newest": pl.Int64, "stored_at": pl.Float64}
