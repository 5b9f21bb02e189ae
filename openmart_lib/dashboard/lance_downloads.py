"""The files of a watch list: all rows, the rows shown, or those with one advice; small ones at a click."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import background, resources, results_prepared, routes, widgets, words
from openmart_lib.dashboard.results_prepared import AT_ONCE, FORMATS, Format, Ready
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger.watched import WatchCard
from openmart_lib.results import export, lance_files
from openmart_lib.results.lance_files import ADVICE_SENTENCES, Advice
from openmart_lib.results.workbook import MAX_LINES

KINDS: Final = ("xlsx", "csv", "plain", "parquet")
_ICON: Final = ":material/download:"


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a list as they may be taken away; ``word`` tells them apart in a file's name."""

    card: WatchCard
    rows: pl.DataFrame
    word: str
    advice: Advice | None = None

    def file_name(self, kind: Format) -> str:
        """Return what the file is called where it is saved."""
        name = lance_files.file_name(self.card, ext=kind.ext, advice=self.advice)
        return (
            name if self.word in ("all", self.advice) else name.replace("_lance_", f"_lance_{self.word}-", 1)
        )


def show(card: WatchCard, frame: pl.DataFrame, shown: pl.DataFrame) -> None:
    """Offer every kind of file.

    Args:
        frame: All rows, as ``results.lance_files.joined``.
        shown: Those that pass the page's filters.
    """
    with st.popover("Download", icon=_ICON, type="primary", key=f"{card.list_id}_download"):
        names = ["All rows", *(["Rows shown"] if shown.height < frame.height else [])]
        told = {one: lance_files.selection(frame, one) for one in Advice}
        advised = [one for one, rows in told.items() if rows.height]
        tabs = st.tabs([*names, *(one.value.capitalize() for one in advised)])
        with tabs[0]:
            st.caption(f"One line per uploaded row, in the order of your file: {_lines(frame)}.")
            _formats(Part(card, frame, "all"))
        if len(names) > 1:
            with tabs[1]:
                st.caption(f"The rows that pass the filters: {_lines(shown)}.")
                _formats(Part(card, shown, "shown"))
        for tab, advice in zip(tabs[len(names) :], advised, strict=True):
            with tab:
                _advised(card, frame, advice)
        _status(card)


def _advised(card: WatchCard, frame: pl.DataFrame, advice: Advice) -> None:
    """Offer the rows with one advice, for one field or for any; each entity once."""
    st.caption(ADVICE_SENTENCES[advice])
    field = None
    if len(card.fields) > 1:
        field = st.segmented_control(
            "For", card.fields, key=f"{card.list_id}_{advice}_field", help="None: for any of them."
        )
    rows = lance_files.selection(frame, advice, [field] if field else [])
    st.caption(f"{_lines(rows)}: each id once, no rejected row.")
    if rows.height:
        _formats(Part(card, rows, field or advice.value, advice))


def _lines(rows: pl.DataFrame) -> str:
    return words.counted(rows.height, "line")


def _formats(part: Part) -> None:
    for fmt in KINDS:
        kind = FORMATS[fmt]
        key = f"{part.card.list_id}_{part.word}_{part.advice}_{fmt}"
        if fmt == "xlsx" and part.rows.height > MAX_LINES:
            st.caption(f"A worksheet holds {words.count(MAX_LINES)} lines: take CSV or Parquet.")
        elif part.rows.height > AT_ONCE:
            if st.button(f"Prepare {kind.name}", key=key, help=kind.use, icon=_ICON, width="stretch"):
                st.session_state[_last(part.card)] = _prepare(part, fmt)
        else:
            st.download_button(
                kind.name,
                data=partial(export.frame_bytes, part.rows, fmt),
                file_name=part.file_name(kind),
                mime=widgets.MIME[kind.ext],
                key=key,
                on_click="ignore",
                icon=_ICON,
                help=kind.use,
                width="stretch",
            )


def _last(card: WatchCard) -> str:
    return f"{card.list_id}_prepared"


def _prepare(part: Part, fmt: str) -> str:
    """Begin to write a large file for this tab; return the job's key."""
    key = f"lance-file|{secrets.token_hex(8)}"
    background.start(key, _work(part, FORMATS[fmt], results_prepared.owner()))
    return key


def _work(part: Part, kind: Format, owner: str) -> Callable[[background.Progress], Ready]:
    folder = resources.ledger().exports_dir

    def work(progress: background.Progress) -> Ready:
        routes.sweep_exports(folder)
        path = folder / f"{part.card.list_id}-{secrets.token_hex(16)}.{kind.ext}"
        export.write_frame(part.rows, path, csv=kind.csv, progress=progress)
        name = part.file_name(kind)
        return Ready(routes.OFFERS.add(path, name, owner), name, path.stat().st_size)

    return work


def _status(card: WatchCard) -> None:
    """Show how far the file is that was asked for last, then its address."""
    key = st.session_state.get(_last(card))
    job: background.Job[Ready] | None = background.find(key) if key else None
    if job is None:
        return
    st.divider()
    begun = time.monotonic()
    if not job.wait(0.3):
        bar = st.empty()
        while not job.wait(0.25):
            so_far = words.duration(time.monotonic() - begun)
            bar.progress(job.share, text=f"Writing the file, {so_far} so far.")
        bar.empty()
    try:
        ready = job.result()
    except OpenmartError as error:
        widgets.error_message(error)
        return
    if routes.OFFERS.find(ready.address) is None:
        st.caption("The file that was prepared has expired. Prepare it again.")
        return
    st.link_button(f"Download {words.file_size(ready.size)}", ready.address, type="primary", icon=_ICON)
    st.caption(f"{widgets.escape(ready.name)}, ready for {routes.LIFETIME / 60:.0f} minutes.")
