"""Several runs on the Results page: what they are, what they have in common, and what is of one run only."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.ledger.erased import erased_at
from openmart_lib.results.together import Runs


def readable(runs: Runs) -> Runs | None:
    """Return the runs whose personal data is there, None if none is; say which are left out."""
    ledger = resources.ledger()
    kept = tuple(run for run in runs.each if erased_at(ledger, run.run_id) is None)
    gone = [runs.names[run.run_id] for run in runs.each if run not in kept]
    if gone and kept:
        names = widgets.escape(", ".join(gone))
        st.caption(f":material/info: Left out, for the personal data was deleted: {names}.")
    return Runs(kept) if kept else None


def heading(runs: Runs) -> None:
    """Show what the runs are, one line each, and in words what they do not share."""
    st.header(f"{len(runs.each)} runs together", anchor=False)
    for run in runs.each:
        facts = [
            words.KIND_NAMES[run.kind],
            words.counted(run.row_count, "row"),
            words.RUN_STATE_NAMES[run.state],
        ]
        if run.final_rows < run.row_count:
            facts.append(f"{words.count(run.row_count - run.final_rows)} without an answer yet")
        name = widgets.escape(runs.names[run.run_id], 120)
        st.markdown(f"**{name}** · {widgets.escape(' · '.join(facts))}")
    st.caption(widgets.escape(" ".join(differences(runs)), 1_000))


def differences(runs: Runs) -> list[str]:
    """Return sentences on how rows of these runs stand together: columns, kinds, companies named twice."""
    told = ["Rows stand run after run; a company that several lists name is in each of them."]
    if runs.kind is None:
        told.append("The runs asked for different things, so a column of one kind is empty in the others.")
    apart = [name for name in runs.columns if any(name not in run.columns for run in runs.each)]
    if apart:
        shown = ", ".join(f"“{name}”" for name in apart[:5])
        more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
        verb = "is" if len(apart) == 1 else "are"
        told.append(f"Your columns stand side by side; {shown}{more} {verb} not in every list.")
    return told


def one_run_only() -> None:
    """Say what cannot be done here, for it is of one run."""
    st.caption("Receipt, deleting data, trying again and import files are of one run: choose it alone.")
