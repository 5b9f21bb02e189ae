"""Reading a list in the background: the page shows how long it takes and can be left meanwhile."""

from __future__ import annotations

import time
from typing import Any, Final, TypeVar

import streamlit as st

from openmart_lib.dashboard import background, words
from openmart_lib.intake.files import Upload, read_pasted
from openmart_lib.intake.guarded import read_upload_guarded

T = TypeVar("T")
PASTED: Final = "paste"  # the kind of a list that was typed or pasted


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


def follow(job: background.Job[T], doing: str) -> T:
    """Show that work goes on, with its time so far, until it is done; return its result or raise its error.

    Quick work shows nothing.
    """
    begun = time.monotonic()
    if not job.wait(0.4):
        slot = st.empty()
        while not job.wait(0.25):
            slot.progress(job.share, text=f"{doing} ({words.duration(time.monotonic() - begun)} so far)")
        slot.empty()
    return job.result()
