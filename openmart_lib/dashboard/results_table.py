"""The table of results: filtered by outcome, in pages of a few hundred rows, each row opening its story."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import charts, url_state, widgets, words
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES, Outcome

PAGE_ROWS: Final = 200
_EMAIL: Final = r"^[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
_LINKEDIN: Final = r"^https://([a-z]+\.)?linkedin\.com/[A-Za-z0-9%_/.-]*$"
_FOUND_LABELS: Final = {
    "found_email": "Found email",
    "found_email_verified": "Verified",
    "found_email_status": "Mailbox status",
    "found_first_name": "Found first name",
    "found_last_name": "Found last name",
    "found_title": "Found title",
    "found_phone": "Found phone",
    "found_phone_type": "Phone type",
    "found_linkedin_url": "Found LinkedIn",
    "found_technology": "Found technology",
}


def outcome_facet(run: RunInfo) -> list[str]:
    """Show the outcomes with their counts as filters; return the chosen ones (none = all)."""
    present = [outcome for outcome in Outcome if run.outcomes[outcome]]
    chosen = widgets.checks(
        "Outcome",
        {str(one): f"{one} ({words.count(run.outcomes[one])})" for one in present},
        key=f"outcome_{run.run_id}",
        start=url_state.several("outcome", [str(one) for one in present]),
        horizontal=False,
        help_text="  \n".join(f"**{one}**: {SENTENCES[one]}" for one in present),
    )
    url_state.keep("outcome", chosen)
    return chosen


def filtered(frame: pl.DataFrame, chosen: list[str]) -> pl.DataFrame:
    """Return the rows whose outcome was chosen; all of them when none was."""
    return frame.filter(pl.col("outcome").is_in(chosen)) if chosen else frame


def show(run: RunInfo, frame: pl.DataFrame, chosen: list[str]) -> None:
    """Show one page of the rows, and let a click open a row's story."""
    pages = max(1, -(-frame.height // PAGE_ROWS))
    st.markdown(
        f"**{words.counted(frame.height, 'row')}**"
        + (f" of {words.count(run.row_count)}" if frame.height != run.row_count else "")
        + " · tick a row to read its story below"
    )
    slot = st.container()
    page = 1
    if pages > 1:
        page = st.pagination(pages, key=f"page_{run.run_id}_{'_'.join(chosen)}")
    shown = frame.slice((page - 1) * PAGE_ROWS, PAGE_ROWS)
    seqs = shown["row"].to_list()
    key = f"rows_{run.run_id}_{page}"
    with slot:
        st.dataframe(
            for_reading(shown),
            hide_index=True,
            # Lower while a story is open, so that it can be seen to appear below.
            height=min(318 if "row" in st.query_params else 560, 38 + 35 * max(1, shown.height)),
            column_config=column_config(shown),
            alt=f"Results, page {page} of {pages}: {shown.height} rows",
            key=key,
            placeholder="",
            on_select=lambda: _open(key, seqs),
            selection_mode="single-row",
        )


def _open(key: str, seqs: list[int]) -> None:
    rows = st.session_state[key].selection.rows
    url_state.keep("row", seqs[rows[0]] if rows else None)


def for_reading(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns a reader wants: row, outcome, uploaded ones, what was found, and why."""
    mine = uploaded_names(frame)
    found = [
        name for name in _FOUND_LABELS if name in frame.columns and frame[name].null_count() < frame.height
    ]
    email = pl.col("found_email")
    columns: list[pl.Expr] = [
        pl.col("row"),
        *(pl.col(name) for name in mine[:1]),
        pl.concat_list("outcome").alias("outcome"),
        *(pl.col(name) for name in mine[1:]),
    ]
    for name in found:
        if name == "found_email":
            columns.append(
                pl.when(email.str.contains(_EMAIL)).then("mailto:" + email).otherwise(email).alias(name)
            )
        else:
            columns.append(pl.col(name))
    return frame.select(*columns, "outcome_reason")


def uploaded_names(frame: pl.DataFrame) -> list[str]:
    """Return the uploaded columns of a result frame: all that stand before ``outcome``."""
    return frame.columns[: frame.columns.index("outcome")]


def column_config(frame: pl.DataFrame) -> dict[str, Any]:
    """Return how each column is shown; a link only where every value on the page earned it."""
    config: dict[str, Any] = {
        "row": st.column_config.NumberColumn("Row", width=64, pinned=True, format="%d"),
        "outcome": st.column_config.MultiselectColumn(
            "Outcome",
            options=[str(one) for one in Outcome],
            color=[charts.OUTCOME_COLOURS[one] for one in Outcome],
            width=110,
        ),
        "outcome_reason": st.column_config.TextColumn("Why"),
    }
    for position, name in enumerate(uploaded_names(frame)):
        # No label of ours: the name is shown as it is. Cut cells show whole on hover.
        config[name] = st.column_config.TextColumn(pinned=position == 0, width=200 if position == 0 else 115)
    for name, label in _FOUND_LABELS.items():
        if name in frame.columns:
            config[name] = st.column_config.Column(label)
    if _all(frame, "found_email", _EMAIL):
        config["found_email"] = st.column_config.LinkColumn(
            "Found email", display_text=r"^mailto:(.*)$", width="medium"
        )
    if _all(frame, "found_linkedin_url", _LINKEDIN):
        config["found_linkedin_url"] = st.column_config.LinkColumn("Found LinkedIn", display_text="profile")
    return config


def _all(frame: pl.DataFrame, name: str, pattern: str) -> bool:
    return name in frame.columns and bool(frame[name].drop_nulls().str.contains(pattern).all())
