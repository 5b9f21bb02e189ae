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
from typing import Any, BinaryIO, Final

import polars as pl

from openmart_lib.ledger.tracking import random_id

MAX_AGE: Final = 7 * 86_400.0  # seconds a draft is kept after its last change
_ID: Final = re.compile(r"[a-z2-7]{16}")
_SOURCE: Final = "source.bin"
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
        revision: Which reading of the rows counts: 0 the first; read anew or corrected, the next number.
        revisions: Readings made so far; a number is never used twice, so that caches may trust it.
        corrections: What changed the rows since they were read, in order: a file of corrected rows that
            joined (its name, ``file``), or cells with several websites that were divided (``divided`` rows,
            ``added`` behind the list); and what it replaced (``revision``, ``sha256``, ``notes``).
    """

    draft_id: str
    confirm_token: str
    upload_name: str
    upload_sha256: str
    upload_format: dict[str, Any]
    notes: list[tuple[int, str]] = field(default_factory=list)
    choices: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    revision: int = 0
    revisions: int = 0
    corrections: list[dict[str, Any]] = field(default_factory=list)


def create(
    root: Path,
    frame: pl.DataFrame,
    *,
    name: str,
    sha256: str,
    file_format: dict[str, Any],
    notes: Sequence[tuple[int, str]] = (),
    source: bytes | None = None,
) -> Draft:
    """Keep an uploaded frame as a new draft under ``root``; drafts past their age are removed.

    Args:
        source: The file itself, so that it can be read again in another way.
    """
    remove_old(root, now=time.time())
    draft = Draft(random_id(16), secrets.token_hex(16), name, sha256, file_format, list(notes))
    folder = root / draft.draft_id
    folder.mkdir(parents=True, mode=0o700)
    root.chmod(0o700)
    _keep_frame(root, draft, frame)
    if source is not None:
        with _private(folder / _SOURCE) as file:
            file.write(source)
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


def of_list(root: Path, mark: str) -> list[tuple[Draft, float]]:
    """Return the drafts of a list that are no run yet, and when each was changed last (UTC s), newest first.

    Args:
        mark: How the hash of the upload begins; it stays the same when corrected rows join.
    """
    found = []
    for folder in root.iterdir() if mark and root.is_dir() else ():
        draft = load(root, folder.name)
        if draft is not None and draft.run_id is None and draft.upload_sha256.startswith(mark):
            found.append((draft, (folder / _NOTE).stat().st_mtime))
    return sorted(found, key=lambda one: -one[1])


def frame(root: Path, draft_id: str, revision: int = 0) -> pl.DataFrame:
    """Return the uploaded rows of a draft: seq, file_line, then the uploaded columns as text."""
    return pl.read_parquet(root / draft_id / _frame_name(revision))


def source(root: Path, draft: Draft) -> bytes | None:
    """Return the uploaded file itself, None where it was not kept."""
    try:
        return (root / draft.draft_id / _SOURCE).read_bytes()
    except FileNotFoundError:
        return None


def read_anew(
    root: Path,
    draft: Draft,
    frame: pl.DataFrame,
    *,
    sha256: str,
    file_format: dict[str, Any],
    notes: Sequence[tuple[int, str]],
    choices: dict[str, Any],
) -> Draft:
    """Keep the rows as they were read in another way, with the choices that still hold."""
    changed = replace(
        draft,
        upload_sha256=sha256,
        upload_format=file_format,
        notes=list(notes),
        choices=choices,
        revision=draft.revisions + 1,
        revisions=draft.revisions + 1,
        corrections=[],
    )
    return _with_frame(root, changed, frame)


def correct(
    root: Path,
    draft: Draft,
    frame: pl.DataFrame,
    *,
    why: dict[str, Any],
    sha256: str,
    notes: Sequence[tuple[int, str]],
    choices: dict[str, Any],
) -> Draft:
    """Keep the rows after they were changed (``why``: as ``corrections`` tells it)."""
    before = {
        **why,
        "revision": draft.revision,
        "sha256": draft.upload_sha256,
        "notes": list(draft.notes),
    }
    changed = replace(
        draft,
        upload_sha256=sha256,
        notes=list(notes),
        choices=choices,
        revision=draft.revisions + 1,
        revisions=draft.revisions + 1,
        corrections=[*draft.corrections, before],
    )
    return _with_frame(root, changed, frame)


def take_back(root: Path, draft: Draft) -> Draft:
    """Go back to the rows as they were before the last corrected file joined them."""
    if not draft.corrections:
        return draft
    *kept, last = draft.corrections
    changed = replace(
        draft,
        revision=last["revision"],
        upload_sha256=last["sha256"],
        notes=last["notes"],
        corrections=kept,
    )
    _write(root, changed)
    return changed


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
    twin = replace(draft, draft_id=random_id(16), confirm_token=secrets.token_hex(16), run_id=None)
    folder = root / twin.draft_id
    folder.mkdir(parents=True, mode=0o700)
    kept = [_SOURCE, *map(_frame_name, _needed(draft))]
    for name in kept:
        if (root / draft.draft_id / name).exists():
            os.link(root / draft.draft_id / name, folder / name)
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


def _with_frame(root: Path, draft: Draft, frame: pl.DataFrame) -> Draft:
    """Keep a draft with new rows; readings that nothing leads back to are removed."""
    _keep_frame(root, draft, frame)
    _write(root, draft)
    needed = set(map(_frame_name, _needed(draft)))
    for path in (root / draft.draft_id).glob("upload*.parquet"):
        if path.name not in needed:
            path.unlink(missing_ok=True)
    return draft


def _needed(draft: Draft) -> list[int]:
    """Return the readings that a draft shows or can go back to."""
    return [draft.revision, *(one["revision"] for one in draft.corrections)]


def _frame_name(revision: int) -> str:
    return f"upload-{revision}.parquet" if revision else "upload.parquet"


def _keep_frame(root: Path, draft: Draft, frame: pl.DataFrame) -> None:
    with _private(root / draft.draft_id / _frame_name(draft.revision)) as file:
        frame.write_parquet(file)


def _private(path: Path) -> BinaryIO:
    """Open a new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb")


def _write(root: Path, draft: Draft) -> None:
    path = root / draft.draft_id / _NOTE
    partial = path.with_name(f"{_NOTE}.{secrets.token_hex(4)}.part")
    with _private(partial) as file:
        file.write(json.dumps(asdict(draft), ensure_ascii=False).encode(errors="replace"))
    partial.replace(path)
