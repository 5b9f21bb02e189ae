"""Files that are taken: noted in the ledger when they are written, or when somebody has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import polars as pl

from openmart_lib.errors import LedgerError
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.exports import note_export
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import since

Note = Callable[[], bool]
"""Notes one file in the ledger; returns whether that could be done."""


def note(
    ledger: Ledger,
    run: RunInfo,
    *,
    sha256: str,
    kind: str,
    shape: str,
    lines: int,
    rows: int,
    withheld: int,
    ranking: str = "",
    other_runs: Sequence[str] = (),
    taken: pl.DataFrame | None = None,
) -> Note:
    """Return what notes a written file with a run, as ``ledger.exports.Taken`` has it.

    Args:
        taken: The lines whose rows count as taken, as for ``since.said``; None = none. They are what the rows
            said when the file was written, however much later somebody has it.
    """
    said = since.said(taken) if taken is not None and taken.height else None

    def write() -> bool:
        with suppress(LedgerError):
            note_export(
                ledger,
                run.run_id,
                sha256=sha256,
                kind=kind,
                shape=shape,
                lines=lines,
                rows=rows,
                partial=run.final_rows < run.row_count,
                withheld=withheld,
                ranking=ranking,
                other_runs=other_runs,
            )
            if said is not None:
                since.note_taken(ledger, run.run_id, said, run.row_count)
            return True
        return False

    return write


def note_all(notes: Sequence[Note]) -> bool:
    """Note a file with all its runs; return whether that could be done with every one."""
    done = [write() for write in notes]  # every one, also after one that could not
    return all(done)
