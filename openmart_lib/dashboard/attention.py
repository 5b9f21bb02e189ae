"""What needs a person, above everything else: the list of causes, each a box with what settles it."""

from __future__ import annotations

import time

import polars as pl
import streamlit as st

from openmart_lib.dashboard import (
    held_box,
    limit_box,
    missing_box,
    pilot_box,
    refused_box,
    resources,
    stalled_box,
    unknown_box,
    widgets,
    words,
)
from openmart_lib.dashboard.run_card import change
from openmart_lib.ledger import BatchState
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.overview import HOLD_WORDS, RunInfo
from openmart_lib.ledger.states import PERSON_HOLDS


def boxes(run: RunInfo, batches: pl.DataFrame) -> None:
    """Show a box for every cause that keeps this run from going on, most costly first."""
    unknown = batches.filter(pl.col("state") == BatchState.UNKNOWN)
    refused = batches.filter(pl.col("state") == BatchState.REFUSED)
    if unknown.height:
        unknown_box.show(run, unknown)
    if run.hold is not None and run.batches[BatchState.PLANNED] and not run.other_key:
        held_box.show(run, run.hold)
    limit_box.show(run)
    pilot_box.show(run)
    if run.other_key and run.batches[BatchState.PLANNED] + run.batches[BatchState.ACCEPTED]:
        _other_key(run)
    if run.stalled_batches:
        stalled_box.show(run, batches)
    if refused.height:
        refused_box.show(run, refused)
    missing_box.show(run)


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


def _other_key(run: RunInfo) -> None:
    settings = resources.settings()
    present = settings.api_key.last4 if settings.api_key else ""
    ending = f" (…{present})" if present else ""
    # A hold of the other key's account keeps nothing of this run that its key does not keep.
    held = f" That key is held: {HOLD_WORDS[run.hold]}." if run.hold in PERSON_HOLDS else ""
    with st.container(border=True):
        widgets.message(
            "warning",
            f"This run was planned with another key (it ends in {run.key_last4 or 'nothing we may show'}).",
            f"It waits; nothing is spent.{held} "
            "What was sent belongs to the other key and may not be readable.",
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
