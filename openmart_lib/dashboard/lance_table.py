"""The table of a watch list: the uploaded columns with what Lance said, filtered, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import lance_charts, url_state, widgets, words
from openmart_lib.ledger.watched import WatchCard
from openmart_lib.results.lance_files import ADVICE_COLUMNS, ADVICE_SENTENCES, ROW_COLUMNS, Advice
from openmart_lib.wording import worded

PAGE_ROWS: Final = 100
NO_ID: Final = "no id"  # of a row that was rejected; it has no state
_FEW: Final = 2  # uploaded columns that are shown unless all are asked for
_ADVICE: Final = "advice"
_SHORTER: Final = r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$", "$1 $2 UTC"  # any other time stays as Lance says it


def filters(card: WatchCard, frame: pl.DataFrame) -> pl.DataFrame:
    """Show the filters, kept in the address, and return the rows that pass.

    Args:
        frame: As ``results.lance_files.joined``.
    """
    tests = []
    with st.grid(len(card.fields) + 1, min_column_width=180, gap="small"):
        for field in card.fields:
            chosen = _choice(card, field, f"State of {field}", states(frame, field))
            if chosen:
                tests.append(_state(field).is_in(chosen))
        advice = _choice(card, _ADVICE, "Advice", [one.value for one in Advice])
        if advice:
            tests.append(
                pl.any_horizontal(pl.col(ADVICE_COLUMNS[Advice(one)]).is_not_null() for one in advice)
            )
    return frame.filter(*tests) if tests else frame


def states(frame: pl.DataFrame, field: str) -> list[str]:
    """Return the states that a field has in a list, in the order of every legend."""
    seen = frame.select(_state(field)).to_series().unique().to_list()
    return [*lance_charts.in_order(one for one in seen if one != NO_ID), *([NO_ID] if NO_ID in seen else [])]


def _state(field: str) -> pl.Expr:
    return pl.col(f"{field}_state").fill_null(NO_ID)


def _choice(card: WatchCard, name: str, label: str, options: Sequence[str]) -> list[str]:
    key = f"{card.list_id}_{name}"
    st.session_state[key] = url_state.several(name, options)
    return st.multiselect(
        label,
        options,
        key=key,
        placeholder="anything",
        on_change=_filtered,
        args=(name, key),
        help="\n".join(f"- **{one}**: {said}" for one, said in ADVICE_SENTENCES.items())
        if name == _ADVICE
        else None,
    )


def _filtered(name: str, key: str) -> None:
    url_state.keep(name, st.session_state[key])
    st.query_params.pop("page", None)


def show(card: WatchCard, rows: pl.DataFrame) -> None:
    """Show one page of the rows that pass.

    Args:
        rows: As ``filters`` gives them.
    """
    whole = "" if rows.height == card.row_count else f" of {words.count(card.row_count)}"
    noun = "row" if card.row_count == 1 else "rows"
    mine = _uploaded(rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.count(rows.height)}**{whole} {noun}", width="stretch")
        all_columns = len(mine) > _FEW and st.checkbox(
            f"All {words.count(len(mine))} columns of mine", key=f"{card.list_id}_columns"
        )
    if rows.is_empty():
        st.info("No row fits all of these filters. Take one off.", icon=":material/filter_alt_off:")
        return
    pages = -(-rows.height // PAGE_ROWS)
    number = url_state.number("page", low=1, high=pages) or 1
    page = rows.slice((number - 1) * PAGE_ROWS, PAGE_ROWS)
    shown = _for_reading(card, page, mine if all_columns else _first(card, mine))
    widgets.table(
        shown,
        f"What Lance said, page {number} of {pages}: {page.height} rows",
        height=min(560, 38 + 35 * page.height),
        config=_config(card, shown),
    )
    if pages > 1:
        _turner(card, number, pages)


def _uploaded(frame: pl.DataFrame) -> list[str]:
    return frame.columns[: frame.columns.index(ROW_COLUMNS[0])]


def _first(card: WatchCard, mine: list[str]) -> list[str]:
    """Return the uploaded columns shown at first: the first ones, the column of ids among them."""
    ids = str(card.mapping.get("id_column"))
    first = mine[:_FEW]
    return first if ids not in mine or ids in first else [*first[:-1], ids]


def _for_reading(card: WatchCard, page: pl.DataFrame, mine: list[str]) -> pl.DataFrame:
    """Return what a reader wants of a page: row, uploaded columns, states, advice, and what else was said."""
    taken = {name.casefold() for name in mine}
    ours: dict[str, pl.Expr] = {}
    for field in card.fields:
        ours[f"{field}: state"] = _state(field)
    told = [
        pl.when(pl.col(name).is_not_null()).then(worded(f"{advice}: {{}}", name))
        for advice, name in ADVICE_COLUMNS.items()
    ]
    ours["Advice"] = pl.concat_str(told, separator="; ", ignore_nulls=True)
    for field in card.fields:
        ours[f"{field}: updated"] = pl.col(f"{field}_updated_at").str.replace(*_SHORTER)
        if page[f"{field}_error"].is_not_null().any():
            ours[f"{field}: error"] = pl.col(f"{field}_error")
    if page["intake_reason"].is_not_null().any():
        ours["Remark"] = pl.col("intake_reason")
    named = {name + ("\u200b" if name.casefold() in taken else ""): one for name, one in ours.items()}
    row = "Row" if "row" not in taken else "Row\u200b"  # the reader sees the same word
    return page.select(pl.col("row").alias(row), *mine, *(one.alias(name) for name, one in named.items()))


def _config(card: WatchCard, shown: pl.DataFrame) -> dict[str, Any]:
    """Pin the row's number and the first uploaded column; ids need not be read whole."""
    row, first = shown.columns[:2]
    ids = str(card.mapping.get("id_column"))
    return {
        row: st.column_config.NumberColumn(format="localized", pinned=True, width=60),
        first: st.column_config.TextColumn(pinned=True, width=130),
        **({ids: st.column_config.TextColumn(width=110)} if ids in shown.columns[2:] else {}),
    }


def _turner(card: WatchCard, number: int, pages: int) -> None:
    key = f"{card.list_id}_page_{pages}"
    if st.session_state.get(key, number) != number:  # the address was changed by hand or by going back
        st.session_state[key] = number
    st.pagination(pages, default=number, key=key, on_change=_turned, args=(key,))


def _turned(key: str) -> None:
    number = int(st.session_state[key])
    url_state.keep("page", number if number > 1 else None)
