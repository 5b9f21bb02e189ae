"""The best of a chain of runs as a file: one line per row of the first list, with the run that found it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES
from openmart_lib.results.chain import chain
from openmart_lib.results.export import Csv, ExportInfo, write_frame
from openmart_lib.results.taking import note
from openmart_lib.results.withheld import withhold
from openmart_lib.settings import SANDBOX

BEST: Final = "best"  # the shape's name in file names, notes and addresses


def export_best(
    ledger: Ledger,
    run_ids: Sequence[str],
    path: Path,
    *,
    rows: pl.Series | None = None,
    csv: Csv = "excel",
    progress: Callable[[int, int], None] | None = None,
    later: bool = False,
) -> ExportInfo:
    """Write the best that several runs found to a file; it is noted with each of them.

    Args:
        run_ids: As for ``chain``.
        rows: Only these rows of the first list, by number; None = all.
        csv, progress, later: As for ``export_run``.

    Raises:
        RunNotFoundError: If one of the runs does not exist.
        InputError: If the runs are not one chain, or the file cannot be written.
        LedgerError: If the rows of one of them are gone.
    """
    runs = [queries.run_info(ledger, run_id) for run_id in run_ids]  # before their rows: see export_run
    frame = chain(ledger, run_ids)
    if rows is not None:
        frame = frame.filter(pl.col("row").is_in(rows.cast(pl.Int64).implode()))
    kept = withhold(ledger, frame)
    frame = kept.frame
    sheet = _about(runs, frame, kept.sentence()) if path.suffix.lower() == ".xlsx" else None
    sha256 = write_frame(frame, path, csv=csv, summary=sheet, progress=progress)
    kind, lines = path.suffix[1:].lower(), frame.height
    notes = [
        note(ledger, run, sha256=sha256, kind=kind, shape=BEST, lines=lines, rows=lines, withheld=kept.rows)
        for run in runs
    ]
    return ExportInfo.of(path, lines, lines, sha256, kept.rows, notes, later=later)


def found_by(frame: pl.DataFrame) -> pl.DataFrame:
    """Return which run the rows of a ``chain`` frame have their answer from; the rows add up to all of it.

    Columns: run_name, kind (String; null: no run had the row), rows, matched, with_email (Int64). One row per
    run that the best answer of some row comes from, in the order of the runs' first rows.
    """
    return frame.group_by("run_name", "kind", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        (pl.col("result") == Outcome.MATCHED).sum().cast(pl.Int64).alias("matched"),
        pl.col("found_email").is_not_null().sum().cast(pl.Int64).alias("with_email"),
    )


def _about(runs: Sequence[RunInfo], frame: pl.DataFrame, withheld: str) -> pl.DataFrame:
    """Return the second sheet: which runs, and what became of the rows over all of them."""
    facts = [
        ("shape", BEST, "One line per row of the first list, the best that any of the runs found for it."),
        ("lines", f"{frame.height:,}", withheld),
    ]
    if any(run.environment == SANDBOX for run in runs):
        facts.append(("environment", SANDBOX, "Simulated: nothing is real."))
    for run in runs:
        pending = run.row_count - run.final_rows
        state = f"{pending:,} of its rows were still pending." if pending else "All its rows were final."
        facts.append(("run", run.run_id, f"{run.name}: {run.kind}, {run.row_count:,} rows. {state}"))
    facts += [("", "", ""), ("result of all runs", "rows", "These add up to the lines.")]
    counts = dict(frame["result"].value_counts().rows())
    facts += [(str(one), f"{counts[one]:,}", SENTENCES[one]) for one in Outcome if counts.get(one)]
    return pl.DataFrame(facts, schema=dict.fromkeys(("what", "value", "meaning"), pl.String), orient="row")
