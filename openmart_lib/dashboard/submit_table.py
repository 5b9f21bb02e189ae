"""Submit, step 3: the table of rows. How each was read, edited in place, one page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import (
    resources,
    submit_draft,
    submit_fixes,
    submit_rows,
    submit_several,
    url_state,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.dashboard.submit_rows import CELL, MINE, PAGE_ROWS, VIEW_WORDS, Checked, View
from openmart_lib.intake.columns import FIELD_WORDS, uploaded_columns
from openmart_lib.intake.fields import Field
from openmart_lib.intake.overrides import NAME_CODE, Overrides

Change = Callable[[Overrides], Overrides]
_WIDEST: Final = 40  # uploaded columns beside the row; the file has the others


def show(draft: Draft, checked: Checked, key: str) -> None:
    """Show the rows of the chosen view and class; ``key`` names the choices they were checked with."""
    view = choose_view(draft, checked)
    code = chosen_reason(draft, checked) if view is View.REJECTED else None
    search = st.text_input(
        "Find a row",
        key=f"{draft.draft_id}_search",
        placeholder="a row's number, or text in any of its cells",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    seqs = _matching(key, view, code, (search or "").strip(), checked)
    if seqs.is_empty():
        st.caption("No row has this text." if search else "No rows here.")
        return
    if view is View.ACCEPTED or view is View.ALL:
        st.caption("How every row was read: the cell in your file, what was done to it, and what is sent.")
    slot = st.container()
    pages = -(-len(seqs) // PAGE_ROWS)
    at = 1
    if pages > 1:
        at = st.pagination(pages, key=f"{draft.draft_id}_page_{view}_{code}_{search}")
        first = (at - 1) * PAGE_ROWS
        last = min(len(seqs), first + PAGE_ROWS)
        st.caption(f"Rows {words.count(first + 1)} to {words.count(last)} of {words.count(len(seqs))}.")
    part = seqs.slice((at - 1) * PAGE_ROWS, PAGE_ROWS)
    page = submit_rows.page(checked, part, allow_example=resources.settings().simulated)
    with slot:
        _editor(draft, checked, page, view)


@st.cache_resource(max_entries=24, show_spinner=False)
def _matching(key: str, view: View, code: str | None, search: str, _checked: Checked) -> pl.Series:
    return submit_rows.matching(_checked, view, code, search)


def choose_view(draft: Draft, checked: Checked) -> View:
    """Let the analyst choose which rows to see; kept in the address."""
    numbers = checked.counts
    first = next(iter(numbers))
    start = View(url_state.one("view", [str(one) for one in numbers]) or first)
    # A radio loses its choice when its labels change, and these hold numbers: each set has a key of its own.
    key = f"{draft.draft_id}_view_{'_'.join(f'{one}{rows}' for one, rows in numbers.items())}_{start}"
    chosen = st.radio(
        "Show",
        list(numbers),
        index=list(numbers).index(start),
        format_func=lambda one: f"{VIEW_WORDS[one]} ({words.count(numbers[one])})",
        key=key,
        horizontal=True,
        label_visibility="collapsed",
        on_change=_view_chosen,
        args=(key, first),
    )
    return View(chosen or start)


def _view_chosen(key: str, first: View) -> None:
    chosen = st.session_state.get(key)
    url_state.keep("view", None if chosen is None or chosen is first else str(chosen))


def chosen_reason(draft: Draft, checked: Checked) -> str | None:
    """Return the class of rejected rows that is looked at, None for all of them."""
    return url_state.one("reason", [code for code, _ in checked.reasons])


def look_at(draft_id: str, code: str | None) -> None:
    """Show the rows of one class of rejections, or of all; a button's callback."""
    url_state.keep("reason", code)
    url_state.keep("view", None)  # the rejected ones come first
    st.session_state[f"{draft_id}_fold"] = True


def change(draft_id: str, changed: Change) -> None:
    """Change what was decided about rows; a callback. The state before is kept for one undo."""
    draft = submit_draft.present()
    if draft is None or draft.draft_id != draft_id:
        return
    before = Overrides.from_dict(draft.choices.get("overrides") or {})
    after = changed(before)
    if after == before:
        return
    submit_draft.change(draft_id, overrides=after.to_dict(), before=before.to_dict())
    _redraw(draft_id)


def undo(draft_id: str) -> None:
    """Go back to what was decided before the last change."""
    draft = submit_draft.present()
    before = Overrides.from_dict((draft.choices.get("before") if draft else None) or {})
    change(draft_id, lambda _: before)


def _redraw(draft_id: str) -> None:
    """Give the editor another key: Streamlit would apply the edits to the new rows once more."""
    name = f"{draft_id}_drawn"
    st.session_state[name] = st.session_state.get(name, 0) + 1


def _editor(draft: Draft, checked: Checked, page: pl.DataFrame, view: View) -> None:
    names = _columns(checked, page, view)
    offered = pl.col("suggestion").is_not_null()
    shown = page.with_columns(pl.when(offered).then(False).alias(submit_fixes.USE))
    drawn = st.session_state.get(f"{draft.draft_id}_drawn", 0)
    key = f"{draft.draft_id}_rows_{drawn}_{view}_{page['seq'][0]}"
    fields = [one for one in Field if one.value in page.columns]
    free = {CELL, submit_fixes.DO, submit_fixes.USE, *fields}
    st.data_editor(
        shown.select(names),
        hide_index=True,
        num_rows="fixed",
        height=min(560, 38 + 35 * page.height),
        disabled=[name for name in names if name not in free],
        column_config=_config(checked, names, several="multiple" in _codes(checked, page)),
        key=key,
        placeholder="",
        on_change=_apply,
        args=(draft.draft_id, key, page, checked),
        alt=f"{VIEW_WORDS[view]}: {page.height} rows, with what was read and why; cells can be edited",
    )
    suggestions = page.height - page["suggestion"].null_count()
    if view is View.REJECTED and suggestions > 1:
        st.button(
            f"Use the {suggestions} suggestions of this page",
            key=f"{key}_suggestions",
            icon=":material/auto_fix_high:",
            on_click=change,
            args=(draft.draft_id, lambda before: submit_fixes.with_suggestions(before, page)),
        )


def _apply(draft_id: str, key: str, page: pl.DataFrame, checked: Checked) -> None:
    edits: dict[int, dict[str, Any]] = st.session_state[key]["edited_rows"]
    each = submit_fixes.rows_with(submit_fixes.EACH, page, edits)
    draft = submit_draft.present()
    if each and draft is not None and not submit_several.divide(draft, checked, each):
        _say_that_nothing_can_be_sent(each[0])
    change(draft_id, lambda before: submit_fixes.with_table_edits(before, page, edits))
    _redraw(draft_id)  # also where nothing was decided: the editor shows what is
    for seq in submit_fixes.rows_with(submit_fixes.SEND, page, edits):
        cell = page.filter(pl.col("seq") == seq).get_column(CELL)
        if not submit_fixes.can_be_sent(checked.prepared.plan.rows["code"][seq - 1], cell[0]):
            _say_that_nothing_can_be_sent(seq)


def _say_that_nothing_can_be_sent(seq: int) -> None:
    st.toast(
        f"Row {words.count(seq)} holds nothing that could be sent. Correct its cell instead.",
        icon=":material/edit:",
    )


def _columns(checked: Checked, page: pl.DataFrame, view: View) -> list[str]:
    fields = submit_rows.editable_fields(checked.prepared.kind, set(checked.prepared.mapping))
    uploaded = len(uploaded_columns(checked.prepared.upload.frame))
    mine = [f"{MINE}{number}" for number in range(min(uploaded, _WIDEST))]
    if view is not View.REJECTED:
        return ["seq", CELL, "becomes", "rule", submit_fixes.DO, *fields, "what", "why", *mine]
    suggested = ["suggestion", submit_fixes.USE] if page["suggestion"].null_count() < page.height else []
    if NAME_CODE in _codes(checked, page):  # the name as uploaded beside what it splits into
        names = uploaded_columns(checked.prepared.upload.frame)
        whole = [f"{MINE}{names.index(one)}" for one in checked.prepared.mapping.get(Field.FULL_NAME, ())]
        rest = [one for one in mine if one not in whole]
        return ["seq", *whole, *fields, "why", submit_fixes.DO, CELL, *suggested, *rest]
    return ["seq", CELL, "why", *suggested, submit_fixes.DO, *fields, *mine]


def _codes(checked: Checked, page: pl.DataFrame) -> set[str | None]:
    """Return the classes of the rows of a page."""
    return set(checked.prepared.plan.rows["code"].gather(page["seq"] - 1))


def _config(checked: Checked, names: list[str], *, several: bool) -> dict[str, Any]:
    text = st.column_config.TextColumn
    # Labels are drawn as they are; those of uploaded columns are the file's own words.
    config: dict[str, Any] = {
        "seq": st.column_config.NumberColumn("Row", width=58, pinned=True, format="%d"),
        CELL: text("Website or domain", width=178, help="As in your file. Type here to correct it."),
        "becomes": text("Is sent as", width=150),
        "suggestion": text("Perhaps", width=112, help="A domain that may be meant. Never used by itself."),
        submit_fixes.USE: st.column_config.CheckboxColumn("Use it", width=66, help="Use the suggestion."),
        "rule": text("What was done", width=190),
        "what": text("Row", width=110),
        "why": text("Why", width=340),
        submit_fixes.DO: st.column_config.SelectboxColumn(
            "Your choice",
            width=126,
            options=[
                submit_fixes.SEND,
                *([submit_fixes.EACH] if several else []),
                *(submit_fixes.DROP, submit_fixes.EDITED, submit_fixes.UNDO),
            ],
            help="Send anyway: where there is something to send; of several websites the first. "
            "As uploaded: takes your changes back.",
        ),
    }
    for one in Field:
        words_of = FIELD_WORDS[one]
        config.setdefault(one.value, text(f"{words_of[0].upper()}{words_of[1:]}", width=130))
    for number, name in enumerate(uploaded_columns(checked.prepared.upload.frame)):
        config[f"{MINE}{number}"] = text(name, width=130)
    return {name: config[name] for name in names}
