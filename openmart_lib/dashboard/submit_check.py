"""Submit, step 3: what of the list can be sent. Companies, rows that share them, rejected; they add up."""

from __future__ import annotations

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import charts, widgets, words
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.submission import Prepared

SHOWN = 500  # rows of the rejects table on screen; the download has all


def show(draft: Draft, prepared: Prepared) -> None:
    """Show the reckoning, and below it, folded, the rejected rows with their reasons."""
    counts = prepared.intake_counts
    st.markdown(reckoning(prepared))
    rejected = prepared.plan.rows.filter(pl.col("intake") == "rejected")
    if rejected.is_empty():
        st.caption("Every row can be used.")
        return
    share = counts["rejected"] / prepared.row_count
    unusable = words.counted(counts["rejected"], "row")
    with st.expander(
        f"{unusable} cannot be used ({words.percent(counts['rejected'], prepared.row_count)})",
        expanded=share > 0.2,
        icon=":material/block:",
    ):
        _rejected(draft, prepared, rejected)


def reckoning(prepared: Prepared) -> str:
    """Return "44 companies to look up + 2 rows that share one + 4 rejected = 50 rows"."""
    counts = prepared.intake_counts
    what = ("person", "people") if prepared.kind is Kind.LOOKUP_PEOPLE else ("company", "companies")
    parts = [f"**{words.counted(counts.get('accepted', 0), *what)}** to look up"]
    shared = counts.get("duplicate", 0)
    if shared:
        share = "shares" if shared == 1 else "share"
        parts.append(f"**{words.counted(shared, 'row')}** that {share} one (same answer, free)")
    if counts.get("skipped"):
        parts.append(f"**{words.count(counts['skipped'])}** skipped")
    parts.append(f"**{words.count(counts.get('rejected', 0))}** rejected")
    return " + ".join(parts) + f" = {words.counted(prepared.row_count, 'row')}"


def _rejected(draft: Draft, prepared: Prepared, rejected: pl.DataFrame) -> None:
    reasons = rejected.group_by("code").agg(pl.len().alias("rows")).sort("rows", descending=True)
    reasons = reasons.with_columns(
        pl.col("code").fill_null("other").str.replace_all("_", " ").alias("reason")
    )
    chart, sentence = charts.bar_list(reasons.select("reason", "rows"), "reason")
    st.altair_chart(chart, alt=sentence, key=f"{draft.draft_id}_reasons")
    names = reasons["reason"].to_list()
    chosen: list[str] = []
    if len(names) > 1:
        chosen = widgets.checks("Show only", {one: one for one in names}, key=f"{draft.draft_id}_reason")
    rejects = prepared.rejects()
    shown = rejects
    if chosen:
        seqs = rejected.filter(pl.col("code").fill_null("other").str.replace_all("_", " ").is_in(chosen))[
            "seq"
        ]
        shown = rejects.filter(pl.col("row").is_in(seqs.implode()))
    widgets.table(
        shown.head(SHOWN).select(
            "row", "intake_reason", pl.exclude("row", "file_line", "intake_code", "intake_reason")
        ),
        f"Rejected rows with row number and reason, {shown.height} in all",
        height=min(420, 38 + 35 * min(shown.height, SHOWN)),
        config={
            "row": st.column_config.NumberColumn("Row", width=60, pinned=True),
            "intake_reason": st.column_config.TextColumn("Why it cannot be used", width=330),
        },
        key=f"{draft.draft_id}_rejects",
    )
    if shown.height > SHOWN:
        st.caption(
            f"{words.count(SHOWN)} of {words.count(shown.height)} rows are shown; the download has all."
        )
    widgets.frame_download(
        f"Download the {words.counted(rejects.height, 'rejected row')}",
        prepared.rejects,
        "rejected-rows",
        f"{draft.draft_id}_rejects_file",
        formats=("csv",),
    )
