"""Submit, step 5: what will be sent, how long it takes, what it may cost; and the one button that does it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import streamlit as st

from openmart_lib import submission
from openmart_lib.dashboard import (
    background,
    drafts,
    resources,
    submit_draft,
    submit_plan,
    submit_reuse,
    submit_spending,
    url_state,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.settings_checks import balance_sentence
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError, RunExistsError
from openmart_lib.intake.estimate import Estimate
from openmart_lib.ledger.runs import find_same_content
from openmart_lib.submission import Prepared


def show(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> None:
    """Show the summary and the button; a click plans the run once, then leads to Monitor."""
    plan, reused = submit_reuse.show(draft, prepared, choices)
    prepared = submission.spared(prepared, plan, reused, resources.settings(), resources.ledger())
    if not prepared.task_count and prepared.reused is None:
        widgets.message(
            "warning",
            "No row is left to send.",
            "You have them all already and chose to skip them; nothing is spent.",
            "Choose Reuse to get the earlier results, or Buy again.",
        )
        return
    _figures(prepared.task_count, prepared.estimate)
    balance_slot = st.empty()
    name = _name(draft, prepared, choices)
    _first_task(prepared)
    again = _asked_before(draft, prepared)
    money = submit_spending.show(draft, prepared, choices)
    label = _label(prepared, money.pilot_rows)
    key = f"{draft.draft_id}_confirm"
    ready = again is not None and money.agreed
    if st.button(label, key=key, type="primary", icon=":material/send:", disabled=not ready):
        submit_plan.start(
            draft,
            prepared,
            name=name,
            again=bool(again),
            spend_at_most=money.limit,
            pilot_rows=money.pilot_rows,
        )
    follow(draft)
    balance_slot.caption(_balance())


def _label(prepared: Prepared, pilot_rows: int) -> str:
    """Return what the button says: what a click does."""
    if not prepared.task_count:
        return f"Make a run of {words.counted(prepared.intake_counts['reused'], 'earlier result')}"
    if pilot_rows:
        return f"Submit {words.counted(pilot_rows, 'row')}, and let the rest wait"
    tasks = words.counted(prepared.task_count, "task")
    return f"Submit {tasks} in {words.counted(prepared.estimate.batches, 'batch', 'batches')}"


def follow(draft: Draft) -> None:
    """Show the planning of this draft while it goes on, then lead to Monitor with the run open."""
    job: background.Job[str] | None = background.find(submit_plan.job_key(draft))
    if job is None:
        return
    bar = st.progress(job.share, text="Writing the run into the ledger. You may leave this page.")
    while not job.wait(0.2):
        bar.progress(job.share, text="Writing the run into the ledger. You may leave this page.")
    bar.empty()
    try:
        run_id = job.result()
    except RunExistsError as error:
        background.forget(submit_plan.job_key(draft))
        widgets.error_message(error, level="warning")
        return
    except OpenmartError as error:
        background.forget(submit_plan.job_key(draft))
        widgets.error_message(error)
        return
    resources.forget_runs()
    url_state.leave_for("monitor", run=run_id)


def submitted(draft: Draft) -> None:
    """Say that this draft became a run already, and what can be done instead of sending it twice."""
    widgets.message(
        "success",
        "This list was submitted.",
        "It became one run; opening this page again does not send it again.",
        "Watch it in Monitor, or start another list.",
    )
    with st.container(horizontal=True):
        if st.button("Open in Monitor", type="primary", icon=":material/monitoring:"):
            url_state.leave_for("monitor", run=draft.run_id or "")
        if st.button(
            "Use this list again", icon=":material/content_copy:", help="With other options, for example."
        ):
            st.query_params["draft"] = drafts.copy(submit_draft.folder(), draft).draft_id
            st.rerun()
        if st.button("New list", icon=":material/upload_file:"):
            submit_draft.leave()


def _figures(tasks: int, cost: Estimate) -> None:
    later = "Openmart's own time comes on top and is not known before the first batch is back."
    widgets.numbers(
        [
            Figure(
                "Tasks",
                words.count(tasks),
                f"in {words.counted(cost.batches, 'batch', 'batches')}",
                "Up to 100 tasks go in one batch.",
            ),
            Figure("Time to send", words.duration(cost.send_seconds), None, later),
            Figure(
                "Expected, about",
                words.count(round(cost.expected)),
                cost.expected_short,
                cost.expected_basis,
            ),
            Figure("Credits at most", words.count(cost.at_most), "if all found", cost.formula),
        ]
    )
    formula = f"At most: {cost.formula} = {words.count(cost.at_most)} credits. {cost.price_source}"
    st.caption(widgets.escape(f"{formula} {cost.expected_basis}", 800))


def _name(draft: Draft, prepared: Prepared, choices: dict[str, Any]) -> str:
    today = datetime.now(widgets.zone()).strftime("%-d %b")
    default = f"{submission.suggest_name(prepared.upload)[:60]} {today}"
    given = st.text_input(
        "Name of this run",
        choices.get("name") or default,
        key=f"{draft.draft_id}_name",
        max_chars=submission.MAX_NAME,
    )
    name = (given or "").strip() or default
    choices["name"] = name
    return name


def _first_task(prepared: Prepared) -> None:
    with st.expander("Exactly what is sent: the first task", icon=":material/data_object:"):
        st.caption("A tracking id of ours is added to each task when the run is written.")
        st.code(json.dumps(prepared.first_task, indent=2, ensure_ascii=False), language="json")


def _asked_before(draft: Draft, prepared: Prepared) -> bool | None:
    """Return whether this content is to be submitted again; None while that is not said."""
    earlier = find_same_content(resources.ledger(), prepared.content_key)
    if earlier is None:
        return False
    if background.find(submit_plan.job_key(draft)) is not None:
        return False
    widgets.message(
        "warning",
        f"The same list with the same options was submitted before: {earlier.name}, "
        f"{words.date_and_time(earlier.created_at, widgets.zone())}.",
        "Submitting it again may be paid again, row by row."
        if prepared.task_count
        else "Nothing would be bought: every row that can be sent has an earlier result.",
        "Open the earlier run, or tick below that you want it again.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open the earlier run", icon=":material/monitoring:"):
            url_state.leave_for("monitor", run=earlier.run_id)
        wanted = st.checkbox("Submit it again on purpose", key=f"{draft.draft_id}_again")
    return True if wanted else None


def _balance() -> str:
    try:
        return "Balance: " + widgets.escape(_ask_balance())
    except OpenmartError as error:
        return "Balance not known: " + widgets.escape(error)


@st.cache_data(ttl=15, show_spinner=False)
def _ask_balance() -> str:
    return balance_sentence(ask.balance(resources.settings()))
