"""Results: how good a run is, every row with its outcome, and the files to take away."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import (
    resources,
    results_download,
    results_erase,
    results_receipt,
    results_table,
    results_view,
    row_story,
    run_card,
    widgets,
)
from openmart_lib.dashboard.run_picker import pick_run

st.title("Results", anchor=False)

with widgets.errors_shown():
    runs = resources.runs()

if not runs:
    st.markdown(
        "Here every row of your lists stands with its outcome and what was found, ready to take away."
    )
    st.page_link(resources.page("submit"), label="Submit a first list", icon=":material/upload_file:")
    st.stop()

run = pick_run(runs, page="results")
if results_erase.erased(run):
    run_card.heading(run)
    results_erase.banner(run)
    results_receipt.show(run)
    st.stop()
with widgets.errors_shown():
    frame = results_view.rows(run)
    result = results_view.numbers(run)

run_card.heading(run)
if run.final_rows < run.row_count:
    run_card.pending(run)
results_view.headline(run, result)
results_view.pictures(run, frame, result)

st.header("Rows", anchor=False)
facets, table = st.columns([1, 4], gap="medium")
with facets:
    chosen = results_table.outcome_facet(run)
    shown = results_table.filtered(frame, chosen)
    lines: dict[results_download.Shape, int] = {
        "rows": shown.height,
        "long": int(shown["record_count"].clip(lower_bound=1).sum()),
    }
    results_download.show(run, lines=lines, chosen=chosen, rows=shown["row"] if chosen else None)
    results_receipt.show(run)
    results_erase.show(run)
with table:
    results_table.show(run, shown, chosen)

row_story.show(run, frame)
