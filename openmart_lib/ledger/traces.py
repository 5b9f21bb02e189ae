"""Traces: the files under the data folder that hold what a run's rows say, and how they are removed."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, or_, select

from openmart_lib.ledger import remembered
from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.schema import reused_row, run, upload

DRAFTS: Final = "drafts"  # what Submit keeps under the ledger's folder, one folder with a note each
_DRAFT_NOTE: Final = "draft.json"
_LIST_MARK: Final = 16  # characters of an upload's hash that stay the same when its rows are corrected
_NUMBERS: Final = ("seq", "file_line")


def erase_files(ledger: Ledger, info: RunInfo, upload: Path) -> int:
    """Empty a run's uploaded rows; delete its drafts, derived files and exports; return how many files.

    What was decided about cells of these rows is forgotten too: the cells are its keys.
    """
    _forget_choices(ledger, upload)
    files = _empty_upload(upload) + _remove_drafts(ledger.folder / DRAFTS, info)
    return files + remove_derived(ledger, info.run_id)


def remove_derived(ledger: Ledger, run_id: str) -> int:
    """Delete flattened records and prepared exports, which are made anew when wanted; return how many.

    Also what was prepared of other runs, which may show this one's answers: those that reuse them, and the
    runs of its chain. Whoever still wanted such a file is told to prepare it again.
    """
    found = [*ledger.results_dir.glob(f"{run_id}*"), *ledger.exports_dir.glob(f"{run_id}-*")]
    with ledger.read() as connection:
        others = connection.execute(_runs_that_show(connection, run_id)).scalars().all()
    found += [path for other in others for path in ledger.exports_dir.glob(f"{other}-*")]
    # Of a file that is still being written, or was left by a killed program, nobody knows whose it is.
    found += [*ledger.results_dir.glob(".*.part"), *ledger.exports_dir.glob(".*.part")]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _runs_that_show(connection: Connection, run_id: str) -> Select[Any]:
    """Select the other runs whose exports may hold this one's answers: of its chain, or reusing it."""
    mine = select(upload.c.format).join(run, run.c.upload_id == upload.c.id).where(run.c.public_id == run_id)
    made_of = json.loads(connection.execute(mine).scalar_one())
    first = (made_of.get("origin") or {}).get("run_id", run_id)
    chain = or_(run.c.public_id == first, upload.c.format.contains(first), upload.c.format.contains(run_id))
    bought = select(run.c.id).where(run.c.public_id == run_id).scalar_subquery()
    reuses = run.c.id.in_(select(reused_row.c.run_id).where(reused_row.c.source_run_id == bought))
    other = select(run.c.public_id).join(upload, upload.c.id == run.c.upload_id)
    return other.where(run.c.public_id != run_id, or_(chain, reuses))


def _forget_choices(ledger: Ledger, upload: Path) -> None:
    keys = {key.strip().lower(): key for key in remembered.recall_all(ledger, remembered.DOMAIN_CHOICE)}
    if not keys or not upload.is_file():
        return
    rows = pl.scan_parquet(upload)
    for name in _texts(rows):
        cell = pl.col(name).str.strip_chars().str.to_lowercase()
        for text in rows.select(cell).filter(cell.is_in(list(keys))).unique().collect()[name]:
            remembered.forget(ledger, remembered.DOMAIN_CHOICE, keys[text])


def _empty_upload(upload: Path) -> int:
    """Put rows without any text in the place of the uploaded ones: the pages still count and show them."""
    for left in upload.parent.glob(f"{upload.stem}.*.part"):
        left.unlink(missing_ok=True)
    if not upload.exists():
        return 0
    rows = pl.scan_parquet(upload)
    texts = _texts(rows)
    held = rows.select(pl.sum_horizontal(pl.col(texts).count())).collect().item() if texts else 0
    if not held:
        return 0
    partial = upload.with_suffix(f".{secrets.token_hex(4)}.part")
    partial.touch(mode=0o600)
    empty = rows.select(*_NUMBERS, *(pl.lit(None, pl.String).alias(name) for name in texts))
    empty.collect().write_parquet(partial)
    partial.replace(upload)
    return 1


def _remove_drafts(root: Path, info: RunInfo) -> int:
    removed = 0
    for note in root.glob(f"*/{_DRAFT_NOTE}"):
        try:
            draft = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # being written: its own age ends it
        same_list = str(draft.get("upload_sha256"))[:_LIST_MARK] == info.upload_sha256[:_LIST_MARK]
        if info.run_id in _runs_behind(draft) or same_list:
            shutil.rmtree(note.parent, ignore_errors=True)
            removed += 1
    return removed


def _runs_behind(draft: dict[str, Any]) -> set[str | None]:
    """Return the runs that hold rows of a draft: the one it became, and those it was made from."""
    told = draft.get("upload_format") or {}
    return {draft.get("run_id"), told.get("made_from"), (told.get("origin") or {}).get("run_id")}


def _texts(rows: pl.LazyFrame) -> list[str]:
    return [name for name in rows.collect_schema().names() if name not in _NUMBERS]
