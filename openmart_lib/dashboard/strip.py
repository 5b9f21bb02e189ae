"""The strip on top of every page: what keeps all runs back, what is simulated, how many runs move."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import resources, widgets
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.settings import Settings
from openmart_lib.wording import counted


def show() -> None:
    """Show the strip; nothing at all when everything is real, in order and at rest."""
    if obstacle := resources.ledger().obstacle():
        st.warning(widgets.escape(obstacle, 1_000), icon=":material/hard_drive:")
    simulated = simulated_names(resources.settings())
    moving = moving_sentence(resources.runs())
    if not simulated and not moving:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if simulated:
            st.badge(
                f"Simulated: {', '.join(simulated)}",
                icon=":material/science:",
                color="orange",
                help=(
                    "No key is set, so a sandbox on this computer plays the API. Its contacts are invented "
                    "and nothing is spent. Settings says how to use your key."
                ),
            )
        if moving:
            st.page_link(resources.page("monitor"), label=moving, icon=":material/monitoring:")


def simulated_names(settings: Settings) -> list[str]:
    """Return which of the two APIs the sandbox plays."""
    return [
        name
        for name, is_so in (("Openmart", settings.simulated), ("Lance", settings.lance_simulated))
        if is_so
    ]


def moving_sentence(runs: list[RunInfo]) -> str:
    """Return "2 runs moving · 1 needs you", or "" when nothing does either."""
    moving = sum(run.moving and not run.needs_person for run in runs)
    waiting = sum(run.needs_person for run in runs)
    parts = []
    if moving:
        parts.append(f"{counted(moving, 'run')} moving")
    if waiting:
        parts.append(f"{counted(waiting, 'needs', 'need')} you")
    return " · ".join(parts)
