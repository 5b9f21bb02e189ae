"""The records that belong to no uploaded row, as a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from openmart_lib.ledger import Ledger, queries
from openmart_lib.results import join, taking
from openmart_lib.results.export import Csv, ExportInfo, write_frame
from openmart_lib.results.withheld import without_listed

UNMATCHED: Final = "unmatched"  # the shape's name in file names and notes


def export_unmatched(ledger: Ledger, run_id: str, path: Path, *, csv: Csv = "excel") -> ExportInfo:
    """Write ``join.unmatched`` to a file; it is noted with the run.

    Args:
        csv: As for ``export.export_run``.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the file cannot be written.
    """
    run = queries.run_info(ledger, run_id)
    kept = without_listed(ledger, join.unmatched(ledger, run_id))
    sha256 = write_frame(kept.frame, path, csv=csv)
    noted = taking.note(
        ledger,
        run,
        sha256=sha256,
        kind=path.suffix[1:].lower(),
        shape=UNMATCHED,
        lines=kept.frame.height,
        rows=0,
        withheld=kept.rows,
    )()
    return ExportInfo(path, kept.frame.height, 0, sha256, noted, kept.rows)
