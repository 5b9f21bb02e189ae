"""The draft behind the Submit page: found by the address, filled by a file, kept up to date."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import background, drafts, resources, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import InputError
from openmart_lib.intake import columns
from openmart_lib.intake.columns import Guess, uploaded_columns
from openmart_lib.intake.files import FileProblem, Upload, read_pasted
from openmart_lib.intake.guarded import read_upload_guarded
from openmart_lib.results.again import format_of

PASTED: Final = "paste"  # the kind of a list that was typed or pasted
SAMPLE: Final = Path(__file__).with_name("sample_companies.csv")
_ABOUT_COLUMNS: Final = ("mapping", "recalled", "only_where_empty")  # choices that name columns
_ABOUT_ROWS: Final = ("overrides", "before")  # choices that name rows


def folder() -> Path:
    """Return where this environment's drafts are kept."""
    return resources.settings().environment_dir / "drafts"


def present() -> Draft | None:
    """Return the draft named in the address, if it still exists."""
    draft_id = st.query_params.get("draft")
    if not draft_id:
        drafts.remove_old(folder(), now=time.time())  # a server may run for months and see no new list
        return None
    return drafts.load(folder(), draft_id)


def begin(data: bytes, name: str, *, pasted: bool = False, choices: dict[str, Any] | None = None) -> None:
    """Read a list, make a draft of it and open it, which ends this run of the page; or show why not."""
    root = folder()

    def work(progress: background.Progress) -> str:
        return create(root, data, name, pasted=pasted, choices=choices).draft_id

    # Every upload is a draft of its own; an impatient second click while it is read is not.
    key = f"read|{name}|{hashlib.sha256(data).hexdigest()}"
    try:
        draft_id = background.run(key, work, f"Reading your list, {words.file_size(len(data))}")
    except InputError as error:
        widgets.error_message(error)
        return
    st.query_params["draft"] = draft_id
    st.rerun()


def read(data: bytes, name: str, how: dict[str, Any] | None = None, *, pasted: bool = False) -> Upload:
    """Read a file, outside this process where it may be hostile, or pasted rows.

    Args:
        how: What was chosen: encoding, delimiter, sheet, header_row; absent ones are found out.

    Raises:
        InputError: If it holds no list that can be used.
    """
    if pasted and not how:
        return read_pasted(data.decode())
    said = dict(how or {})
    if pasted:
        said["encoding"] = "utf-8"
    return read_upload_guarded(data, name, **said)


def create(
    root: Path, data: bytes, name: str, *, pasted: bool = False, choices: dict[str, Any] | None = None
) -> Draft:
    """Read a list and keep it as a draft under ``root``.

    Raises:
        InputError: If the list cannot be used.
    """
    upload = read(data, name, pasted=pasted)
    draft = drafts.create(
        root,
        upload.frame,
        name=upload.name,
        sha256=upload.sha256,
        file_format=dataclasses.asdict(upload.format),
        notes=_notes(upload),
        source=data,
    )
    if choices:
        drafts.choose(root, draft, choices)
    return draft


def begin_with_sample() -> None:
    """Make a draft of the sample companies, with the role chosen, so that it can be confirmed at once."""
    chosen = {"kind": Kind.FIND_PEOPLE.value, "same": {"title": "Owner"}}
    begin(SAMPLE.read_bytes(), SAMPLE.name, choices=chosen)


def read_anew(draft: Draft, how: dict[str, Any]) -> None:
    """Read a draft's file in another way, keep the choices that still hold, and show it.

    Raises:
        InputError: If the file cannot be read so; the draft stays as it was.
    """
    data, root = drafts.source(folder(), draft), folder()
    if data is None:
        return
    before = upload_of(draft.draft_id, draft.revision).frame

    def work(progress: background.Progress) -> None:
        pasted = draft.upload_format.get("kind") == PASTED
        upload = read(data, draft.upload_name, how, pasted=pasted)
        choices = _still_holding(drafts.editable(draft), before, upload.frame) | {"how": how}
        drafts.read_anew(
            root,
            draft,
            upload.frame,
            sha256=upload.sha256,
            file_format=dataclasses.asdict(upload.format),
            notes=_notes(upload),
            choices=choices,
        )

    key = f"anew|{draft.draft_id}|{draft.revisions}|{sorted(how.items())}"
    background.run(key, work, "Reading your list in the way you chose")
    st.rerun()


def _still_holding(choices: dict[str, Any], before: Any, after: Any) -> dict[str, Any]:
    """Return the choices without those about columns or rows that are others now."""
    if uploaded_columns(before) != uploaded_columns(after):
        choices["round"] = int(choices.get("round", 0)) + 1
        for name in _ABOUT_COLUMNS:
            choices.pop(name, None)
        if choices.get("kind") == columns.suggest_kind(before):  # a guess about columns that are others now
            choices.pop("kind")
    if not before["file_line"].equals(after["file_line"]):
        for name in _ABOUT_ROWS:
            choices.pop(name, None)
    return choices


def _notes(upload: Upload) -> list[tuple[int, str]]:
    return [(problem.file_line, problem.message) for problem in upload.problems]


def leave() -> None:
    """Go back to an empty page; the draft stays on disk until it is too old."""
    st.query_params.pop("draft", None)
    st.rerun()


def change(draft_id: str, **changes: Any) -> None:
    """Change choices of a draft from a button's callback, before the page runs again; None removes one."""
    draft = drafts.load(folder(), draft_id)
    if draft is None or draft.run_id:
        return
    kept = {name: value for name, value in (draft.choices | changes).items() if value is not None}
    drafts.choose(folder(), draft, kept)


def upload(draft: Draft) -> Upload:
    """Return the upload of a draft as it is read now."""
    return upload_of(draft.draft_id, draft.revision)


@st.cache_resource(max_entries=4, show_spinner=False)
def upload_of(draft_id: str, revision: int) -> Upload:
    """Return one reading of a draft's upload; read from disk once, shared by all tabs."""
    draft = drafts.load(folder(), draft_id)
    assert draft is not None, "the page has loaded it just before"
    problems = tuple(FileProblem(line, text) for line, text in draft.notes)
    frame = drafts.frame(folder(), draft_id, revision)
    form = format_of(draft.upload_format)  # with the run that its rows come from, where they come from one
    return Upload(draft.upload_name, draft.upload_sha256, frame, form, problems)


@st.cache_resource(max_entries=32, show_spinner=False)
def guess(draft_id: str, revision: int, kind: Kind) -> Guess:
    """Return what a draft's columns seem to mean for one goal."""
    return columns.guess_mapping(upload_of(draft_id, revision).frame, kind)


@st.cache_resource(max_entries=32, show_spinner=False)
def suggested_kind(draft_id: str, revision: int) -> Kind:
    """Return the goal that a draft's columns suggest."""
    return columns.suggest_kind(upload_of(draft_id, revision).frame)
