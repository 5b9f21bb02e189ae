"""What the Results page shows of a run: filters, order and page, all in its address but for the search.

The address is the only memory of them: widgets are set from it and write to it, so a reload, a shared link,
a click on a chart and "clear all" cannot disagree. What it says is input from outside and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import url_state
from openmart_lib.results.explore import Explorer, Query
from openmart_lib.results.facets import EMPTY, OF_RUN, UPLOADED
from openmart_lib.results.together import Runs

NAMES: Final = {
    OF_RUN: "Run",
    "outcome": "Outcome",
    "task": "Openmart's task",
    "email": "Email",
    "email_domain": "Email's domain",
    "phone": "Phone found",
    "title_fit": "Title fits",
    "title": "Title found",
}
Values = list[str | None]


def query(runs: Runs, explorer: Explorer) -> Query:
    """Return what the address and the search box ask for; what cannot be asked for leaves the address."""
    _tidy(explorer)
    values = {key: found for key in explorer.facets.columns if (found := chosen(explorer, key))}
    sort = url_state.one("sort", explorer.frame.columns)
    return Query(
        values=values, text=search_text(runs), sort=sort, descending="desc" in st.query_params and bool(sort)
    )


def chosen(explorer: Explorer, key: str) -> Values:
    """Return the values of a facet that the address lets through, in the order they are shown in.

    In the address an empty cell is an empty text.
    """
    if key not in st.query_params:
        return []
    given = _given(key)
    return [value for value in values_of(explorer, key) if (value or "") in given]


def values_of(explorer: Explorer, key: str) -> Values:
    """Return all values of a facet in the order they are shown in, None (empty cells) last."""
    facet = explorer.facets[key]
    assert isinstance(facet.dtype, pl.Enum), "a facet is an Enum column"
    return [*facet.dtype.categories, *([None] if facet.has_nulls() else [])]


def choose(key: str, values: Sequence[str | None]) -> None:
    """Let through these values of a facet, all when there are none; the first page is shown."""
    _write(key, values)
    forget_place()


def clear(runs: Runs) -> None:
    """Take all filters off, and the search; the order stays."""
    for key in [one for one in st.query_params if one in NAMES or one.startswith(UPLOADED)]:
        del st.query_params[key]
    st.session_state[search_key(runs)] = ""
    forget_place()


def forget_place() -> None:
    """Show the first page and no row's story: the rows have become others."""
    for name in ("page", "row"):
        st.query_params.pop(name, None)


def _write(key: str, values: Sequence[str | None]) -> None:
    texts = [value or "" for value in values]
    if not texts:
        st.query_params.pop(key, None)
    elif _is_free_text(key):
        st.query_params[key] = texts
    else:
        st.query_params[key] = ",".join(texts)


def _tidy(explorer: Explorer) -> None:
    for key in [one for one in st.query_params if one in NAMES or one.startswith(UPLOADED)]:
        known = chosen(explorer, key) if key in explorer.facets.columns else []
        if sorted(_given(key)) != sorted(value or "" for value in known):
            _write(key, known)


def _given(key: str) -> list[str]:
    given = st.query_params.get_all(key)
    if _is_free_text(key):
        return given
    return [part for one in given for part in one.split(",")]  # none of our own words has a comma


def _is_free_text(key: str) -> bool:
    """Return whether a facet's values may hold a comma: each stands in the address by itself."""
    return key.startswith(UPLOADED) or key in ("title", OF_RUN)


def search_key(runs: Runs) -> str:
    """Return the key of the search box: what is typed there stays in the session, never in an address."""
    return f"search_{runs.run_id}"


def search_text(runs: Runs) -> str:
    """Return what is searched for."""
    return str(st.session_state.get(search_key(runs)) or "").strip()


def name(key: str) -> str:
    """Return what a facet is called on screen, as plain text."""
    return NAMES.get(key) or key.removeprefix(UPLOADED)


def in_words(asked: Query) -> list[str]:
    """Return the filters in words, for a file's name; what was searched for is not told."""
    told = []
    for key, values in asked.values.items():
        texts = " or ".join(EMPTY if value is None else value for value in values)
        told.append(texts if key == "outcome" else f"{name(key)} {texts}")
    return [*told, *(["search"] if asked.text else [])]


def close_row() -> None:
    """Show no row's story."""
    st.query_params.pop("row", None)


def selected(asked: Query, shown: pl.Series, ticked: Sequence[int]) -> tuple[pl.Series | None, str]:
    """Return the rows that somebody singled out, and their name: ticked, else filtered, else all.

    Args:
        shown: The numbers of the rows that match.
        ticked: Those of the rows that are ticked.

    Returns:
        Row numbers (Int64), None for all; "" is what all are called.
    """
    if ticked:
        noun = "the ticked row" if len(ticked) == 1 else f"the {len(ticked)} ticked rows"
        return pl.Series("row", ticked, dtype=pl.Int64), noun
    if asked.values or asked.text:
        return shown.cast(pl.Int64), f"the rows shown: {', '.join(in_words(asked))}"
    return None, ""
