"""Drafts: one visit's upload and choices, kept on disk until they are submitted. No streamlit in here.

A reload of the tab (``?draft=<id>``) and a second tab find the same draft and, above all, the same
``confirm_token``: however often Confirm is clicked, the ledger makes one run of it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

MAX_AGE: Final = 7 * 86_400.0  # seconds a draft is kept after its last change
_ID: Final = re.compile(r"[a-z2-7]{16}")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_FRAME: Final = "upload.parquet"
_NOTE: Final = "draft.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """What one visit to Submit has so far.

    Attributes:
        draft_id: 16 random base32 characters, in the page's address.
        confirm_token: What makes repeated clicks the same run; never shown.
        upload_name: The file as the analyst calls it.
        upload_sha256: Of the file's bytes.
        upload_format: Encoding, delimiter, sheet, header row, as it was understood.
        notes: What the analyst should look at in the file: (line, message).
        choices: What was chosen so far, by widget; JSON values only.
        run_id: The run this draft became, None before Confirm.
    """

    draft_id: str
    confirm_token: str
    upload_name: str
    upload_sha256: str
    upload_format: dict[str, Any]
    notes: list[tuple[int, str]] = field(default_factory=list)
    choices: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None


def create(
    root: Path,
    frame: pl.DataFrame,
    *,
    name: str,
    sha256: str,
    file_format: dict[str, Any],
    notes: Sequence[tuple[int, str]] = (),
) -> Draft:
    """Keep an uploaded frame as a new draft under ``root``; drafts past their age are removed."""
    remove_old(root, now=time.time())
    draft = Draft(_new_id(), secrets.token_hex(16), name, sha256, file_format, list(notes))
    folder = root / draft.draft_id
    folder.mkdir(parents=True, mode=0o700)
    root.chmod(0o700)
    path = folder / _FRAME
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        frame.write_parquet(file)
    _write(root, draft)
    return draft


def load(root: Path, draft_id: str) -> Draft | None:
    """Return a draft, or None where there is none (any more) or the id is not one of ours."""
    if not _ID.fullmatch(draft_id):
        return None
    try:
        content = json.loads((root / draft_id / _NOTE).read_text(encoding="utf-8"))
        return Draft(**content)
    except (OSError, ValueError, TypeError):
        return None


def frame(root: Path, draft_id: str) -> pl.DataFrame:
    """Return the uploaded rows of a draft: seq, file_line, then the uploaded columns as text."""
    return pl.read_parquet(root / draft_id / _FRAME)


def editable(draft: Draft) -> dict[str, Any]:
    """Return a copy of the choices that a page may change and give back to ``choose``."""
    return deepcopy(draft.choices)


def choose(root: Path, draft: Draft, choices: dict[str, Any]) -> Draft:
    """Keep what was chosen; writes only when something changed."""
    if choices == draft.choices:
        return draft
    changed = replace(draft, choices=choices)
    _write(root, changed)
    return changed


def submitted(root: Path, draft: Draft, run_id: str) -> Draft:
    """Note which run a draft became."""
    changed = replace(draft, run_id=run_id)
    _write(root, changed)
    return changed


def copy(root: Path, draft: Draft) -> Draft:
    """Return a new draft of the same upload and choices, with a token of its own."""
    twin = replace(draft, draft_id=_new_id(), confirm_token=secrets.token_hex(16), run_id=None)
    folder = root / twin.draft_id
    folder.mkdir(parents=True, mode=0o700)
    os.link(root / draft.draft_id / _FRAME, folder / _FRAME)
    _write(root, twin)
    return twin


def remove(root: Path, draft: Draft) -> None:
    """Remove a draft and its copy of the upload."""
    shutil.rmtree(root / draft.draft_id, ignore_errors=True)


def remove_old(root: Path, *, now: float) -> None:
    """Remove drafts whose last change is older than ``MAX_AGE``."""
    if not root.is_dir():
        return
    for folder in root.iterdir():
        note = folder / _NOTE
        changed = note.stat().st_mtime if note.exists() else folder.stat().st_mtime
        if _ID.fullmatch(folder.name) and now - changed > MAX_AGE:
            shutil.rmtree(folder, ignore_errors=True)


def _write(root: Path, draft: Draft) -> None:
    path = root / draft.draft_id / _NOTE
    partial = path.with_name(f"{_NOTE}.{secrets.token_hex(4)}.part")
    with os.fdopen(
        os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(asdict(draft), file, ensure_ascii=False)
    partial.replace(path)


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))
