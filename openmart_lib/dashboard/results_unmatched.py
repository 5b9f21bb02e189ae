"""Records that belong to no row of the list, on the Results page: in a list of their own, never dropped."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Final

import streamlit as st

from openmart_lib.dashboard import resources, results_frames, routes, words
from openmart_lib.dashboard.results_columns import found_config, linked
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import export
from openmart_lib.results.together import Runs
from openmart_lib.results.unmatched_file import UNMATCHED, export_unmatched
from openmart_lib.results.withheld import without_listed

_SHOWN: Final = 1_000  # records in the table; the file has all


def show(runs: Runs) -> None:
    """Show the records of no row, run by run; nothing where each record has its row."""
    for run in runs.each:
        found = results_frames.unmatched(Runs((run,)))
        if found.is_empty():
            continue
        count = words.counted(found.height, "record belongs", "records belong")
        of_run = "" if runs.alone else f" ({run.run_id})"
        with st.expander(f"{count} to no row{of_run}", icon=":material/help:", key=f"unmatched_{run.run_id}"):
            st.caption(
                "They came with this run and may have been paid: they are kept. No other file has them."
            )
            filled = [name for name in found.columns if found[name].count() and name != "found_raw"]
            shown = without_listed(resources.ledger(), found.head(_SHOWN)).frame.select(
                linked(name) for name in filled
            )
            if shown.height < found.height:
                st.caption(f"The first {words.count(_SHOWN)} are shown; the file has all.")
            named = {"why": "Why", "asked_for_rows": "Asked for rows", "record_no": "Record"}
            st.dataframe(
                shown,
                hide_index=True,
                column_config={**found_config(shown), **{one: named[one] for one in filled if one in named}},
                key=f"unmatched_table_{run.run_id}",
            )
            _file(run)


def _file(run: RunInfo) -> None:
    partly = run.final_rows < run.row_count
    st.download_button(
        "CSV for Excel",
        data=partial(unmatched_bytes, run.run_id),
        file_name=export.file_name(run, shape=UNMATCHED, ext="csv", partial=partly),
        mime="text/csv",
        key=f"unmatched_file_{run.run_id}",
        on_click="ignore",
        icon=":material/download:",
    )


def unmatched_bytes(run_id: str) -> bytes:
    """Return the records of no row as a CSV file, made by the click, so that nothing personal lies about."""
    ledger = resources.ledger()
    routes.sweep_exports(ledger.exports_dir)
    path = ledger.exports_dir / f"{run_id}-{secrets.token_hex(16)}.csv"
    try:
        export_unmatched(ledger, run_id, path)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
