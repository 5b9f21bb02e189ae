"""Results -> files: CSV, XLSX or Parquet by the path's ending, whole or not at all, readable by us only."""

from __future__ import annotations

import hashlib
import io
import re
import time
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.guard import guard, guard_name
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join
from openmart_lib.results.files import whole_file
from openmart_lib.results.workbook import summary_sheet, write_workbook
from openmart_lib.settings import SANDBOX

Csv = Literal["excel", "plain"]

ENDINGS: Final = (".csv", ".xlsx", ".parquet")
_PART_BYTES: Final = 80  # of a file name's free parts; the whole must stay under 255 bytes


@dataclass(frozen=True, slots=True)
class ExportInfo:
    """A written file: ``lines`` of data in it, the uploaded ``rows`` they stand for, its SHA-256."""

    path: Path
    lines: int
    rows: int
    sha256: str


def export_run(
    ledger: Ledger,
    run_id: str,
    path: Path,
    *,
    shape: join.Shape,
    outcomes: Collection[Outcome] | None = None,
    csv: Csv = "excel",
) -> ExportInfo:
    """Write a run's results to a file whose ending says which kind: .csv, .xlsx or .parquet.

    Args:
        shape: As for ``join.results``.
        outcomes: Only rows with one of these outcomes; None = all. Rows that share another row's answer have
            the outcome ``duplicate``.
        csv: ``excel``: UTF-8 with byte order mark and formula guard. ``plain``: UTF-8, cells as they are.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the ending is none of the three, a worksheet cannot hold it, or the file cannot be
            written.
    """
    _check_ending(path)
    frame = join.results(ledger, run_id, shape)
    if outcomes is not None:
        frame = frame.filter(pl.col("outcome").is_in([str(outcome) for outcome in outcomes]))
    rows = frame["row"].n_unique()
    sheet = None
    if path.suffix.lower() == ".xlsx":
        sheet = summary_sheet(queries.run_info(ledger, run_id), shape=shape, lines=frame.height, rows=rows)
    sha256 = write_frame(frame, path, csv=csv, summary=sheet)
    return ExportInfo(path, frame.height, rows, sha256)


def write_frame(
    frame: pl.DataFrame, path: Path, *, csv: Csv = "excel", summary: pl.DataFrame | None = None
) -> str:
    """Write a frame to a .csv, .xlsx or .parquet file; return its SHA-256.

    Args:
        summary: A second sheet for .xlsx.

    Raises:
        InputError: As ``export_run``.
    """
    ending = _check_ending(path)
    try:
        with whole_file(path) as partial:
            if ending == ".parquet":
                frame.write_parquet(partial)
            elif ending == ".xlsx":
                write_workbook(frame, partial, summary=summary)
            else:
                _write_csv(frame, partial, csv)
            with partial.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, pl.exceptions.ComputeError) as error:  # polars' word for a full disk under Parquet
        seen = (error.strerror if isinstance(error, OSError) else None) or error
        raise InputError(
            f"{path} cannot be written ({seen}). No result is lost, the ledger has them all. "
            "Choose another folder or make room, then export again."
        ) from error


def frame_bytes(frame: pl.DataFrame, fmt: str) -> bytes:
    """Return a small frame as the bytes of a file.

    Args:
        fmt: ``csv`` (for Excel, guarded), ``plain`` (CSV as it is), ``xlsx`` or ``parquet``.

    Raises:
        InputError: If ``fmt`` is none of these, or a worksheet cannot hold the frame.
    """
    buffer = io.BytesIO()
    if fmt == "parquet":
        frame.write_parquet(buffer)
    elif fmt == "xlsx":
        write_workbook(frame, buffer)
    elif fmt in ("csv", "plain"):
        _write_csv(frame, buffer, "excel" if fmt == "csv" else "plain")
    else:
        raise InputError(f"{fmt!r} is no kind of file we write. Choose csv, plain, xlsx or parquet.")
    return buffer.getvalue()


def file_name(
    run: RunInfo, *, shape: str, ext: str, filter: str | None = None, partial: bool, now: float | None = None
) -> str:
    """Return ``<run-name>_<kind>_<shape>[_<filter>][_partial]_<YYYYMMDD-HHMM>Z.<ext>``.

    Args:
        filter: What the lines were filtered by, in words.
        partial: Whether rows are still pending.
        now: UTC seconds; the present when None.

    Parts hold letters (of any script), digits and dashes only and are of bounded length; names of sandbox
    runs start with ``SANDBOX-``.
    """
    parts = [_part(run.name) or "run", str(run.kind), shape]
    if filter and (words := _part(filter)):
        parts.append(words)
    if partial:
        parts.append("partial")
    parts.append(time.strftime("%Y%m%d-%H%MZ", time.gmtime(now)))
    prefix = "SANDBOX-" if run.environment == SANDBOX else ""
    return f"{prefix}{'_'.join(parts)}.{ext.lstrip('.')}"


def _write_csv(frame: pl.DataFrame, target: Path | io.BytesIO, csv: Csv) -> None:
    if csv == "plain":
        frame.write_csv(target)
        return
    guarded = frame.with_columns(guard(pl.selectors.string())).rename(guard_name)
    # Every text in quotes: programs that guess another separator still see one cell.
    guarded.write_csv(target, include_bom=True, quote_style="non_numeric")


def _check_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(
            f"{path.name!r} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, so we don't know "
            "which kind of file to write. Nothing was written. Give the name one of these endings."
        )
    return ending


def _part(text: str) -> str:
    plain = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", text)).strip("-")
    return plain.encode()[:_PART_BYTES].decode(errors="ignore").strip("-")
