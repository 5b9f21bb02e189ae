"""Submit, on Confirm: what was bought before, what is on a never-contact list; what becomes of those rows."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib import reuse, suppression
from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import RunNotFoundError
from openmart_lib.intake.tasks import Plan
from openmart_lib.ledger import queries
from openmart_lib.ledger.suppressing import never_lists
from openmart_lib.reuse import Choice, Found
from openmart_lib.submission import Prepared

_FRESH: Final = 60.0  # seconds in which a look at the earlier runs counts
_LABELS: Final = {
    Choice.REUSE: "Reuse",
    Choice.BUY: "Buy again",
    Choice.SKIP: "Skip",
}
_MEANINGS: Final = {
    Choice.REUSE: "They carry the earlier result with its date, and cost nothing.",
    Choice.BUY: "They are sent like all others, and may be paid a second time.",
    Choice.SKIP: "They are left out of this run, with the reason.",
}


def show(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> tuple[Plan, pl.DataFrame | None]:
    """Show what need not be bought and ask what becomes of it; return what is left, and the reused rows.

    Returns:
        As ``reuse.apply``, after rows on a never-contact list were taken out.
    """
    lists = str(never_lists(resources.ledger()))
    plan, left_out = _without_suppressed(prepared.content_key, lists, prepared)
    if left_out:
        rows = words.counted(left_out, "row is", "rows are")
        st.caption(f"{rows} left out: on your never-contact list.")
    found = _look(prepared.content_key, lists, _newest_run(), prepared, plan)
    if found.rows.is_empty():
        return plan, None
    choice = _ask(draft, prepared, found, choices) if found.reusable else Choice.REUSE
    buy_doubtful = _ask_about_doubt(draft, found, choices)
    return _applied(prepared.content_key, lists, found.now, choice, buy_doubtful, plan, found)


def _ask(draft: Draft, prepared: Prepared, found: Found, choices: dict[str, Any]) -> Choice:
    options = [one.value for one in Choice]
    with st.container(border=True, key=f"{draft.draft_id}_reuse_box"):
        st.markdown(f"**{widgets.escape(found.sentence())}**")
        chosen = st.radio(
            "What becomes of them",
            options,
            index=options.index(choices.get("reuse", _usual(draft, prepared).value)),
            format_func=lambda value: _LABELS[Choice(value)],
            key=f"{draft.draft_id}_reuse",
            horizontal=True,
            label_visibility="collapsed",
        )
        choice = Choice(chosen or Choice.REUSE)
        st.caption(_meaning(choice, found))
    choices["reuse"] = choice.value
    return choice


def _usual(draft: Draft, prepared: Prepared) -> Choice:
    """Rows tried again in the same way want a new answer; all others the one that is there."""
    made_from = draft.upload_format.get("made_from")
    same_way = made_from is not None and resources.run(made_from).kind is prepared.kind
    return Choice.BUY if same_way else Choice.REUSE


def _newest_run() -> str:
    """Return the id of the newest run: what another tab has bought since the last look is looked for."""
    with contextlib.suppress(RunNotFoundError):
        return queries.newest_run_id(resources.ledger())
    return ""


def _meaning(choice: Choice, found: Found) -> str:
    said = _MEANINGS[choice]
    if choice is Choice.REUSE and found.waiting:
        rows = words.counted(found.waiting, "of these rows has", "of these rows have")
        said += f" {rows} no answer yet: it is waited for, not bought twice."
    return f"{said} Counted are the last {found.days} days, in all your lists."


def _ask_about_doubt(draft: Draft, found: Found, choices: dict[str, Any]) -> bool:
    if not found.in_doubt:
        return False
    widgets.message("warning", "Some rows may have been bought already.", found.doubt())
    wanted = st.checkbox(
        "Buy these rows all the same; they may be paid twice",
        value=bool(choices.get("buy_doubtful", False)),
        key=f"{draft.draft_id}_buy_doubtful",
    )
    choices["buy_doubtful"] = bool(wanted)
    return bool(wanted)


@st.cache_resource(ttl=_FRESH, max_entries=4, show_spinner=False)
def _without_suppressed(content: str, lists: str, _prepared: Prepared) -> tuple[Plan, int]:
    return suppression.narrow(resources.ledger(), _prepared.plan, _prepared.kind, _prepared.upload.frame)


@st.cache_resource(ttl=_FRESH, max_entries=4, show_spinner="Looking for what you already have…")
def _look(content: str, lists: str, newest_run: str, _prepared: Prepared, _plan: Plan) -> Found:
    return reuse.look(
        resources.ledger(),
        _plan,
        _prepared.kind,
        _prepared.options,
        days=resources.settings().reuse_days,
        prices=resources.settings().prices,
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _applied(
    content: str, lists: str, at: float, choice: str, buy_doubtful: bool, _plan: Plan, _found: Found
) -> tuple[Plan, pl.DataFrame | None]:
    return reuse.apply(_plan, _found, Choice(choice), buy_doubtful=buy_doubtful)
