"""The box of a run that its limit, or what is kept for the team, has paused: the sum, and the two ways on."""

from __future__ import annotations

import math
import time

import streamlit as st

from openmart_lib.dashboard import (
    balance_view,
    resources,
    run_card,
    stop_box,
    submit_spending,
    widgets,
    words,
)
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.ledger import RunState, balances, limits, money
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.money import Money
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import Pause


def show(run: RunInfo) -> None:
    """Show why the money stopped this run, if it did, with what settles it."""
    cause = Pause.of(run.pause_reason) if run.state is RunState.PAUSED else None
    if cause is Pause.LIMIT:
        _limit(run, money.money(resources.ledger(), run.run_id))
    elif cause is Pause.RESERVE:
        _reserve(run, money.money(resources.ledger(), run.run_id))


def _limit(run: RunInfo, cash: Money) -> None:
    rows = words.counted(run.pending.waiting, "row waits", "rows wait")
    needs = cash.out + cash.spent + (cash.next_batch or 0.0)
    with st.container(border=True):
        widgets.message(
            "warning",
            f"The limit of {words.count(cash.limit or 0.0)} credits is reached.",
            f"The next batch could take it to {words.count(math.ceil(needs))}. {rows} and cost nothing.",
            "Raise the limit, or stop here: what was found stays.",
        )
        widgets.numbers(
            [
                Figure("Limit", words.count(cash.limit or 0.0), "credits at most"),
                *_so_far(cash),
                Figure(
                    "Next batch, at most",
                    words.count(cash.next_batch or 0.0),
                    f"all that waits: {words.count(cash.waiting)}",
                    "If everything asked for is found.",
                ),
            ]
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _raise(run, cash, math.ceil(needs))
            stop_box.show(run)


def _raise(run: RunInfo, cash: Money, least: int) -> None:
    everything = float(math.ceil(cash.out + cash.spent + cash.waiting))
    wanted = st.number_input(
        f"New limit (at least {words.count(least)})",
        min_value=0.0,
        value=everything,
        step=100.0,
        format="%.0f",
        key=f"new_limit_{run.run_id}",
        width=220,
    )
    enough = wanted is not None and wanted >= least
    label = (
        f"Raise the limit to {words.count(wanted)}" if enough and wanted is not None else "Raise the limit"
    )
    # Below the first limit nothing had to be typed: what more may go now is agreed to as on Confirm.
    more = min(wanted or 0.0, everything) - cash.out - cash.spent
    agreed = not enough or submit_spending.typed(more, key=f"raise_agree_{run.run_id}")
    if st.button(
        label,
        key=f"raise_{run.run_id}",
        type="primary",
        icon=":material/trending_up:",
        disabled=not (enough and agreed),
    ):
        run_card.change(lambda: limits.set_limit(resources.ledger(), run.run_id, wanted or 0.0))


def _reserve(run: RunInfo, cash: Money) -> None:
    balance = balances.newest_balance(resources.ledger(), run.account_id)
    credits, when = balance_view.figure(balance, now=time.time())
    rows = words.counted(run.pending.waiting, "row waits", "rows wait")
    with st.container(border=True):
        widgets.message(
            "warning",
            f"Your team keeps {words.count(cash.reserve)} credits, and the next batch could take from them.",
            f"{rows} and cost nothing; no other run of this key sends what could take them either.",
            "Add credits and look at the balance again, keep fewer for the team, or stop here.",
        )
        widgets.numbers(
            [
                Figure("Balance", credits, when, "The whole team's credits, as Openmart told them last."),
                Figure("Kept for the team", words.count(cash.reserve), "credits"),
                *_so_far(cash),
            ]
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button("Go on", key=f"go_on_{run.run_id}", type="primary", icon=":material/play_arrow:"):
                run_card.change(lambda: ledger_runs.resume_run(resources.ledger(), run.run_id))
            _keep_fewer(run, cash)
            balance_view.ask_button(run)
            stop_box.show(run)


def _keep_fewer(run: RunInfo, cash: Money) -> None:
    settings = resources.settings()
    with st.popover("Keep fewer…", icon=":material/savings:", key=f"keep_box_{run.run_id}"):
        wanted = st.number_input(
            "Keep at least (credits, for the team)",
            min_value=0.0,
            value=cash.reserve,
            step=100.0,
            format="%.0f",
            key=f"keep_{run.run_id}",
        )
        if st.button("Keep this many from now on", key=f"keep_set_{run.run_id}", type="primary"):
            run_card.change(
                lambda: limits.set_reserve(
                    resources.ledger(),
                    wanted or 0.0,
                    key_fingerprint=resources.key_fingerprint(),
                    key_last4=settings.api_key.last4 if settings.api_key else "",
                )
            )


def _so_far(cash: Money) -> list[Figure]:
    return [
        Figure(
            "Cost so far",
            f"about {words.count(cash.spent)}",
            _out(cash),
            "What was found times its price: an estimate. What is out counts as if all of it were "
            "found, also what is in doubt (unknown, given up or missing): it may have been charged.",
        )
    ]


def _out(cash: Money) -> str:
    if not cash.out:
        return "nothing is still out"
    doubt = f", {words.count(cash.in_doubt)} of it in doubt" if cash.in_doubt else ""
    return f"still out: at most {words.count(cash.out)}{doubt}"
