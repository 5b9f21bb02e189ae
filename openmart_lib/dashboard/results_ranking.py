"""What the table has a line for, row or company, and by which order a company's best contact is chosen.

Both stand in the page's address: ``?lines=companies&ranking=verified_email,title_fit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from openmart_lib.dashboard import results_filters, url_state, widgets
from openmart_lib.errors import InputError
from openmart_lib.results.quality import RANKING, Criterion, parse_ranking, ranking_sentence, ranking_words
from openmart_lib.results.together import Runs

Lines = Literal["rows", "companies"]
LINES: Final[dict[Lines, str]] = {"rows": "uploaded row", "companies": "company"}
PLACES: Final = ("Best first by", "then by", "then by ", "then by  ")  # different labels for different places
_NAMES: Final = {one: one.capitalize() for one in Criterion}
_NOTHING: Final = ""


def lines() -> Lines:
    """Return what the address asks the table to have a line for."""
    return "companies" if url_state.one("lines", list(LINES)) == "companies" else "rows"


def choose_lines(runs: Runs) -> None:
    """Let the reader choose what the table has a line for."""
    key = f"lines_{runs.run_id}"
    st.session_state[key] = lines()
    st.radio(
        "One line per",
        list(LINES),
        format_func=LINES.__getitem__,
        key=key,
        horizontal=True,
        on_change=_lines_chosen,
        args=(key,),
    )


def _lines_chosen(key: str) -> None:
    url_state.keep("lines", None if st.session_state[key] == "rows" else st.session_state[key])
    results_filters.forget_place()


def ranking() -> tuple[Criterion, ...]:
    """Return the order that the address asks for, ours where it asks for none or for nonsense."""
    return _asked() or RANKING


def check_address() -> None:
    """Say so when the address asks for an order that cannot be used, and forget it."""
    if "ranking" in st.query_params and _asked() is None:
        widgets.message(
            "warning",
            "The order of contacts in this address cannot be used.",
            "The usual one is shown instead; no row is lost and no credits are involved.",
            "Choose another one where companies are shown.",
        )
        del st.query_params["ranking"]


def _asked() -> tuple[Criterion, ...] | None:
    try:
        return parse_ranking(filter(None, st.query_params.get("ranking", "").split(","))) or None
    except InputError:
        return None


def choose(runs: Runs, place: str) -> tuple[Criterion, ...]:
    """Let the reader set the order, and say it in a sentence; return it.

    Args:
        place: Where on the page this is: the same choice stands in two places.
    """
    order = ranking()
    with st.container(horizontal=True, gap="small"):
        for nth in range(min(len(order) + 1, len(Criterion))):
            now = order[nth] if nth < len(order) else _NOTHING
            key = f"ranking_{place}_{nth}_{runs.run_id}"
            st.session_state[key] = now
            further = [_NOTHING] if nth else []  # an order of nothing is none
            offered = list(Criterion) if now else [one for one in Criterion if one not in order]
            st.selectbox(
                PLACES[nth],
                [*offered, *further],
                format_func=lambda one: _NAMES.get(one, "nothing more"),
                key=key,
                width=170,
                on_change=_chosen,
                args=(key, nth),
            )
    st.caption(ranking_sentence(order))
    return order


def _chosen(key: str, nth: int) -> None:
    order = after_choice(ranking(), nth, st.session_state[key] or None)
    url_state.keep("ranking", None if order == RANKING else ranking_words(order))
    results_filters.forget_place()


def after_choice(order: Sequence[Criterion], nth: int, wanted: str | None) -> tuple[Criterion, ...]:
    """Return an order after a criterion was chosen for one of its places: one that stood elsewhere swaps.

    Args:
        nth: The place, from 0; the one after the last adds a criterion.
        wanted: None takes the place away.
    """
    now = list(order)
    if wanted is None:
        return tuple(now[:nth] + now[nth + 1 :])
    chosen = Criterion(wanted)
    if nth >= len(now):
        return tuple(dict.fromkeys([*now, chosen]))
    if chosen in now:
        now[now.index(chosen)] = now[nth]
    now[nth] = chosen
    return tuple(now)
