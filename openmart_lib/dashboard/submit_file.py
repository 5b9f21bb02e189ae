"""Submit, step 1: the file, pasted rows or sample, and the goal it is to serve."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, submit_draft, submit_preview, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake.files import MAX_UPLOAD_BYTES

WHAT_FOLLOWS: Final = (
    "What follows:\n"
    "1. Your columns are recognised, and you see what of the list can be used, and why the rest cannot.\n"
    "2. You choose what to look for, and see what it may cost. Nothing is sent or spent before you confirm.\n"
    "3. You watch it finish, and download your list with one outcome for every row."
)


def ask_for_file() -> None:
    """Show the ways to bring a list: upload, paste, and on the sandbox a sample."""
    if resources.settings().simulated:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                "New here? See the whole way with invented results. Nothing is spent.", width="stretch"
            )
            if st.button("Try it with 50 sample companies", type="primary", icon=":material/play_arrow:"):
                submit_draft.begin_with_sample()
    upload, paste = st.tabs(["Upload a file", "Paste rows"])
    with upload:
        # Any file may come: its bytes say what it is, and the refusal of others says what to do.
        file = st.file_uploader(
            "Your list: CSV, TSV, TXT, Excel (XLSX, XLS, XLSB), ODS, Parquet, also gzipped; up to "
            f"{MAX_UPLOAD_BYTES // 1024**2} MB",
            help="Separator, encoding, header row and sheet are found out, and can be changed. "
            "Every column is kept and comes back with the results.",
        )
        if file is not None:
            submit_draft.begin(file.getvalue(), file.name)
    with paste:
        text = st.text_area(
            "Rows, one a line",
            height=160,
            key="pasted",
            placeholder="acme.com\nglobex.com\n\nor rows copied from a spreadsheet, with their header",
        )
        if st.button("Use these rows", icon=":material/check:"):
            data = (text or "").encode(errors="replace")
            submit_draft.begin(data, "pasted rows", pasted=True)
    st.markdown(WHAT_FOLLOWS)


def show(draft: Draft, choices: dict[str, Any]) -> Kind:
    """Show the file as one line that opens to change how it is read, and the goal; return the goal."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("1 · Goal and file", anchor=False, width="stretch")
        if st.button(
            "Other list", key=f"{draft.draft_id}_leave", icon=":material/swap_horiz:", type="tertiary"
        ):
            submit_draft.leave()
    submit_preview.show(draft)
    return _goal(draft, choices)


def _goal(draft: Draft, choices: dict[str, Any]) -> Kind:
    key = f"{draft.draft_id}_kind_{choices.get('round', 0)}"  # other columns: guessed anew
    suggested = submit_draft.suggested_kind(draft.draft_id, draft.revision)
    chosen = st.radio(
        "What do you want?",
        list(Kind),
        index=list(Kind).index(Kind(choices.get("kind", suggested))),
        format_func=words.KIND_NAMES.__getitem__,
        key=key,
        horizontal=True,
    )
    kind = Kind(chosen or suggested)
    st.caption(words.KIND_SENTENCES[kind])
    choices["kind"] = kind.value
    return kind
