"""XLSX files: every text a text cell, never a formula; a second sheet says what the file is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, BinaryIO, Final

import polars as pl
from rustpy_xlsxwriter import write_worksheets

from openmart_lib.errors import InputError
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES
from openmart_lib.results.together import Runs
from openmart_lib.settings import SANDBOX
from openmart_lib.wording import counted, utc_iso

MAX_LINES: Final = 1_048_575  # data lines under one header line; source: Excel specifications and limits
MAX_COLUMNS: Final = 16_384
MAX_CELL: Final = 32_767  # characters, counted by Excel as UTF-16 units
CUT_NOTE: Final = " … (cut: an Excel cell holds 32,767 characters; the CSV and Parquet files have all of it)"
SHAPES: Final = {
    "rows": "One line per uploaded row.",
    "long": "One line per record found.",
    "companies": "One line per company, its best record.",
}
_SAMPLED: Final = 1_000  # lines looked at for the widths
_NARROW, _WIDE = 8.0, 44.0  # characters


def write_workbook(
    frame: pl.DataFrame, target: Path | BinaryIO, *, summary: pl.DataFrame | None = None
) -> None:
    """Write a frame as the sheet ``results``, and ``summary`` as a second sheet.

    The header is frozen and filtered; cells longer than Excel allows are cut and say so.

    Raises:
        InputError: If a worksheet cannot hold so many lines or columns, or there is no room to write it.
        OSError: If the file cannot be written.
    """
    if frame.height > MAX_LINES or frame.width > MAX_COLUMNS:
        raise InputError(
            f"An Excel sheet holds {MAX_LINES:,} lines and {MAX_COLUMNS:,} columns; this file would have "
            f"{frame.height:,} and {frame.width:,}. No file was written and no result is lost. "
            "Choose CSV or Parquet, or fewer outcomes."
        )
    sheets = {"results": frame} | ({} if summary is None else {"summary": summary})
    sheets = {name: _cut(sheet) for name, sheet in sheets.items()}
    texts = {name: sheet.select(pl.selectors.string()).columns for name, sheet in sheets.items()}
    try:
        write_worksheets(
            list(sheets.items()),
            str(target) if isinstance(target, Path) else target,
            freeze_panes={"general": {"row": 1, "col": 0}},
            autofilter={"results": True},
            bold_headers=True,
            column_widths={name: _widths(sheet) for name, sheet in sheets.items()},
            ignore_errors={name: columns for name, columns in texts.items() if columns},
        )
    except BaseException as error:
        # The Rust side panics when its temporary files cannot be written; no Exception, so it would end us.
        if type(error).__name__ != "PanicException":
            raise
        raise InputError(
            "The workbook could not be written: the folder for temporary files is full or closed. "
            "No result is lost, the ledger has them all. Make room, or choose CSV or Parquet."
        ) from error


def summary_sheet(
    runs: Runs, frame: pl.DataFrame, *, shape: str, rows: int, only: str = "", best_first: str = ""
) -> pl.DataFrame:
    """Return the second sheet: what the file is, where it came from, and each outcome with its meaning.

    Columns: what, value, meaning (all String).

    Args:
        frame: The lines of the file.
        rows: Uploaded rows that they stand for.
        only: What the lines were chosen by, as a sentence; "" for all.
        best_first: What a company's best record was chosen by, as a sentence.
    """
    facts = []
    for run in runs.each:
        facts += [*_about_run(run), ("", "", "")]
    facts += [*_about_file(runs, frame, shape, rows, only), ("", "", "")]
    if best_first:
        facts.insert(-1, ("best record of a company", "", best_first))
    facts.append(("uploaded rows", f"{runs.row_count:,}", "The outcomes below add up to this."))
    counts = [(one, count) for one, count in runs.outcomes.items() if count]
    facts += [(str(one), f"{count:,}", SENTENCES[one]) for one, count in counts]
    return pl.DataFrame(facts, schema=dict.fromkeys(("what", "value", "meaning"), pl.String), orient="row")


def _about_run(run: RunInfo) -> list[tuple[str, str, str]]:
    simulated = "Simulated: nothing is real." if run.environment == SANDBOX else ""
    unfinished = "" if run.finished_at else "Not finished yet."
    return [
        ("run", run.name, ""),
        ("run id", run.run_id, ""),
        ("what was asked", str(run.kind), ""),
        ("Openmart", run.environment, simulated),
        ("uploaded file", run.upload_name, f"SHA-256 {run.upload_sha256}"),
        ("created", _iso(run.created_at), "Times are UTC."),
        ("finished", _iso(run.finished_at), unfinished),
    ]


def _about_file(
    runs: Runs, frame: pl.DataFrame, shape: str, rows: int, only: str
) -> list[tuple[str, str, str]]:
    pending = runs.row_count - runs.final_rows
    fetched = (
        frame["fetched_at"].drop_nulls() if "fetched_at" in frame.columns else pl.Series([], dtype=pl.String)
    )
    batches = frame["batch_id"].n_unique() - (frame["batch_id"].null_count() > 0)
    first, last = (str(fetched.min()), str(fetched.max())) if len(fetched) else ("", "")
    return [
        ("file written", _iso(time.time()), f"{pending:,} rows still pending then." if pending else ""),
        ("shape", shape, SHAPES.get(shape, "")),
        (
            "lines in this file",
            f"{frame.height:,}",
            f"They stand for {rows:,} of {runs.row_count:,} rows. {only}",
        ),
        (
            "source of what was found",
            f"Openmart, {', '.join(runs.kinds)}",
            f"{counted(batches, 'batch', 'batches')}; ids in the lines.",
        ),
        ("fetched", first, f"The last answer: {last}." if last else "No answer yet."),
    ]


def _cut(frame: pl.DataFrame) -> pl.DataFrame:
    endless = [name for name in frame.columns if len(name) > MAX_CELL // 2]
    frame = frame.rename({name: f"{name[:100]}… (cut, name {nth})" for nth, name in enumerate(endless, 1)})
    # A UTF-16 unit takes at least one byte in UTF-8, so short enough in bytes is short enough.
    long = [
        column.name
        for column in frame.select(pl.selectors.string())
        if (column.str.len_bytes().max() or 0) > MAX_CELL  # type: ignore[operator]  # an integer or None
    ]
    return frame.with_columns(pl.col(long).map_elements(_cut_cell, return_dtype=pl.String)) if long else frame


def _cut_cell(text: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) <= 2 * MAX_CELL:
        return text
    return units[: 2 * (MAX_CELL - len(CUT_NOTE))].decode("utf-16-le", "ignore") + CUT_NOTE


def _widths(frame: pl.DataFrame) -> dict[str, float]:
    head = frame.head(_SAMPLED)
    widths: dict[str, float] = {}
    for name in frame.columns:
        longest: Any = head[name].cast(pl.String).str.len_chars().max()
        widths[name] = min(_WIDE, max(_NARROW, len(name) + 3.0, (longest or 0) + 1.0))
    return widths


def _iso(at: float | None) -> str:
    return "" if at is None else utc_iso(at)
