"""The table of results: searched, sorted, in pages of a hundred rows; a ticked row opens its story."""

from __future__ import annotations

import zlib
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import results_columns, results_facets, results_filters, url_state, words
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.explore import PAGE_ROWS, Explorer, Query

LIST_ORDER: Final = ""  # the choice of no sorting


def show(run: RunInfo, explorer: Explorer, asked: Query, places: pl.Series) -> list[int]:
    """Show one page of the rows that match; return the numbers of the ticked ones.

    Args:
        places: Of the matching rows in ``explorer``, in the order asked for.
    """
    _controls(run, explorer, asked)
    _count(run, places.len())
    results_facets.chips(run, explorer, asked)
    if places.is_empty():
        st.info("No row fits all of these filters. Take one off.", icon=":material/filter_alt_off:")
        return []
    pages = -(-places.len() // PAGE_ROWS)
    number = url_state.number("page", low=1, high=pages) or 1
    rows = explorer.page(places, number)
    ticked = _grid(run, rows, number, pages)
    if pages > 1:
        _turner(run, asked, number, pages)
    return ticked


def _controls(run: RunInfo, explorer: Explorer, asked: Query) -> None:
    search, order, more = st.columns([5, 4, 3], vertical_alignment="bottom")
    with search:
        st.text_input(
            "Search",
            key=results_filters.search_key(run),
            placeholder="Any words of a row",
            help="Every word must stand somewhere in the row, in your columns or in what was found. "
            "What you search for is not put into the address.",
            icon=":material/search:",
            on_change=results_filters.forget_place,
        )
    with order, st.container(horizontal=True, vertical_alignment="bottom"):
        _order(run, explorer, asked)
    with more:
        results_columns.choice(run, explorer.frame)


def _order(run: RunInfo, explorer: Explorer, asked: Query) -> None:
    key = f"sort_{run.run_id}"
    st.session_state[key] = asked.sort or LIST_ORDER
    st.selectbox(
        "Sort by",
        [LIST_ORDER, *results_columns.sortable(explorer.frame)],
        format_func=lambda name: results_columns.title(name) if name else "The order of your list",
        key=key,
        on_change=_sorted,
        args=(key,),
    )
    if asked.sort is None:
        return
    down = f"desc_{run.run_id}"
    st.session_state[down] = asked.descending
    st.checkbox(
        "Z to A", key=down, help="Greatest first; empty cells always come last.", on_change=_turn_over
    )


def _count(run: RunInfo, found: int) -> None:
    whole = "" if found == run.row_count else f" of {words.count(run.row_count)}"
    noun = "row" if run.row_count == 1 else "rows"
    st.markdown(f"**{words.count(found)}**{whole} {noun} · tick a row to read its story below")


def _grid(run: RunInfo, rows: pl.DataFrame, number: int, pages: int) -> list[int]:
    seqs = rows["row"].to_list()
    # Named after what it shows: ticks must never slip to other rows.
    key = f"rows_{run.run_id}_{zlib.crc32(rows['row'].to_numpy().tobytes())}"
    shown = results_columns.for_reading(rows, results_columns.extra())
    st.dataframe(
        shown,
        hide_index=True,
        # Lower while a story is open, so that it can be seen to appear below.
        height=min(318 if "row" in st.query_params else 560, 38 + 35 * rows.height),
        column_config=results_columns.config(rows),
        alt=f"Results, page {number} of {pages}: {rows.height} rows",
        key=key,
        placeholder="",
        on_select=lambda: _ticked(key, run, seqs),
        selection_mode="multi-row",
    )
    return [seqs[one] for one in st.session_state[key].selection.rows if one < len(seqs)]


def _ticked(key: str, run: RunInfo, seqs: list[int]) -> None:
    now = [seqs[one] for one in st.session_state[key].selection.rows]
    before_key = f"ticked_{run.run_id}"
    before = st.session_state.get(before_key, [])
    st.session_state[before_key] = now
    url_state.keep("row", to_open(now, before, url_state.number("row", low=1, high=run.row_count)))


def to_open(now: list[int], before: list[int], opened: int | None) -> int | None:
    """Return the row whose story is to be read: the one ticked last, or the open one while it is ticked."""
    new = [seq for seq in now if seq not in before]
    if new:
        return new[-1]
    return opened if opened in now else now[-1] if now else None


def _turner(run: RunInfo, asked: Query, number: int, pages: int) -> None:
    key = f"page_{run.run_id}_{hash(asked.key())}"
    if st.session_state.get(key, number) != number:  # the address was changed by hand or by going back
        st.session_state[key] = number
    st.pagination(pages, default=number, key=key, on_change=_turned, args=(key,))


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
