"""What needs a person, above everything else: one box per cause, with the buttons that settle it."""

from __future__ import annotations

import time

import polars as pl
import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.run_card import change
from openmart_lib.ledger import BatchState, Hold, decisions, queries
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import PERSON_HOLDS

RESEND_WORD = "resend"


def boxes(run: RunInfo, batches: pl.DataFrame) -> None:
    """Show a box for every cause that keeps this run from going on, most costly first."""
    unknown = batches.filter(pl.col("state") == BatchState.UNKNOWN)
    refused = batches.filter(pl.col("state") == BatchState.REFUSED)
    if unknown.height:
        _unknown(run, unknown)
    if run.hold is not None and run.batches[BatchState.PLANNED]:
        _held(run, run.hold)
    if run.other_key and run.batches[BatchState.PLANNED] + run.batches[BatchState.ACCEPTED]:
        _other_key(run)
    if run.stalled_batches:
        _stalled(run, batches)
    if refused.height:
        _refused(refused)


def worker_box(moving: bool) -> None:
    """Say when nothing moves because the engine does not run, or does not answer."""
    status = resources.worker()
    if not moving or (status.alive and status.responding):
        return
    if not status.alive:
        widgets.message(
            "warning",
            "The engine is not running, so nothing moves.",
            "No row is lost and nothing is spent while it is down.",
            "It should be back within a minute; otherwise restart the dashboard.",
        )
        return
    since = time.time() - (status.heartbeat_at or status.started_at or time.time())
    widgets.message(
        "warning",
        f"The engine has not responded for {words.duration(since)}.",
        "No row is lost; submissions on their way may still be answered.",
        "If this computer is not busy with something else, restart the dashboard.",
    )


def _held(run: RunInfo, hold: Hold) -> None:
    happened, meaning, todo = words.HOLD_MESSAGES[hold]
    account = next(
        (
            one
            for one in queries.accounts(resources.ledger())
            if one.hold is hold and one.key_last4 == run.key_last4
        ),
        None,
    )
    if account is not None and account.hold_until is not None and hold not in PERSON_HOLDS:
        todo += f" Not before {words.clock(account.hold_until, widgets.zone())}."
    waiting = words.counted(run.batches[BatchState.PLANNED], "batch waits", "batches wait")
    needs_person = hold in PERSON_HOLDS
    with st.container(border=needs_person):
        if account is not None and account.hold_detail:
            meaning += f" Seen: “{account.hold_detail[:300]}”."
        widgets.message("warning" if needs_person else "info", happened, f"{waiting}. {meaning}", todo)
        if needs_person and st.button(
            "Resume", key=f"lift_{run.run_id}", type="primary", icon=":material/play_arrow:"
        ):
            change(lambda: ledger_runs.resume_run(resources.ledger(), run.run_id))


def _other_key(run: RunInfo) -> None:
    settings = resources.settings()
    present = settings.api_key.last4 if settings.api_key else ""
    ending = f" (…{present})" if present else ""
    with st.container(border=True):
        widgets.message(
            "warning",
            f"This run was planned with another key (it ends in {run.key_last4 or 'nothing we may show'}).",
            "It waits; nothing is spent. What was sent belongs to the other key and may not be readable.",
            f"Go on with the present key{ending}, or restart with the other one.",
        )
        if st.button("Go on with the present key", key=f"adopt_{run.run_id}", type="primary"):
            change(
                lambda: ledger_runs.adopt_run(
                    resources.ledger(),
                    run.run_id,
                    key_fingerprint=resources.key_fingerprint(),
                    key_last4=present,
                )
            )


def _unknown(run: RunInfo, batches: pl.DataFrame) -> None:
    rows = int(batches["open_rows"].sum())
    many = words.counted(batches.height, "batch", "batches")
    with st.container(border=True):
        widgets.message(
            "warning",
            f"We don't know whether Openmart took {many} ({words.counted(rows, 'row')}).",
            "They may have been charged. They are never sent again by themselves.",
            "Look at Openmart for the tracking ids below, then decide for each batch.",
        )
        labels = {int(row["pk"]): _batch_line(row) for row in batches.iter_rows(named=True)}
        pk = st.selectbox("Batch", list(labels), format_func=labels.__getitem__, key=f"unknown_{run.run_id}")
        row = batches.filter(pl.col("pk") == pk).row(0, named=True)
        st.text(
            f"What was seen: {row['detail'] or 'nothing'}\n"
            f"Tracking ids: {row['first_tracking_id']} to {row['last_tracking_id']}"
        )
        with st.container(horizontal=True):
            _resend(pk, row)
            _attach(pk)
            _give_up(pk, row)


def _batch_line(row: dict[str, object]) -> str:
    sent = row["sent_at"]
    at = f", sent {words.clock(sent, widgets.zone())}" if isinstance(sent, float) else ""
    return f"Batch {row['batch_no']}: {row['task_count']} tasks{at}"


def _resend(pk: int, row: dict[str, object]) -> None:
    with st.popover("Send again…", icon=":material/redo:", key=f"resend_box_{pk}"):
        if row["nothing_created"]:
            st.markdown(
                "Openmart said later that it created nothing, so sending again cannot be charged twice."
            )
            allowed = True
        else:
            st.markdown(
                f"If Openmart did take this batch, its {row['task_count']} tasks are **paid twice**. "
                "An answer to the first one is kept too, and the better result counts."
            )
            typed = st.text_input(f"Type {RESEND_WORD} to confirm", key=f"resend_word_{pk}")
            allowed = (typed or "").strip().lower() == RESEND_WORD
        if st.button("Send this batch again", key=f"resend_{pk}", type="primary", disabled=not allowed):
            change(lambda: decisions.resend_batch(resources.ledger(), pk))


def _attach(pk: int) -> None:
    with st.popover("I found its batch id…", icon=":material/link:", key=f"attach_box_{pk}"):
        st.markdown("With the id from Openmart the batch is collected like any other. Costs nothing.")
        batch_id = st.text_input("Batch id", key=f"attach_id_{pk}")
        if st.button("Collect it", key=f"attach_{pk}", type="primary", disabled=not (batch_id or "").strip()):
            change(lambda: decisions.attach_batch(resources.ledger(), pk, batch_id or ""))


def _give_up(pk: int, row: dict[str, object]) -> None:
    with st.popover("Give it up…", icon=":material/block:", key=f"drop_box_{pk}"):
        st.markdown(
            f"Its {row['open_rows']} rows stay *unknown* (may have been charged). "
            "If an answer turns up later it is still kept."
        )
        if st.button("Give this batch up", key=f"drop_{pk}", type="primary"):
            change(lambda: decisions.drop_batch(resources.ledger(), pk))


def _stalled(run: RunInfo, batches: pl.DataFrame) -> None:
    quiet = pl.col("asked_at") - pl.col("changed_at")
    long = quiet > resources.settings().effective_stall_after
    stalled = batches.filter((pl.col("state") == BatchState.ACCEPTED) & long)
    if stalled.is_empty():
        return
    oldest = time.time() - float(stalled["changed_at"].min())  # type: ignore[arg-type]  # Float64 column
    with st.container(border=True):
        widgets.message(
            "warning",
            f"{words.counted(stalled.height, 'batch has', 'batches have')} not changed for "
            f"{words.duration(oldest)}.",
            "They were paid for; their finished rows are collected, the others are still asked for.",
            "Wait, or close a batch: its open rows become missing, and late results are still kept.",
        )
        labels = {int(row["pk"]): _batch_line(row) for row in stalled.iter_rows(named=True)}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            pk = st.selectbox(
                "Batch", list(labels), format_func=labels.__getitem__, key=f"stalled_{run.run_id}"
            )
            with st.popover("Close it…", icon=":material/done_all:", key=f"close_box_{pk}"):
                open_rows = stalled.filter(pl.col("pk") == pk)["open_rows"].item()
                st.markdown(f"{words.counted(open_rows, 'row')} without an answer become *missing*.")
                if st.button("Close this batch", key=f"close_{pk}", type="primary"):
                    change(lambda: decisions.close_batch(resources.ledger(), pk))


def _refused(batches: pl.DataFrame) -> None:
    tasks = int(batches["task_count"].sum())
    said = "; ".join(f"“{detail[:300]}”" for detail in batches["detail"].drop_nulls().unique().sort().head(3))
    widgets.message(
        "error",
        f"Openmart refused {words.counted(batches.height, 'batch', 'batches')} "
        f"({words.counted(tasks, 'task')})" + (f": {said}" if said else "."),
        "Nothing was spent on them; the rows are marked refused.",
        "Correct what its words name, and submit those rows again.",
    )
