"""The draft behind the Submit page: found by the address, filled by a file, kept up to date."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import drafts, resources
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.intake import columns
from openmart_lib.intake.columns import Guess
from openmart_lib.intake.files import FileFormat, FileProblem, Upload, read_upload

SAMPLE: Final = Path(__file__).with_name("sample_companies.csv")


def folder() -> Path:
    """Return where this environment's drafts are kept."""
    return resources.settings().environment_dir / "drafts"


def present() -> Draft | None:
    """Return the draft named in the address, if it still exists."""
    draft_id = st.query_params.get("draft")
    return drafts.load(folder(), draft_id) if draft_id else None


def begin(upload: Upload, *, choices: dict[str, Any] | None = None) -> None:
    """Make a draft of an upload and open it; ends this run of the page."""
    draft = drafts.create(
        folder(),
        upload.frame,
        name=upload.name,
        sha256=upload.sha256,
        file_format=dataclasses.asdict(upload.format),
        notes=[(problem.file_line, problem.message) for problem in upload.problems],
    )
    if choices:
        drafts.choose(folder(), draft, choices)
    st.query_params["draft"] = draft.draft_id
    st.rerun()


def begin_with_sample() -> None:
    """Make a draft of the sample companies, with the role chosen, so that it can be confirmed at once."""
    upload = read_upload(SAMPLE.read_bytes(), SAMPLE.name)
    begin(upload, choices={"kind": Kind.FIND_PEOPLE.value, "same": {"title": "Owner"}})


def leave() -> None:
    """Go back to an empty page; the draft stays on disk until it is too old."""
    st.query_params.pop("draft", None)
    st.rerun()


@st.cache_resource(max_entries=4, show_spinner=False)
def upload_of(draft_id: str) -> Upload:
    """Return the upload of the draft of this id; read from disk once, shared by all tabs."""
    draft = drafts.load(folder(), draft_id)
    assert draft is not None, "the page has loaded it just before"
    shape = draft.upload_format | {"sheets": tuple(draft.upload_format.get("sheets", ()))}
    problems = tuple(FileProblem(line, text) for line, text in draft.notes)
    frame = drafts.frame(folder(), draft_id)
    return Upload(draft.upload_name, draft.upload_sha256, frame, FileFormat(**shape), problems)


@st.cache_resource(max_entries=32, show_spinner=False)
def guess(draft_id: str, kind: Kind) -> Guess:
    """Return what a draft's columns seem to mean for one goal."""
    return columns.guess_mapping(upload_of(draft_id).frame, kind)


@st.cache_resource(max_entries=32, show_spinner=False)
def suggested_kind(draft_id: str) -> Kind:
    """Return the goal that a draft's columns suggest."""
    return columns.suggest_kind(upload_of(draft_id).frame)
