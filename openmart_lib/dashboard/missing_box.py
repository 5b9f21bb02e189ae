"""The box of rows that Openmart took and never gave back: looking for them again is free."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.run_card import change
from openmart_lib.ledger import Outcome, decisions, queries
from openmart_lib.ledger.overview import RunInfo

ALL: Final = 0  # no batch has this key


def show(run: RunInfo) -> None:
    """Show which closed batches of a run lack rows; nothing when none does."""
    if not run.outcomes[Outcome.MISSING]:
        return
    closed = _incomplete(run.run_id, queries.revision(resources.ledger()))
    if closed.is_empty():
        return
    missing = run.outcomes[Outcome.MISSING]
    one = missing == 1
    with st.container(border=True):
        widgets.message(
            "info",
            f"{words.counted(missing, 'row is', 'rows are')} missing: Openmart took "
            f"{'its batch and never gave it' if one else 'their batches and never gave them'} back.",
            f"{'It' if one else 'They'} may have been charged. An answer that turns up later is still kept.",
            "Look again whenever you like: it costs nothing.",
        )
        labels = {int(row["pk"]): _line(row) for row in closed.iter_rows(named=True)}
        choices = [ALL, *labels] if len(labels) > 1 else list(labels)
        pk = st.selectbox(
            "Closed batch",
            choices,
            format_func=lambda pk: labels.get(pk, f"All {len(labels)} batches"),
            key=f"missing_{run.run_id}",
        )
        if st.button("Look again (free)", key=f"reopen_{run.run_id}", icon=":material/refresh:"):
            change(lambda: _reopen(list(labels) if pk == ALL else [pk]))


def _line(row: dict[str, Any]) -> str:
    missing, tasks = words.count(row["missing_tasks"]), words.counted(row["task_count"], "task")
    closed = "closed by you" if row["closed_by_person"] else "closed by itself"
    return f"Batch {row['batch_no']}: {missing} of {tasks} missing, {closed}"


def _reopen(pks: list[int]) -> None:
    for pk in pks:
        decisions.reopen_batch(resources.ledger(), pk)


@st.cache_resource(ttl=60, max_entries=8, show_spinner=False)
def _incomplete(run_id: str, revision: int) -> pl.DataFrame:
    return queries.incomplete_batches(resources.ledger(), run_id)
