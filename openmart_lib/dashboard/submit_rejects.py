"""Submit, step 3: the rejected rows as a file, and the way home for a corrected one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import streamlit as st

from openmart_lib.dashboard import (
    background,
    drafts,
    submit_draft,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_rows import Checked
from openmart_lib.errors import InputError
from openmart_lib.intake.files import Upload
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.rejoin import rejoin


def show(draft: Draft, checked: Checked) -> None:
    """Offer the rejected rows as a file, and take corrected ones: they join this list by row number."""
    rejected = checked.intake["rejected"]
    _joined(draft)
    with st.container(horizontal=True, vertical_alignment="center"):
        if rejected:
            widgets.frame_download(
                words.counted(rejected, "rejected row"),  # short: on a phone two buttons share the line
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


def joining(draft: Draft, read: Callable[[], Upload]) -> Callable[[background.Progress], int]:
    """Return the work that lets corrected rows join a draft's list; it returns how many did.

    Args:
        read: Gives the corrected rows.
    """
    root, original = submit_draft.folder(), submit_draft.upload(draft)

    def work(progress: background.Progress) -> int:
        corrected = read()
        joined = rejoin(original, corrected)
        decided = Overrides.from_dict(draft.choices.get("overrides") or {}).without_rows(joined.rows)
        if decided.only:  # a list of which only corrected rows are sent: these are some more
            decided = replace(decided, only=[*decided.only, *joined.rows])
        choices = drafts.editable(draft) | {"overrides": decided.to_dict()}
        choices.pop("before", None)
        drafts.correct(
            root,
            draft,
            joined.upload.frame,
            why={"file": corrected.name},
            sha256=joined.upload.sha256,
            notes=[*draft.notes, *((one.file_line, one.message) for one in joined.problems)],
            choices=choices,
        )
        return len(joined.rows)

    return work


def _joined(draft: Draft) -> None:
    if not draft.corrections:
        return
    said = " ".join(_said(draft.corrections))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/merge: {widgets.escape(said, 500)}")
        st.button(
            "Take them back" if len(draft.corrections) == 1 else "Take the last back",
            key=f"{draft.draft_id}_take_back_{draft.revisions}",
            icon=":material/undo:",
            type="tertiary",
            on_click=_take_back,
            args=(draft.draft_id,),
        )


def _said(corrections: list[dict[str, Any]]) -> Iterator[str]:
    names = ", ".join(one["file"] for one in corrections if "file" in one)
    if names:
        yield f"Corrected rows of {names} have joined this list."
    divided = sum(one.get("divided", 0) for one in corrections)
    if divided:
        cells = words.counted(divided, "cell names", "cells name")
        added = sum(one.get("added", 0) for one in corrections)
        rows = words.counted(added, "row was", "rows were")
        yield f"{cells} several websites: each is looked up, and {rows} added at the end of the list for it."


def _take_back(draft_id: str) -> None:
    root = submit_draft.folder()
    draft = drafts.load(root, draft_id)
    if draft is None or draft.run_id:
        return
    draft = drafts.take_back(root, draft)
    height = submit_draft.upload(draft).frame.height
    decided = Overrides.from_dict(draft.choices.get("overrides") or {})
    gone = [seq for seq in {*decided.edits, *decided.rows} if seq > height]  # of rows that are not there now
    submit_draft.change(draft_id, overrides=decided.without_rows(gone).to_dict(), before=None)


def _join(draft: Draft, file: Any) -> None:
    """Read a corrected file, let its rows join, and show the list with them."""
    data: bytes = file.getvalue()
    work = joining(draft, lambda: submit_draft.read(data, file.name))
    key = f"join|{draft.draft_id}|{draft.revisions}|{hashlib.sha256(data).hexdigest()}"
    try:
        rows = background.run(key, work, "Reading the corrected rows")
    except InputError as error:
        widgets.error_message(error)
        return
    st.toast(f"{words.counted(rows, 'corrected row')} joined your list.", icon=":material/merge:")
    st.rerun()
