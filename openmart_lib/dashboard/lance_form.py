"""A new watch list: its file, pasted ids or sample; which columns, fields and mode; then the one button."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib import lance_lists
from openmart_lib.api.wire import LanceEntityType, LanceField
from openmart_lib.dashboard import (
    background,
    drafts,
    lance_cards,
    lance_words,
    resources,
    submit_draft,
    submit_preview,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import OpenmartError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.entities import EntityMapping, guess_entities
from openmart_lib.intake.files import MAX_UPLOAD_BYTES, upload_from_frame
from openmart_lib.lance_lists import PreparedWatch
from openmart_lib.ledger.watching import WatchMode

SAMPLE_IDS: Final = 200
CHOICES: Final = "watch"  # what a draft's choices keep of this page
_START: Final = (LanceField.EMAILS.value, LanceField.PHONES.value)
_REASONS: Final = 10
_UUID: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f-])", re.IGNORECASE
)
_APART: Final = re.compile(r"[\s,;|\"']*")
# What is no column, as a choice of type; numbers, because a column may be called anything.
_TYPES: Final = {-2: LanceEntityType.PERSON, -1: LanceEntityType.COMPANY}
_TYPE_WORDS: Final = {-2: "All people", -1: "All companies"}


def ask_for_list() -> None:
    """Show the ways to bring a list: upload, paste, and on the sandbox a sample."""
    if resources.settings().lance_simulated:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown("New here? See how invented leads stand at a simulated Lance.", width="stretch")
            if st.button(
                f"Try it with {SAMPLE_IDS} sample leads", type="primary", icon=":material/play_arrow:"
            ):
                _begin_with_sample()
    upload, paste = st.tabs(["Upload a file", "Paste ids"])
    with upload:
        file = st.file_uploader(
            "Your list with its Lance ids: CSV, TXT, Excel, ODS, Parquet, also gzipped; up to "
            f"{MAX_UPLOAD_BYTES // 1024**2} MB",
            help="The column of ids is found out, and can be changed. Every column comes back.",
            key="lance_file",
        )
        if file is not None:
            submit_draft.begin(file.getvalue(), file.name, choices={CHOICES: {}})
    with paste:
        text = st.text_area(
            "Entity ids, one a line",
            height=160,
            key="lance_pasted",
            placeholder="3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001\n3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0002\n\n"
            "or rows copied from a spreadsheet, with their header",
        )
        if st.button("Use these ids", icon=":material/check:"):
            data = one_a_line(text or "").encode(errors="replace")
            submit_draft.begin(data, "pasted ids", pasted=True, choices={CHOICES: {}})


def one_a_line(text: str) -> str:
    """Return a text of nothing but ids with one id a line; any other text as it is."""
    return "\n".join(_UUID.findall(text)) if not _APART.sub("", _UUID.sub("", text)) else text


def _begin_with_sample() -> None:
    """Make a watch list of invented leads and open it; free, so nothing is asked before."""
    numbers = range(1, SAMPLE_IDS + 1)
    frame = pl.DataFrame(
        {
            "Lead": [f"Sample lead {number}" for number in numbers],
            "Lance ID": [str(uuid.uuid5(uuid.NAMESPACE_URL, f"sample lead {number}")) for number in numbers],
        }
    )
    fields = [LanceField(one) for one in _START]
    prepared = lance_lists.prepare(upload_from_frame(frame, "sample leads"), fields=fields)
    with widgets.errors_shown():
        list_id = lance_lists.confirm(
            resources.ledger(), resources.settings(), prepared, confirm_token=secrets.token_hex(16)
        )
    _open(list_id)


def _open(list_id: str) -> None:
    lance_cards.cards.clear()
    st.query_params.from_dict({"list": list_id})
    st.rerun()


def show(draft: Draft) -> None:
    """Show a list that is not watched yet: what of it can be asked, the choices, and the button."""
    if draft.run_id and CHOICES in draft.choices:  # it became a watch list
        drafts.remove(submit_draft.folder(), draft)
        _open(draft.run_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("New watch list", anchor=False, width="stretch")
        if st.button("Other list", icon=":material/swap_horiz:", type="tertiary"):
            submit_draft.leave()
    submit_preview.show(draft)
    choices = drafts.editable(draft)
    chosen = choices.setdefault(CHOICES, {})
    mapping = _mapping(draft, chosen)
    fields = _fields(draft, chosen)
    mode = _mode(draft, chosen)
    drafts.choose(submit_draft.folder(), draft, choices)
    if mapping is None:
        widgets.message(
            "info",
            "No column of this list looks like entity ids.",
            "Nothing was asked, and asking is free.",
            "Choose the column above; ids are UUIDs, as Lance shows them.",
        )
        return
    prepared = replace(
        checked(draft.draft_id, draft.revision, mapping, submit_draft.upload(draft).sha256),
        fields=tuple(fields),
        mode=mode,
    )
    _rows(draft, prepared)
    if not fields:
        st.info("Choose at least one field.", icon=":material/edit:")
    elif prepared.item_count:
        _confirm(draft, prepared, chosen)


@st.cache_resource(max_entries=4, show_spinner="Checking the ids…")
def checked(draft_id: str, revision: int, mapping: EntityMapping, sha256: str) -> PreparedWatch:
    """Return a draft's rows with what became of each; fields and mode are to be set."""
    upload = submit_draft.upload_of(draft_id, revision)
    return lance_lists.prepare(upload, fields=[LanceField.EMAILS], mapping=mapping)


@st.cache_resource(max_entries=16, show_spinner=False)
def guess(draft_id: str, revision: int) -> EntityMapping | None:
    """Return which columns of a draft seem to hold ids and types."""
    return guess_entities(submit_draft.upload_of(draft_id, revision).frame)


def _mapping(draft: Draft, chosen: dict[str, Any]) -> EntityMapping | None:
    """Ask for the columns of ids and types, guessed at first; None while there is no id column."""
    frame = submit_draft.upload(draft).frame
    names, guessed = uploaded_columns(frame), guess(draft.draft_id, draft.revision)
    given = chosen.get("columns") or [None, None]
    if given[0] not in names and guessed:  # not chosen yet, or another sheet is read now
        given = [guessed.id_column, guessed.type_column]
    key = f"{draft.draft_id}_{draft.revision}"
    start = names.index(given[0]) if given[0] in names else None
    samples = {place: _samples(frame, name) for place, name in enumerate(names)}
    left, right = st.columns(2)
    ids = left.selectbox(
        "Column of entity ids (needed)",
        range(len(names)),
        index=start,
        format_func=names.__getitem__,
        key=f"{key}_ids",
        placeholder="Choose a column",
    )
    types = {**_TYPE_WORDS, **{place: f"As column {name} says" for place, name in enumerate(names)}}
    types.pop(-3 if ids is None else ids, None)
    kind = names.index(given[1]) if given[1] in names else int(chosen.get("all", -2))
    if st.session_state.get(f"{key}_types", -2) not in types:  # that column holds the ids now
        del st.session_state[f"{key}_types"]
    type_ = right.selectbox(
        "These are",
        list(types),
        index=list(types).index(kind if kind in types else -2),
        format_func=types.__getitem__,
        key=f"{key}_types",
    )
    type_ = -2 if type_ is None else type_
    if ids is not None:
        left.caption(widgets.escape(samples[ids], 120))
    if type_ >= 0:
        right.caption(widgets.escape(samples[type_], 120))
    chosen["all"] = min(type_, -1)
    chosen["columns"] = [None if ids is None else names[ids], names[type_] if type_ >= 0 else None]
    if ids is None:
        return None
    return EntityMapping(
        names[ids],
        names[type_] if type_ >= 0 else None,
        _TYPES.get(type_, LanceEntityType.PERSON),
    )


def _samples(frame: pl.DataFrame, name: str) -> str:
    """Return the first values of a column."""
    cells = frame.get_column(name).head(50).drop_nulls().unique(maintain_order=True)
    first = cells.filter(cells != "").head(2)
    return ", ".join(text if len(text) <= 36 else f"{text[:35]}…" for text in first) or "empty at first"


def _fields(draft: Draft, chosen: dict[str, Any]) -> list[LanceField]:
    ticked = widgets.checks(
        "What do you want to know about?",
        {one.value: one.value for one in LanceField},
        key=f"{draft.draft_id}_lance",
        start=chosen.get("fields", _START),
    )
    chosen["fields"] = ticked
    return [LanceField(one) for one in ticked]


def _mode(draft: Draft, chosen: dict[str, Any]) -> WatchMode:
    mode = st.radio(
        "What for?",
        list(WatchMode),
        index=list(WatchMode).index(WatchMode(chosen.get("mode", WatchMode.EXISTS))),
        format_func=lance_words.MODE_NAMES.__getitem__,
        captions=list(lance_words.MODE_SENTENCES.values()),
        key=f"{draft.draft_id}_mode",
    )
    chosen["mode"] = WatchMode(mode or WatchMode.EXISTS).value
    return WatchMode(chosen["mode"])


def _rows(draft: Draft, prepared: PreparedWatch) -> None:
    """Show what became of the rows; they add up. The rejected ones with reasons, and as a file."""
    st.markdown(f"**{lance_words.reckoning(prepared.intake_counts, prepared.row_count)}**")
    if rule := prepared.rule:
        st.caption(rule)
    rejected = prepared.intake_counts["rejected"]
    if not rejected:
        return
    reasons = (
        prepared.rows.filter(pl.col("intake") == "rejected")
        .group_by("reason")
        .agg(pl.len().alias("Rows"), pl.col("file_line").min().alias("First in line"))
        .sort(["Rows", "First in line"], descending=[True, False])
        .rename({"reason": "Cannot be asked about"})
    )
    few = reasons.head(_REASONS)
    widgets.table(few, f"Reasons why {rejected} rows cannot be asked about", height=38 + 35 * few.height)
    if reasons.height > _REASONS:
        more = words.counted(reasons.height - _REASONS, "further reason")
        st.caption(f"And {more}, in the file.")
    widgets.frame_download(
        words.counted(rejected, "rejected row"), prepared.rejects, "rejected-ids", f"{draft.draft_id}_rejects"
    )
    if not prepared.item_count:
        widgets.message(
            "warning",
            "No row of this list can be asked about.",
            "Nothing was asked, and asking is free.",
            "Choose another column of ids, or correct the list.",
        )


def _confirm(draft: Draft, prepared: PreparedWatch, chosen: dict[str, Any]) -> None:
    ids = prepared.intake_counts["accepted"]
    default = prepared.upload.name.rsplit(".", 1)[0].strip() or "list"
    given = st.text_input(
        "Name of this watch list", default, key=f"{draft.draft_id}_list_name", max_chars=100
    )
    name = (given or "").strip() or default
    again = " a round" if prepared.mode is WatchMode.WAIT else ""
    st.markdown(f"{lance_words.questions(ids, len(prepared.fields), prepared.calls)}{again}.")
    job_key = f"watch|{draft.confirm_token}"
    label = f"Ask Lance about {words.counted(ids, 'id')}"
    if st.button(label, type="primary", icon=":material/search:"):
        background.start(job_key, work(draft, prepared, name))
    job: background.Job[str] | None = background.find(job_key)
    if job is None:
        return
    try:
        list_id = background.follow(job, "Writing the watch list. You may leave this page")
    except OpenmartError as error:
        background.forget(job_key)
        widgets.error_message(error)
        return
    drafts.remove(submit_draft.folder(), draft)
    _open(list_id)


def work(draft: Draft, prepared: PreparedWatch, name: str) -> Callable[[background.Progress], str]:
    """Return the work that writes a watch list, notes it in its draft, and returns the list's id."""
    ledger, settings, root = resources.ledger(), resources.settings(), submit_draft.folder()

    def write(progress: background.Progress) -> str:
        list_id = lance_lists.confirm(
            ledger, settings, prepared, name=name, confirm_token=draft.confirm_token, progress=progress
        )
        # A tab that was left meanwhile finds the list instead of the form.
        drafts.submitted(root, drafts.load(root, draft.draft_id) or draft, list_id)
        return list_id

    return write
