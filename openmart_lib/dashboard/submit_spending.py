"""Submit, on Confirm: what goes first, what it may cost at most, what the team keeps; the typed number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.unknown_box import is_confirmed
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import limits
from openmart_lib.submission import Prepared

PILOT_ROWS: Final = 25
PILOT_FROM: Final = 200  # tasks above which a pilot is offered
_PILOT, _ALL = "pilot", "all"


@dataclass(frozen=True, slots=True)
class Spending:
    """What was chosen on Confirm. ``agreed``: whether the number was typed, where it has to be."""

    limit: float
    pilot_rows: int
    agreed: bool


def show(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> Spending:
    """Show what keeps a run from costing more than is wanted; return what was chosen."""
    pilot_rows = _first(draft, prepared, choices)
    limit = _limit(draft, prepared, choices)
    at_stake = min(limit, pilot_rows * each_row(prepared) if pilot_rows else prepared.estimate.at_most)
    return Spending(limit, pilot_rows, typed(at_stake, key=f"{draft.draft_id}_agree"))


def each_row(prepared: Prepared) -> float:
    """Return the credits that one row sent may cost at most, on average."""
    return prepared.estimate.at_most / max(1, prepared.plan.links["seq"].n_unique())


def typed(credits: float, *, key: str) -> bool:
    """Ask for the number where so many credits are at stake; return whether it was typed, or need not be."""
    above = resources.settings().confirm_above
    if credits <= above:
        return True
    number = str(math.ceil(credits))
    st.markdown(
        f"This may cost **{words.count(math.ceil(credits))} credits**, more than "
        f"{words.count(above)}. Type the number to confirm."
    )
    given = st.text_input(f"Type **{number}** to confirm", key=key)
    return is_confirmed(given, number)


def _first(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> int:
    """Ask what is sent first; return the pilot's rows, 0 for all at once."""
    if prepared.task_count <= PILOT_FROM:
        return 0
    sent_here = any(not run.made_elsewhere for run in resources.runs())
    first_ever = not resources.settings().simulated and not sent_here
    labels = {
        _ALL: f"All {words.counted(prepared.task_count, 'task')}",
        _PILOT: f"Try {PILOT_ROWS} random rows first",
    }
    chosen = st.radio(
        "Send",
        list(labels),
        index=list(labels).index(choices.get("send_first") or (_PILOT if first_ever else _ALL)),
        format_func=labels.__getitem__,
        key=f"{draft.draft_id}_first",
        horizontal=True,
    )
    choices["send_first"] = chosen
    if chosen == _ALL:
        return 0
    first = "This is the first list on this key: " if first_ever else ""
    st.caption(
        f"{first}{PILOT_ROWS} rows show how many are found, what that costs, and that results come back "
        f"under our tracking ids. At most about {words.count(PILOT_ROWS * each_row(prepared))} credits; the "
        "rest waits for your word."
    )
    return PILOT_ROWS


def _limit(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> float:
    """Show the limit and the reserve in a fold; return the limit in credits."""
    most = float(math.ceil(prepared.estimate.at_most))
    settings = resources.settings()
    fingerprint = resources.key_fingerprint()
    kept = limits.reserve(resources.ledger(), fingerprint)
    key = f"{draft.draft_id}_limit_{most:.0f}"  # other options, another worst case: asked anew
    chosen = choices.get("spend_at_most")
    start = most if chosen is None else float(chosen)
    shown = min(st.session_state.get(key, start) or 0.0, most)
    label = f"Spend at most {words.counted(int(shown), 'credit')}"
    label += f" · keep {words.count(kept)} for the team" if kept else ""
    with st.expander(label, icon=":material/savings:", key=f"{draft.draft_id}_limits"):
        one, two = st.columns(2, gap="medium")
        with one:
            limit = st.number_input(
                "Spend at most (credits)", min_value=0.0, value=start, step=100.0, format="%.0f", key=key
            )
            st.caption(
                "The run pauses before a batch that could take it over this, counting everything that is "
                "still out as if all of it were found."
            )
        with two:
            _reserve(kept, fingerprint, settings.api_key.last4 if settings.api_key else "")
    limit = most if limit is None else limit
    choices["spend_at_most"] = None if limit >= most else limit
    return prepared.estimate.at_most if limit >= most else limit


def _reserve(kept: float, fingerprint: str, last4: str) -> None:
    wanted = st.number_input(
        "Keep at least (credits, for the team)",
        min_value=0.0,
        value=float(kept),
        step=100.0,
        format="%.0f",
        key="reserve",
    )
    st.caption(
        "Holds for every run of this key, by the balance that was read last. 0: nothing is kept; a plan "
        "that is not metered keeps nothing."
    )
    if wanted is None or wanted == kept:
        return
    if st.button("Keep this many from now on", key="reserve_set", icon=":material/lock:"):
        try:
            limits.set_reserve(resources.ledger(), wanted, key_fingerprint=fingerprint, key_last4=last4)
        except OpenmartError as error:
            widgets.error_message(error)
            return
        st.rerun()
