"""Watch lists as cards: how each stands, its states by field, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from openmart_lib.dashboard import (
    attention,
    background,
    lance_charts,
    lance_words,
    resources,
    widgets,
    words,
)
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import Ledger, watched, watching
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import Ended

NEWEST: Final = 10  # cards that are shown without being asked for
EVERY: Final = 2.0  # seconds between two looks while something moves


@st.cache_resource(ttl=1, max_entries=1, show_spinner=False)
def cards() -> list[WatchCard]:
    """Return all watch lists, newest first, at most one second old; shared by all tabs."""
    return watched.watch_cards(resources.ledger())


def mine(card: WatchCard) -> bool:
    """Whether a list belongs to the Lance that is talked to now; another one's is only looked at."""
    return card.environment == watching.lance_environment(resources.settings())


def moves(card: WatchCard) -> bool:
    """Whether something will happen to a list by itself."""
    return card.standing in (Standing.ASKING, Standing.WAITING) and mine(card)


def every(shown: Sequence[WatchCard]) -> float | None:
    """Return after how many seconds to look again; None when nothing moves."""
    return EVERY if any(map(moves, shown)) else None


def signature(shown: Sequence[WatchCard]) -> tuple[Any, ...]:
    """Return what the whole page depends on; numbers within a round are not part of it."""
    return tuple((one.list_id, one.rounds, moves(one), one.ended_why, one.error) for one in shown)


def live(seen: tuple[Any, ...]) -> None:
    """Show all lists as they are now; run the whole page again when one ended, or a round did."""
    try:
        now = cards()
    except OpenmartError as error:
        widgets.error_message(error)
        return
    if signature(now) != seen:
        st.rerun()
    attention.worker_box(any(map(moves, now)))
    st.header("Watch lists", anchor=False)
    older = len(now) - NEWEST
    all_of_them = older > 0 and st.checkbox(f"Show the {words.counted(older, 'older list')} too")
    for card in now if all_of_them else now[:NEWEST]:
        with st.container(border=True, key=f"watch_{card.list_id}"):
            _heading(card)
            body(card)
            buttons(card, opened=False)


def _heading(card: WatchCard) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(widgets.escape(card.name, 120), anchor=False, width="stretch")
        if st.button("Open", key=f"open_{card.list_id}", icon=":material/table_view:"):
            st.query_params.from_dict({"list": card.list_id})
            st.rerun()  # the whole page, not this part of it


def body(card: WatchCard) -> None:
    """Show what a list is, how it stands, its states, and what is in its way."""
    made = f"made {words.date_and_time(card.created_at, widgets.zone())}"
    st.caption(widgets.escape(" · ".join([*lance_words.facts(card), made])))
    stands = lance_words.standing(card, time.time(), widgets.zone())
    st.markdown(f"**{lance_words.progress(card)}** · {stands}")
    chart, sentence = lance_charts.field_bars(card.counts)
    st.altair_chart(chart, alt=sentence, key=f"states_{card.list_id}")
    legend(card.states)
    trouble(card)


def legend(counts: Mapping[str, int], begin: str = "") -> None:
    """Show enrichments by state in words; they add up.

    Args:
        begin: What the line begins with.
    """
    parts = []
    for state in lance_charts.in_order(counts):
        square = f':color[■]{{foreground="{lance_charts.STATE_COLOURS[state]}"}}'
        parts.append(
            "\u00a0".join([square, *state.split(), f"**{words.count(counts[state])}**"])
        )  # wraps between
    whole = words.counted(sum(counts.values()), "enrichment")
    st.markdown(f"{begin}{' &nbsp; '.join(parts)} &nbsp; =\u00a0{whole.replace(' ', chr(0xA0))}")


def trouble(card: WatchCard) -> None:
    """Say what is in a list's way, in its own three sentences."""
    if not mine(card):
        st.info(
            "This list belongs to another Lance than the one in the settings, so it is not asked. What is "
            "known of it stays. Set LANCE_TOKEN and LANCE_BASE_URL as they were to go on with it.",
            icon=":material/link_off:",
        )
    elif card.error:
        said = widgets.escape(card.error, 2000)
        if card.ended_why is Ended.REFUSED:
            st.error(said, icon=":material/error:")
        else:
            st.warning(said, icon=":material/warning:")


def buttons(card: WatchCard, *, opened: bool) -> None:
    """Offer what can be done with a list; ``opened``: the page shows this one alone."""
    with st.container(horizontal=True, key=f"buttons_{card.list_id}"):
        if mine(card) and card.standing is not Standing.ASKING and _refresh(card):
            _act("refresh", card, watching.refresh_watch, "Opening its questions again")
        if card.standing is not Standing.ENDED and st.button(
            "Close",
            key=f"close_{card.list_id}",
            icon=":material/close:",
            help="Lance is not asked any more; what is known stays, and Refresh now goes on.",
        ):
            _act("close", card, watching.close_watch, "Closing the list")
        with st.popover("Delete…", icon=":material/delete:", key=f"delete_box_{card.list_id}"):
            st.markdown(
                f"Deletes this list with its {words.counted(card.row_count, 'uploaded row')} and what Lance "
                "said of them, here. Nothing at Lance changes, and nothing is spent."
            )
            if st.button("Delete the list", key=f"delete_{card.list_id}", type="primary"):
                if opened:
                    st.query_params.clear()
                _act("delete", card, watching.delete_watch, "Deleting the list")


def _refresh(card: WatchCard) -> bool:
    return st.button(
        "Refresh now",
        key=f"refresh_{card.list_id}",
        icon=":material/refresh:",
        help="Asks again what has no data yet, at once. Free.",
        type="primary" if card.standing is Standing.HELD else "secondary",
    )


def _act(word: str, card: WatchCard, action: Callable[[Ledger, str], None], doing: str) -> None:
    """Do what a person asked for in the background, as it may be long; show an error as a message."""
    ledger = resources.ledger()

    def work(progress: background.Progress) -> None:
        action(ledger, card.list_id)

    try:
        background.run(f"{word}|{card.list_id}", work, doing)
    except OpenmartError as error:
        widgets.error_message(error)
        return
    finally:
        cards.clear()
    st.rerun()
