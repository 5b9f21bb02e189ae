"""A run and those made from its rows: where each stands, and the best that all of them found, row by row."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import charts, resources, results_download, url_state, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import Outcome
from openmart_lib.results.chain import chain, readable_chain, runs_of_chain
from openmart_lib.results.chain_file import found_by
from openmart_lib.results.columns import TRIES, uploaded_names
from openmart_lib.results.quality import has_email, is_verified
from openmart_lib.results.withheld import withhold

PAGE_ROWS: Final = 100
_ADDRESS: Final = "best"  # ?best=1
_FOUND: Final = {
    "found_email": "Best email",
    "found_first_name": "First name",
    "found_last_name": "Last name",
    "found_title": "Title",
    "found_phone": "Phone",
    "found_linkedin_url": "LinkedIn",
    "found_technology": "Technology",
}


def show(run: RunInfo) -> bool:
    """Show the runs made from one list and, when asked for, the best of all of them.

    Shows nothing for a run that stands alone. Return whether the best of all is shown.
    """
    ids = _chain(run.run_id)
    if len(ids) < 2:
        return False
    runs = [resources.run(run_id) for run_id in ids]
    with st.container(border=True):
        _others(run, runs)
        wanted = _switch(run, len(runs))
        if wanted:
            _best(run, runs)
    return wanted


@st.cache_data(ttl=1, max_entries=8, show_spinner=False)
def _chain(run_id: str) -> list[str]:
    return runs_of_chain(resources.ledger(), run_id)


def _others(run: RunInfo, runs: list[RunInfo]) -> None:
    """Say which of the runs this is, with a link to each of the others."""
    place = [one.run_id for one in runs].index(run.run_id) + 1
    st.markdown(f":material/link: **Run {place} of {len(runs)} made from this list.**")
    with st.container(horizontal=True, gap="small"):
        for number, one in enumerate(runs, 1):
            rows = words.counted(one.row_count, "row")
            state = words.RUN_STATE_NAMES[one.state]
            label = f"{number}. {words.KIND_NAMES[one.kind]} · {rows} · {state}"
            if one is runs[place - 1]:
                st.markdown(f"**{label}** (shown)")
            else:
                st.page_link(
                    resources.page("results"),
                    label=label,
                    query_params={"run": one.run_id} | _kept(),
                    help=widgets.escape(one.name),
                )


def _kept() -> dict[str, str]:
    """Return what a link to another run of the chain keeps of the address."""
    return {_ADDRESS: "1"} if url_state.one(_ADDRESS, ["1"]) else {}


def _switch(run: RunInfo, runs: int) -> bool:
    wanted = st.toggle(
        "Best of both runs" if runs == 2 else f"Best of all {words.count(runs)} runs",
        value=url_state.one(_ADDRESS, ["1"]) is not None,
        key=f"best_{run.run_id}",
        help="Each row of the first list with the best that any of these runs found for it.",
    )
    url_state.keep(_ADDRESS, "1" if wanted else None)
    return wanted


@st.cache_resource(max_entries=2, show_spinner="Putting the runs together…")
def _frame(run_ids: tuple[str, ...], revision: int) -> pl.DataFrame:
    return chain(resources.ledger(), run_ids)


def _best(run: RunInfo, whole: list[RunInfo]) -> None:
    ledger = resources.ledger()
    try:
        ids = readable_chain(ledger, run.run_id)
        frame = _frame(tuple(ids), queries.revision(ledger)) if ids else None
    except OpenmartError as error:
        widgets.error_message(error, level="warning")
        return
    if frame is None:
        st.caption("The personal data of the first run was deleted, so its list cannot be shown any more.")
        return
    runs = [one for one in whole if one.run_id in ids]
    if len(runs) < len(whole):
        st.caption("Runs whose personal data was deleted are left out.")
    _figures(frame)
    _who_found(frame, whole)
    results_download.best(runs, frame.height)
    _table(frame, runs[0])


def _figures(frame: pl.DataFrame) -> None:
    """Show how good the chain is; rows that repeat another one have its answer and count as rows."""
    counts = frame.select(
        matched=(pl.col("result") == Outcome.MATCHED).sum(),
        email=has_email().sum(),
        verified=is_verified().sum(),
        phone=pl.col("found_phone").is_not_null().sum(),
    ).row(0, named=True)
    whole = f"of {words.counted(frame.height, 'row')}"
    figures = [
        Figure("Rows matched", words.count(counts["matched"]), whole, "By any of the runs."),
        Figure("With an email", words.count(counts["email"]), whole, "A person's or the company's."),
        Figure("Verified", words.count(counts["verified"]), whole),
    ]
    if counts["phone"]:
        figures.append(Figure("With phone", words.count(counts["phone"]), whole))
    widgets.numbers(figures)


def _who_found(frame: pl.DataFrame, runs: list[RunInfo]) -> None:
    """Show which run the rows have their answer from; the lines add up to the list."""
    parts = []
    for line in found_by(frame).iter_rows(named=True):
        same = (line["run_name"], line["kind"])
        numbers = [number for number, one in enumerate(runs, 1) if (one.name, str(one.kind)) == same]
        rows, matched = words.counted(line["rows"], "row"), words.count(line["matched"])
        name = f"run {' or '.join(map(str, numbers))}"
        parts.append((numbers, f"{name}: **{rows}**, {matched} of them matched"))
    lines = " · ".join(text for _, text in sorted(parts))
    st.markdown(f"The best answer comes from {lines} (= {words.counted(frame.height, 'row')})")


def _table(frame: pl.DataFrame, first: RunInfo) -> None:
    pages = max(1, -(-frame.height // PAGE_ROWS))
    slot = st.container()
    page = st.pagination(pages, key=f"best_page_{first.run_id}") if pages > 1 else 1
    shown = withhold(resources.ledger(), frame.slice((page - 1) * PAGE_ROWS, PAGE_ROWS)).frame
    mine = list(uploaded_names(first.columns).values())
    found = [name for name in _FOUND if frame[name].null_count() < frame.height]
    readable = shown.select(
        "row",
        *mine[:1],
        pl.concat_list("result").alias("result"),
        *found,
        "run_name",
        TRIES,
        *mine[1:],
        "outcome_reason",
    )
    with slot:
        st.dataframe(
            readable,
            hide_index=True,
            height=min(420, 38 + 35 * max(1, shown.height)),
            column_config=_config(mine[:1], found),
            alt=f"The best of all runs, page {page} of {pages}: {shown.height} rows",
            key=f"best_rows_{first.run_id}_{page}",
            placeholder="",
        )


def _config(pinned: list[str], found: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "row": st.column_config.NumberColumn("Row", width=64, pinned=True, format="%d"),
        "result": st.column_config.MultiselectColumn(
            "Result",
            options=[str(one) for one in Outcome],
            color=[charts.OUTCOME_COLOURS[one] for one in Outcome],
            width=110,
        ),
        "run_name": st.column_config.TextColumn("Found by", help="The run whose answer counts."),
        TRIES: st.column_config.NumberColumn("Tries", width=70, help="How many of the runs had the row."),
        "outcome_reason": st.column_config.TextColumn("Why"),
    }
    config |= {name: st.column_config.TextColumn(pinned=True, width=200) for name in pinned}
    return config | {name: st.column_config.Column(_FOUND[name]) for name in found}
