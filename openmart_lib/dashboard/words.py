"""The words and numbers of the pages: kinds, counts, durations, clock times. No streamlit in here."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openmart_lib.api.wire import Kind
from openmart_lib.ledger.states import BatchState, Hold, Outcome, RunState
from openmart_lib.wording import counted as counted  # words.counted on the pages

KIND_NAMES: Final[dict[Kind, str]] = {
    Kind.FIND_PEOPLE: "Find decision makers",
    Kind.LOOKUP_PEOPLE: "Enrich known people",
    Kind.LOOKUP_BUSINESS_EMAIL: "Find company mailboxes",
    Kind.FIND_TECH: "Detect technology (experimental)",
}

KIND_SENTENCES: Final[dict[Kind, str]] = {
    Kind.FIND_PEOPLE: "You have companies, you want people with a certain role and how to reach them.",
    Kind.LOOKUP_PEOPLE: "You have names and their companies, you want their email or phone.",
    Kind.LOOKUP_BUSINESS_EMAIL: "You have companies, you want shared addresses such as info@ or sales@.",
    Kind.FIND_TECH: "You have companies, you want to know which of them use a product such as shopify.",
}

RUN_STATE_NAMES: Final[dict[RunState, str]] = {
    RunState.PLANNING: "being prepared",
    RunState.ACTIVE: "running",
    RunState.PAUSED: "paused",
    RunState.CANCELLED: "cancelled",
    RunState.DONE: "done",
}

BATCH_STATE_NAMES: Final[dict[BatchState, str]] = {
    BatchState.PLANNED: "not sent yet",
    BatchState.SENDING: "being sent",
    BatchState.ACCEPTED: "at Openmart",
    BatchState.COLLECTED: "done",
    BatchState.REFUSED: "refused, nothing spent",
    BatchState.UNKNOWN: "unknown, needs you",
    BatchState.RESENT: "sent again as another batch",
    BatchState.DROPPED: "given up",
    BatchState.CANCELLED: "cancelled before it was sent",
}

# Why an account is held: what happened, what it means for credits and rows, what to do.
HOLD_MESSAGES: Final[dict[Hold, tuple[str, str, str]]] = {
    Hold.UNAUTHORIZED: (
        "Openmart does not accept the API key.",
        "Nothing was spent on what waits; no row is lost.",
        "Correct OPENMART_API_KEY (Settings shows where), restart, then resume.",
    ),
    Hold.CREDIT_LIMIT: (
        "Openmart says the credit limit is reached.",
        "Nothing was spent on what waits; what was sent before is still being collected.",
        "Add credits at Openmart, then resume.",
    ),
    Hold.BANNED: (
        "Openmart says this user is banned. This is not a wrong key.",
        "Nothing was spent on what waits; no row is lost.",
        "Contact Openmart, then resume.",
    ),
    Hold.WRONG_ADDRESS: (
        "The server at this address does not behave like Openmart.",
        "Nothing was spent on what waits; no row is lost.",
        "Correct OPENMART_BASE_URL (Settings shows where), restart, then resume.",
    ),
    Hold.UNKNOWNS: (
        "Five submissions in a row got no clear answer, so sending stopped.",
        "Those batches may have been charged; nothing else was sent.",
        "Decide about the unknown batches, check Openmart's status, then resume.",
    ),
    Hold.RATE_LIMITED: (
        "Openmart asked us to wait before sending more.",
        "Nothing was spent on what waits.",
        "Nothing to do: sending goes on by itself.",
    ),
    Hold.OUTAGE: (
        "Openmart did not answer clearly, so sending waits until it answers again.",
        "One batch may have been charged; nothing else was sent.",
        "Nothing to do: sending goes on by itself.",
    ),
}

# The five groups a run is shown in, and the rows that carry another row's answer. "Found" means what was
# asked for: a person without any of the contact fields is not.
GROUPS: Final[dict[str, tuple[Outcome, ...]]] = {
    "found": (Outcome.MATCHED,),
    "not found": (Outcome.PARTIAL, Outcome.NO_MATCH, Outcome.ERRORED),
    "running": (Outcome.PENDING,),
    "needs you": (Outcome.UNKNOWN, Outcome.MISSING),
    "not sent or cancelled": (Outcome.REFUSED, Outcome.REJECTED, Outcome.SKIPPED, Outcome.CANCELLED),
    "same as another row": (Outcome.DUPLICATE, Outcome.REUSED),
}


def count(number: float) -> str:
    """Return a number with thousands separators: ``12,000``; a decimal only below 100."""
    return f"{number:,.0f}" if float(number).is_integer() or number >= 100 else f"{number:,.1f}"


def percent(part: float, whole: float) -> str:
    """Return a share as ``62 %``; never 100 % while something is missing, nor 0 % when something is there."""
    if whole <= 0:
        return "0 %"
    share = 100 * part / whole
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "99 %"
    return f"{share:.0f} %"


def duration(seconds: float) -> str:
    """Return a length of time in words: ``40 s``, ``13 min``, ``2 h 5 min``."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} days"


def zone(name: str | None) -> tzinfo:
    """Return the browser's time zone, or UTC where the browser did not say or named an unknown one."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def clock(at: float, where: tzinfo) -> str:
    """Return a UTC time in seconds as a wall clock time: ``12:04:31``."""
    return datetime.fromtimestamp(at, where).strftime("%H:%M:%S")


def date_and_time(at: float, where: tzinfo) -> str:
    """Return a UTC time in seconds as ``22 Nov 2026, 12:04 CET``: the zone is always named."""
    return datetime.fromtimestamp(at, where).strftime("%-d %b %Y, %H:%M %Z")


def file_size(size: int) -> str:
    """Return a number of bytes in words: ``41.8 MB``."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} kB"
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1_000_000_000:,.0f} GB"


def row_name(seq: int, file_line: int) -> str:
    """Return a row as the analyst sees it: ``row 217 (line 218 in your file)``."""
    return f"row {count(seq)} (line {count(file_line)} in your file)"


def groups(outcomes: dict[Outcome, int]) -> dict[str, int]:
    """Return rows per group in the order of ``GROUPS``, empty groups left out; they sum to all rows."""
    numbers = {name: sum(outcomes.get(one, 0) for one in members) for name, members in GROUPS.items()}
    return {name: number for name, number in numbers.items() if number}


def group_word(name: str, *, moving: bool) -> str:
    """Return what a group is called on screen: nothing is "running" in a run that does not move."""
    return "waiting" if name == "running" and not moving else name
