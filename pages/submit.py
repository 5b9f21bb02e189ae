"""Submit: from a list to a confirmed run, one step below the other."""

from __future__ import annotations

import streamlit as st

from openmart_lib.dashboard import (
    drafts,
    submit_check,
    submit_columns,
    submit_confirm,
    submit_draft,
    submit_file,
    submit_homecoming,
    submit_lance,
    submit_options,
    submit_plan,
    submit_remembered,
    widgets,
)
from openmart_lib.errors import InputError
from openmart_lib.intake.overrides import Overrides

st.title("Submit", anchor=False)

draft = submit_draft.present()

if draft is None:
    if "draft" in st.query_params:
        st.info("This draft is not kept any more (drafts live a week). Bring the list again.")
    st.markdown("Bring a list of companies or people; get contacts back, one outcome for every row.")
    submit_file.ask_for_file()
    st.stop()
if draft.run_id:
    submit_confirm.submitted(draft)
    st.stop()

if submit_homecoming.ask(draft):
    st.stop()

choices = drafts.editable(draft)

kind = submit_file.show(draft, choices)

st.header("2 · Columns", anchor=False)
mapped = submit_columns.begin(draft, kind, choices)
submit_columns.show(mapped, choices)

st.header("3 · Check", anchor=False)
check = st.container()

st.header("4 · Options", anchor=False)
submit_options.show(mapped, choices)
drafts.choose(submit_draft.folder(), draft, choices)

try:
    options = submit_plan.run_options(mapped, choices)
    overrides = Overrides.from_dict(choices.get("overrides") or {})
    memories = submit_remembered.memories(choices)
    look = submit_plan.look(mapped, options, overrides, memories=memories)
except InputError as error:
    with check:
        widgets.error_message(error, level="warning")
    st.stop()
if memories is not None and look.checked is not None and look.job is None:
    submit_check.apply_remembered(draft, look.checked, choices)
with check:
    waiting = st.container()
    submit_check.show(draft, look)
    prepared = submit_lance.show(draft, look, choices)  # without what Lance makes needless

st.header("5 · Confirm", anchor=False)
missing = submit_options.missing(mapped, choices)
if missing:
    st.info(missing, icon=":material/edit:")
elif look.job is not None or prepared is None:
    st.caption("As soon as the list is checked, this shows what will be sent and what it may cost.")
elif not prepared.task_count:
    widgets.message(
        "warning",
        "No row of this list can be sent.",
        "Nothing was sent or spent.",
        "Look at the reasons under Check, choose other columns, or correct the list.",
    )
else:
    submit_confirm.show(draft, prepared, choices)
    drafts.choose(submit_draft.folder(), draft, choices)

with waiting:
    submit_plan.wait(look)
