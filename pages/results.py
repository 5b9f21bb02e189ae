"""Results: how good a run is, every row with its outcome, and the files to take away."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import (
    resources,
    results_again,
    results_chain,
    results_download,
    results_erase,
    results_facets,
    results_filters,
    results_frames,
    results_pictures,
    results_receipt,
    results_table,
    results_view,
    row_story,
    run_card,
    widgets,
)
from openmart_lib.dashboard.run_picker import pick_run
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.explore import Explorer

st.title("Results", anchor=False)

with widgets.errors_shown():
    runs = resources.runs()

if not runs:
    st.markdown(
        "Here every row of your lists stands with its outcome and what was found, ready to take away."
    )
    st.page_link(resources.page("submit"), label="Submit a first list", icon=":material/upload_file:")
    st.stop()


@st.fragment
def rows(run: RunInfo, explorer: Explorer) -> None:
    """Show the rows; a filter, a page or a tick draws this part of the page anew, not the pictures."""
    asked = results_filters.query(run, explorer)
    places = explorer.matching(asked)
    shown = explorer.frame["row"].gather(places)
    records = explorer.frame["record_count"].gather(places).clip(lower_bound=1)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Rows", anchor=False)
        results_download.show(
            run,
            lines={"rows": shown.len(), "long": int(records.sum())},
            chosen=results_filters.in_words(asked),
            rows=shown if asked.values or asked.text else None,
        )
        results_receipt.show(run)
        results_erase.show(run)
    facets, table = st.columns([1, 4], gap="medium")
    with facets:
        results_facets.show(run, explorer, asked)
    with table:
        ticked = results_table.show(run, explorer, asked, places)
        results_again.show(run, *results_filters.selected(asked, shown, ticked))
    row_story.show(run, explorer.frame)


run = pick_run(runs, page="results")
if results_erase.erased(run):
    run_card.heading(run)
    results_erase.banner(run)
    results_receipt.show(run)
    st.stop()
with widgets.errors_shown():
    explorer = results_frames.explorer(run)
    result = results_frames.numbers(run)

run_card.heading(run)
if run.final_rows < run.row_count:
    run_card.pending(run)
results_chain.show(run)
results_view.headline(run, result)
results_pictures.outcomes(run, explorer, result)
pictures = st.container()  # its place: rows can be read while the pictures are being counted
rows(run, explorer)
with pictures:
    results_pictures.show(run, explorer, result)
