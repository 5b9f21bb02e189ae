"""Stop here: cancel what was not sent of one run, told what that stops, and open what was found."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import resources, run_card, widgets
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.overview import RunInfo


def show(run: RunInfo, label: str = "Stop here and download…") -> None:
    """Offer to stop this run and open its results."""
    with st.popover(label, icon=":material/download:", key=f"stop_box_{run.run_id}"):
        st.markdown(run_card.cancel_sentence(run))
        st.markdown("Only this run is stopped. What it has found so far is on Results.")
        if not st.button("Stop this run and open its results", key=f"stop_{run.run_id}", type="primary"):
            return
        try:
            ledger_runs.cancel_run(resources.ledger(), run.run_id)
        except OpenmartError as error:
            widgets.error_message(error)
            return
        resources.forget_runs()
        st.switch_page(resources.page("results"), query_params={"run": run.run_id})
