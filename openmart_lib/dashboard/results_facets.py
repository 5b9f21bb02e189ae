"""The facets of the Results page: what rows can be narrowed down by, with counts; chips of what is on."""

from __future__ import annotations

from typing import Final

import streamlit as st

from openmart_lib.dashboard import results_filters, widgets, words
from openmart_lib.dashboard.results_filters import Values
from openmart_lib.ledger.states import SENTENCES, Outcome
from openmart_lib.results.explore import Explorer, Query
from openmart_lib.results.facets import EMPTY, OF_RUN
from openmart_lib.results.together import Runs

MANY: Final = 8  # values from which on a facet is a list to pick from, not tick boxes
OPEN: Final = ("outcome", OF_RUN, "email", "title_fit")  # unfolded at first
_HELP: Final = {
    "task": "What Openmart's API says: COMPLETED, ERRORED, CANCELLED.",
    "email": "Of the best contact of each row.",
    "email_domain": "Whose domain the email of each row's best contact is of: a parent or bought company's "
    "is another.",
    "phone": "Of the best contact of each row.",
    "title_fit": "The best contact's, against the one you asked for.",
    "title": "The best contact's; the most frequent ones.",
}


def show(runs: Runs, explorer: Explorer, asked: Query) -> None:
    """Show every facet, each value with its rows under the other filters."""
    for key in explorer.facets.columns:
        counts = dict(explorer.facet(key, asked, most=explorer.facets.height).iter_rows())
        picked = list(asked.values.get(key, ()))
        values = [one for one in results_filters.values_of(explorer, key) if counts.get(one) or one in picked]
        if not values:
            continue
        if key == "outcome":
            st.markdown("**Outcome**", help=_outcomes(values))
            _boxes(runs, explorer, key, values, counts)
            continue
        told = f" · {len(picked)} chosen" if picked else ""
        title = f"{widgets.escape(results_filters.name(key), 40)}{told}"
        with st.expander(title, expanded=bool(picked) or key in OPEN, key=f"facet_{key}_{runs.run_id}"):
            if key in _HELP:
                st.caption(_HELP[key])
            if len(values) > MANY:
                _list(runs, explorer, key, values, counts)
            else:
                _boxes(runs, explorer, key, values, counts)


def chips(runs: Runs, explorer: Explorer, asked: Query) -> None:
    """Show what is filtered by, each with a button that takes it off."""
    if not asked.values and not asked.text:
        return
    with st.container(horizontal=True, gap="xsmall"):
        for key, values in asked.values.items():
            for value in values:
                text = f"{results_filters.name(key)}: {EMPTY if value is None else value}"
                st.button(
                    widgets.escape(text, 60),
                    key=f"off_{runs.run_id}_{key}_{value or ''}",
                    icon=":material/close:",
                    help="Take this filter off",
                    on_click=_set,
                    args=(explorer, key, value, False),
                )
        st.button(
            "Clear all",
            key=f"clear_{runs.run_id}",
            type="tertiary",
            on_click=results_filters.clear,
            args=(runs,),
        )


def _boxes(runs: Runs, explorer: Explorer, key: str, values: Values, counts: dict[str | None, int]) -> None:
    picked = results_filters.chosen(explorer, key)
    with st.container(gap="xxsmall"):
        for value in values:
            box = f"{key}_{runs.run_id}_{value or ''}"
            st.session_state[box] = value in picked
            st.checkbox(_counted(value, counts), key=box, on_change=_ticked, args=(explorer, key, value, box))


def _list(runs: Runs, explorer: Explorer, key: str, values: Values, counts: dict[str | None, int]) -> None:
    box = f"{key}_{runs.run_id}"
    st.session_state[box] = [value or "" for value in results_filters.chosen(explorer, key)]
    st.multiselect(
        results_filters.name(key),
        [value or "" for value in values],
        format_func=lambda text: f"{text or EMPTY} ({words.count(counts.get(text or None, 0))})",
        key=box,
        placeholder=f"One of {len(values)} values",
        label_visibility="collapsed",
        on_change=_listed,
        args=(key, box),
    )


def _counted(value: str | None, counts: dict[str | None, int]) -> str:
    return f"{widgets.escape(EMPTY if value is None else value, 40)} ({words.count(counts.get(value, 0))})"


def _ticked(explorer: Explorer, key: str, value: str | None, box: str) -> None:
    _set(explorer, key, value, bool(st.session_state[box]))


def _listed(key: str, box: str) -> None:
    results_filters.choose(key, [text or None for text in st.session_state[box]])


def _set(explorer: Explorer, key: str, value: str | None, on: bool) -> None:
    now = [one for one in results_filters.chosen(explorer, key) if one != value]
    wanted = [*now, value] if on else now
    results_filters.choose(key, [one for one in results_filters.values_of(explorer, key) if one in wanted])


def _outcomes(values: Values) -> str:
    return "  \n".join(f"**{one}**: {SENTENCES[Outcome(one)]}" for one in values if one)
