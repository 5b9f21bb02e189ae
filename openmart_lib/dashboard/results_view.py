"""Results in numbers and pictures: headline counts, outcomes, funnel, match rate by a column."""

from __future__ import annotations

from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import charts, resources, url_state, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.ledger import queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join, summary
from openmart_lib.results.summary import Summary

MAX_VALUES: Final = 12  # bars of the match rate
MAX_DISTINCT: Final = 60  # a column with more different values is no grouping


def rows(run: RunInfo) -> pl.DataFrame:
    """Return the run's results, one line per uploaded row; kept while the ledger does not change."""
    return _joined(run.run_id, _state(run))


def numbers(run: RunInfo) -> Summary:
    """Return the run in numbers."""
    return _summary(run.run_id, _state(run))


def _state(run: RunInfo) -> int:
    """Return a number that changes when this run may have changed; a run at rest keeps its frames."""
    return queries.revision(resources.ledger()) if run.moving else -run.final_rows


@st.cache_resource(max_entries=4, show_spinner="Joining the results to your rows…")
def _joined(run_id: str, state: int) -> pl.DataFrame:
    return join.results(resources.ledger(), run_id, "rows")


@st.cache_resource(max_entries=8, show_spinner=False)
def _summary(run_id: str, state: int) -> Summary:
    frame = _joined(run_id, state)
    return summary.summary(resources.ledger(), run_id, prices=resources.settings().prices, frame=frame)


def headline(run: RunInfo, result: Summary) -> None:
    """Show the counts that answer "how good is it?"."""
    whole = f"of {words.counted(result.row_count, 'row')}"
    mail = "mailbox" if run.kind is Kind.LOOKUP_BUSINESS_EMAIL else "email"
    matched = next(step for step in result.funnel if step.name == "matched")
    repeats = f"{words.counted(matched.shared, 'row')} of them repeat another row and got its answer free."
    shown = [Figure("Rows matched", words.count(matched.rows), whole, repeats)]
    once = "Rows that were looked up; repeats are not counted again."
    if run.kind is not Kind.FIND_TECH:
        verified = f"of {words.count(result.rows_with_email)}"
        shown.append(Figure(f"With {mail}", words.count(result.rows_with_email), whole, once))
        shown.append(Figure("Verified", words.count(result.rows_with_verified_email), verified, once))
    if result.rows_with_phone or "PHONE" in run.options.get("info_access", ()):
        shown.append(Figure("With phone", words.count(result.rows_with_phone), whole, once))
    credits = f"about {words.count(result.credits)}"
    bill = "By price list: an estimate. Openmart's own bill counts."
    if run.made_elsewhere:
        shown.append(Figure("Credits", "0 here", "spent elsewhere", "Another tool submitted this batch."))
    elif result.credits_per_row_with_email is None:
        shown.append(Figure("Credits", credits, None, bill))
    else:
        each = f"about {result.credits_per_row_with_email:.1f}"
        shown.append(Figure(f"Credits per {mail} row", each, f"{credits} in all", bill))
    widgets.numbers(shown)


def pictures(run: RunInfo, frame: pl.DataFrame, result: Summary) -> None:
    """Show outcomes in one bar, then the funnel beside the match rate by a column."""
    chart, sentence = charts.outcome_bar(result.outcomes)
    st.altair_chart(chart, alt=sentence, key=f"outcomes_bar_{run.run_id}")
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
    left, right = st.columns(2, gap="large")
    with left:
        st.header("From uploaded to found", anchor=False)
        chart, sentence = charts.funnel([(step.name, step.rows) for step in result.funnel])
        st.altair_chart(chart, alt=sentence, key=f"funnel_{run.run_id}")
        st.caption("In brackets: the share of the step before.")
    with right:
        st.header("Match rate", anchor=False)
        _match_rate(run, frame)


def _match_rate(run: RunInfo, frame: pl.DataFrame) -> None:
    columns = groupings(frame)
    if not columns:
        st.caption("No column of your list has few enough values to group by.")
        return
    key = f"by_{run.run_id}"
    st.session_state.setdefault(key, url_state.one("by", columns) or columns[0])
    if st.session_state[key] not in columns:
        st.session_state[key] = columns[0]
    column = st.selectbox(
        "by column", columns, key=key, on_change=lambda: url_state.keep("by", st.session_state[key])
    )
    rates = summary.match_rate(frame, column).filter(pl.col("answered") > 0)
    if rates.is_empty():
        st.caption("No answer yet.")
        return
    chart, sentence = charts.match_rate(rates.head(MAX_VALUES), column)
    st.altair_chart(chart, alt=sentence, key=f"rate_{run.run_id}")
    note = "Grey: fewer than 20 answered rows, so the rate says little." if rates["small"].any() else ""
    if rates.height > MAX_VALUES:
        note += f" The {MAX_VALUES} most frequent of {rates.height} values."
    if note:
        st.caption(note.strip())


def groupings(frame: pl.DataFrame) -> list[str]:
    """Return the uploaded columns with few different values, fewest first among those with at least two."""
    uploaded = frame.columns[: frame.columns.index("outcome")]
    counts = {name: frame[name].n_unique() for name in uploaded}
    few = [
        name for name, number in counts.items() if 2 <= number <= min(MAX_DISTINCT, max(2, frame.height // 2))
    ]
    return sorted(few, key=counts.__getitem__)
