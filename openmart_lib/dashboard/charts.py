"""The charts: Altair over small frames that polars has already counted, in one palette for both themes.

Every function returns the chart and a sentence that says the same in words, for ``alt``.
"""

from __future__ import annotations

from typing import Final

import altair as alt
import polars as pl

from openmart_lib.dashboard import words
from openmart_lib.ledger.states import Outcome

OUTCOME_COLOURS: Final[dict[Outcome, str]] = {
    Outcome.MATCHED: "#0E9F6E",
    Outcome.PARTIAL: "#5B9A2F",
    Outcome.NO_MATCH: "#8A94A3",
    Outcome.PENDING: "#3B82F6",
    Outcome.ERRORED: "#E0523F",
    Outcome.REFUSED: "#C2477F",
    Outcome.UNKNOWN: "#B153D6",
    Outcome.MISSING: "#C77F0A",
    Outcome.REJECTED: "#6B7787",
    Outcome.DUPLICATE: "#2A9DB5",
    Outcome.REUSED: "#4C6FAE",
    Outcome.SKIPPED: "#7C6F64",
    Outcome.CANCELLED: "#A08A5B",
}
GROUP_COLOURS: Final[dict[str, str]] = {
    "found": OUTCOME_COLOURS[Outcome.MATCHED],
    "not found": OUTCOME_COLOURS[Outcome.NO_MATCH],
    "running": OUTCOME_COLOURS[Outcome.PENDING],
    "needs you": OUTCOME_COLOURS[Outcome.UNKNOWN],
    "not sent or cancelled": OUTCOME_COLOURS[Outcome.CANCELLED],
    "same as another row": OUTCOME_COLOURS[Outcome.DUPLICATE],
}
PRIMARY: Final = "#3B82F6"
LABEL_COLOUR: Final = "#8A94A3"  # grey that reads on both backgrounds, for text inside a chart

TIGHT: Final = {"left": 0, "right": 0, "top": 4, "bottom": 4}

PICK: Final = "pick"  # the name of the selection that a click on a chart makes

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def pickable(chart: Chart, field: str) -> Chart:
    """Return a chart whose marks can be clicked; what was clicked is told by its value of ``field``."""
    return chart.add_params(alt.selection_point(name=PICK, fields=[field]))


def group_bar(outcomes: dict[Outcome, int], *, moving: bool = True) -> tuple[Chart, str]:
    """Return one stacked bar of a run's rows by group; the tooltip has the exact outcomes."""
    whole = sum(outcomes.values())
    parts = words.groups(outcomes)
    frame = pl.DataFrame(
        {
            "group": list(parts),
            "what": [words.group_word(name, moving=moving) for name in parts],
            "rows": list(parts.values()),
            "order": [list(words.GROUPS).index(name) for name in parts],
            "exactly": [
                ", ".join(
                    f"{one} {words.count(outcomes[one])}" for one in words.GROUPS[name] if outcomes.get(one)
                )
                for name in parts
            ],
        },
        schema={
            "group": pl.String,
            "what": pl.String,
            "rows": pl.Int64,
            "order": pl.Int64,
            "exactly": pl.String,
        },
    )
    chart = _stacked_bar(frame, "group", GROUP_COLOURS, ["what", "rows", "exactly"])
    said = {words.group_word(name, moving=moving): number for name, number in parts.items()}
    return chart, _parts_sentence(words.counted(whole, "row"), said)


def outcome_bar(outcomes: dict[Outcome, int]) -> tuple[Chart, str]:
    """Return one stacked bar of rows by exact outcome, in the order of every legend."""
    parts = {str(one): number for one, number in outcomes.items() if number}
    order = [str(one) for one in Outcome]
    frame = pl.DataFrame(
        {"outcome": list(parts), "rows": list(parts.values()), "order": [order.index(one) for one in parts]},
        schema={"outcome": pl.String, "rows": pl.Int64, "order": pl.Int64},
    )
    colours = {str(one): colour for one, colour in OUTCOME_COLOURS.items()}
    chart = _stacked_bar(frame, "outcome", colours, ["outcome", "rows"])
    return chart, _parts_sentence(words.counted(sum(parts.values()), "row"), parts)


def _stacked_bar(frame: pl.DataFrame, name: str, colours: dict[str, str], shown: list[str]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(height=22, cornerRadius=3)
        .encode(
            x=alt.X("rows:Q").stack("zero").axis(None).scale(alt.Scale(nice=False)),
            color=alt.Color(f"{name}:N")
            .scale(alt.Scale(domain=list(colours), range=list(colours.values())))
            .legend(None),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip(f"{one}:{'Q' if one == 'rows' else 'N'}") for one in shown],
        )
        .properties(height=30, padding=TIGHT)
    )
    return chart


def _parts_sentence(whole: str, parts: dict[str, int]) -> str:
    return f"{whole}: " + ", ".join(f"{name} {words.count(number)}" for name, number in parts.items()) + "."


def progress_chart(
    progress: pl.DataFrame, submissions: pl.DataFrame, row_count: int, *, until: float
) -> tuple[Chart, str]:
    """Return rows final over time, with each accepted submission as a tick at the bottom.

    Args:
        progress: ``at`` (UTC seconds), ``final_rows`` (cumulative), as ``ledger.queries.progress``.
        submissions: ``at``, ``batch_no``, as ``ledger.queries.submissions``.
        row_count: Rows of the run: the top of the chart.
        until: UTC seconds where the chart ends.
    """
    last = int(progress["final_rows"][-1]) if progress.height else 0
    end = pl.DataFrame({"at": [until], "final_rows": [last]}, schema=progress.schema)
    rows = _thinned(progress).vstack(end).select(_moment("at"), "final_rows")
    ticks = submissions.select(_moment("at"), "batch_no")
    time = alt.X("at:T").axis(alt.Axis(title=None, grid=False, tickCount=6))
    amount = (
        alt.Y("final_rows:Q")
        .scale(alt.Scale(domain=[0, row_count]))
        .axis(alt.Axis(title="rows final", tickCount=4, gridOpacity=0.4))
    )
    area = (
        alt.Chart(rows)
        .mark_area(
            interpolate="step-after",
            line={"color": PRIMARY, "strokeWidth": 2},
            color=PRIMARY,
            fillOpacity=0.18,
        )
        .encode(
            x=time,
            y=amount,
            tooltip=[alt.Tooltip("at:T", title="at", format="%H:%M:%S"), alt.Tooltip("final_rows:Q")],
        )
    )
    marks = (
        alt.Chart(ticks)
        .mark_tick(
            orient="vertical", color=OUTCOME_COLOURS[Outcome.MISSING], thickness=2, size=14, yOffset=-7
        )
        .encode(
            x=time,
            y=alt.datum(0),
            tooltip=[
                alt.Tooltip("batch_no:Q", title="batch accepted"),
                alt.Tooltip("at:T", title="at", format="%H:%M:%S"),
            ],
        )
    )
    sentence = (
        f"Rows final over time: {words.count(last)} of {words.count(row_count)} so far; "
        f"{words.counted(submissions.height, 'batch', 'batches')} accepted."
    )
    return alt.layer(area, marks).properties(height=180), sentence


def _thinned(progress: pl.DataFrame, points: int = 300) -> pl.DataFrame:
    """Return at most about ``points`` rows of a cumulative series, the last one always kept."""
    step = max(1, progress.height // points)
    return progress.gather_every(step).vstack(progress.tail(1)).unique(maintain_order=True)


def _moment(name: str) -> pl.Expr:
    return (
        (pl.col(name) * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").alias(name)
    )
