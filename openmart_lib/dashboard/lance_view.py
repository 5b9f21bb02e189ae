"""The answer of a look at Lance: counts that add up, the table, and its download."""

from __future__ import annotations

import time
from collections.abc import Sequence

import polars as pl
import streamlit as st

from openmart_lib.api.wire import LanceQueryTask
from openmart_lib.dashboard import lance_look, resources, widgets, words
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError

_KEY = "lance_answer"  # of this tab's session: (frame, moment)


def look(asked: Sequence[LanceQueryTask]) -> None:
    """Ask Lance once and keep the answer for this tab; an error is shown, the last answer stays."""
    with st.spinner("Asking Lance…"):
        try:
            records = ask.lance_states(resources.settings(), asked)
        except OpenmartError as error:
            widgets.error_message(error)
            return
    st.session_state[_KEY] = (lance_look.states(asked, records), time.time())


def show() -> None:
    """Show the last answer of this tab, if there is one."""
    if _KEY not in st.session_state:
        return
    frame, at = st.session_state[_KEY]
    counts = dict(frame["State"].value_counts().iter_rows())
    present = [state for state in lance_look.STATES if counts.get(state)]
    st.header("States", anchor=False)
    st.markdown(
        " + ".join(f"**{words.count(counts[state])}** {state}" for state in present)
        + f" = {words.counted(frame.height, 'question')}"
    )
    chosen = widgets.checks(
        "Show only",
        {state: f"{state} ({words.count(counts[state])})" for state in present},
        key="lance_shown",
    )
    shown = frame.filter(pl.col("State").is_in(chosen)) if chosen else frame
    widgets.table(
        shown,
        f"States of {frame.height} enrichments",
        height=min(460, 38 + 35 * shown.height),
        config={"Entity id": st.column_config.TextColumn(pinned=True, width=300)},
    )
    st.caption("  \n".join(f"**{state}**: {lance_look.STATE_SENTENCES[state]}" for state in present))
    widgets.frame_download("Download these states", lambda: shown, "lance-states", "lance_file")
    st.caption(f"asked {words.clock(at, widgets.zone())}")
