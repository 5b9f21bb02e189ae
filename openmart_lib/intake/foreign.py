"""Rows of a list and tasks that exist already: joined by the tracking ids that another tool gave its tasks.

``tracking_ids`` are those of the tasks in order (task 1 first), None for a task without one; several tasks
may have the same. Pure; no row is lost: each gets an intake outcome and a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.tasks import Intake
from openmart_lib.wording import worded

# The rows where there is no list; no names of ours, or files would say that somebody uploaded them.
TASK_COLUMNS: Final = ("Tracking id", "Task id")
NO_TASK: Final = "the batch has no task with this row's tracking id"
NO_TRACKING_ID: Final = "this row has no tracking id"
NOT_IN_BATCH: Final = "not_in_batch"  # the intake code of both
_U32: Final = pl.UInt32


@dataclass(frozen=True, slots=True)
class Fit:
    """How a column fits: ``rows`` that name a task, and ``tasks`` that a row names."""

    rows: int
    tasks: int


def fit(frame: pl.DataFrame, column: str, tracking_ids: Sequence[str | None]) -> Fit:
    """Return how many rows of a list name a task in this column, and how many tasks are named."""
    cells = frame.select(_key(column)).drop_nulls().to_series()
    ids = _tasks(tracking_ids)["key"]
    return Fit(int(cells.is_in(ids.implode()).sum()), int(ids.is_in(cells.implode()).sum()))


def guess_column(frame: pl.DataFrame, tracking_ids: Sequence[str | None]) -> str | None:
    """Return the uploaded column in which most rows name a task, the first of equals; None when none does."""
    rows = {name: fit(frame, name, tracking_ids).rows for name in uploaded_columns(frame)}
    best = max(rows, key=rows.__getitem__, default=None)
    return best if best is not None and rows[best] else None


def usable_column(frame: pl.DataFrame, column: str | None, tracking_ids: Sequence[str | None]) -> str:
    """Return the column to join by: the one that was named, or else the one that fits best.

    Raises:
        InputError: If there is no such column, or no row names a task in it.
    """
    columns = uploaded_columns(frame)
    if column is not None and column not in columns:
        raise InputError(
            f"The list has no column {column!r}. Nothing was changed. Its columns are: {', '.join(columns)}.",
            column=column,
        )
    chosen = column or guess_column(frame, tracking_ids)
    if chosen is None or not fit(frame, chosen, tracking_ids).rows:
        where = "none of its columns" if column is None else f"not in column {column!r}"
        raise InputError(
            f"No row of the list has a tracking id of this batch ({where}). Nothing was changed. "
            "Choose another column or list, or collect the batch without one.",
            column=column,
        )
    return chosen


def join_rows(
    frame: pl.DataFrame, column: str, tracking_ids: Sequence[str | None]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Say what becomes of every row of a list, and which tasks answer for it.

    Returns:
        Rows as ``intake.tasks.Plan.rows``: accepted, a duplicate of the first row with the same tracking id,
        or skipped. Links: seq, task_no, person_no (always 0), UInt32; a row has all tasks of its tracking id.
    """
    tasks = _tasks(tracking_ids)
    known = tasks.select("key").unique()
    rows = frame.select("seq", "file_line", _key(column).alias("key")).join(
        known.with_columns(pl.lit(True).alias("known")), on="key", how="left", maintain_order="left"
    )
    rows = rows.with_columns(
        pl.col("known").fill_null(False), pl.col("seq").min().over("key").alias("lead")
    ).with_columns((pl.col("known") & (pl.col("lead") != pl.col("seq"))).alias("repeats"))
    links = rows.filter(pl.col("known") & ~pl.col("repeats")).join(
        tasks, on="key", maintain_order="left_right"
    )
    return _outcomes(rows), _links(links)


def tasks_as_rows(
    tracking_ids: Sequence[str | None], task_ids: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return a list that is the tasks themselves: its frame (``TASK_COLUMNS``), rows and links."""
    number = pl.int_range(1, len(task_ids) + 1, dtype=_U32, eager=True)
    tracking, task = TASK_COLUMNS
    frame = pl.DataFrame(
        {"seq": number, "file_line": number, tracking: tracking_ids, task: task_ids},
        schema={"seq": _U32, "file_line": _U32, tracking: pl.String, task: pl.String},
    )
    rows = frame.select(
        "seq", "file_line", pl.lit(True).alias("known"), pl.lit(False).alias("repeats"), lead="seq", key=task
    )
    return frame, _outcomes(rows), _links(rows.with_columns(pl.col("seq").alias("task_no")))


def _key(column: str) -> pl.Expr:
    cell = pl.col(column).str.strip_chars()
    return pl.when(cell != "").then(cell)


def _tasks(tracking_ids: Sequence[str | None]) -> pl.DataFrame:
    """Return one row per task that has a tracking id: key (String), task_no (UInt32)."""
    named = pl.DataFrame({"id": tracking_ids}, schema={"id": pl.String}).with_row_index("task_no", offset=1)
    return named.select(_key("id").alias("key"), pl.col("task_no").cast(_U32)).drop_nulls()


def _outcomes(rows: pl.DataFrame) -> pl.DataFrame:
    known, repeats = pl.col("known"), pl.col("repeats")
    text = pl.lit(None, dtype=pl.String)
    return rows.select(
        "seq",
        "file_line",
        pl.when(repeats)
        .then(pl.lit(Intake.DUPLICATE.value))
        .when(known)
        .then(pl.lit(Intake.ACCEPTED.value))
        .otherwise(pl.lit(Intake.SKIPPED.value))
        .alias("intake"),
        pl.when(repeats)
        .then(pl.lit(Intake.DUPLICATE.value))
        .when(~known)
        .then(pl.lit(NOT_IN_BATCH))
        .alias("code"),
        pl.when(repeats)
        .then(worded("Same tracking id as row {}: it gets that row's result.", "lead"))
        .when(known)
        .then(text)
        .when(pl.col("key").is_null())
        .then(pl.lit(NO_TRACKING_ID))
        .otherwise(pl.lit(NO_TASK))
        .alias("reason"),
        text.alias("domain"),
        text.alias("asked_title"),
        pl.when(repeats).then("lead").cast(_U32).alias("duplicate_of"),
    )


def _links(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("seq", "task_no", pl.lit(0, dtype=_U32).alias("person_no"))
