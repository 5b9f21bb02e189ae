"""One row's whole story: the uploaded cells, the clean domain, the task sent, the answers, the records."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import streamlit as st

from openmart_lib.dashboard import resources, url_state, widgets, words
from openmart_lib.dashboard.results_table import uploaded_names
from openmart_lib.ledger import queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES, Outcome


def show(run: RunInfo, frame: pl.DataFrame) -> None:
    """Show the story of the row named in the address, if one is."""
    seq = url_state.number("row", low=1, high=run.row_count)
    if seq is None:
        return
    row = frame.filter(pl.col("row") == seq)
    if row.is_empty():
        return
    line = row.row(0, named=True)
    with st.container(border=True):
        st.header(words.row_name(seq, line["file_line"]), anchor=False)
        outcome = Outcome(line["outcome"])
        st.markdown(f"**{outcome}**: {SENTENCES[outcome]}")
        if line["outcome_reason"]:
            st.text(line["outcome_reason"])
        yours, asked, answered = st.columns(3, gap="medium")
        with yours:
            st.subheader("Your row", anchor=False)
            _cells(frame, line)
        of_seq = seq if line["duplicate_of"] is None else int(line["duplicate_of"])
        with asked:
            tasks = _asked(run, of_seq, line)
        with answered:
            _answered(run, tasks)
        if st.button("Close", key="close_story", icon=":material/close:"):
            url_state.keep("row", None)
            st.rerun()


def _cells(frame: pl.DataFrame, line: dict[str, Any]) -> None:
    names = uploaded_names(frame)
    cells = pl.DataFrame(
        {"Column": names, "Value": [line[name] or "" for name in names]},
        schema={"Column": pl.String, "Value": pl.String},
    )
    widgets.table(cells, f"The uploaded cells of row {line['row']}")


def _asked(run: RunInfo, seq: int, line: dict[str, Any]) -> list[int]:
    ledger = resources.ledger()
    tasks = (
        queries.links(ledger, run.run_id).filter(pl.col("seq") == seq)["task_no"].unique().sort().to_list()
    )
    st.subheader("What was asked", anchor=False)
    if line["duplicate_of"] is not None:
        st.text(f"The same task as row {seq}: it carries that row's answer and was paid once.")
    if line["domain"]:
        st.text(f"Clean domain: {line['domain']}")
    if not tasks:
        st.text("Nothing was sent for this row.")
    for task in queries.requests(ledger, run.run_id, tasks).iter_rows(named=True):
        batch = f"batch {task['batch_no']}, {words.BATCH_STATE_NAMES[task['batch_state']]}"
        st.text(f"Task {task['tracking_id'] or 'without a tracking id'} in {batch}")
        if run.made_elsewhere:
            st.text("Another tool submitted it: what it asked for is not known here.")
        else:
            st.code(pretty(task["request"]), language="json", wrap_lines=True)
    return tasks


def _answered(run: RunInfo, tasks: list[int]) -> None:
    st.subheader("What came back", anchor=False)
    answers = queries.answers(resources.ledger(), run.run_id).filter(pl.col("task_no").is_in(tasks))
    if answers.is_empty():
        st.text("No answer.")
    for answer in answers.iter_rows(named=True):
        at = words.date_and_time(answer["fetched_at"], widgets.zone())
        st.text(f"Task id {answer['task_id']}, {answer['status']}, fetched {at}")
        st.code(pretty(answer["payload"]), language="json", wrap_lines=True)


def pretty(text: str | None) -> str:
    """Return a JSON text laid out for reading; text that is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text or ""), indent=2, ensure_ascii=False)
    except ValueError:
        return text or ""
