"""Submit, step 1: how the file was read, in one line; in its fold the first rows, and every choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from openmart_lib.dashboard import drafts, submit_draft, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.first_rows import Preview
from openmart_lib.intake.guarded import preview_guarded
from openmart_lib.intake.legacy import encoding_name

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", "": "one column"}
_SHORT: Final = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp1252": "Windows-1252", "utf-16": "UTF-16"}
_READ_ONE_WAY: Final = ("parquet", "frame")  # nothing about them is guessed
_ROWS: Final = 8
_LINES: Final = 12  # as they stand in the file
_NOTES: Final = 50


def show(draft: Draft) -> None:
    """Show the line, and in its fold how the file was read; open by itself where the guess is unsure."""
    rows = submit_draft.upload(draft).frame.height
    can_change = draft.upload_format.get("kind") not in _READ_ONE_WAY
    label = f"{widgets.escape(file_line(draft, rows))}{_noted(draft)}"
    fold = st.expander(
        f"{label} · **Change…**" if can_change else label,
        key=f"{draft.draft_id}_file",
        expanded=draft.upload_format.get("encoding_sure") == "unsure"
        or st.session_state.get(_chose(draft), False),
        icon=":material/description:",
        on_change="rerun",
        width="stretch",
    )
    if fold.open:
        with fold:
            _notes(draft)
            _choices(draft)


def _noted(draft: Draft) -> str:
    return f" · {words.counted(len(draft.notes), 'remark')}" if draft.notes else ""


def file_line(draft: Draft, rows: int) -> str:
    """Return "messy_export.csv · 5,000 rows · semicolon, Windows-1252"."""
    return " · ".join(
        filter(None, (draft.upload_name, words.counted(rows, "row"), format_words(draft.upload_format)))
    )


def format_words(shape: dict[str, Any]) -> str:
    """Return how a file was understood, in words; "" where there is nothing to say."""
    parts = []
    if shape.get("delimiter"):
        parts.append(_delimiter_words(shape["delimiter"]))
    if shape.get("encoding"):
        name = str(shape["encoding"]).lower().replace("_", "-")
        parts.append(_SHORT.get(name) or encoding_name(shape["encoding"]))
    if shape.get("sheet"):
        parts.append(f"sheet {shape['sheet']}{_of_how_many(shape)}")
    if shape.get("hidden_rows"):
        parts.append(f"with {words.counted(shape['hidden_rows'], 'hidden row')}")
    if shape.get("wrapping"):
        parts.append(f"{shape['wrapping']}ped")
    if shape.get("kind") not in ("frame", "parquet"):
        row = shape.get("header_row")
        if row is None:
            parts.append("no header row")
        elif row > 1:
            parts.append(f"header on line {words.count(row)}")
    return ", ".join(parts)


def _of_how_many(shape: dict[str, Any]) -> str:
    """Return " (2 of 3)" for the second of three sheets: the others are not read."""
    sheets = list(shape.get("sheets") or ())
    if len(sheets) < 2 or shape["sheet"] not in sheets:
        return ""
    return f" ({words.count(sheets.index(shape['sheet']) + 1)} of {words.count(len(sheets))})"


def _delimiter_words(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, f"separator {delimiter}")


def _notes(draft: Draft) -> None:
    for _, text in draft.notes[:_NOTES]:  # each says which line it is about
        st.text(text)
    if len(draft.notes) > _NOTES:
        st.caption(f"and {words.count(len(draft.notes) - _NOTES)} more")


@st.cache_resource(max_entries=8, show_spinner=False)
def _preview(draft_id: str, revisions: int, how: str, _draft: Draft) -> Preview | None:
    data = drafts.source(submit_draft.folder(), _draft)
    if data is None:
        return None
    pasted = {"encoding": "utf-8"} if _draft.upload_format.get("kind") == submit_draft.PASTED else {}
    return preview_guarded(data, _draft.upload_name, **(_draft.choices.get("how", {}) | pasted), rows=_ROWS)


def _choices(draft: Draft) -> None:
    """Show what can be said about the file, each choice applied at once, with its first rows below."""
    how: dict[str, Any] = draft.choices.get("how", {})
    try:
        seen = _preview(draft.draft_id, draft.revisions, str(sorted(how.items())), draft)
    except InputError as error:
        widgets.error_message(error, level="warning")
        return
    if seen is None:
        return
    chosen = _asked(draft, seen)
    _first_rows(draft, seen)
    if how and st.button(
        "Find out again by itself",
        key=f"{draft.draft_id}_{draft.revisions}_auto",
        icon=":material/restart_alt:",
    ):
        _apply(draft, {})
    if "sheet" in chosen:
        how = {name: said for name, said in how.items() if name != "header_row"}  # another sheet's row
    if chosen:
        _apply(draft, how | chosen)


def _chose(draft: Draft) -> str:
    """Return where it stands that somebody is choosing: the fold stays open, though its label changes."""
    return f"{draft.draft_id}_chose_file"


def _apply(draft: Draft, how: dict[str, Any]) -> None:
    st.session_state[_chose(draft)] = True
    try:
        submit_draft.read_anew(draft, how)
    except InputError as error:
        widgets.error_message(error, level="warning")


def _asked(draft: Draft, seen: Preview) -> dict[str, Any]:
    """Return what was chosen otherwise than the file is read now."""
    shape, scope = draft.upload_format, f"{draft.draft_id}_{draft.revisions}"
    pasted = shape.get("kind") == submit_draft.PASTED
    chosen: dict[str, Any] = {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sheets = list(shape.get("sheets") or ())
        if len(sheets) > 1:
            chosen |= _one(f"{scope}_sheet", "Sheet", "sheet", sheets, shape.get("sheet"), str)
        if seen.delimiters:
            columns = {one.delimiter: one.columns for one in seen.delimiters}
            chosen |= _one(
                f"{scope}_delimiter",
                "Separator",
                "delimiter",
                list(columns),
                shape.get("delimiter") or "",
                lambda one: (
                    f"{_delimiter_words(one)} ({words.counted(columns[one], 'column')})"
                    if one
                    else DELIMITERS[""]
                ),
            )
        if seen.encodings and not pasted:
            names = {one.encoding: one for one in seen.encodings}
            chosen |= _one(
                f"{scope}_encoding",
                "Encoding",
                "encoding",
                list(names),
                shape.get("encoding"),
                lambda one: f"{names[one].name}: {names[one].line.strip()[:40]}".rstrip(": "),
            )
        if seen.lines:
            lines = dict(seen.lines)
            chosen |= _one(
                f"{scope}_header",
                "Header row",
                "header_row",
                [0, *lines],
                shape.get("header_row") or 0,
                lambda one: (
                    f"line {one}: {' '.join(lines[one].split())[:60]}" if one else "the file has none"
                ),
            )
    return chosen


def _one(
    key: str, label: str, name: str, options: list[Any], now: Any, words_of: Callable[[Any], str]
) -> dict[str, Any]:
    if now not in options:
        options = [now, *options]
    chosen = st.selectbox(
        label,
        options,
        index=options.index(now),
        format_func=words_of,
        key=key,
        width=240,
    )
    return {} if chosen == now else {name: chosen}


def _first_rows(draft: Draft, seen: Preview) -> None:
    frame = submit_draft.upload(draft).frame.head(_ROWS)
    st.caption(f"The first {words.counted(frame.height, 'row')}, as read:")
    names = uploaded_columns(frame)
    renamed = {name: f"u{number}" for number, name in enumerate(names)}
    shown = frame.select(names).rename(renamed)
    labels = {short: st.column_config.TextColumn(name) for name, short in renamed.items()}
    widgets.table(shown, f"The first {frame.height} rows as they were read", config=labels)
    st.caption("The first lines, as they stand in the file:")
    lines = [f"{number:>4}  {text}" for number, text in seen.lines[:_LINES]]
    st.code("\n".join(lines), language=None, height=min(300, 24 * len(lines) + 34))
