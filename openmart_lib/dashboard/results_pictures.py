"""The pictures of the Results page, from outcomes to titles; a click on a bar filters the rows below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import (
    charts,
    results_charts,
    results_filters,
    results_frames,
    url_state,
    widgets,
    words,
)
from openmart_lib.dashboard.charts import Chart
from openmart_lib.results.explore import Explorer
from openmart_lib.results.facets import OF_RUN, UPLOADED
from openmart_lib.results.summary import Summary
from openmart_lib.results.together import Runs

BARS: Final = 12  # values of the match rate that are drawn
VIEWS: Final = {"reached": "How far rows got", "found": "What was found", "time": "Over time"}


def outcomes(runs: Runs, explorer: Explorer, result: Summary) -> None:
    """Show all rows by outcome, in one bar and in words; they add up."""
    chart, sentence = charts.outcome_bar(result.outcomes)
    _clickable(runs, explorer, charts.pickable(chart, "outcome"), sentence, "outcome", "outcome")
    parts = [
        (str(one), number, charts.OUTCOME_COLOURS[one]) for one, number in result.outcomes.items() if number
    ]
    widgets.legend(parts, result.row_count)
    matched = next(step for step in result.funnel if step.name == "matched")
    if matched.shared:
        repeats = words.counted(matched.shared, "duplicate repeats", "duplicates repeat")
        st.caption(
            f"{repeats} a matched row, so {words.counted(matched.rows, 'row')} have what you asked for."
        )


def show(runs: Runs, explorer: Explorer, result: Summary) -> None:
    """Show the pictures that the reader chose; the others are not drawn."""
    seen = _choice(runs)
    if seen == "reached":
        _reached(runs, explorer, result)
    elif seen == "found":
        _found(runs, explorer)
    else:
        _time(runs)


def _choice(runs: Runs) -> str:
    key = f"see_{runs.run_id}"
    st.session_state[key] = url_state.one("see", list(VIEWS)) or next(iter(VIEWS))
    # No segmented control: the chosen part's letters are too pale on the dark theme.
    return st.radio(
        "Pictures",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key=key,
        horizontal=True,
        label_visibility="collapsed",
        on_change=_see,
        args=(key,),
    )


def _see(key: str) -> None:
    url_state.keep("see", st.session_state[key] if st.session_state[key] != next(iter(VIEWS)) else None)


def _reached(runs: Runs, explorer: Explorer, result: Summary) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.header("From uploaded to found", anchor=False)
        chart, sentence = results_charts.funnel([(step.name, step.rows) for step in result.funnel])
        st.altair_chart(chart, alt=sentence, key=f"funnel_{runs.run_id}")
        st.caption("In brackets: the share of the step before.")
    with right:
        st.header("Match rate", anchor=False)
        _match_rate(runs, explorer)


def _found(runs: Runs, explorer: Explorer) -> None:
    told = results_frames.told(runs)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Records per company", anchor=False)
        _plain(runs, results_charts.per_company, told.per_company, "per_company")
    if {Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE} & set(runs.kinds):
        with right:
            _titles(runs, explorer, told.titles)


def _time(runs: Runs) -> None:
    st.header("Answers as they came in", anchor=False)
    over_time = results_frames.told(runs).over_time
    if over_time["at"].n_unique() == 1:
        at = words.date_and_time(over_time["at"][0].timestamp(), widgets.zone())
        st.caption(f"All answers came within a second: {at}.")
    else:
        _plain(runs, results_charts.over_time, over_time, "over_time")


def after_click(now: Sequence[str | None], clicked: str | None) -> list[str | None]:
    """Return what a facet lets through after a click on a value: that alone, or all if it was that alone."""
    return [] if list(now) == [clicked] else [clicked]


def _match_rate(runs: Runs, explorer: Explorer) -> None:
    facets = [key for key in explorer.facets.columns if key.startswith(UPLOADED) or key == OF_RUN]
    if not facets:
        st.caption("No column of your list has few enough values to group by.")
        return
    key = f"by_{runs.run_id}"
    named = {results_filters.name(facet): facet for facet in facets}
    asked = st.query_params.get("by")
    st.session_state[key] = asked if asked in named else next(iter(named))
    column = st.selectbox("by column", list(named), key=key, on_change=_regroup, args=(key,))
    rates = results_frames.match_rate(runs, named[column]).filter(pl.col("answered") > 0)
    if rates.is_empty():
        st.caption("No answer yet.")
        return
    chart, sentence = results_charts.match_rate(rates.head(BARS), column)
    _clickable(runs, explorer, charts.pickable(chart, "value"), sentence, named[column], "value")
    notes = ["The line is the 95 % interval. Click a bar to filter the rows below."]
    if rates["small"].any():
        notes.append("Grey: fewer than 20 answered rows, so the rate says little.")
    if rates.height > BARS:
        notes.append(f"The {BARS} most frequent of {rates.height} values.")
    st.caption(" ".join(notes))


def _titles(runs: Runs, explorer: Explorer, frame: pl.DataFrame) -> None:
    st.header("Titles found most often", anchor=False)
    if frame.is_empty():
        st.caption("No title yet.")
        return
    chart, sentence = results_charts.titles(frame)
    if "title" in explorer.facets.columns:
        _clickable(runs, explorer, charts.pickable(chart, "title"), sentence, "title", "title")
        st.caption("Of the best contact of each row. Click a bar to filter the rows below.")
    else:
        st.altair_chart(chart, alt=sentence, key=f"titles_{runs.run_id}")
        st.caption("Of the best contact of each row.")


def _plain(
    runs: Runs, draw: Callable[[pl.DataFrame], tuple[Chart, str]], frame: pl.DataFrame, name: str
) -> None:
    if frame.is_empty():
        st.caption("No answer yet.")
        return
    chart, sentence = draw(frame)
    st.altair_chart(chart, alt=sentence, key=f"{name}_{runs.run_id}")


def _clickable(runs: Runs, explorer: Explorer, chart: Chart, alt: str, facet: str, field: str) -> None:
    # After every click the chart is a new one, with nothing selected: what is filtered by stands in the
    # address alone, so a chart cannot disagree with it and a second click on the same bar counts.
    clicks = f"clicks_{runs.run_id}_{facet}"
    key = f"chart_{runs.run_id}_{facet}_{st.session_state.get(clicks, 0)}"
    st.altair_chart(
        chart,
        alt=alt,
        key=key,
        on_select=partial(_clicked, explorer, key, clicks, facet, field),
        selection_mode=charts.PICK,
    )


def _clicked(explorer: Explorer, key: str, clicks: str, facet: str, field: str) -> None:
    points = st.session_state[key].selection.get(charts.PICK) or []
    st.session_state[clicks] = st.session_state.get(clicks, 0) + 1
    for point in points[-1:]:
        clicked = str(point.get(field, "")) or None
        if clicked in results_filters.values_of(explorer, facet):
            now = results_filters.chosen(explorer, facet)
            results_filters.choose(facet, after_click(now, clicked))


def _regroup(key: str) -> None:
    st.query_params["by"] = st.session_state[key]
