"""What the Results page reads of runs, kept in memory and shared by all tabs until one has changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import background, resources, results_columns, words
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join, pictures, summary
from openmart_lib.results.explore import Explorer
from openmart_lib.results.facets import facet_frame
from openmart_lib.results.quality import Criterion
from openmart_lib.results.readying import make_ready
from openmart_lib.results.summary import Summary
from openmart_lib.results.together import Runs
from openmart_lib.results.withheld import withhold

FIRST_ROWS: Final = 100  # shown while all are being joined
RUNS_KEPT: Final = 4  # a run of a million rows takes some 350 MB


@dataclass(frozen=True, slots=True)
class Told:
    """What the pictures draw: each frame as the function of ``results.pictures`` of its name."""

    over_time: pl.DataFrame
    per_company: pl.DataFrame
    titles: pl.DataFrame


def prepare(ledger: Ledger, run: RunInfo) -> None:
    """Begin to join a large finished run in the background: somebody looks at it, and will open its results.

    What is made is kept in the results folder; where it is there already, this costs next to nothing.
    """
    if not run.outcomes[Outcome.PENDING] and run.row_count >= join.KEEP_FROM:
        background.start(_job(run), lambda progress: _make_ready(ledger, run, progress))


def _make_ready(ledger: Ledger, run: RunInfo, progress: background.Progress) -> None:
    # The answers are three quarters of the work, the join is the rest.
    make_ready(ledger, run, lambda done, of: progress(3 * done, 4 * of), keep_from=join.KEEP_FROM)


def _job(run: RunInfo) -> str:
    return f"joined_{run.run_id}_{run.final_rows}"


def explorer(runs: Runs) -> Explorer:
    """Return the results, one line per uploaded row, ready for looking around.

    A large run that was not joined yet shows its first rows meanwhile, and how far it is.
    """
    for run in runs.each:
        prepare(resources.ledger(), run)
        job = background.find(_job(run))
        if job is not None and not job.wait(0.4):
            with st.empty().container():
                _meanwhile(run, job)
        if job is not None and job.future.exception() is not None:
            background.forget(_job(run))  # joined by the page itself, which says what is wrong
    return _explorer(runs.ids, _state(runs))


def _meanwhile(run: RunInfo, job: background.Job[None]) -> None:
    bar, first = st.container(), st.container()
    with first, suppress(OpenmartError):
        rows = join.first_rows(resources.ledger(), run.run_id, FIRST_ROWS)
        if rows is not None:
            shown = withhold(resources.ledger(), rows).frame
            st.caption(f"The first {FIRST_ROWS} rows. Filters, pictures and files come with all of them.")
            st.dataframe(
                results_columns.for_reading(shown, results_columns.extra()),
                hide_index=True,
                column_config=results_columns.config(shown),
                alt=f"The first {FIRST_ROWS} rows, while the others are being joined",
                key=f"first_rows_{run.run_id}",
                placeholder="",
            )
    with bar, suppress(OpenmartError):
        what = f"Putting the answers beside your {words.counted(run.row_count, 'row')}, once"
        background.follow(job, what)


def companies(runs: Runs, ranking: tuple[Criterion, ...]) -> Explorer:
    """Return the results, one line per company with its best contact by this ranking."""
    return _companies(runs.ids, ranking, _state(runs))


def numbers(runs: Runs) -> Summary:
    """Return the runs in numbers."""
    return _summary(runs.ids, _state(runs))


def told(runs: Runs) -> Told:
    """Return what the pictures draw."""
    return _told(runs.ids, _state(runs))


def unmatched(runs: Runs) -> pl.DataFrame:
    """Return the records of a run that belong to no uploaded row, as ``join.unmatched``."""
    return _unmatched(runs.ids[0], _state(runs))


def match_rate(runs: Runs, facet: str) -> pl.DataFrame:
    """Return how often each value of a facet led to a match, as ``results.summary.match_rate``."""
    return _match_rate(runs.ids, facet, _state(runs))


def _state(runs: Runs) -> int:
    """Return a number that changes when a run may have changed; runs at rest keep their frames.

    Rows at rest may still change, at an equal count of final ones: a batch in doubt turns up or is given up.
    """
    ledger = resources.ledger()
    if runs.moving:
        return queries.revision(ledger)
    return -sum(queries.last_event(ledger, run_id)[0] for run_id in runs.ids)  # each of them only grows


@st.cache_resource(max_entries=RUNS_KEPT, show_spinner="Joining the results to your rows…")
def _explorer(ids: tuple[str, ...], state: int) -> Explorer:
    ledger = resources.ledger()
    rows = join.results_lazy(ledger, ids, "rows", contacts=False)
    frame = rows.drop("found_raw").collect()  # a row's story reads its answers themselves
    return _ready(frame, Runs.read(ledger, ids))


@st.cache_resource(max_entries=RUNS_KEPT, show_spinner="Choosing the best of each company…")
def _companies(ids: tuple[str, ...], ranking: tuple[Criterion, ...], state: int) -> Explorer:
    ledger = resources.ledger()
    frame = join.results(ledger, ids, "companies", ranking=ranking).drop("found_raw")
    return _ready(frame, Runs.read(ledger, ids))


def _ready(frame: pl.DataFrame, runs: Runs) -> Explorer:
    numbers = frame.select(runs.number()).to_series()
    return Explorer(frame, facet_frame(frame, runs.kind, runs.mapping), numbers)


@st.cache_resource(max_entries=2 * RUNS_KEPT, show_spinner=False)
def _summary(ids: tuple[str, ...], state: int) -> Summary:
    made, ledger, prices = _explorer(ids, state), resources.ledger(), resources.settings().prices
    runs, parts, before = Runs.read(ledger, ids), [], 0
    for run in runs.each:  # rows stand run after run
        frame = made.frame.slice(before, run.row_count)
        parts.append(summary.summary(ledger, run.run_id, prices=prices, frame=frame))
        before += run.row_count
    return summary.summed(parts)


@st.cache_resource(max_entries=2 * RUNS_KEPT, show_spinner=False)
def _told(ids: tuple[str, ...], state: int) -> Told:
    frame = _explorer(ids, state).frame
    return Told(
        over_time=pictures.outcomes_over_time(frame),
        per_company=pictures.records_per_company(frame),
        titles=pictures.top_titles(frame),
    )


@st.cache_resource(max_entries=2 * RUNS_KEPT, show_spinner=False)
def _unmatched(run_id: str, state: int) -> pl.DataFrame:
    return join.unmatched(resources.ledger(), run_id)


@st.cache_resource(max_entries=8 * RUNS_KEPT, show_spinner=False)
def _match_rate(ids: tuple[str, ...], facet: str, state: int) -> pl.DataFrame:
    made = _explorer(ids, state)
    return summary.match_rate(made.frame.select("result").hstack([made.facets[facet]]), facet)
