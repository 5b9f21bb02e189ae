"""Derived files in the results folder: a frame kept as Parquet under a stamp, rebuilt when it is another.

They hold nothing that the ledger does not have, may be deleted at any time, and are readable by us only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl

from openmart_lib.ledger import Ledger
from openmart_lib.results.files import whole_file

_STAMP: Final = "openmart-desk"  # the Parquet file's metadata key


def kept(path: Path, stamp: str, build: Callable[[], pl.DataFrame]) -> pl.LazyFrame:
    """Return what ``build`` gives: from the file while it bears the stamp, else built and written there.

    A file that is absent, cut or not ours is built again; one that cannot be written hides nothing.
    """
    if not _is_fresh(path, stamp):
        frame = build()
        with suppress(OSError, pl.exceptions.PolarsError), whole_file(path) as partial:
            frame.write_parquet(partial, metadata={_STAMP: stamp})
        if not _is_fresh(path, stamp):
            return frame.lazy()
    return pl.scan_parquet(path)


def forget(ledger: Ledger, run_id: str, *, keep: Collection[Path] = (), of: str = "*") -> None:
    """Delete the derived files of a run; what is deleted in the ledger must not live on here.

    Args:
        keep: Files that stay.
        of: Only files whose name fits this pattern after the run's id.
    """
    for path in ledger.results_dir.glob(f"{run_id}{of}.parquet"):
        if path not in keep:
            path.unlink(missing_ok=True)


def _is_fresh(path: Path, stamp: str) -> bool:
    try:
        return pl.read_parquet_metadata(path).get(_STAMP) == stamp
    except (OSError, pl.exceptions.PolarsError):
        return False
