"""The box of a held account: why nothing is sent, what that means for rows and money, and the two ways on."""

from __future__ import annotations

import time

import streamlit as st

from openmart_lib.dashboard import balance_view, resources, run_card, stop_box, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.ledger import BatchState, Hold, balances, covering, queries
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.accounts import AccountInfo
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import PERSON_HOLDS
from openmart_lib.report import held_with


def show(run: RunInfo, hold: Hold) -> None:
    """Show why this run's account is held; with buttons where only a person can end it."""
    account = next(one for one in queries.accounts(resources.ledger()) if one.id == run.account_id)
    if hold not in PERSON_HOLDS:
        _ends_by_itself(run, hold, account)
        return
    others = held_with(run, resources.runs())
    happened, meaning, todo = words.HOLD_MESSAGES[hold]
    if account.hold_detail:
        meaning += f" Seen: “{account.hold_detail[:300]}”."
    with st.container(border=True):
        widgets.message("warning", happened, f"{_whose(others)} {meaning}", todo)
        _figures(run)
        with st.container(horizontal=True):
            _resume(run, others)
            if hold is Hold.CREDIT_LIMIT:
                _covered(run)
            stop_box.show(run)
            balance_view.ask_button(run)


def _ends_by_itself(run: RunInfo, hold: Hold, account: AccountInfo) -> None:
    happened, meaning, todo = words.HOLD_MESSAGES[hold]
    if account.hold_until is not None:
        todo += f" Not before {words.clock(account.hold_until, widgets.zone())}."
    if account.hold_detail:
        meaning += f" Seen: “{account.hold_detail[:300]}”."
    waiting = words.counted(run.batches[BatchState.PLANNED], "batch waits", "batches wait")
    widgets.message("info", happened, f"{waiting}. {meaning}", todo)


def _whose(others: list[RunInfo]) -> str:
    if not others:
        return "Every run of this key waits, not only this one."
    names = ", ".join(f"“{_short(other.name)}”" for other in others[:3])
    more = f" and {words.count(len(others) - 3)} more" if len(others) > 3 else ""
    return f"Every run of this key waits, not only this one: {names}{more} too."


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _figures(run: RunInfo) -> None:
    taken = run.batches[BatchState.ACCEPTED] + run.batches[BatchState.SENDING]
    balance = balances.newest_balance(resources.ledger(), run.account_id)
    credits, when = balance_view.figure(balance, now=time.time())
    widgets.numbers(
        [
            Figure(
                "With Openmart",
                words.count(taken),
                f"of {words.counted(sum(run.batches.values()), 'batch', 'batches')}",
                "Taken and still being collected: their results come in whatever you choose here.",
            ),
            Figure(
                "Not sent, not paid",
                words.count(run.pending.waiting),
                f"of {words.counted(run.row_count, 'row')}",
                "These rows have cost nothing. Nothing of them is sent before you say so.",
            ),
            Figure("Balance", credits, when, "The whole team's credits, as Openmart told them last."),
        ]
    )


def _resume(run: RunInfo, others: list[RunInfo]) -> None:
    label = f"Resume all {len(others) + 1} runs" if others else "Resume"
    if st.button(label, key=f"lift_{run.run_id}", type="primary", icon=":material/play_arrow:"):
        run_card.change(lambda: ledger_runs.resume_run(resources.ledger(), run.run_id))


def _covered(run: RunInfo) -> None:
    """Offer to send the rows that the balance still pays for, where it is known and pays for any."""
    part = covering.covered(resources.ledger(), run.run_id)
    if part is None or not part.rows:
        return
    if part.rows >= run.pending.waiting:
        return  # the balance covers all of it: resume
    if st.button(
        f"Send only the first {words.counted(part.rows, 'row')} the balance covers",
        key=f"covered_{run.run_id}",
        icon=":material/content_cut:",
        help=(
            f"At most about {words.count(part.credits)} of {words.count(part.balance)} credits, an estimate. "
            "Then this run pauses; other runs of this key wait meanwhile."
        ),
    ):
        run_card.change(lambda: covering.send_covered(resources.ledger(), run.run_id))
