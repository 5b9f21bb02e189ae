"""The table of results: searched, sorted, in pages of a hundred rows; a ticked row opens its story."""

from __future__ import annotations

import zlib
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import (
    resources,
    results_columns,
    results_facets,
    results_filters,
    url_state,
    words,
)
from openmart_lib.results.columns import COMPANY_ROWS
from openmart_lib.results.explore import PAGE_ROWS, Explorer, Query
from openmart_lib.results.together import Runs
from openmart_lib.results.withheld import withhold

LIST_ORDER: Final = ""  # the choice of no sorting


def show(runs: Runs, explorer: Explorer, asked: Query, places: pl.Series) -> list[int]:
    """Show one page of the lines that match; return the numbers of the rows that ticked ones are about.

    Args:
        places: Of the matching lines in ``explorer``, in the order asked for.
    """
    _controls(runs, explorer, asked)
    _count(explorer, places.len())
    results_facets.chips(runs, explorer, asked)
    if places.is_empty():
        st.info("No row fits all of these filters. Take one off.", icon=":material/filter_alt_off:")
        return []
    pages = -(-places.len() // PAGE_ROWS)
    number = url_state.number("page", low=1, high=pages) or 1
    ticked = _grid(runs, explorer, places, number, pages)
    if pages > 1:
        _turner(runs, asked, number, pages)
    return ticked


def _controls(runs: Runs, explorer: Explorer, asked: Query) -> None:
    search, order, more = st.columns([5, 4, 3], vertical_alignment="bottom")
    with search:
        st.text_input(
            "Search",
            key=results_filters.search_key(runs),
            placeholder="Any words of a row",
            help="Every word must stand somewhere in the row, in your columns or in what was found. "
            "What you search for is not put into the address.",
            icon=":material/search:",
            on_change=results_filters.forget_place,
        )
    with order, st.container(horizontal=True, vertical_alignment="bottom"):
        _order(runs, explorer, asked)
    with more:
        results_columns.choice(runs, explorer.frame)


def _order(runs: Runs, explorer: Explorer, asked: Query) -> None:
    key = f"sort_{runs.run_id}"
    st.session_state[key] = asked.sort or LIST_ORDER
    st.selectbox(
        "Sort by",
        [LIST_ORDER, *results_columns.sortable(runs, explorer.frame)],
        format_func=lambda name: results_columns.title(name) if name else "The order of your list",
        key=key,
        on_change=_sorted,
        args=(key,),
    )
    if asked.sort is None:
        return
    down = f"desc_{runs.run_id}"
    st.session_state[down] = asked.descending
    st.checkbox(
        "Z to A", key=down, help="Greatest first; empty cells always come last.", on_change=_turn_over
    )


def _count(explorer: Explorer, found: int) -> None:
    lines = explorer.frame.height
    whole = "" if found == lines else f" of {words.count(lines)}"
    if COMPANY_ROWS in explorer.frame.columns:
        noun, todo = (
            "company" if lines == 1 else "companies",
            "tick one to read the story of its best row below",
        )
    else:
        noun, todo = "row" if lines == 1 else "rows", "tick a row to read its story below"
    st.markdown(f"**{words.count(found)}**{whole} {noun} · {todo}")


def _grid(runs: Runs, explorer: Explorer, places: pl.Series, number: int, pages: int) -> list[int]:
    numbers = explorer.page_numbers(places, number)
    # Cells can be copied: a way out of the house, as a file is.
    rows = withhold(resources.ledger(), explorer.page(places, number)).frame
    seqs = numbers.to_list()
    # Named after what it shows: ticks must never slip to other rows.
    key = f"rows_{runs.run_id}_{zlib.crc32(numbers.to_numpy().tobytes())}"
    shown = results_columns.for_reading(rows, results_columns.extra(), several=runs.alone is None)
    st.dataframe(
        shown,
        hide_index=True,
        # Lower while a story is open, so that it can be seen to appear below.
        height=min(318 if "row" in st.query_params else 560, 38 + 35 * rows.height),
        column_config=results_columns.config(rows),
        alt=f"Results, page {number} of {pages}: {rows.height} rows",
        key=key,
        placeholder="",
        on_select=lambda: _ticked(key, runs, seqs),
        selection_mode="multi-row",
    )
    return [seqs[one] for one in st.session_state[key].selection.rows if one < len(seqs)]


def _ticked(key: str, runs: Runs, seqs: list[int]) -> None:
    now = [seqs[one] for one in st.session_state[key].selection.rows]
    before_key = f"ticked_{runs.run_id}"
    before = st.session_state.get(before_key, [])
    st.session_state[before_key] = now
    url_state.keep("row", to_open(now, before, url_state.number("row", low=1, high=runs.row_count)))


def to_open(now: list[int], before: list[int], opened: int | None) -> int | None:
    """Return the row whose story is to be read: the one ticked last, or the open one while it is ticked."""
    new = [seq for seq in now if seq not in before]
    if new:
        return new[-1]
    return opened if opened in now else now[-1] if now else None


def _turner(runs: Runs, asked: Query, number: int, pages: int) -> None:
    key = f"page_{runs.run_id}_{hash(asked.key())}"
    if st.session_state.get(key, number) != number:  # the address was changed by hand or by going back
        st.session_state[key] = number
    st.session_state.setdefault(key, number)
    st.pagination(pages, key=key, on_change=_turned, args=(key,))


def _turned(key: str) -> None:
    number = int(st.session_state[key])
    url_state.keep("page", number if number > 1 else None)


def _sorted(key: str) -> None:
    url_state.keep("sort", st.session_state[key] or None)
    st.query_params.pop("desc", None)
    st.query_params.pop("page", None)


def _turn_over() -> None:
    url_state.keep("desc", None if "desc" in st.query_params else 1)
    st.query_params.pop("page", None)
