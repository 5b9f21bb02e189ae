"""The part of Monitor that refreshes itself: the chosen run, then all runs in a line each."""

from __future__ import annotations

import time
from datetime import tzinfo
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import (
    attention,
    batch_table,
    charts,
    resources,
    results_frames,
    run_card,
    strip,
    widgets,
    words,
)
from openmart_lib.dashboard.run_pace import Pace, pace
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import RunState, queries
from openmart_lib.ledger.interruptions import SLEPT, Interruption, interruptions
from openmart_lib.ledger.overview import RunInfo

CHART_FROM: Final = 120.0  # seconds a run takes at least before its progress is drawn


def live(run_id: str, *, shown: str) -> None:
    """Show one run and the list of all, as they are now.

    ``shown`` is what the page's strip says of the runs; when that is no longer true the whole page is run
    again, which also ends the refreshing once nothing moves.
    """
    try:
        runs = resources.runs()
        run = resources.run(run_id)
        batches = resources.batches(run_id)
    except OpenmartError as error:
        widgets.error_message(error)
        return
    if strip.moving_sentence(runs) != shown:
        st.rerun()
    st.set_page_config(page_title=tab_title(run))
    attention.worker_box(any(one.moving for one in runs))
    attention.boxes(run, batches)
    results_frames.prepare(resources.ledger(), run)
    _card(run, batches)
    if batches.height:
        batch_table.show(run, batches)
    if len(runs) > 1:
        _all_runs(runs)


def tab_title(run: RunInfo) -> str:
    """Return what the browser's tab says: the share that is final, or how it ended."""
    if run.needs_person:
        return f"Needs you · {run.name}"
    if run.state is RunState.DONE:
        return f"Done · {run.name}"
    return f"{words.percent(run.final_rows, run.row_count)} · {run.name}"


def _card(run: RunInfo, batches: pl.DataFrame) -> None:
    settings = resources.settings()
    estimate: Pace = pace(batches, now=time.time(), lanes=settings.submit_concurrency, speed=settings.speed)
    with st.container(border=True):
        run_card.heading(run)
        run_card.progress(run, estimate)
        run_card.figures(run, settings.prices)
        run_card.pending(run)
        run_card.buttons(run)
        run_card.updated()
        for sentence in interruption_sentences(
            interruptions(resources.ledger(), since=run.created_at, until=run.finished_at), widgets.zone()
        ):
            st.caption(f":material/bedtime: {sentence}")
    _progress_chart(run)


def interruption_sentences(seen: list[Interruption], where: tzinfo) -> list[str]:
    """Return what happened to this computer during a run, newest first, three at most."""
    return [_interruption(one, where) for one in seen[:3]]


def _interruption(one: Interruption, where: tzinfo) -> str:
    if one.kind == SLEPT:
        begun = words.clock(one.at - one.seconds, where)
        return f"This computer slept {begun} to {words.clock(one.at, where)}; the run went on when it woke."
    way = "forward" if one.seconds > 0 else "back"
    return (
        f"This computer's clock was set {way} by {words.duration(abs(one.seconds))} at "
        f"{words.clock(one.at, where)}; no wait became shorter or longer."
    )


def _progress_chart(run: RunInfo) -> None:
    end = run.finished_at or time.time()
    if run.planned_at is None or end - run.planned_at < CHART_FROM or not run.final_rows:
        return  # too short, or a flat line: nothing is final yet
    progress = queries.progress(resources.ledger(), run.run_id)
    submissions = queries.submissions(resources.ledger(), run.run_id)
    chart, sentence = charts.progress_chart(progress, submissions, run.row_count, until=end)
    st.header(
        "Rows final over time",
        anchor=False,
        help="Each tick at the bottom is a batch that Openmart accepted.",
    )
    st.altair_chart(chart, alt=sentence, key=f"progress_{run.run_id}")


def _all_runs(runs: list[RunInfo]) -> None:
    st.header("All runs", anchor=False)
    where = widgets.zone()
    table = pl.DataFrame(
        [
            {
                "Run": run.name,
                "State": "needs you" if run.needs_person else words.RUN_STATE_NAMES[run.state],
                "Rows final": run.final_rows - run.rows_in_doubt,
                "Rows": run.row_count,
                "Matched": words.groups(run.outcomes).get("found", 0),
                "What": words.KIND_NAMES[run.kind],
                "Started": words.date_and_time(run.created_at, where),
                "Run id": run.run_id,
            }
            for run in runs
        ]
    )
    st.caption("Tick a line to open that run.")
    localized = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        table,
        hide_index=True,
        alt="All runs, newest first",
        height=min(430, 38 + 35 * len(runs)),
        column_config=dict.fromkeys(("Rows final", "Rows", "Matched"), localized),
        key="all_runs",
        on_select=lambda: _open([run.run_id for run in runs]),
        selection_mode="single-row",
    )


def _open(run_ids: list[str]) -> None:
    rows = st.session_state["all_runs"].selection.rows
    if rows:
        st.query_params["run"] = run_ids[rows[0]]
        st.rerun()
