"""Which run a page shows, or which several: chosen by the reader, kept in the address as ``?run=a,b``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from openmart_lib.dashboard import widgets, words
from openmart_lib.ledger import BatchState, RunState
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.together import Runs

MOST: Final = 8  # runs looked at together
MOST_ROWS: Final = 1_500_000  # of them: held in memory for as long as somebody looks


def pick_run(runs: list[RunInfo], *, page: str) -> RunInfo:
    """Return the run named in the address, else the newest; show the choice when there are several.

    ``runs`` is not empty, newest first. An address that names an unknown run is said and passed over.
    """
    known = {run.run_id: run for run in runs}
    return known[_one(known, _asked(known), page)]


def pick_runs(runs: list[RunInfo], *, page: str) -> Runs:
    """Return the runs named in the address, else the newest; let the reader put others beside it.

    Their order is that of the address; see ``pick_run``.
    """
    known = {run.run_id: run for run in runs}
    if len(known) == 1:
        return Runs((known[_one(known, _asked(known), page)],))
    asked = _asked(known)
    first, beside = st.columns([3, 2])
    with first:
        main = _one(known, asked, page)
    with beside:
        others = _others(known, main, asked[1:MOST], page)
    chosen = Runs(tuple(known[one] for one in (main, *others)))
    if others and chosen.row_count > MOST_ROWS:
        widgets.message(
            "warning",
            f"These runs have {words.counted(chosen.row_count, 'row')} together.",
            f"More than {words.count(MOST_ROWS)} are too many for this page; no result is lost. "
            "The first run is shown alone.",
            f"Take them in one file with openmart export {' '.join(chosen.ids)}.",
        )
        return Runs(chosen.each[:1])
    return chosen


def run_line(run: RunInfo) -> str:
    """Return a run in one line of plain text, for lists that show text as it is.

    A run with batches in doubt is not simply done: a person has to say what becomes of them.
    """
    state = words.RUN_STATE_NAMES[run.state]
    if doubtful := run.batches[BatchState.UNKNOWN]:
        in_doubt = f"{words.counted(doubtful, 'batch', 'batches')} in doubt"
        state = in_doubt if run.state is RunState.DONE else f"{state}, {in_doubt}"
    when = words.date_and_time(run.created_at, widgets.zone())
    return f"{run.name} · {state} · {words.counted(run.row_count, 'row')} · {when}"


def _asked(known: Mapping[str, RunInfo]) -> list[str]:
    """Return the runs that the address names, each once; say it of those that are none, and forget them."""
    given = list(dict.fromkeys(one for one in st.query_params.get("run", "").split(",") if one))
    found = [one for one in given if one in known]
    if len(found) < len(given):
        strange = ", ".join(one for one in given if one not in known)
        widgets.message(
            "warning",
            f"There is no run {strange} here.",
            "Nothing was changed; no credits are involved.",
            "The others are shown." if found else "The newest run is shown instead. Choose another below.",
        )
        del st.query_params["run"]
        if found:
            st.query_params["run"] = ",".join(found)
    return found


def _one(known: Mapping[str, RunInfo], asked: list[str], page: str) -> str:
    key = f"{page}_run"
    if asked or st.session_state.get(key) not in known:
        st.session_state[key] = asked[0] if asked else next(iter(known))
    if len(known) > 1:
        st.selectbox(
            "Run",
            list(known),
            format_func=lambda run_id: run_line(known[run_id]),
            key=key,
            on_change=lambda: st.query_params.from_dict({"run": st.session_state[key]}),
        )
    return str(st.session_state[key])


def _others(known: Mapping[str, RunInfo], main: str, asked: list[str], page: str) -> list[str]:
    key = f"{page}_beside_{main}"
    if "run" in st.query_params:
        st.session_state[key] = asked
    st.multiselect(
        "Together with",
        [run_id for run_id in known if run_id != main],
        format_func=lambda run_id: run_line(known[run_id]),
        key=key,
        max_selections=MOST - 1,
        placeholder="Other runs",
        help="Their rows follow one after the other: counts, pictures, filters and files are of all of them.",
        on_change=lambda: st.query_params.from_dict({"run": ",".join([main, *st.session_state[key]])}),
    )
    return list(st.session_state[key])
