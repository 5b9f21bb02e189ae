"""The run receipt on the Results page: to print, or as JSON for whoever keeps the books."""

from __future__ import annotations

from functools import partial

import streamlit as st

from openmart_lib.dashboard import resources
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import export, receipt


def show(run: RunInfo) -> None:
    """Offer the receipt of a run, made when it is asked for."""
    with st.popover("Receipt", icon=":material/receipt_long:", key=f"receipt_{run.run_id}"):
        st.caption(
            "What was asked, what became of every row, batch ids, credits and the files taken. "
            "Nobody's data is in it, and it stays after the data is deleted."
        )
        for fmt, label, mime in (
            ("html", "To print (HTML)", "text/html"),
            ("json", "For programs (JSON)", "application/json"),
        ):
            st.download_button(
                label,
                data=partial(receipt_bytes, run.run_id, fmt),
                file_name=export.file_name(
                    run, shape="receipt", ext=fmt, partial=run.final_rows < run.row_count
                ),
                mime=mime,
                key=f"receipt_{run.run_id}_{fmt}",
                on_click="ignore",
                icon=":material/download:",
                width="stretch",
            )


def receipt_bytes(run_id: str, fmt: str) -> bytes:
    """Return a run's receipt as it is now, as a file: ``html`` or ``json``."""
    made = receipt.read(resources.ledger(), run_id, prices=resources.settings().prices)
    return (receipt.as_html(made) if fmt == "html" else receipt.as_json(made)).encode()
