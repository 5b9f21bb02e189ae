"""The pictures of a watch list: its states by field as bars, and how they went over time. No streamlit here.

Every function returns the chart and a sentence that says the same in words, for ``alt``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import altair as alt
import polars as pl

from openmart_lib.api.lance_states import (
    FAILED,
    FOUND,
    NEVER,
    NOT_ASKED,
    NOT_SEEN,
    NOTHING,
    RUNNING,
    STATES,
    TIMED_OUT,
    UNCLEAR,
)
from openmart_lib.dashboard import words
from openmart_lib.dashboard.charts import LABEL_COLOUR, OUTCOME_COLOURS, TIGHT, Chart
from openmart_lib.ledger.states import Outcome

STATE_COLOURS: Final[dict[str, str]] = {
    FOUND: OUTCOME_COLOURS[Outcome.MATCHED],
    NOTHING: OUTCOME_COLOURS[Outcome.NO_MATCH],
    RUNNING: OUTCOME_COLOURS[Outcome.PENDING],
    TIMED_OUT: OUTCOME_COLOURS[Outcome.MISSING],
    FAILED: OUTCOME_COLOURS[Outcome.ERRORED],
    NEVER: OUTCOME_COLOURS[Outcome.CANCELLED],
    NOT_SEEN: OUTCOME_COLOURS[Outcome.DUPLICATE],
    UNCLEAR: OUTCOME_COLOURS[Outcome.UNKNOWN],
    NOT_ASKED: OUTCOME_COLOURS[Outcome.SKIPPED],
}
"""The palette of the outcomes, by what a state means; the order is that of every bar and legend."""
_BAR: Final = 22  # pixels
_STEP: Final = 34  # pixels from one field's bar to the next


def in_order(states: Iterable[str]) -> list[str]:
    """Return states in the order of every legend; Lance's own words come last, by name."""
    known = list(STATES)
    return sorted(states, key=lambda state: (known.index(state) if state in known else len(known), state))


def field_bars(counts: Mapping[str, Mapping[str, int]]) -> tuple[Chart, str]:
    """Return one stacked bar per field of its enrichments by state.

    Args:
        counts: Per field, enrichments by state.
    """
    rows = [
        (field, state, number, list(STATES).index(state))
        for field, by_state in counts.items()
        for state, number in by_state.items()
        if number
    ]
    frame = pl.DataFrame(
        rows,
        schema={"field": pl.String, "state": pl.String, "enrichments": pl.Int64, "order": pl.Int64},
        orient="row",
    )
    axis = alt.Axis(title=None, ticks=False, domain=False, labelPadding=8, labelFontSize=13)
    bars: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(height=_BAR, cornerRadius=3)
        .encode(
            y=alt.Y("field:N").sort(list(counts)).axis(axis),
            x=alt.X("enrichments:Q").stack("zero").axis(None).scale(alt.Scale(nice=False)),
            color=_colour(),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("field:N"),
                alt.Tooltip("state:N"),
                alt.Tooltip("enrichments:Q", format=","),
            ],
        )
        .properties(height=_STEP * max(1, len(counts)), padding=TIGHT)
    )
    said = "; ".join(f"{field}: {_parts(by_state)}" for field, by_state in counts.items())
    return bars, f"Enrichments by field and state. {said}."


def course(history: pl.DataFrame, field: str) -> tuple[Chart, str]:
    """Return how one field's states went, as areas that add up to all its enrichments at every moment.

    Args:
        history: As ``ledger.watched.watch_course``.
    """
    mine = history.filter(pl.col("field") == field)
    grid = mine.select("at").unique().join(mine.select("state").unique(), how="cross")
    points = (
        grid.join(mine.select("at", "state", "n"), on=["at", "state"], how="left")
        .with_columns(pl.col("n").fill_null(0), _moment())
        .with_columns(pl.col("state").replace_strict(_ORDER, return_dtype=pl.Int64).alias("order"))
        .sort("at", "order")
    )
    amount = alt.Axis(title=field, tickCount=3, gridOpacity=0.4, titleColor=LABEL_COLOUR)
    areas: alt.Chart = (
        alt.Chart(points)
        .mark_area(interpolate="step-after")
        .encode(
            x=alt.X("at:T").axis(alt.Axis(title=None, grid=False, tickCount=4, format="%H:%M:%S")),
            y=alt.Y("n:Q").stack("zero").axis(amount).scale(alt.Scale(nice=False)),
            color=_colour(),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("at:T", title="at", format="%H:%M:%S"),
                alt.Tooltip("state:N"),
                alt.Tooltip("n:Q", title="enrichments", format=","),
            ],
        )
        .properties(height=130, padding=TIGHT)
    )
    first, last = (
        {state: number for at, state, number in mine.select("at", "state", "n").iter_rows() if at == moment}
        for moment in (mine["at"].min(), mine["at"].max())
    )
    return areas, f"The states of {field} over time. At first: {_parts(first)}. Last: {_parts(last)}."


_ORDER: Final = {state: place for place, state in enumerate(STATES)}


def _colour() -> alt.Color:
    scale = alt.Scale(domain=list(STATE_COLOURS), range=list(STATE_COLOURS.values()))
    return alt.Color("state:N").scale(scale).legend(None)


def _moment() -> pl.Expr:
    return (pl.col("at") * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")


def _parts(by_state: Mapping[str, int]) -> str:
    return ", ".join(f"{state} {words.count(by_state[state])}" for state in in_order(by_state))
