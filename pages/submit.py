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
    submit_options,
    submit_plan,
    widgets,
)
from openmart_lib.errors import InputError

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

choices = drafts.editable(draft)

st.header("1 · Goal and file", anchor=False)
kind = submit_file.show(draft, choices)

st.header("2 · Columns", anchor=False)
mapped = submit_columns.begin(draft, kind, choices)
submit_columns.show(mapped)

st.header("3 · Check", anchor=False)
check = st.container()

st.header("4 · Options", anchor=False)
submit_options.show(mapped, choices)
drafts.choose(submit_draft.folder(), draft, choices)

try:
    options = submit_plan.run_options(mapped, choices)
    prepared = submit_plan.prepare(mapped, options)
except InputError as error:
    with check:
        widgets.error_message(error, level="warning")
    st.stop()
with check:
    submit_check.show(draft, prepared)

st.header("5 · Confirm", anchor=False)
missing = submit_options.missing(mapped, choices)
if missing:
    st.info(missing, icon=":material/edit:")
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
