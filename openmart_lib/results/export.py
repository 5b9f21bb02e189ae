"""Results -> files: CSV, XLSX, Parquet or JSON lines by the path's ending, whole or not at all, ours only.

Every file of a run that was written is noted in the ledger with its SHA-256: the receipt lists them.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.guard import guard, guard_name
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import crm, join
from openmart_lib.results.files import HashedFile, whole_file
from openmart_lib.results.quality import RANKING, Criterion, ranking_sentence
from openmart_lib.results.taking import Note, note, note_all
from openmart_lib.results.together import SEVERAL_KINDS, Runs
from openmart_lib.results.withheld import withheld_rows, withhold
from openmart_lib.results.workbook import summary_sheet, write_workbook
from openmart_lib.settings import SANDBOX

Csv = Literal["excel", "plain"]
Progress = Callable[[int, int], None]

ENDINGS: Final = (".csv", ".xlsx", ".parquet", ".jsonl")
_PART_BYTES: Final = 80  # of a file name's free parts; the whole must stay under 255 bytes
_FULL_WIDTH: Final = "\uff00"
_SLICE: Final = 250_000  # lines between two words on how far a text file is


@dataclass(frozen=True, slots=True)
class ExportInfo:
    """A written file: ``lines`` of data in it, the uploaded ``rows`` they stand for, its SHA-256.

    ``noted``: whether the ledger could note it; a full disk there must not keep the results here.
    ``withheld``: uploaded rows of which something is left out, as it is on a never-contact list.
    ``notes``: what is left to do when somebody has the file, where it was written for ``later``.
    """

    path: Path
    lines: int
    rows: int
    sha256: str
    noted: bool = True
    withheld: int = 0
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(
        cls,
        path: Path,
        lines: int,
        rows: int,
        sha256: str,
        withheld: int,
        notes: Sequence[Note],
        *,
        later: bool,
    ) -> ExportInfo:
        """Return what is told of a written file, noted in the ledger unless it is ``later``."""
        if later:
            return cls(path, lines, rows, sha256, False, withheld, tuple(notes))
        return cls(path, lines, rows, sha256, note_all(notes), withheld)


def export_run(
    ledger: Ledger,
    run_id: str | Sequence[str],
    path: Path,
    *,
    shape: join.Shape,
    outcomes: Collection[Outcome] | None = None,
    rows: pl.Series | None = None,
    ranking: Sequence[Criterion] = RANKING,
    csv: Csv = "excel",
    progress: Progress | None = None,
    later: bool = False,
) -> ExportInfo:
    """Write the results of runs to a file whose ending says which kind: .csv, .xlsx, .parquet or .jsonl.

    The file is noted with each of them, lines and rows by run.

    Args:
        run_id, shape, ranking: As for ``join.results``.
        outcomes: Only rows with one of these outcomes; None = all. Rows that share another row's answer have
            the outcome ``duplicate``.
        rows: Only these uploaded rows, as for ``join.results``; None = all.
        csv: ``excel``: UTF-8 with byte order mark and formula guard. ``plain``: UTF-8, cells as they are.
        progress: Told (lines written, lines in all).
        later: Nobody has the file yet: it is noted by ``taking.note_all(info.notes)``.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the ending is none of these, a worksheet cannot hold it, or the file cannot be written.
    """
    _check_ending(path)
    runs = Runs.read(ledger, run_id)  # before the rows: what becomes final meanwhile is no lie then
    told = join.results(ledger, runs.ids, shape, ranking=ranking, rows=rows)
    kept = withhold(ledger, _of_outcomes(told, outcomes))
    frame = kept.frame
    count = frame.select("row", "run_name").n_unique()
    best_first = ranking_sentence(ranking) if shape == "companies" else ""
    sheet = None
    if path.suffix.lower() == ".xlsx":
        only = f"{_only_words(outcomes, rows)} {kept.sentence()}".strip()
        sheet = summary_sheet(runs, frame, shape=shape, rows=count, only=only, best_first=best_first)
    sha256 = write_frame(frame, path, csv=csv, summary=sheet, progress=progress)
    notes = [
        note(
            ledger,
            run,
            taken=part,
            sha256=sha256,
            kind=path.suffix[1:].lower(),
            shape=shape,
            lines=part.height,
            rows=part["row"].n_unique(),
            withheld=kept.rows if runs.alone else withheld_rows(part).len(),
            ranking=", ".join(ranking) if best_first else "",
            other_runs=[one for one in runs.ids if one != run.run_id],
        )
        for run, part in _by_run(frame, runs)
    ]
    return ExportInfo.of(path, frame.height, count, sha256, kept.rows, notes, later=later)


def _by_run(frame: pl.DataFrame, runs: Runs) -> Iterator[tuple[RunInfo, pl.DataFrame]]:
    """Give each run with its lines."""
    for run in runs.each:
        own = pl.col("run_name") == runs.names[run.run_id]
        yield run, frame if runs.alone else frame.filter(own)


def export_preset(
    ledger: Ledger,
    run_id: str,
    path: Path,
    preset: str,
    *,
    apart: bool = False,
    outcomes: Collection[Outcome] | None = None,
    rows: pl.Series | None = None,
    later: bool = False,
) -> ExportInfo:
    """Write the file that another program imports, or (``apart``) the lines that it cannot, with the reason.

    Args:
        preset: A key of ``crm.PRESETS``.
        outcomes, rows, later: As for ``export_run``.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the preset does not fit the run's kind, or the file cannot be written.
    """
    run = queries.run_info(ledger, run_id)
    known = crm.presets_for(run.kind)
    if preset not in known:
        fitting = ", ".join(known) or "none"
        raise InputError(
            f"There is no import file {preset!r} for this kind of run. Nothing was written. "
            f"Those that fit: {fitting}."
        )
    kept = withhold(ledger, _of_outcomes(join.results(ledger, run_id, "long", rows=rows), outcomes))
    frame = kept.frame
    parts = crm.split(frame, run, known[preset])
    written = parts.apart if apart else parts.ready
    sha256 = write_frame(written, path, csv="excel" if apart else "plain")
    taken = frame if not apart else frame.clear()  # what was left out was not taken to where it is used
    shape = "left out" if apart else "people"
    rows_of = frame["row"].n_unique()
    told = note(
        ledger,
        run,
        taken=taken,
        sha256=sha256,
        kind=preset,
        shape=shape,
        lines=written.height,
        rows=rows_of,
        withheld=kept.rows,
    )
    return ExportInfo.of(path, written.height, rows_of, sha256, kept.rows, [told], later=later)


def write_frame(
    frame: pl.DataFrame,
    path: Path,
    *,
    csv: Csv = "excel",
    summary: pl.DataFrame | None = None,
    progress: Progress | None = None,
) -> str:
    """Write a frame to a .csv, .xlsx, .parquet or .jsonl file; return its SHA-256.

    Args:
        summary: A second sheet for .xlsx.
        progress: Told (lines written, lines in all).

    Raises:
        InputError: As ``export_run``.
    """
    ending = _check_ending(path)
    told = progress or (lambda done, of: None)
    try:
        with whole_file(path) as partial:
            if ending in (".csv", ".jsonl"):
                style = "jsonl" if ending == ".jsonl" else csv
                with HashedFile(partial) as hashed:
                    for done in _write_text(frame, hashed.file, style):
                        hashed.hash_so_far()
                        told(done, frame.height)
                return hashed.sha256
            if ending == ".parquet":
                frame.write_parquet(partial)
            else:
                write_workbook(frame, partial, summary=summary)
            told(frame.height, frame.height)
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
        fmt: ``csv`` (for Excel, guarded), ``plain`` (CSV as it is), ``xlsx``, ``parquet`` or ``jsonl``.

    Raises:
        InputError: If ``fmt`` is none of these, or a worksheet cannot hold the frame.
    """
    buffer = io.BytesIO()
    if fmt == "parquet":
        frame.write_parquet(buffer)
    elif fmt == "xlsx":
        write_workbook(frame, buffer)
    elif fmt in ("csv", "plain", "jsonl"):
        for _ in _write_text(frame, buffer, "excel" if fmt == "csv" else fmt):
            pass
    else:
        raise InputError(f"{fmt!r} is no kind of file we write. Choose csv, plain, xlsx, parquet or jsonl.")
    return buffer.getvalue()


def file_name(
    run: RunInfo | Runs,
    *,
    shape: str,
    ext: str,
    filter: str | None = None,
    partial: bool,
    now: float | None = None,
) -> str:
    """Return ``<run-name>_<kind>_<shape>[_<filter>][_partial]_<YYYYMMDD-HHMM>Z.<ext>``.

    Args:
        run: A run, or several: their name then says how many.
        filter: What the lines were filtered by, in words.
        partial: Whether rows are still pending.
        now: UTC seconds; the present when None.

    Parts hold letters (of any script), digits and dashes only and are of bounded length; names of sandbox
    runs start with ``SANDBOX-``.
    """
    parts = [name_part(run.name) or "run", str(run.kind or SEVERAL_KINDS), shape]
    if filter and (words := name_part(filter)):
        parts.append(words)
    if partial:
        parts.append("partial")
    return stamped(parts, run.environment, ext, now)


def stamped(parts: Sequence[str], environment: str, ext: str, now: float | None) -> str:
    """Return a file's name of these parts and the time; one from the sandbox says so."""
    prefix = "SANDBOX-" if environment == SANDBOX else ""
    return f"{prefix}{'_'.join(parts)}_{time.strftime('%Y%m%d-%H%MZ', time.gmtime(now))}.{ext.lstrip('.')}"


def _of_outcomes(frame: pl.DataFrame, outcomes: Collection[Outcome] | None) -> pl.DataFrame:
    if outcomes is None:
        return frame
    return frame.filter(pl.col("outcome").is_in([str(outcome) for outcome in outcomes])).rechunk()


def _only_words(outcomes: Collection[Outcome] | None, rows: pl.Series | None) -> str:
    if outcomes is not None:
        return f"Only rows with the outcome {', '.join(outcomes)}."
    return "Only the rows that the page showed." if rows is not None else ""


def _write_text(frame: pl.DataFrame, target: BinaryIO, style: str) -> Iterator[int]:
    """Write CSV or JSON lines slice by slice, the first with the header; yield the lines written so far."""
    starts = range(0, max(1, frame.height), _SLICE)
    parts = (frame.slice(start, _SLICE) for start in starts)
    for start, part in zip(starts, _in_advance(_safe if style == "excel" else _as_is, parts), strict=True):
        if style == "jsonl":
            part.write_ndjson(target)
        elif style == "plain":
            part.write_csv(target, include_header=start == 0)
        else:
            # Every text in quotes: programs that guess another separator still see one cell.
            first = start == 0
            part.write_csv(target, include_bom=first, include_header=first, quote_style="non_numeric")
        yield start + part.height


def _in_advance(
    prepare: Callable[[pl.DataFrame], pl.DataFrame], parts: Iterator[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Prepare each part while the one before is being used."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(prepare, next(parts))
        for part in parts:
            ready = coming.result()
            coming = worker.submit(prepare, part)
            yield ready
        yield coming.result()


def _as_is(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _safe(frame: pl.DataFrame) -> pl.DataFrame:
    return _guarded(frame).rename(guard_name)


def _guarded(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with our guard in its texts; only columns with a cell that may need it are worked on.

    Every character that the guard knows sorts before the letters and is no digit, or is full-width.
    """
    text = pl.selectors.string()
    sign = (text < "A") & ~((text >= "0") & (text < ":"))
    seen = frame.select((sign | (text >= _FULL_WIDTH)).any())
    columns = [column.name for column in seen if column.item()]
    return frame.with_columns(guard(pl.col(columns))) if columns else frame


def _check_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(
            f"{path.name!r} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, so we don't know "
            "which kind of file to write. Nothing was written. Give the name one of these endings."
        )
    return ending


def name_part(text: str) -> str:
    """Return a text as a part of a file's name: letters of any script, digits, dashes; of bounded length."""
    plain = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", text)).strip("-")
    return plain.encode()[:_PART_BYTES].decode(errors="ignore").strip("-")
