"""Uploads: the analyst's rows as a Parquet file of text, whole and on disk before anything names it."""

from __future__ import annotations

import os
import secrets

import polars as pl

from openmart_lib.ledger.ledger import Ledger


def write_upload(ledger: Ledger, frame: pl.DataFrame, name: str) -> None:
    """Write an uploaded list, fsynced, readable by us only; one that is there already stays as it is.

    Args:
        frame: seq, file_line and the uploaded columns as text.
        name: The file's name under the uploads folder.
    """
    path = ledger.uploads_dir / name
    if path.exists():
        return
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")  # another tab may be writing the same list
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        frame.write_parquet(file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
