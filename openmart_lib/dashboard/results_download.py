"""Taking results away: small files straight from a button, large ones prepared on disk in the background.

Every kind of file has a button of its own under tabs that the browser switches by itself: nothing is chosen
first and then downloaded, so no click can get what was chosen a moment before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import background, resources, results_ranking, routes, widgets, words
from openmart_lib.dashboard.results_prepared import (
    AT_ONCE,
    FORMATS,
    Ready,
    Wanted,
    WantedBest,
    file_bytes,
    prepare,
)
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import queries
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.suppressing import NeverList, never_lists
from openmart_lib.results import crm, join, since
from openmart_lib.results.chain_file import BEST
from openmart_lib.results.join import Shape
from openmart_lib.results.quality import RANKING, Criterion
from openmart_lib.results.together import Runs
from openmart_lib.results.withheld import withheld_rows, withheld_words, withhold
from openmart_lib.results.workbook import MAX_LINES

TABS: Final[dict[Shape, str]] = {"rows": "Rows", "long": "Contacts", "companies": "Companies"}
_ICON: Final = ":material/download:"
_LEFT_OUT: Final = (
    "What is on your never-contact list is left out; the workbook's summary says of how many rows."
)

__all__ = ["Shape", "best", "quick", "show"]


def show(runs: Runs, *, lines: Mapping[Shape, int], chosen: list[str], rows: pl.Series | None = None) -> None:
    """Offer every kind of file of the rows that the page shows.

    Args:
        lines: How many lines each shape has with the page's filters applied, where that is known.
        chosen: What the page filters by, in words; empty for nothing.
        rows: The numbers of the uploaded rows that the page shows; None = all.
    """
    with st.popover("Download", icon=_ICON, type="primary", key=f"download_{runs.run_id}"):
        if chosen:
            st.caption(f"Only the rows shown: {widgets.escape(', '.join(chosen))}.")
        if runs.final_rows < runs.row_count:
            pending = words.counted(runs.row_count - runs.final_rows, "row is", "rows are")
            st.caption(f"{pending} still pending; the file's name and summary say so.")
        rows, name = _since_last_time(runs, rows, "-".join(chosen))
        counts: Mapping[Shape, int] = lines if name == "-".join(chosen) else {}
        if rows is not None and rows.is_empty():
            st.markdown("No row to take away.")
            return
        _say_left_out(runs, rows)
        presets = {} if runs.alone is None else crm.presets_for(runs.alone.kind)
        tabs = st.tabs([*TABS.values(), *(["For import"] if presets else [])])
        for tab, shape in zip(tabs, TABS, strict=False):
            with tab:
                ranking = results_ranking.choose(runs, "download") if shape == "companies" else RANKING
                _formats(runs, shape, rows, name, counts.get(shape), ranking)
        if presets:
            with tabs[-1]:
                _presets(runs, presets, rows, name)
        else:
            st.caption("Files for another program's import are of one run: choose it alone.")
        _status(runs)


def quick(run: RunInfo) -> None:
    """Offer a finished run's default file: one line per uploaded row, as XLSX for Excel."""
    if run.row_count <= AT_ONCE and erased_at(resources.ledger(), run.run_id) is None:
        told = _LEFT_OUT if never_lists(resources.ledger()) else ""
        _button(
            "Download for Excel", Wanted(Runs((run,)), "rows", "xlsx", None, "", run.row_count), told, "quick"
        )


def best(chain: Sequence[RunInfo], lines: int) -> None:
    """Offer the best that a chain of runs found as a file.

    Args:
        chain: The runs, the one whose list it is first.
        lines: Rows of that list.
    """
    runs = Runs(tuple(chain))
    with st.popover(
        "Download the best", icon=_ICON, type="primary", key=f"download_best_{runs.each[0].run_id}"
    ):
        st.caption(f"One line per row of the first list, with the run that found it: {words.count(lines)}.")
        if never_lists(resources.ledger()):
            st.caption(_LEFT_OUT)
        for fmt, kind in FORMATS.items():
            if kind.ext != "xlsx" or lines <= MAX_LINES:
                _button(kind.name, WantedBest(runs, BEST, fmt, None, "", lines), kind.use)
        _status(runs)


def _since_last_time(runs: Runs, rows: pl.Series | None, name: str) -> tuple[pl.Series | None, str]:
    """Let somebody who took a file before take only what is new; return the rows and what they are called."""
    ledger = resources.ledger()
    at = None if runs.alone is None else since.taken_at(ledger, runs.run_id)
    if at is None:
        return rows, name
    when = words.date_and_time(at, widgets.zone())
    if not st.checkbox(f"Only what is new since my last download ({when})", key=f"new_{runs.run_id}"):
        return rows, name
    new = _new_rows(runs.run_id, queries.revision(ledger))
    shown = new if rows is None else new.filter(new.is_in(rows.cast(pl.Int64).implode()))
    st.caption(f"{words.counted(shown.len(), 'row')} became final or changed since then.")
    return shown, f"{name}-new" if name else "new"


@st.cache_resource(max_entries=4, show_spinner="Looking for what is new…")
def _new_rows(run_id: str, revision: int) -> pl.Series:
    ledger = resources.ledger()
    frame = join.results_lazy(ledger, run_id, "rows", contacts=False).select("row", "result").collect()
    return since.new_rows(ledger, run_id, frame)


def _say_left_out(runs: Runs, rows: pl.Series | None) -> None:
    """Say before a file is taken of how many rows something is left out: on a never-contact list."""
    ledger = resources.ledger()
    lists = never_lists(ledger)
    if not lists:
        return
    if runs.found["records"] + runs.row_count > AT_ONCE:
        st.caption("What is on your never-contact list is left out; the finished file says of how many rows.")
        return
    gone = _left_out_rows(runs.ids, queries.revision(ledger), tuple(lists))
    if rows is not None:
        gone = gone.filter(gone.is_in(rows.cast(pl.Int64).implode()))
    if gone.len():
        st.caption(f":material/person_off: {widgets.escape(withheld_words(gone.len()))}")


@st.cache_resource(max_entries=4, show_spinner="Comparing with your never-contact list…")
def _left_out_rows(ids: tuple[str, ...], revision: int, lists: tuple[NeverList, ...]) -> pl.Series:
    ledger = resources.ledger()
    told = withhold(ledger, join.results(ledger, ids, "long")).frame
    numbered = told.with_columns(Runs.read(ledger, ids).number().alias("row"))
    return withheld_rows(numbered).cast(pl.Int64)


def _formats(
    runs: Runs,
    shape: Shape,
    rows: pl.Series | None,
    name: str,
    lines: int | None,
    ranking: tuple[Criterion, ...],
) -> None:
    st.caption(_shape_words(shape, lines))
    for fmt, kind in FORMATS.items():
        if kind.ext == "xlsx" and (lines or 0) > MAX_LINES:
            st.caption(f"A worksheet holds {words.count(MAX_LINES)} lines: take CSV or Parquet.")
            continue
        _button(kind.name, Wanted(runs, shape, fmt, rows, name, lines, ranking), kind.use)


def _shape_words(shape: Shape, lines: int | None) -> str:
    counted = "" if lines is None else f": {words.counted(lines, 'line')}"
    return {
        "rows": f"One line per uploaded row, in the order of your file{counted}.",
        "long": f"One line per contact found, and one for each row without any{counted}.",
        "companies": f"One line per company, with its best contact{counted}.",
    }[shape]


def _presets(runs: Runs, presets: Mapping[str, crm.Preset], rows: pl.Series | None, name: str) -> None:
    st.caption(
        "Ready for each program's import: nobody twice, verified emails first. Whoever has no usable email "
        "is in the second file, with the reason. Made for import, not for opening in Excel."
    )
    for key, preset in presets.items():
        ready, apart = st.columns([3, 2])
        with ready:
            _button(preset.name, Wanted(runs, key, "preset", rows, name, None), preset.note)
        with apart:
            left_out = Wanted(runs, key, "apart", rows, name, None)
            _button(f"Left out: {preset.name.split()[0]}", left_out, f"What {preset.name} cannot take")


def _button(label: str, wanted: Wanted, use: str = "", kind: str = "get") -> None:
    """Show a file's button: it downloads a small one, and prepares a large one."""
    runs, large = wanted.runs, _lines(wanted) > AT_ONCE
    key = f"{kind}_{runs.run_id}_{wanted.shape}_{wanted.fmt}_{wanted.words}"
    if large:
        if st.button(f"Prepare {label}", key=key, help=use or None, icon=_ICON, width="stretch"):
            st.session_state[_last_key(runs)] = prepare(wanted)
        return
    st.download_button(
        label,
        data=partial(file_bytes, wanted),
        file_name=wanted.file_name,
        mime=widgets.MIME.get(wanted.ext, "application/x-ndjson"),
        key=key,
        on_click="ignore",
        icon=_ICON,
        help=use or None,
        width="content" if kind == "quick" else "stretch",
    )


def _lines(wanted: Wanted) -> int:
    """Return about how many lines a file has: at least one per uploaded row or record."""
    if wanted.lines is not None:
        return wanted.lines
    rows = wanted.runs.row_count if wanted.rows is None else wanted.rows.len()
    return max(wanted.runs.found["records"], rows)


def _last_key(runs: Runs) -> str:
    return f"prepared_{runs.run_id}"


def _status(runs: Runs) -> None:
    """Show how far the file is that was asked for last, then its address."""
    key = st.session_state.get(_last_key(runs))
    job: background.Job[Ready] | None = background.find(key) if key else None
    if key is None or job is None:
        return
    st.divider()
    if not job.wait(0.3):
        _progress(key)
        return
    try:
        ready = job.result()
    except OpenmartError as error:
        widgets.error_message(error)
        background.forget(key)
        return
    if ready.lists != tuple(never_lists(resources.ledger())):
        routes.OFFERS.end(ready.address)  # somebody may stand in it who must not be contacted
    if routes.OFFERS.find(ready.address) is None:
        st.caption("The file that was prepared has expired. Prepare it again.")
        background.forget(key)
        return
    st.link_button(f"Download {words.file_size(ready.size)}", ready.address, type="primary", icon=_ICON)
    st.caption(f"{widgets.escape(ready.name)}, ready for {routes.LIFETIME / 60:.0f} minutes.")
    if ready.withheld:
        st.caption(f":material/person_off: {widgets.escape(withheld_words(ready.withheld))}")


@st.fragment(run_every=0.5)
def _progress(key: str) -> None:
    job = background.find(key)
    if job is None or job.finished:
        st.rerun()
    st.progress(job.share, text="Writing the file. You may go on meanwhile.")
