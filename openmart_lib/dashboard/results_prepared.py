"""What can be taken of a run: the kinds of files, how each is written for a download, and for whom."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import polars as pl
import streamlit as st

from openmart_lib.dashboard import background, resources, routes
from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.suppressing import NeverList, never_lists
from openmart_lib.results import export
from openmart_lib.results.chain_file import export_best
from openmart_lib.results.export import ExportInfo
from openmart_lib.results.join import Shape
from openmart_lib.results.quality import RANKING, Criterion
from openmart_lib.results.taking import note_all
from openmart_lib.results.together import Runs

AT_ONCE: Final = 50_000  # lines a download button may build while somebody waits


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file and what it is for."""

    ext: str
    csv: Literal["excel", "plain"]
    name: str
    use: str


FORMATS: Final[dict[str, Format]] = {
    "xlsx": Format("xlsx", "excel", "Excel workbook", "with a sheet that explains it"),
    "csv": Format("csv", "excel", "CSV for Excel", "right letters, formulas made harmless"),
    "plain": Format("csv", "plain", "CSV as it is", "for a script or a machine"),
    "parquet": Format("parquet", "plain", "Parquet", "for code, with types"),
    "jsonl": Format("jsonl", "plain", "JSON lines", "for code, one object a line"),
}


@dataclass(frozen=True, eq=False)
class Wanted:
    """One file that somebody may want.

    Attributes:
        runs: The runs that it is of; an import file is of one.
        shape: A shape of results, or a preset's key.
        fmt: A key of ``FORMATS``; "preset" for an import file, "apart" for what it leaves out.
        rows: Only these uploaded rows, by number; None = all.
        words: What they were chosen by, for the file's name; "" for all.
        lines: How many lines it will have, None if that is not known before.
        ranking: What a company's best contact is chosen by, in the shape ``companies``.
    """

    runs: Runs
    shape: str
    fmt: str
    rows: pl.Series | None
    words: str
    lines: int | None
    ranking: tuple[Criterion, ...] = RANKING

    @property
    def ext(self) -> str:
        """The file's ending."""
        return FORMATS[self.fmt].ext if self.fmt in FORMATS else "csv"

    @property
    def file_name(self) -> str:
        """What it is called where it is saved, at this moment."""
        order = f"by {', '.join(self.ranking)}" if self._is_ranked else ""
        return export.file_name(
            self.runs,
            shape=f"{self.shape} left out" if self.fmt == "apart" else self.shape,
            ext=self.ext,
            filter=f"{order} {self.words}".strip() or None,
            partial=self.runs.final_rows < self.runs.row_count,
        )

    @property
    def _is_ranked(self) -> bool:
        """Whether somebody chose another order than the usual one."""
        return self.shape == "companies" and self.ranking != RANKING

    @property
    def key(self) -> str:
        """What tells it from every other file, and from itself after its rows or what is left out changed."""
        chosen = "all" if self.rows is None else f"{self.rows.len()}.{self.rows.hash(seed=1).sum()}"
        order = ",".join(self.ranking) if self._is_ranked else ""
        content = map(_content, self.runs.each)
        return "|".join(("export", *content, self.shape, order, self.fmt, chosen, self.words))


@dataclass(frozen=True, eq=False)
class WantedBest(Wanted):
    """A file with the best of a chain of runs, the one whose list it is first."""

    @property
    def file_name(self) -> str:
        """What it is called where it is saved: partial while any of the runs is."""
        partial = self.runs.final_rows < self.runs.row_count
        return export.file_name(self.runs.each[0], shape=self.shape, ext=self.ext, partial=partial)

    @property
    def key(self) -> str:
        """What tells it from every other file, and from itself after one of the runs or lists changed."""
        return "|".join(("export", self.shape, self.fmt, *map(_content, self.runs.each)))


@dataclass(frozen=True, slots=True)
class Ready:
    """A prepared file's address, name and size in bytes.

    ``withheld``: uploaded rows of which something is left out, as it is on one of the ``lists`` of then.
    """

    address: str
    name: str
    size: int
    withheld: int = 0
    lists: tuple[NeverList, ...] = ()


def _content(run: RunInfo) -> str:
    """Return a text that changes when a file of this run would hold something else."""
    ledger = resources.ledger()
    return f"{run.run_id}:{queries.last_event(ledger, run.run_id)[0]}:{never_lists(ledger)}"


def owner() -> str:
    """Return who this tab is to the addresses; when its session ends, so do they."""
    return _owner()


@st.cache_resource(scope="session", show_spinner=False, on_release=routes.OFFERS.withdraw)
def _owner() -> str:
    return secrets.token_hex(8)


def write_file(ledger: Ledger, wanted: Wanted, progress: background.Progress | None = None) -> ExportInfo:
    """Write one file under a name nobody can guess; whoever asked removes it, and notes it when it is taken.

    Raises:
        InputError: If it cannot be written, or the run's personal data was deleted meanwhile.
    """
    routes.sweep_exports(ledger.exports_dir)
    first, ids = wanted.runs.ids[0], wanted.runs.ids
    path = ledger.exports_dir / f"{first}-{secrets.token_hex(16)}.{wanted.ext}"
    if isinstance(wanted, WantedBest):
        style = FORMATS[wanted.fmt].csv
        written = export_best(ledger, ids, path, csv=style, progress=progress, later=True)
    elif wanted.fmt in FORMATS:
        shape: Shape = wanted.shape  # type: ignore[assignment]  # checked by join.results
        style = FORMATS[wanted.fmt].csv
        rows, ranking = wanted.rows, wanted.ranking
        written = export.export_run(
            ledger,
            ids,
            path,
            shape=shape,
            rows=rows,
            ranking=ranking,
            csv=style,
            progress=progress,
            later=True,
        )
    else:
        apart = wanted.fmt == "apart"
        rows = wanted.rows
        written = export.export_preset(ledger, first, path, wanted.shape, apart=apart, rows=rows, later=True)
    gone = [run_id for run_id in ids if erased_at(ledger, run_id) is not None]
    if gone:
        path.unlink(missing_ok=True)
        raise InputError(
            f"The personal data of run {gone[0]} was deleted, so there is nothing to take away. "
            "No row was lost by this, its receipt stays. Open the receipt."
        )
    return written


def file_bytes(wanted: Wanted) -> bytes:
    """Build a small file; called by the click, not by every rerun, so nothing personal lies about."""
    written = write_file(resources.ledger(), wanted)
    try:
        data = written.path.read_bytes()
    finally:
        written.path.unlink(missing_ok=True)
    note_all(written.notes)
    return data


def prepare(wanted: Wanted) -> str:
    """Begin to write a large file for this tab, unless it is there or on its way; return the job's key."""
    whose = owner()
    key = f"{wanted.key}|{whose}"
    known: background.Job[Ready] | None = background.find(key)
    if known is not None and known.finished and not _is_there(known):
        background.forget(key)
    background.start(key, _work(wanted, whose))
    return key


def _is_there(job: background.Job[Ready]) -> bool:
    """Return whether a finished file can still be fetched; one that failed never could."""
    return job.future.exception() is None and routes.OFFERS.find(job.result().address) is not None


def _work(wanted: Wanted, whose: str) -> Callable[[background.Progress], Ready]:
    ledger = resources.ledger()

    def work(progress: background.Progress) -> Ready:
        lists = tuple(never_lists(ledger))  # before it is written: whoever is listed meanwhile is missed then
        written = write_file(ledger, wanted, progress)
        path, size = written.path, written.path.stat().st_size
        # Offered here and not by the page: a file that nobody comes back for is deleted in time too.
        taken = partial(note_all, written.notes)
        address = routes.OFFERS.add(path, wanted.file_name, whose, taken=taken)
        return Ready(address, wanted.file_name, size, written.withheld, lists)

    return work
