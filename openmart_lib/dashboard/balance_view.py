"""The account's balance in words: as it was last read, around a submission, and asked for now (free)."""

from __future__ import annotations

import time

import streamlit as st

from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.engine import ask
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import balances
from openmart_lib.ledger.balances import Balance
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.reconciling import SHARED as SHARED_LATE
from openmart_lib.ledger.reconciling import Reconciliation

_CLOCK_TELLS = 12 * 3600.0  # seconds; of an older moment the day is said too
SHARED = "Your team shares the balance, and other batches are charged too: a hint, not a proof."


def figure(balance: Balance | None, *, now: float) -> tuple[str, str]:
    """Return the last known balance as a headline number and what is said below it."""
    if balance is None:
        return "not known", "never read"
    ago = words.duration(max(0.0, now - balance.at))
    if balance.credits is None:
        return "not metered", f"{ago} ago"
    return words.count(balance.credits), f"{ago} ago"


def reconciled(run: RunInfo, books: Reconciliation) -> None:
    """Show the balance before and after a run; what its account's runs cannot explain is said apart."""
    said = readings(run, books)
    if books.money.expected is not None and not run.made_elsewhere:
        said = f"{estimated(books)} {said}".strip()
    if not said:
        return
    if books.beyond:
        widgets.message(
            "info",
            f"The balance fell by {words.count(books.beyond)} credits more than your runs can explain.",
            f"{said} {books.explanation()}",
            SHARED_LATE,
        )
        return
    verdict = books.verdict()
    st.caption(widgets.escape(f"{said} {verdict} {SHARED_LATE}" if verdict else said, 1000))


def estimated(books: Reconciliation) -> str:
    """Return what was shown at Confirm: ``Estimate: about 396 credits expected, at most 660.``"""
    expected, at_most = words.count(round(books.money.expected or 0.0)), words.count(books.money.at_most)
    return f"Estimate: about {expected} credits expected, at most {at_most}."


def readings(run: RunInfo, books: Reconciliation) -> str:
    """Return ``Balance: 500 before (12:04), 480 after (12:09): 20 fewer.``, "" where none was read."""
    parts = []
    if books.before is None and books.after is None:
        return ""
    if books.metered and books.before is not None:
        parts.append(f"{_credits(books.before)} before ({_when(books.before.at)})")
    if books.metered and books.after is not None:
        when = "after" if books.ended else "now" if run.moving else "since"
        parts.append(f"{_credits(books.after)} {when} ({_when(books.after.at)})")
    told = ", ".join(parts) or "not metered"
    if books.difference is not None:
        told += f": {difference(books.difference)}"
    return f"Balance: {told}."


def around(run: RunInfo, sent_at: float, answered_at: float | None) -> str:
    """Return the balance before and after a submission (UTC seconds) in one sentence or two."""
    ledger, where = resources.ledger(), widgets.zone()
    before = balances.balance_before(ledger, run.account_id, sent_at)
    after = balances.balance_after(ledger, run.account_id, answered_at or sent_at)
    known = [one for one in (before, after) if one is not None]
    if not known:
        return "Balance: it was not read around that time."
    if any(one.credits is None for one in known):
        return "Balance: your plan is not metered, so it tells nothing."
    parts = []
    if before is not None:
        parts.append(f"{_credits(before)} before ({words.clock(before.at, where)})")
    if after is not None:
        parts.append(f"{_credits(after)} after ({words.clock(after.at, where)})")
    said = f"Balance: {', '.join(parts)}"
    if before is not None and after is not None:
        said += f": {difference((before.credits or 0.0) - (after.credits or 0.0))}"
    return f"{said}. {SHARED}"


def difference(spent: float) -> str:
    """Return what became of the balance: ``120 fewer``, ``the same``, ``300 more``."""
    if not spent:
        return "the same"
    return f"{words.count(abs(spent))} {'fewer' if spent > 0 else 'more'}"


def ask_button(run: RunInfo) -> None:
    """Offer a free look at the balance; what comes back is stored and shown by the next refresh."""
    if run.other_key:  # the present key would tell another account's balance
        return
    if not st.button("Ask for the balance (free)", key=f"balance_{run.run_id}", icon=":material/refresh:"):
        return
    ledger, asked_at = resources.ledger(), time.time()
    try:
        # Before it is asked for: an answer that comes in meanwhile may be no part of the balance.
        spent = balances.spent_so_far(ledger, run.account_id)
        with st.spinner("Asking Openmart for the balance…"):
            now = ask.balance(resources.settings())
        credits = float(now["balance"]) if now["metered"] else None
        balances.note_balance(ledger, run.account_id, credits, balances.PERSON, at=asked_at, spent=spent)
    except OpenmartError as error:
        widgets.error_message(error, level="warning")
        return
    st.rerun()


def _credits(balance: Balance) -> str:
    return f"{words.count(balance.credits or 0.0)} credits"


def _when(at: float) -> str:
    where = widgets.zone()
    recent = abs(time.time() - at) < _CLOCK_TELLS
    return words.clock(at, where) if recent else words.date_and_time(at, where)
