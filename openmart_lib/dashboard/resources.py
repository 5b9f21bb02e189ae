"""What all pages share: the settings, the open ledger, and the runs as they were within the last second."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib import engine
from openmart_lib.engine import WorkerStatus
from openmart_lib.ledger import Ledger, open_ledger, overview, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.settings import Settings, load_settings

PAGES_FOLDER: Final = Path(__file__).parents[2] / "pages"


def page(name: str) -> Path:
    """Return the file of a page, for ``st.switch_page`` and ``st.page_link``."""
    return PAGES_FOLDER / f"{name}.py"


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Return the settings as they were at the first call; a change needs a restart.

    Raises:
        ConfigError: If a setting cannot be used.
    """
    return load_settings()


@st.cache_resource(show_spinner=False)
def ledger() -> Ledger:
    """Return the open ledger of the settings' environment.

    Raises:
        ConfigError: As ``settings``.
        LedgerError: If the ledger cannot be opened.
    """
    return open_ledger(settings())


@st.cache_resource(show_spinner=False)
def key_fingerprint() -> str:
    """Return the salted fingerprint of the present key."""
    return engine.key_fingerprint(ledger(), settings())


@st.cache_resource(ttl=1, max_entries=1, show_spinner=False)
def runs() -> list[RunInfo]:
    """Return all runs, newest first, at most one second old; shared by all tabs."""
    return overview.runs(
        ledger(), key_fingerprint=key_fingerprint(), stall_after=settings().effective_stall_after
    )


def run(run_id: str) -> RunInfo:
    """Return one run as it is now.

    Raises:
        RunNotFoundError: If there is no such run here.
    """
    return overview.run_info(
        ledger(), run_id, key_fingerprint=key_fingerprint(), stall_after=settings().effective_stall_after
    )


def batches(run_id: str) -> pl.DataFrame:
    """Return a run's batches, read anew only when the ledger has changed; columns as ``queries.batches``."""
    return _batches(run_id, queries.revision(ledger()))


@st.cache_resource(ttl=60, max_entries=8, show_spinner=False)
def _batches(run_id: str, revision: int) -> pl.DataFrame:
    return queries.batches(ledger(), run_id)


@st.cache_resource(ttl=1, max_entries=1, show_spinner=False)
def worker() -> WorkerStatus:
    """Return whether the engine's worker is alive, at most one second old."""
    return engine.worker_status(settings())


def forget_runs() -> None:
    """Read the runs anew at the next look; called after a person changed one."""
    runs.clear()
