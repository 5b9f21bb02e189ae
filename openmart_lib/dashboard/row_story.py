"""One row's whole story: the uploaded cells, the clean domain, the task sent, the answers, the records.

Only that row's task and answers are read, so that it opens as quickly in a run of a million rows.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, results_filters, url_state, widgets, words
from openmart_lib.dashboard.results_columns import FOUND, found_config, linked, uploaded_names
from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.moved_links import domain_cells
from openmart_lib.ledger import queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES, Outcome
from openmart_lib.results.columns import uploaded_names as names_in_results
from openmart_lib.results.row_records import records_of_row
from openmart_lib.results.together import Runs
from openmart_lib.settings import SANDBOX


def show(runs: Runs, frame: pl.DataFrame) -> None:
    """Show the story of the row whose number is in the address, if one is.

    Args:
        frame: The whole ``join.results`` of the runs in the shape ``rows``.
    """
    number = url_state.number("row", low=1, high=runs.row_count)
    if number is None:
        return
    run, seq = runs.locate(number)
    row = frame.slice(number - 1, 1)  # rows stand in order, all of them
    if row["row"].to_list() != [seq]:
        return
    mine = {runs.uploaded[name] for name in run.columns}
    row = row.drop(name for name in uploaded_names(row) if name not in mine)
    line = row.row(0, named=True)
    of_seq = seq if line["duplicate_of"] is None else int(line["duplicate_of"])
    with st.container(border=True, key=f"story_{run.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header(words.row_name(seq, line["file_line"]), anchor=False)
            if runs.alone is None:
                st.markdown(widgets.escape(runs.names[run.run_id], 120))
            st.button("Close", key="close_story", icon=":material/close:", on_click=results_filters.close_row)
        outcome = Outcome(line["outcome"])
        st.markdown(f"**{outcome}**: {SENTENCES[outcome]}")
        if line["outcome_reason"]:
            st.text(line["outcome_reason"])
        _records(run, of_seq)
        yours, asked, answered = st.columns(3, gap="medium")
        with yours:
            st.subheader("Your row", anchor=False)
            _cells(row, line)
        with asked:
            st.subheader("What was asked", anchor=False)
            tasks = _asked(run, row, of_seq, line)
        with answered:
            st.subheader("What came back", anchor=False)
            _answered(run, tasks)


def _cells(row: pl.DataFrame, line: dict[str, Any]) -> None:
    names = uploaded_names(row)
    cells = pl.DataFrame(
        {"Column": names, "Value": [line[name] or "" for name in names]},
        schema={"Column": pl.String, "Value": pl.String},
    )
    widgets.table(cells, f"The uploaded cells of row {line['row']}")


def _asked(run: RunInfo, row: pl.DataFrame, seq: int, line: dict[str, Any]) -> list[int]:
    ledger = resources.ledger()
    tasks: list[int] = queries.links(ledger, run.run_id, seq=seq)["task_no"].unique().sort().to_list()
    if line["duplicate_of"] is not None:
        st.text(f"The same task as row {seq}: it carries that row's answer and was paid once.")
    if line["domain"]:
        st.text(f"Clean domain: {line['domain']}")
        if rule := cleaning(run, row):
            st.caption(widgets.escape(rule))
    if not tasks:
        st.text("Nothing was sent for this row.")
    for task in queries.requests(ledger, run.run_id, tasks).iter_rows(named=True):
        batch = f"batch {task['batch_no']}, {words.BATCH_STATE_NAMES[task['batch_state']]}"
        st.text(f"Task {task['tracking_id'] or 'without a tracking id'} in {batch}")
        if run.made_elsewhere:
            st.text("Another tool submitted it: what it asked for is not known here.")
        else:
            with st.expander("The task as it was sent (JSON)"):
                st.code(pretty(task["request"]), language="json", wrap_lines=True)
    return tasks


def cleaning(run: RunInfo, row: pl.DataFrame) -> str:
    """Return how the uploaded cell became the clean domain; "" where the cell was it, or nobody knows.

    Args:
        row: The row's line of results; the domain that was looked up stands in it.
    """
    names = names_in_results(run.columns)
    columns = [names.get(one, one) for one in run.mapping.get("domain", ())]
    if not columns or any(name not in row.columns for name in columns):
        return ""
    cell = domain_cells(row, columns)
    read = clean_domains(cell, allow_example=run.environment == SANDBOX).row(0, named=True)
    if read["domain"] != row["domain"][0] or not read["rule"]:
        return (
            "" if read["domain"] == row["domain"][0] else f"from “{cell[0] or ''}”, as you decided in Check"
        )
    return f"from “{read['raw']}”: {read['rule']}"


def _records(run: RunInfo, seq: int) -> None:
    """Show what was found as a table: a line per record."""
    found = records_of_row(resources.ledger(), run.run_id, seq)
    if found.is_empty():
        return
    plural = {Kind.LOOKUP_BUSINESS_EMAIL: "mailboxes", Kind.FIND_TECH: "technologies"}
    nouns = plural.get(run.kind, "contacts")
    noun = {"mailboxes": "mailbox", "technologies": "technology"}.get(nouns, "contact")
    st.subheader(words.counted(found.height, noun, nouns), anchor=False)
    names = (*FOUND, "phone_international", "phone_type", "found_phones")
    shown = [name for name in names if name in found.columns and found[name].null_count() < found.height]
    if shown:
        widgets.table(
            found.select(linked(name) for name in shown),
            f"What was found for row {seq}: {words.counted(found.height, noun, nouns)}",
            config=found_config(found.select(shown)),
        )


def _answered(run: RunInfo, tasks: list[int]) -> None:
    answers = queries.answers(resources.ledger(), run.run_id, task_nos=tasks)
    if answers.is_empty():
        st.text("No answer.")
    for answer in answers.iter_rows(named=True):
        at = words.date_and_time(answer["fetched_at"], widgets.zone())
        st.text(f"Task id {answer['task_id']}, {answer['status']}, fetched {at}")
        with st.expander("The answer as it came (JSON)"):
            st.code(pretty(answer["payload"]), language="json", wrap_lines=True)


def pretty(text: str | None) -> str:
    """Return a JSON text laid out for reading; text that is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text or ""), indent=2, ensure_ascii=False)
    except ValueError:
        return text or ""
