"""One watch list, opened: how it stands and went, what its states are worth, its rows and its files."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.api.lance_states import STATE_SENTENCES
from openmart_lib.dashboard import (
    attention,
    lance_cards,
    lance_charts,
    lance_downloads,
    lance_table,
    resources,
    widgets,
    words,
)
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import watched
from openmart_lib.ledger.watched import WatchCard
from openmart_lib.results import lance_files
from openmart_lib.results.lance_files import ADVICE_SENTENCES, Advice

_MOMENTS: Final = 3  # at which the states were counted, before their course is worth a picture
_LABELS: Final = {
    Advice.ENRICH: "Safe to enrich now",
    Advice.WAIT: "Wait for",
    Advice.DO_NOT_PAY: "Do not pay for",
    Advice.LOOK: "Look at first",
}


def chosen(cards: list[WatchCard]) -> WatchCard | None:
    """Return the list that the address names; an unknown one is said and passed over."""
    wanted = st.query_params.get("list")
    if wanted is None:
        return None
    found = next((card for card in cards if card.list_id == wanted), None)
    if found is None:
        widgets.message(
            "warning",
            f"There is no watch list {wanted} here.",
            "It may have been deleted. Nothing was changed; no credits are involved.",
            "Open another one below, or make a new one.",
        )
        del st.query_params["list"]
    return found


def live(list_id: str, seen: tuple[Any, ...]) -> None:
    """Show how one list stands now; run the whole page again when a round or the asking ended."""
    try:
        card = next((one for one in lance_cards.cards() if one.list_id == list_id), None)
        if card is None or lance_cards.signature([card]) != seen:
            st.rerun()
        history = watched.watch_course(resources.ledger(), list_id)
    except OpenmartError as error:
        widgets.error_message(error)
        return
    attention.worker_box(lance_cards.moves(card))
    with st.container(border=True, key=f"watch_{list_id}"):
        st.header(widgets.escape(card.name, 120), anchor=False)
        lance_cards.body(card)
        _meanings(card)
        lance_cards.buttons(card, opened=True)
    if history["at"].n_unique() >= _MOMENTS:
        with st.expander("Over time", icon=":material/timeline:", expanded=True, key=f"{list_id}_course"):
            for field in card.fields:
                chart, sentence = lance_charts.course(history, field)
                st.altair_chart(chart, alt=sentence, key=f"course_{list_id}_{field}")


def _meanings(card: WatchCard) -> None:
    present = lance_charts.in_order(card.states)
    with st.popover("What these mean", type="tertiary", icon=":material/help:", key=f"{card.list_id}_means"):
        st.markdown("\n".join(f"- **{state}**: {STATE_SENTENCES[state]}" for state in present))


def show(card: WatchCard) -> None:
    """Show what a list's states are worth, its table and its files."""
    with widgets.errors_shown():
        frame = _joined(card.list_id, (card.rounds, card.changed_at, card.asked_at, card.ended_why))
    _advice(card, frame)
    _explore(card, frame)


@st.cache_resource(max_entries=2, show_spinner="Joining your rows with what Lance said…")
def _joined(list_id: str, as_of: tuple[Any, ...]) -> pl.DataFrame:
    return lance_files.joined(resources.ledger(), list_id)


def _advice(card: WatchCard, frame: pl.DataFrame) -> None:
    """Say what need not be paid for, what is safe to buy, and what is neither."""
    counts = lance_files.advice_counts(frame)
    st.header("Before you pay", anchor=False)
    if counts.triples[Advice.WAIT] == card.item_count:
        st.caption("As soon as Lance has answered, this shows what is safe to enrich and what is not.")
        return
    avoided = words.counted(counts.calls_avoided, "paid call")
    st.markdown(f"**{avoided} avoided**: Lance has finished these; they need not be bought again.")
    widgets.numbers(
        [
            Figure(
                label,
                words.count(counts.triples[advice]),
                f"in {words.counted(counts.rows[advice], 'row')}",
                ADVICE_SENTENCES[advice],
            )
            for advice, label in _LABELS.items()
        ]
    )
    whole = words.counted(card.item_count, "enrichment")
    st.caption(f"Together {whole}. Each selection is a file under Download, each id once.")


@st.fragment
def _explore(card: WatchCard, frame: pl.DataFrame) -> None:
    """Show the rows; a filter or a page draws this part of the page anew."""
    heading = st.container(horizontal=True, vertical_alignment="center")
    shown = lance_table.filters(card, frame)
    with heading:
        st.header("Rows", anchor=False, width="stretch")
        lance_downloads.show(card, frame, shown)
    lance_table.show(card, shown)
