"""What reused rows show: the answers of the runs that bought them, as if they were tasks of this run.

Each tie of a source row gets a task number of its own beyond this run's, so that the join need not know.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.reused import reused_from, sources
from openmart_lib.results import records
from openmart_lib.results.assembly import Parts
from openmart_lib.results.records import RECORD_SCHEMA
from openmart_lib.wording import utc_day, worded

_KEYS: Final = ("source_run_id", "source_task_no")


def with_borrowed(ledger: Ledger, run_id: str, parts: Parts) -> Parts:
    """Add what the reused rows of a run show; a run without any is returned as it is.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    runs = reused_from(ledger, run_id)
    if not runs:
        return parts
    first = _beyond(parts)
    ties = sources(ledger, run_id).rename({"task_no": "source_task_no"})
    ties = ties.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.UInt32).alias("task_no"))
    lines = [_lines(ledger, one, ties.filter(pl.col("source_run_id") == one)) for one in runs]
    links = ties.select(
        "seq",
        "task_no",
        pl.lit(0, pl.UInt32).alias("person_no"),
        "outcome",
        pl.lit(None, pl.String).alias("reason"),
    )
    tracking = worded("{}-{}", *_KEYS).alias("tracking_id")
    return replace(
        parts,
        links=pl.concat([parts.links, links.select(parts.links.columns)]),
        lines=pl.concat([parts.lines, *lines]).sort("task_no", maintain_order=True),
        borrowed=ties.select("task_no", tracking),
        results=ties.select("seq", "result", _deleted(ledger, runs)).unique("seq", keep="first"),
    )


def _beyond(parts: Parts) -> int:
    """Return the first number that is no task of this run."""
    numbers = [parts.links["task_no"].max(), parts.lines["task_no"].max(), parts.info.task_count]
    return 1 + max(int(number or 0) for number in numbers)  # type: ignore[arg-type]  # whole numbers


def _lines(ledger: Ledger, run_id: str, ties: pl.DataFrame) -> pl.DataFrame:
    """Return the answers of a source run for these ties, under their new task numbers.

    Of a task that several rows share only the records of the row that was asked for.
    """
    found = records.scan_lines(ledger, run_id).rename({"task_no": "source_task_no", "person_no": "of_person"})
    wanted = ties.select("source_task_no", "task_no", "shares_task", "person_no").lazy()
    mine = (pl.col("shares_task") == 0) | (pl.col("of_person") == pl.col("person_no")).fill_null(False)
    lines = (
        found.join(wanted, on="source_task_no", maintain_order="left")
        .filter(mine)
        .with_columns(pl.lit(0, pl.UInt32).alias("person_no"))
        .collect()
    )
    nth = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("task_no", "task_id")
    numbered = pl.when(pl.col("record_no").is_not_null()).then(nth).alias("record_no")
    return lines.with_columns(numbered).select(RECORD_SCHEMA.keys())


def _deleted(ledger: Ledger, runs: dict[str, float | None]) -> pl.Expr:
    """Return why nothing is shown of rows whose source run's personal data was deleted; else null."""
    words = {
        run_id: f"bought in run {queries.run_info(ledger, run_id).name} ({run_id}), whose personal data was "
        f"deleted on {utc_day(at)}"
        for run_id, at in runs.items()
        if at is not None
    }
    told = pl.col("source_run_id").replace_strict(words, default=None, return_dtype=pl.String)
    return told.alias("deleted")
