"""Submit, step 3: the rejected rows as a file, and the way home for a corrected one."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from openmart_lib.dashboard import (
    background,
    drafts,
    submit_draft,
    submit_reading,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_rows import Checked
from openmart_lib.errors import InputError
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.rejoin import rejoin


def show(draft: Draft, checked: Checked) -> None:
    """Offer the rejected rows as a file, and take corrected ones: they join this list by row number."""
    rejected = checked.intake["rejected"]
    _joined(draft)
    with st.container(horizontal=True, vertical_alignment="center"):
        if rejected:
            widgets.frame_download(
                f"Download the {words.counted(rejected, 'rejected row')}",
                checked.prepared.rejects,
                "rejected-rows",
                f"{draft.draft_id}_rejects_file",
                formats=("csv",),
            )
        with st.popover("Upload corrected rows", icon=":material/upload_file:"):
            st.markdown(
                "Correct the downloaded file in a spreadsheet and keep its column **row**. "
                "Its rows replace those of the same number here; all others stay as they are."
            )
            file = st.file_uploader(
                "The corrected file",
                key=f"{draft.draft_id}_corrected_{draft.revisions}",
                label_visibility="collapsed",
            )
    if file is not None:
        _join(draft, file)


def _joined(draft: Draft) -> None:
    if not draft.corrections:
        return
    names = ", ".join(one["file"] for one in draft.corrections)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/merge: {widgets.escape(f'Corrected rows of {names} have joined this list.')}")
        st.button(
            "Take them back" if len(draft.corrections) == 1 else "Take the last back",
            key=f"{draft.draft_id}_take_back_{draft.revisions}",
            icon=":material/undo:",
            type="tertiary",
            on_click=_take_back,
            args=(draft.draft_id,),
        )


def _take_back(draft_id: str) -> None:
    draft = drafts.load(submit_draft.folder(), draft_id)
    if draft is not None:
        drafts.take_back(submit_draft.folder(), draft)


def _join(draft: Draft, file: Any) -> None:
    """Read a corrected file, let its rows join, and show the list with them."""
    data: bytes = file.getvalue()
    root, original = submit_draft.folder(), submit_draft.upload(draft)

    def work(progress: background.Progress) -> int:
        joined = rejoin(original, submit_reading.read(data, file.name))
        before = Overrides.from_dict(draft.choices.get("overrides") or {})
        choices = drafts.editable(draft)
        choices |= {"overrides": before.without_rows(joined.rows).to_dict()}
        choices.pop("before", None)
        drafts.correct(
            root,
            draft,
            joined.upload.frame,
            file=file.name,
            sha256=joined.upload.sha256,
            notes=[*draft.notes, *((one.file_line, one.message) for one in joined.problems)],
            choices=choices,
        )
        return len(joined.rows)

    key = f"join|{draft.draft_id}|{draft.revisions}|{hashlib.sha256(data).hexdigest()}"
    try:
        rows = submit_reading.follow(background.start(key, work), "Reading the corrected rows")
    except InputError as error:
        widgets.error_message(error)
        return
    finally:
        background.forget(key)
    st.toast(f"{words.counted(rows, 'corrected row')} joined your list.", icon=":material/merge:")
    st.rerun()
