"""The charts of the Results page: funnel, match rates, outcomes over time, records and titles.

Every function takes a small frame that polars has counted and returns the chart and a sentence that says the
same in words, for ``alt``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import polars as pl

from openmart_lib.dashboard import words
from openmart_lib.dashboard.charts import LABEL_COLOUR, OUTCOME_COLOURS, TIGHT, Chart
from openmart_lib.ledger.states import Outcome
from openmart_lib.results.facets import EMPTY

_LONGEST: Final = 60  # letters of a value beside its bar; the whole is in the tooltip
_MATCHED: Final = OUTCOME_COLOURS[Outcome.MATCHED]
_LINE: Final = alt.Axis(
    title=None, ticks=False, domain=False, labelPadding=8, labelLimit=220, labelFontSize=13
)


def funnel(steps: Sequence[tuple[str, int]]) -> tuple[Chart, str]:
    """Return the steps from uploaded to found as bars, each with its share of the step before."""
    frame = pl.DataFrame(
        {
            "step": [name for name, _ in steps],
            "rows": [number for _, number in steps],
            "label": [
                words.count(number) + (f" ({words.percent(number, steps[at - 1][1])})" if at else "")
                for at, (_, number) in enumerate(steps)
            ],
        }
    )
    tooltip = [alt.Tooltip("step:N"), alt.Tooltip("rows:Q"), alt.Tooltip("label:N", title="share")]
    base = _lines(frame, "step", "rows", 1.35 * max(1, steps[0][1] if steps else 1), tooltip)
    sentence = ", ".join(f"{name} {words.count(number)}" for name, number in steps)
    chart = alt.layer(base.mark_bar(height=18, cornerRadiusEnd=3, color=_MATCHED), _labels(base))
    return _sized(chart, 30, frame), f"From uploaded to found: {sentence}."


def match_rate(frame: pl.DataFrame, column: str) -> tuple[Chart, str]:
    """Return match rates by the values of a column, each with its 95 % interval; few rows are greyed.

    The field ``value`` of a bar is the value itself, an empty text for empty cells.

    Args:
        frame: One row per value with an answer, as ``results.summary.match_rate``.
    """
    told = [
        f"{words.count(matched)} of {words.count(answered)} ({words.percent(matched, answered)})"
        for matched, answered in frame.select("matched", "answered").iter_rows()
    ]
    between = [f"{100 * low:.0f} to {100 * high:.0f} %" for low, high in frame.select("low", "high").rows()]
    shown = frame.select(
        pl.col("value").fill_null(""),
        pl.col("value").fill_null(EMPTY).str.slice(0, _LONGEST).alias("name"),
        *("matched", "answered", "rate", "low", "high", pl.Series("label", told)),
        pl.Series("between", between, dtype=pl.String),
        pl.when("small").then(pl.lit("few")).otherwise(pl.lit("enough")).alias("enough"),
    )
    tooltip = [
        alt.Tooltip("name:N", title=column),
        alt.Tooltip("label:N", title="matched"),
        alt.Tooltip("between:N", title="95 % interval"),
    ]
    base = _lines(shown, "name", "rate", 1.6, tooltip)
    scale = alt.Scale(domain=["enough", "few"], range=[_MATCHED, OUTCOME_COLOURS[Outcome.NO_MATCH]])
    bars = base.mark_bar(height=14, cornerRadiusEnd=3).encode(
        color=alt.Color("enough:N").scale(scale).legend(None)
    )
    interval = base.mark_rule(color=LABEL_COLOUR, strokeWidth=2).encode(
        x=alt.X("low:Q").axis(None), x2=alt.X2("high:Q")
    )
    labels = _labels(base).encode(x=alt.X("high:Q").axis(None))
    sentence = ", ".join(
        f"{name} {label}, 95 % interval {between}"
        for name, label, between in shown.select("name", "label", "between").iter_rows()
    )
    return _sized(alt.layer(bars, interval, labels), 26, shown), f"Match rate by {column}: {sentence}."


def titles(frame: pl.DataFrame) -> tuple[Chart, str]:
    """Return the most frequent titles as bars; the field ``title`` of a bar is the title itself.

    Args:
        frame: As ``results.pictures.top_titles``.
    """
    shown = frame.with_columns(
        pl.col("title").str.slice(0, _LONGEST).alias("name"),
        pl.Series(
            "label",
            [
                f"{words.count(records)} ({words.percent(share, 1)})"
                for records, share in frame.select("records", "share").iter_rows()
            ],
            dtype=pl.String,
        ),
    )
    most = float(frame["records"].max() or 1)  # type: ignore[arg-type]  # Int64 column
    tooltip = [alt.Tooltip("title:N"), alt.Tooltip("label:N", title="rows")]
    base = _lines(shown, "name", "records", 1.3 * most, tooltip)
    chart = alt.layer(base.mark_bar(height=14, cornerRadiusEnd=3, color=_MATCHED), _labels(base))
    sentence = ", ".join(f"{name} {label}" for name, label in shown.select("title", "label").iter_rows())
    return _sized(chart, 26, shown), f"Titles found most often: {sentence}."


def per_company(frame: pl.DataFrame) -> tuple[Chart, str]:
    """Return how many companies have how many records.

    Args:
        frame: As ``results.pictures.records_per_company``.
    """
    shown = frame.with_columns(
        pl.Series("label", [words.count(one) for one in frame["companies"]], dtype=pl.String)
    )
    most = float(frame["companies"].max() or 1)  # type: ignore[arg-type]  # Int64 column
    base = alt.Chart(shown).encode(
        x=alt.X("records:N")
        .sort(None)
        .axis(
            alt.Axis(title="contacts found", labelAngle=0, ticks=False, labelFontSize=13, titleFontSize=13)
        ),
        y=alt.Y("companies:Q").axis(None).scale(alt.Scale(domain=[0, 1.12 * most])),
        tooltip=[
            alt.Tooltip("records:N", title="contacts found"),
            alt.Tooltip("label:N", title="companies"),
        ],
    )
    labels = base.mark_text(dy=-8, fontSize=13, color=LABEL_COLOUR).encode(text="label:N")
    chart = alt.layer(base.mark_bar(cornerRadiusEnd=3, color=_MATCHED), labels)
    sentence = ", ".join(f"{records}: {label}" for records, label in shown.select("records", "label").rows())
    return chart.properties(height=260, padding=TIGHT), f"Companies by contacts found: {sentence}."


def over_time(frame: pl.DataFrame) -> tuple[Chart, str]:
    """Return rows by outcome as answers came in, one area upon the other.

    Args:
        frame: As ``results.pictures.outcomes_over_time``.
    """
    order = [str(one) for one in Outcome]
    shown = frame.with_columns(
        pl.col("outcome").replace_strict({one: at for at, one in enumerate(order)}).alias("order")
    )
    present = [one for one in order if one in frame["outcome"].unique().to_list()]
    scale = alt.Scale(domain=present, range=[OUTCOME_COLOURS[Outcome(one)] for one in present])
    chart = (
        alt.Chart(shown)
        .mark_area(interpolate="step-after", fillOpacity=0.85)
        .encode(
            x=alt.X("at:T").axis(alt.Axis(title=None, grid=False, tickCount=6)),
            y=alt.Y("rows:Q")
            .stack("zero")
            .axis(alt.Axis(title="rows answered", tickCount=4, gridOpacity=0.4)),
            color=alt.Color("outcome:N").scale(scale).legend(alt.Legend(title=None, orient="top")),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("at:T", title="by", format="%H:%M:%S"),
                alt.Tooltip("outcome:N"),
                alt.Tooltip("rows:Q", format=","),
            ],
        )
        .properties(height=260, padding=TIGHT)
    )
    last = frame.filter(pl.col("at") == pl.col("at").max())
    counts = dict(last.select("outcome", "rows").iter_rows())
    sentence = ", ".join(f"{one} {words.count(counts[one])}" for one in present)
    return chart, f"Rows answered over time, in the end: {sentence}."


def _lines(frame: pl.DataFrame, name: str, value: str, room: float, tooltip: list[alt.Tooltip]) -> alt.Chart:
    """Return the base of a list of bars: a line per row of the frame, in its order."""
    base: alt.Chart = alt.Chart(frame).encode(
        y=alt.Y(f"{name}:N").sort(None).axis(_LINE),
        x=alt.X(f"{value}:Q").axis(None).scale(alt.Scale(domain=[0, room])),
        tooltip=tooltip,
    )
    return base


def _labels(base: alt.Chart) -> alt.Chart:
    labels: alt.Chart = base.mark_text(align="left", dx=6, fontSize=13, color=LABEL_COLOUR).encode(
        text="label:N"
    )
    return labels


def _sized(chart: Chart, line: int, frame: pl.DataFrame) -> Chart:
    return chart.properties(height=line * frame.height + 8, padding=TIGHT)
