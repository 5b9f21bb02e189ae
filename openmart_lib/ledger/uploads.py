"""Uploads: the analyst's rows as a Parquet file of text, and what the ledger knows about that file."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any, Protocol

import polars as pl
from sqlalchemy import Connection, insert

from openmart_lib.ledger.ledger import Ledger
from openmart_lib.ledger.schema import upload


class Uploaded(Protocol):
    """What a new run and a new watch list say of the file they come from."""

    @property
    def upload_name(self) -> str: ...
    @property
    def upload_sha256(self) -> str: ...
    @property
    def upload_format(self) -> dict[str, Any]: ...
    @property
    def frame(self) -> pl.DataFrame: ...


def uploaded_columns(new: Uploaded) -> list[str]:
    """Return the names of the analyst's own columns."""
    return [name for name in new.frame.columns if name not in ("seq", "file_line")]


def insert_upload(connection: Connection, new: Uploaded, public_id: str, created_at: float) -> int:
    """Note the file of a new run or watch list, named after its public id; return its key."""
    values = {
        "name": new.upload_name,
        "sha256": new.upload_sha256,
        "format": json.dumps(new.upload_format, ensure_ascii=False),
        "columns": json.dumps(uploaded_columns(new), ensure_ascii=False),
        "row_count": new.frame.height,
        "parquet": f"{public_id}.parquet",
        "created_at": created_at,
    }
    key = connection.execute(insert(upload).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def write_upload(ledger: Ledger, frame: pl.DataFrame, name: str) -> None:
    """Write an uploaded list whole, fsynced, before anything names it; one that is there stays as it is.

    It is readable by us only.

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
