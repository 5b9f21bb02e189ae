"""The box of batches that stand still at Openmart: how long, a free look, and closing them."""

from __future__ import annotations

import time

import polars as pl
import streamlit as st

from openmart_lib.dashboard import batch_table, resources, widgets, words
from openmart_lib.dashboard.run_card import change
from openmart_lib.dashboard.unknown_box import label
from openmart_lib.ledger import BatchState, decisions
from openmart_lib.ledger.overview import RunInfo


def show(run: RunInfo, batches: pl.DataFrame) -> None:
    """Show which of a run's batches (``queries.batches``) have not changed for long; nothing when none."""
    quiet = pl.col("asked_at") - pl.col("changed_at")
    long = quiet > resources.settings().effective_stall_after
    stalled = batches.filter((pl.col("state") == BatchState.ACCEPTED) & long)
    if stalled.is_empty():
        return
    oldest = time.time() - min(stalled["changed_at"].to_list())
    rows = int(stalled["open_rows"].sum())
    with st.container(border=True):
        widgets.message(
            "warning",
            f"{words.counted(stalled.height, 'batch has', 'batches have')} not changed for "
            f"{words.duration(oldest)}.",
            f"Openmart took {'it' if stalled.height == 1 else 'them'}, so it may be charged. Finished rows "
            f"are collected; {words.counted(rows, 'row is', 'rows are')} still asked for.",
            "Wait, or close a batch: its open rows become missing, and you can look for them again later.",
        )
        labels = {
            int(row["pk"]): f"{label(row)}, unchanged since {words.clock(row['changed_at'], widgets.zone())}"
            for row in stalled.iter_rows(named=True)
        }
        pk = st.selectbox("Batch", list(labels), format_func=labels.__getitem__, key=f"stalled_{run.run_id}")
        row = stalled.row(by_predicate=pl.col("pk") == pk, named=True)
        with st.container(horizontal=True):
            if st.button("Look again (free)", key=f"look_{pk}", icon=":material/refresh:"):
                batch_table.look(row["batch_no"], pk, row["batch_id"])
            _close(pk, row["open_rows"])


def _close(pk: int, open_rows: int) -> None:
    with st.popover("Close it…", icon=":material/done_all:", key=f"close_box_{pk}"):
        become = words.counted(open_rows, "row without an answer becomes", "rows without an answer become")
        st.markdown(
            f"{become} *missing* (may have been charged), and the run can end. "
            "Looking again later stays possible and is free."
        )
        if st.button("Close this batch", key=f"close_{pk}", type="primary"):
            change(lambda: decisions.close_batch(resources.ledger(), pk))
