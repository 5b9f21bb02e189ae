"""What the Lance page says of a watch list: its purpose, how it stands, its rows. No streamlit."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from openmart_lib.api.lance_states import FAILED, FOUND, NEVER, NOTHING, TIMED_OUT
from openmart_lib.dashboard import words
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import Ended, WatchMode

MODE_NAMES: Final = {
    WatchMode.EXISTS: "See what exists",
    WatchMode.WAIT: "Wait for enrichments I started",
}
MODE_SENTENCES: Final = {
    WatchMode.EXISTS: "One look: what Lance has no record of was never requested.",
    WatchMode.WAIT: "Asked again, by itself, until all is final; what Lance has no record of yet may come.",
}
ENDED_SENTENCES: Final = {
    Ended.FINAL: "All is final",
    Ended.ONE_PASS: "Everything was looked at once",
    Ended.UNCHANGED: "Not all is final, and nothing changed for half an hour; refresh by hand",
    Ended.REFUSED: "Lance does not take these questions",
    Ended.CLOSED: "Closed by you; what is known stays",
    Ended.DELETED: "Being deleted",
}
_FINAL: Final = (FOUND, NOTHING, TIMED_OUT, FAILED, NEVER)


def standing(card: WatchCard, now: float, where: tzinfo) -> str:
    """Return how a list stands: "Waiting: asked 12 s ago, next in 40 s · 3 rounds".

    Where nothing happens by itself, the time itself is told: how long ago would not stay true.

    Args:
        now: UTC seconds.
    """
    rounds = f" · {words.counted(card.rounds, 'round')}" if card.rounds else ""
    if card.standing in (Standing.ENDED, Standing.HELD):
        asked = f"asked {words.date_and_time(card.asked_at, where)}" if card.asked_at else "not asked yet"
        why = ENDED_SENTENCES[card.ended_why] if card.ended_why else "Needs you"
        return f"{why}: {asked}{rounds}"
    if card.standing is Standing.ASKING or card.next_ask_at is None:
        return f"Asking Lance now{rounds}"
    asked = f"asked {words.duration(max(0.0, now - card.asked_at))} ago" if card.asked_at else "not asked yet"
    return f"Waiting: {asked}, next in {words.duration(max(0.0, card.next_ask_at - now))}{rounds}"


def progress(card: WatchCard) -> str:
    """Return "9,120 of 9,960 enrichments are final"."""
    final = sum(number for state, number in card.states.items() if state in _FINAL)
    verb = "is" if card.item_count == 1 else "are"
    return f"{words.count(final)} of {words.counted(card.item_count, 'enrichment')} {verb} final"


def facts(card: WatchCard) -> list[str]:
    """Return what a list is made of: its mode, its file, and what became of its rows; the rows add up."""
    return [MODE_NAMES[card.mode], card.upload_name, reckoning(card.intake_counts, card.row_count)]


def reckoning(counts: dict[str, int], rows: int) -> str:
    """Return "4,980 ids + 12 rows that repeat one + 8 rejected = 5,000 rows"."""
    parts = [words.counted(counts.get("accepted", 0), "id")]
    if repeats := counts.get("duplicate", 0):
        parts.append(f"{words.counted(repeats, 'row repeats', 'rows repeat')} one (asked once)")
    if rejected := counts.get("rejected", 0):
        parts.append(f"{words.count(rejected)} rejected")
    return f"{' + '.join(parts)} = {words.counted(rows, 'row')}"


def questions(ids: int, fields: int, calls: int) -> str:
    """Return "5,000 ids x 2 fields = 10,000 questions in 50 free calls"."""
    return (
        f"{words.counted(ids, 'id')} x {words.counted(fields, 'field')} = "
        f"{words.counted(ids * fields, 'question')} in {words.counted(calls, 'free call')}"
    )
