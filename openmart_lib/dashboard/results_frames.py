"""What the Results page reads of a run, kept in memory and shared by all tabs until the run has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import background, resources
from openmart_lib.ledger import Ledger, RunState, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join, pictures, summary
from openmart_lib.results.columns import uploaded_names
from openmart_lib.results.explore import Explorer
from openmart_lib.results.facets import facet_frame
from openmart_lib.results.summary import Summary

LONGEST_JOIN: Final = 600.0  # seconds; then the page joins them itself
RUNS_KEPT: Final = 4  # a run of a million rows takes some 350 MB


@dataclass(frozen=True, slots=True)
class Told:
    """What the pictures of a run draw: each frame as the function of ``results.pictures`` of its name."""

    over_time: pl.DataFrame
    per_company: pl.DataFrame
    titles: pl.DataFrame


def prepare(run: RunInfo) -> None:
    """Begin to join a large finished run in the background: somebody looks at it, and will open its results.

    What is made is kept in the results folder; where it is there already, this costs next to nothing.
    """
    if run.state is not RunState.DONE or run.row_count < join.KEEP_FROM:
        return
    ledger, run_id = resources.ledger(), run.run_id
    background.start(_job(run), lambda _: _keep(ledger, run_id))


def _keep(ledger: Ledger, run_id: str) -> None:
    join.results_lazy(ledger, run_id, "rows", contacts=False, keep_from=join.KEEP_FROM)


def _job(run: RunInfo) -> str:
    return f"joined_{run.run_id}_{run.final_rows}"


def explorer(run: RunInfo) -> Explorer:
    """Return the run's results, one line per uploaded row, ready for looking around."""
    job = background.find(_job(run))
    if job is not None and not job.wait(0.1):
        with st.spinner("Joining the results to your rows…"):  # once, not a second time beside it
            job.wait(LONGEST_JOIN)
    return _explorer(run.run_id, _state(run))


def numbers(run: RunInfo) -> Summary:
    """Return the run in numbers."""
    return _summary(run.run_id, _state(run))


def told(run: RunInfo) -> Told:
    """Return what the run's pictures draw."""
    return _told(run.run_id, _state(run))


def match_rate(run: RunInfo, facet: str) -> pl.DataFrame:
    """Return how often each value of a facet led to a match, as ``results.summary.match_rate``."""
    return _match_rate(run.run_id, facet, _state(run))


def _state(run: RunInfo) -> int:
    """Return a number that changes when this run may have changed; a run at rest keeps its frames.

    Rows at rest may still change, at an equal count of final ones: a batch in doubt turns up or is given up.
    """
    ledger = resources.ledger()
    return queries.revision(ledger) if run.moving else -queries.last_event(ledger, run.run_id)[0]


@st.cache_resource(max_entries=RUNS_KEPT, show_spinner="Joining the results to your rows…")
def _explorer(run_id: str, state: int) -> Explorer:
    run = queries.run_info(resources.ledger(), run_id)
    rows = join.results_lazy(resources.ledger(), run_id, "rows", contacts=False)
    frame = rows.drop("found_raw").collect()  # a row's story reads its answers themselves
    names = uploaded_names(run.columns)
    mapping = {field: [names.get(one, one) for one in columns] for field, columns in run.mapping.items()}
    return Explorer(frame, facet_frame(frame, run.kind, mapping))


@st.cache_resource(max_entries=2 * RUNS_KEPT, show_spinner=False)
def _summary(run_id: str, state: int) -> Summary:
    frame = _explorer(run_id, state).frame
    return summary.summary(resources.ledger(), run_id, prices=resources.settings().prices, frame=frame)


@st.cache_resource(max_entries=2 * RUNS_KEPT, show_spinner=False)
def _told(run_id: str, state: int) -> Told:
    frame = _explorer(run_id, state).frame
    return Told(
        over_time=pictures.outcomes_over_time(frame),
        per_company=pictures.records_per_company(frame),
        titles=pictures.top_titles(frame),
    )


@st.cache_resource(max_entries=8 * RUNS_KEPT, show_spinner=False)
def _match_rate(run_id: str, facet: str, state: int) -> pl.DataFrame:
    made = _explorer(run_id, state)
    return summary.match_rate(made.frame.select("result").hstack([made.facets[facet]]), facet)
