"""Which run a page shows: chosen by the reader, kept in the address as ``?run=``."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import widgets, words
from openmart_lib.ledger.overview import RunInfo


def pick_run(runs: list[RunInfo], *, page: str) -> RunInfo:
    """Return the run named in the address, else the newest; show the choice when there are several.

    ``runs`` is not empty, newest first. An address that names an unknown run is said and passed over.
    """
    known = {run.run_id: run for run in runs}
    wanted = st.query_params.get("run")
    if wanted is not None and wanted not in known:
        widgets.message(
            "warning",
            f"There is no run {wanted} here.",
            "Nothing was changed; no credits are involved.",
            "The newest run is shown instead. Choose another below.",
        )
        del st.query_params["run"]
        wanted = None
    key = f"{page}_run"
    if wanted is not None or st.session_state.get(key) not in known:
        st.session_state[key] = wanted or runs[0].run_id
    if len(runs) > 1:
        st.selectbox(
            "Run",
            list(known),
            format_func=lambda run_id: run_line(known[run_id]),
            key=key,
            on_change=lambda: st.query_params.from_dict({"run": st.session_state[key]}),
        )
    return known[st.session_state[key]]


def run_line(run: RunInfo) -> str:
    """Return a run in one line of plain text, for lists that show text as it is."""
    state = words.RUN_STATE_NAMES[run.state]
    when = words.date_and_time(run.created_at, widgets.zone())
    return f"{run.name} · {state} · {words.counted(run.row_count, 'row')} · {when}"
