"""Submit, step 1: the goal, and the file, pasted rows or sample it is about."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, submit_draft, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import InputError
from openmart_lib.intake.files import read_pasted, read_upload

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
        file = st.file_uploader(
            "Your list: CSV, TXT or XLSX, up to 200 MB",
            type=["csv", "tsv", "txt", "xlsx"],
            help="The first row names the columns. Every column is kept and comes back with the results.",
        )
        if file is not None:
            _read(lambda: read_upload(file.getvalue(), file.name))
    with paste:
        text = st.text_area(
            "Rows, one a line",
            height=160,
            key="pasted",
            placeholder="acme.com\nglobex.com\n\nor rows copied from a spreadsheet, with their header",
        )
        if st.button("Use these rows", icon=":material/check:"):
            _read(lambda: read_pasted(text or ""))
    st.markdown(WHAT_FOLLOWS)


def _read(read: Any) -> None:
    try:
        with st.spinner("Reading your list…"):
            upload = read()
    except InputError as error:
        widgets.error_message(error)
        return
    submit_draft.begin(upload)


def show(draft: Draft, choices: dict[str, Any]) -> Kind:
    """Show the file as one line, and the goal; return the goal."""
    rows = submit_draft.upload_of(draft.draft_id).frame.height
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/description: {widgets.escape(file_line(draft, rows))}", width="stretch")
        if st.button("Other list", key=f"{draft.draft_id}_leave", icon=":material/swap_horiz:"):
            submit_draft.leave()
    _notes(draft)
    key = f"{draft.draft_id}_kind"
    suggested = submit_draft.suggested_kind(draft.draft_id)
    st.session_state.setdefault(key, Kind(choices.get("kind", suggested)))
    kind = st.radio(
        "What do you want?",
        list(Kind),
        format_func=words.KIND_NAMES.__getitem__,
        captions=[words.KIND_SENTENCES[one] for one in Kind],
        key=key,
    )
    chosen = kind or suggested
    choices["kind"] = chosen.value
    return chosen


def file_line(draft: Draft, rows: int) -> str:
    """Return "messy_export.csv · 5,000 rows · semicolon, Windows-1252"."""
    return " · ".join(
        filter(None, (draft.upload_name, words.counted(rows, "row"), format_words(draft.upload_format)))
    )


def format_words(shape: dict[str, Any]) -> str:
    """Return how a file was understood, in words; "" where there is nothing to say."""
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    encodings = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp1252": "Windows-1252", "utf-16": "UTF-16"}
    parts = []
    if shape.get("delimiter"):
        parts.append(names.get(shape["delimiter"], f"separator {shape['delimiter']}"))
    if shape.get("encoding"):
        parts.append(encodings.get(shape["encoding"].lower().replace("_", "-"), shape["encoding"]))
    if shape.get("sheet"):
        parts.append(f"sheet {shape['sheet']}")
    if shape.get("kind") in ("csv", "xlsx", "paste") and shape.get("header_row") is None:
        parts.append("no header row")
    return ", ".join(parts)


def _notes(draft: Draft) -> None:
    if not draft.notes:
        return
    with st.expander(
        f"{words.counted(len(draft.notes), 'thing')} to know about the file",
        icon=":material/info:",
        expanded=False,
    ):
        for line, text in draft.notes[:50]:
            st.text(f"Line {words.count(line)}: {text}")
        if len(draft.notes) > 50:
            st.caption(f"and {words.count(len(draft.notes) - 50)} more")
