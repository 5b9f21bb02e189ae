"""Submit, step 3: cells that name several websites are divided, so that each website has a row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from openmart_lib.dashboard import background, drafts, resources, submit_draft, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_rows import Checked
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.several import crowded_rows, split_rows


def divide_all(draft: Draft, checked: Checked) -> None:
    """Divide all of them in the background, and show the list with its new rows."""
    key = f"divide|{draft.draft_id}|{draft.revisions}"
    work = partial(divide, draft, checked, crowded_rows(checked.prepared.plan))
    rows = background.run(key, lambda progress: work(), "Giving each website a row")
    if rows:
        st.toast(f"{words.counted(rows, 'cell')} divided.", icon=":material/call_split:")
        st.rerun()
    st.toast("None of these websites can be sent. Correct the cells instead.", icon=":material/edit:")


def divide(draft: Draft, checked: Checked, seqs: Sequence[int]) -> int:
    """Give each website in these rows a row of its own, as a step that can be taken back; return how many."""
    prepared = checked.prepared
    split = split_rows(
        prepared.upload,
        prepared.mapping,
        prepared.plan,
        seqs,
        overrides=prepared.overrides,
        allow_example=resources.settings().simulated,
    )
    if split.parents:
        choices = drafts.editable(draft)
        decided = Overrides.from_dict(choices.get("overrides") or {})
        if decided.only:  # of this list only corrected rows are sent, and what is in their cells
            height = prepared.upload.frame.height
            added = range(height + 1, height + split.added + 1)
            choices["overrides"] = replace(decided, only=[*decided.only, *added]).to_dict()
        choices.pop("before", None)  # undoing a change after this would leave its rows as they are
        drafts.correct(
            submit_draft.folder(),
            draft,
            split.upload.frame,
            why={"divided": len(split.parents), "added": split.added},
            sha256=split.upload.sha256,
            notes=draft.notes,
            choices=choices,
        )
    return len(split.parents)
