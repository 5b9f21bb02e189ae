"""The box of a pilot: what the first rows show about the rest, and the two ways on."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import resources, run_card, stop_box, submit_spending, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.ledger import RunState, pilots
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.pilots import Pilot
from openmart_lib.ledger.states import Pause


def show(run: RunInfo) -> None:
    """Show what a run's pilot shows while nobody has decided about the rest; nothing where there is none."""
    if run.state not in (RunState.ACTIVE, RunState.PAUSED):
        return
    pilot = pilots.pilot(resources.ledger(), run.run_id)
    if pilot is None:
        return
    if not pilot.over and Pause.of(run.pause_reason) is not Pause.NOT_OURS:
        st.info(under_way(pilot), icon=":material/science:")
        return
    with st.container(border=True):
        widgets.message("success" if pilot.came_back and pilot.rate else "warning", *sentences(pilot))
        widgets.numbers(figures(pilot))
        agreed = True
        if pilot.rest_rows:
            agreed = submit_spending.typed(pilot.at_stake, key=f"rest_agree_{run.run_id}")
        with st.container(horizontal=True):
            label = f"Send the other {words.counted(pilot.rest_rows, 'row')}"
            if st.button(
                label if pilot.came_back else f"{label} all the same",
                key=f"rest_{run.run_id}",
                type="primary" if pilot.came_back else "secondary",
                icon=":material/send:",
                disabled=not agreed,
            ):
                run_card.change(lambda: pilots.send_rest(resources.ledger(), run.run_id))
            stop_box.show(run, "Stop here…")


def under_way(pilot: Pilot) -> str:
    """Return one sentence on a pilot that is still out."""
    back = words.count(pilot.rows - pilot.open_rows)
    return (
        f"Trying {words.counted(pilot.rows, 'random row')} first: {back} of {words.count(pilot.rows)} are "
        f"back. The other {words.counted(pilot.rest_rows, 'row')} wait for your word."
    )


def sentences(pilot: Pilot) -> tuple[str, str, str]:
    """Return what happened, what it means for credits and rows, and what to do."""
    waits = f"The other {words.counted(pilot.rest_rows, 'row')} wait and cost nothing."
    if not pilot.came_back:
        parts = []
        if pilot.missing:
            parts.append(f"{words.counted(pilot.missing, 'row')} never came back")
        if pilot.strangers:
            parts.append(f"{words.counted(pilot.strangers, 'answer carries', 'answers carry')} other ids")
        return (
            "The first rows did not come back under our tracking ids.",
            f"Of {words.counted(pilot.rows, 'row')} tried, {' and '.join(parts)}; they may have been "
            f"charged, and could not be joined to your list. {waits}",
            "Ask Openmart's support before you send the rest, or stop here.",
        )
    if pilot.rate is None:
        return (
            f"None of the {words.counted(pilot.rows, 'row')} tried was answered.",
            f"About {words.count(pilot.spent)} credits were spent. {waits}",
            "Look at the reasons below before you send the rest, or stop here.",
        )
    return (
        f"{words.count(pilot.matched)} of {words.counted(pilot.answered, 'row')} answered were found.",
        f"They cost about {words.count(pilot.spent)} credits, and came back under our tracking ids. {waits}",
        "Send the rest, or stop here.",
    )


def figures(pilot: Pilot) -> list[Figure]:
    """Return the match rate with its interval, and what the rest may cost."""
    rate = "not known" if pilot.rate is None else f"{pilot.rate:.0%}"
    between = f"{pilot.low:.0%} to {pilot.high:.0%} of all, likely"
    return [
        Figure("Tried", words.count(pilot.rows), f"{words.count(pilot.answered)} answered", _tried(pilot)),
        Figure(
            "Matched",
            rate,
            between if pilot.rate is not None else None,
            "The 95 % interval of Wilson: in 95 of 100 samples of this size the rate of the whole list lies "
            "in it.",
        ),
        Figure("Cost so far", f"about {words.count(pilot.spent)}", "credits, by the price list"),
        Figure(
            "The rest, expected",
            "not known"
            if pilot.rest_expected is None
            else f"about {words.count(round(pilot.rest_expected))}",
            f"at most {words.count(pilot.rest_at_most)} credits",
            "If the rest goes like the rows tried.",
        ),
    ]


def _tried(pilot: Pilot) -> str:
    parts = [
        (pilot.matched, "matched"),
        (pilot.answered - pilot.matched, "answered without a match"),
        (pilot.missing, "missing"),
        (pilot.unknown, "unknown"),
        (pilot.open_rows, "not answered yet"),
    ]
    parts.append((pilot.rows - sum(number for number, _ in parts), "errored, refused or cancelled"))
    return ", ".join(f"{words.count(number)} {what}" for number, what in parts if number) or "none"
