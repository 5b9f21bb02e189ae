"""The batches of a run as a table, with Openmart's own counters, and a free look at one of them."""

from __future__ import annotations

import time
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import BatchState, answers
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.wording import worded

HALVED: Final = "refused, halves sent again"
SHOWN: Final = 200  # rows of the table at most: what is open comes first


def show(run: RunInfo, batches: pl.DataFrame) -> None:
    """Show the batches, open ones first, and *Check now* for those at Openmart."""
    st.header("Batches", anchor=False)
    table = for_reading(batches, now=time.time())
    widgets.table(
        table.head(SHOWN),
        f"Batches of this run with Openmart's counters, {batches.height} in all",
        height=min(430, 38 + 35 * min(table.height, SHOWN)),
        config={
            "Batch": st.column_config.NumberColumn(width=60, pinned=True),
            "State": st.column_config.TextColumn(width=190),
            "Tasks": st.column_config.NumberColumn(width=60),
            "Processing": st.column_config.NumberColumn(help="processing, as Openmart counts"),
            "Completed": st.column_config.NumberColumn(help="completed, as Openmart counts"),
            "Errored": st.column_config.NumberColumn(help="errored, as Openmart counts"),
            "Not reported": st.column_config.NumberColumn(
                help="total minus the three: cancelled or not reported"
            ),
            "Asked": st.column_config.TextColumn(width=200),
            "Note": st.column_config.TextColumn(width=180),
            "Batch id": st.column_config.TextColumn(width=120),
        },
    )
    if batches.height > SHOWN:
        st.caption(f"{SHOWN} of {words.count(batches.height)} batches are shown, open ones first.")
    _check_now(run, batches)


def for_reading(batches: pl.DataFrame, *, now: float) -> pl.DataFrame:
    """Return the batches in words, those still open first.

    Columns: Batch, State, Tasks, Open rows, Processing, Completed, Errored, Not reported, Asked, Note,
    Batch id.
    """
    names = {str(state): name for state, name in words.BATCH_STATE_NAMES.items()}
    counted = pl.sum_horizontal("processing", "completed", "errored")
    note = pl.coalesce("read_error", "detail")
    halved = _halved(batches)
    is_final = halved | pl.col("state").is_in([BatchState.COLLECTED, BatchState.CANCELLED, BatchState.RESENT])
    state_is_over = pl.col("state").is_in([BatchState.CANCELLED, BatchState.RESENT, BatchState.DROPPED])
    asked = pl.struct("asked_at", "next_poll_at", "state").map_elements(
        lambda row: _asked(row, now), return_dtype=pl.String
    )
    state = (
        pl.when(halved)
        .then(pl.lit(HALVED))
        .otherwise(pl.col("state").replace_strict(names, default="?", return_dtype=pl.String))
    )
    return batches.sort(is_final, "batch_no").select(
        pl.col("batch_no").alias("Batch"),
        pl.when(pl.col("search_of_no").is_not_null())
        .then(worded("{} (part of batch {})", state, "search_of_no"))
        .when(pl.col("resend_of_no").is_not_null())
        .then(worded("{} (batch {} again)", state, "resend_of_no"))
        .otherwise(state)
        .alias("State"),
        pl.col("task_count").alias("Tasks"),
        pl.when(~state_is_over).then("open_rows").alias("Open rows"),
        pl.col("processing").alias("Processing"),
        pl.col("completed").alias("Completed"),
        pl.col("errored").alias("Errored"),
        (pl.col("total") - counted).alias("Not reported"),
        asked.alias("Asked"),
        note.alias("Note"),
        pl.col("batch_id").alias("Batch id"),
    )


def _halved(batches: pl.DataFrame) -> pl.Expr:
    """Return whether a batch was refused and its tasks are looked through in two parts."""
    parents = batches.filter(pl.col("search_of_no").is_not_null())["resend_of_no"].implode()
    return (pl.col("state") == BatchState.REFUSED) & pl.col("batch_no").is_in(parents)


def _asked(row: dict[str, float | str | None], now: float) -> str:
    asked_at, next_at = row["asked_at"], row["next_poll_at"]
    if not isinstance(asked_at, float):
        return ""
    text = "asked just now" if now - asked_at < 1 else f"asked {words.duration(now - asked_at)} ago"
    if row["state"] == BatchState.ACCEPTED and isinstance(next_at, float):
        text += f", next in {words.duration(next_at - now)}" if next_at - now >= 1 else ", next now"
    return text


def _check_now(run: RunInfo, batches: pl.DataFrame) -> None:
    at_openmart = batches.filter((pl.col("state") == BatchState.ACCEPTED) & pl.col("batch_id").is_not_null())
    if at_openmart.is_empty():
        return
    known = {
        int(no): (int(pk), str(batch_id))
        for no, pk, batch_id in at_openmart.select("batch_no", "pk", "batch_id").iter_rows()
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Ask Openmart about a batch (free)",
            list(known),
            format_func=lambda no: f"Batch {no}",
            key=f"check_{run.run_id}",
            width=260,
        )
        if st.button("Check now", key=f"check_now_{run.run_id}", icon=":material/refresh:"):
            look(number, *known[number])


def look(number: int, pk: int, batch_id: str) -> None:
    """Say what Openmart says now, and let the worker ask too: it stores what it sees."""
    try:
        counts = ask.batch(resources.settings(), batch_id)
    except OpenmartError as error:
        widgets.error_message(error, level="warning")
        return
    answers.make_due(resources.ledger(), pk)
    ready = "It is ready and being fetched." if counts["batch_ready"] else "It is not ready yet."
    parts = ", ".join(
        f"{name} {counts.get(name) if counts.get(name) is not None else 'not said'}"
        for name in ("processing", "completed", "errored", "total")
    )
    st.toast(widgets.escape(f"Batch {number}: {parts}. {ready}"), icon=":material/info:")
