"""Taking results away: small ones straight from a button, large ones prepared on disk in the background."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import streamlit as st

from openmart_lib.dashboard import background, resources, routes, widgets, words
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import Outcome
from openmart_lib.results import export

Shape = Literal["rows", "long"]

AT_ONCE: Final = 50_000  # lines a download button may build while somebody waits
EXCEL_LINES: Final = 1_048_575  # data lines of a worksheet


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file and what it is for."""

    ext: str
    csv: Literal["excel", "plain"]
    name: str


FORMATS: Final[dict[str, Format]] = {
    "xlsx": Format("xlsx", "excel", "XLSX, for Excel"),
    "csv": Format("csv", "excel", "CSV for Excel: opens with the right letters, formulas made harmless"),
    "plain": Format("csv", "plain", "CSV as it is, for a CRM import or a script"),
    "parquet": Format("parquet", "plain", "Parquet, for code"),
}


def show(run: RunInfo, *, lines: dict[Shape, int], chosen: list[str]) -> None:
    """Offer the download with its choices; ``lines`` counts each shape with the chosen outcomes applied."""
    with st.popover("Download", icon=":material/download:", type="primary", key=f"download_{run.run_id}"):
        shape: Shape = st.radio(
            "Shape",
            list(lines),
            format_func=lambda one: _shape_words(one, lines),
            key=f"shape_{run.run_id}",
        )
        fmt = st.radio(
            "File", list(FORMATS), format_func=lambda one: FORMATS[one].name, key=f"format_{run.run_id}"
        )
        if chosen:
            st.caption(f"Only the rows shown: {', '.join(chosen)}.")
        if run.final_rows < run.row_count:
            st.caption(
                f"{words.count(run.row_count - run.final_rows)} rows are still pending; the file says so."
            )
        _offer(run, shape, fmt, lines[shape], chosen)


def quick(run: RunInfo) -> None:
    """Offer a finished run's default file: one line per uploaded row, as XLSX for Excel."""
    if run.row_count <= AT_ONCE:
        fmt = FORMATS["xlsx"]
        st.download_button(
            "Download for Excel",
            data=lambda: _bytes(run, "rows", fmt, []),
            file_name=_name(run, "rows", fmt, []),
            mime=widgets.MIME[fmt.ext],
            key=f"quick_{run.run_id}",
            on_click="ignore",
            icon=":material/download:",
            help="One line per uploaded row, in your order. Results has other files and filters.",
        )


def _shape_words(shape: Shape, lines: dict[Shape, int]) -> str:
    rows, long = lines["rows"], lines["long"]
    if shape == "rows":
        return f"One line per uploaded row: {words.counted(rows, 'line')}, same order as your file"
    if long == rows:
        return f"One line per contact: the same {words.counted(rows, 'line')}, no row has several contacts"
    further = words.counted(long - rows, "further contact")
    return f"One line per contact: {words.counted(long, 'line')} = {words.counted(rows, 'row')} + {further}"


def _offer(run: RunInfo, shape: Shape, fmt: str, lines: int, chosen: list[str]) -> None:
    chosen_format = FORMATS[fmt]
    if chosen_format.ext == "xlsx" and lines > EXCEL_LINES:
        st.markdown(f"A worksheet holds {words.count(EXCEL_LINES)} lines. Choose CSV or Parquet.")
        return
    name = _name(run, shape, chosen_format, chosen)
    label = f"Download {words.counted(lines, 'line')}"
    if lines <= AT_ONCE:
        st.download_button(
            label,
            data=lambda: _bytes(run, shape, chosen_format, chosen),
            file_name=name,
            mime=widgets.MIME[chosen_format.ext],
            key=f"get_{run.run_id}_{shape}_{fmt}",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )
        return
    _prepared(run, shape, fmt, name, label, chosen)


def _name(run: RunInfo, shape: Shape, fmt: Format, chosen: list[str]) -> str:
    return export.file_name(
        run,
        shape=shape,
        ext=fmt.ext,
        filter="-".join(chosen) or None,
        partial=run.final_rows < run.row_count,
        now=time.time(),
    )


def _bytes(run: RunInfo, shape: Shape, fmt: Format, chosen: list[str]) -> bytes:
    """Build a small file; called by the click, not by every rerun, so nothing personal lies about."""
    path = write_file(resources.ledger(), run.run_id, shape, fmt, chosen)
    try:
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def write_file(ledger: Ledger, run_id: str, shape: Shape, fmt: Format, chosen: list[str]) -> Path:
    """Write one export under a name nobody can guess; the caller or ``remove_old`` removes it."""
    remove_old(ledger.exports_dir, now=time.time())
    path = ledger.exports_dir / f"{secrets.token_hex(16)}.{fmt.ext}"
    outcomes = [Outcome(one) for one in chosen] or None
    export.export_run(ledger, run_id, path, shape=shape, outcomes=outcomes, csv=fmt.csv)
    return path


def remove_old(folder: Path, *, now: float) -> None:
    """Remove prepared files that can no longer be fetched: contacts are not left behind."""
    for path in folder.glob("*.*"):
        if len(path.stem) == 32 and now - path.stat().st_mtime > 2 * routes.LIFETIME:
            path.unlink(missing_ok=True)


def _prepared(run: RunInfo, shape: Shape, fmt: str, name: str, label: str, chosen: list[str]) -> None:
    key = "|".join(("export", run.run_id, str(run.final_rows), shape, fmt, ",".join(chosen)))
    job = background.find(key)
    if job is not None and job.finished:
        try:
            path: Path = job.result()
        except OpenmartError as error:
            widgets.error_message(error)
            background.forget(key)
            return
        if path.exists() and time.time() - path.stat().st_mtime < routes.LIFETIME:
            st.link_button(label, routes.sign(path, name), type="primary", icon=":material/download:")
            st.caption(f"{words.file_size(path.stat().st_size)}, ready for an hour.")
            return
        background.forget(key)
    if job is None or job.finished:
        if not st.button("Prepare this file", key=f"prepare_{key}", type="primary"):
            st.caption("So many lines are written to disk first; you may go on meanwhile.")
            return
        job = background.start(key, _work(run.run_id, shape, FORMATS[fmt], chosen))
    with st.spinner("Writing the file…", show_time=True):
        while not job.wait(0.5):
            pass
    st.rerun()


def _work(run_id: str, shape: Shape, fmt: Format, chosen: list[str]) -> Callable[[background.Progress], Path]:
    ledger = resources.ledger()
    return lambda progress: write_file(ledger, run_id, shape, fmt, chosen)
