"""Results: how good runs are, every row with its outcome, and the files to take away."""

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
    results_ranking,
    results_receipt,
    results_table,
    results_together,
    results_unmatched,
    results_view,
    row_story,
    run_card,
    widgets,
)
from openmart_lib.dashboard.run_picker import pick_runs
from openmart_lib.results.explore import Explorer
from openmart_lib.results.join import Shape
from openmart_lib.results.together import Runs

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
def rows(runs: Runs, by_row: Explorer) -> None:
    """Show the lines; a filter, a page or a tick draws this part of the page anew, not the pictures."""
    with st.container(horizontal=True, vertical_alignment="center"):
        heading, actions = st.container(width="content"), st.container(horizontal=True, width="content")
    lines = results_ranking.lines()
    with heading:
        st.header("Companies" if lines == "companies" else "Rows", anchor=False)
    results_ranking.choose_lines(runs)
    explorer = by_row
    if lines == "companies":
        with widgets.errors_shown():
            explorer = results_frames.companies(runs, results_ranking.choose(runs, "table"))
    asked = results_filters.query(runs, explorer)
    places = explorer.matching(asked)
    shown = explorer.numbers.gather(places)
    counts: dict[Shape, int] = {"companies": shown.len()}
    if lines == "rows":
        records = explorer.frame["record_count"].gather(places).clip(lower_bound=1)
        counts = {"rows": shown.len(), "long": int(records.sum())}
    with actions:
        results_download.show(
            runs,
            lines=counts,
            chosen=results_filters.in_words(asked),
            rows=shown if asked.values or asked.text else None,
        )
        if runs.alone is not None:
            results_receipt.show(runs.alone)
            results_erase.show(runs.alone)
    facets, table = st.columns([1, 4], gap="medium")
    with facets:
        results_facets.show(runs, explorer, asked)
    with table:
        ticked = results_table.show(runs, explorer, asked, places)
        if runs.alone is not None:
            results_again.show(runs.alone, *results_filters.selected(asked, shown, ticked))
        else:
            results_together.one_run_only()
    row_story.show(runs, by_row.frame)


picked = pick_runs(runs, page="results")
chosen = results_together.readable(picked)
if chosen is None:
    run_card.heading(picked.each[0])
    results_erase.banner(picked.each[0])
    results_receipt.show(picked.each[0])
    st.stop()
results_ranking.check_address()
if chosen.alone is not None:
    run_card.heading(chosen.alone)
    if chosen.final_rows < chosen.row_count:
        run_card.pending(chosen.alone)
    results_chain.show(chosen.alone)
else:
    results_together.heading(chosen)
with widgets.errors_shown():  # below the heading: of a large run it can take a while
    explorer = results_frames.explorer(chosen)
    result = results_frames.numbers(chosen)
results_view.headline(chosen, result)
results_pictures.outcomes(chosen, explorer, result)
pictures = st.container()  # its place: rows can be read while the pictures are being counted
rows(chosen, explorer)
results_unmatched.show(chosen)
with pictures:
    results_pictures.show(chosen, explorer, result)
