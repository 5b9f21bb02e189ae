"""Monitor: how far the runs are, what they need, and what they found so far."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import attach_view, monitor_view, resources, strip, widgets
from openmart_lib.dashboard.run_picker import pick_run

st.title("Monitor", anchor=False)

with widgets.errors_shown():
    runs = resources.runs()

if not runs:
    st.markdown(
        "Here you watch your runs: how many rows have their answer, how long it still takes, and what "
        "needs you."
    )
    st.page_link(resources.page("submit"), label="Submit a first list", icon=":material/upload_file:")
    attach_view.form()
    st.stop()

chosen = pick_run(runs, page="monitor")

# One fragment, refreshing only while something moves; each refresh re-reads the ledger, nothing else.
every = 2.0 if any(run.moving for run in runs) else None
st.fragment(monitor_view.live, run_every=every)(chosen.run_id, shown=strip.moving_sentence(runs))
attach_view.form()
