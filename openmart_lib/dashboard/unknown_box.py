"""The box of batches whose fate is not known: what is known of each, what it may cost, and three ways out."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import streamlit as st

from openmart_lib.api.wire import TASK_BATCH_PATH
from openmart_lib.dashboard import balance_view, resources, widgets, words
from openmart_lib.dashboard.run_card import change
from openmart_lib.engine import attach
from openmart_lib.intake.estimate import Estimate, estimate
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import decisions
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.settings import Prices
from openmart_lib.wording import utc_iso

RESEND_WORD = "resend"


def show(run: RunInfo, unknown: pl.DataFrame) -> None:
    """Show the unknown batches of a run (rows of ``queries.batches``), one at a time."""
    rows = int(unknown["open_rows"].sum())
    many = words.counted(unknown.height, "batch", "batches")
    prices = resources.settings().prices
    costs = {row["pk"]: worst_cost(run, row, prices) for row in unknown.iter_rows(named=True)}
    at_most = sum(cost.at_most for cost in costs.values())
    it = "it" if unknown.height == 1 else "they"
    with st.container(border=True):
        widgets.message(
            "warning",
            f"We don't know whether Openmart took {many} ({words.counted(rows, 'row')}).",
            f"{it.capitalize()} may have been charged: at most about {words.count(at_most)} credits, an "
            f"estimate. Nothing sends {'it' if it == 'it' else 'them'} again by itself.",
            "Look for the tracking ids below at Openmart, or ask its support, then decide for each batch.",
        )
        labels = {int(row["pk"]): label(row) for row in unknown.iter_rows(named=True)}
        pk = st.selectbox("Batch", list(labels), format_func=labels.__getitem__, key=f"unknown_{run.run_id}")
        row = unknown.row(by_predicate=pl.col("pk") == pk, named=True)
        st.text("\n".join(facts(run, row, costs[pk])))
        with st.container(horizontal=True):
            _attach(pk)
            if run.cancelled_at is None:
                _resend(pk, row, worst_cost(run, row, prices, only_open=True))
            _give_up(pk, row)
            _support(run, unknown)


def label(row: dict[str, Any]) -> str:
    """Return a batch as a choice: ``Batch 3: 100 tasks, sent 12:04:31``."""
    sent = row["sent_at"]
    at = f", sent {words.clock(sent, widgets.zone())}" if isinstance(sent, float) else ""
    return f"Batch {row['batch_no']}: {words.counted(row['task_count'], 'task')}{at}"


def worst_cost(run: RunInfo, row: dict[str, Any], prices: Prices, *, only_open: bool = False) -> Estimate:
    """Return what a batch may have cost at most; ``only_open``: the tasks that a resend would send."""
    tasks = row["open_tasks"] if only_open else row["task_count"]
    people = math.ceil(row["open_rows"] * tasks / max(1, row["open_tasks"]))  # who are answered may be paid
    options = RunOptions.from_dict(run.options)
    return estimate(run.kind, options, tasks=tasks, people=people, prices=prices, submit_concurrency=1)


def facts(run: RunInfo, row: dict[str, Any], cost: Estimate) -> list[str]:
    """Return what is known of a batch, a line each."""
    lines = [
        f"Tasks: {words.count(row['task_count'])}, for {words.counted(row['open_rows'], 'row')}",
        f"What was seen: {row['detail'] or 'nothing'}",
        f"Tracking ids: {row['first_tracking_id']} to {row['last_tracking_id']}",
        f"May have cost: at most about {words.count(cost.at_most)} credits ({cost.formula}), an estimate",
    ]
    if isinstance(row["sent_at"], float):
        lines.insert(0, f"Sent: {words.date_and_time(row['sent_at'], widgets.zone())}")
        lines.append(balance_view.around(run, row["sent_at"], row["answered_at"]))
    return lines


def resend_phrase(credits: float) -> str:
    """Return what a person types to pay for a batch again: the word and the credits it may cost."""
    return f"{RESEND_WORD} {math.ceil(credits)}"


def is_confirmed(typed: str | None, phrase: str) -> bool:
    """Return whether the phrase was typed; capitals, thousands separators and blanks do not matter."""
    return " ".join((typed or "").replace(",", "").lower().split()) == phrase


def support_message(run: RunInfo, unknown: pl.DataFrame) -> str:
    """Return a message that Openmart's support can answer: no name, no address, no whole key in it."""
    lines = [
        "Hello Openmart support,",
        "",
        "we submitted the following through the API and got no clear answer.",
        "Was it created? If so, please tell us its batch_id.",
        "",
        f"Route: POST {TASK_BATCH_PATH}/{run.kind}",
        f"API key ends in: {run.key_last4 or '(the sandbox has no key)'}",
    ]
    for row in unknown.iter_rows(named=True):
        lines += [
            "",
            f"Sent (UTC): {_utc(row['sent_at'])}",
            f"Tasks: {row['task_count']}",
            f"First tracking_id: {row['first_tracking_id']}",
            f"Last tracking_id: {row['last_tracking_id']}",
            f"What we saw: {_seen(row)}",
        ]
    return "\n".join(lines)


def _seen(row: dict[str, Any]) -> str:
    status = f" (HTTP {row['http_status']})" if row["http_status"] else ""
    # After a late "no" the detail is the server's own words, which may quote a row.
    return f"a late refusal{status}" if row["nothing_created"] else f"{row['detail'] or 'nothing'}{status}"


def _utc(at: float | None) -> str:
    return "unknown" if at is None else utc_iso(at)


def _attach(pk: int) -> None:
    with st.popover("I found its batch id…", icon=":material/link:", key=f"attach_box_{pk}"):
        st.markdown(
            "With the id from Openmart the batch is collected like any other. It is looked at first, and "
            "only taken when it holds these tasks. Costs nothing."
        )
        batch_id = st.text_input("Batch id", key=f"attach_id_{pk}")
        if st.button("Collect it", key=f"attach_{pk}", type="primary", disabled=not (batch_id or "").strip()):
            change(lambda: _check_and_attach(pk, batch_id or ""))


def _check_and_attach(pk: int, batch_id: str) -> None:
    with st.spinner("Looking at this batch at Openmart…"):
        attach.verify(resources.settings(), resources.ledger(), pk, batch_id)
    decisions.attach_batch(resources.ledger(), pk, batch_id)


def _resend(pk: int, row: dict[str, Any], cost: Estimate) -> None:
    with st.popover("Send again…", icon=":material/redo:", key=f"resend_box_{pk}"):
        allowed = bool(row["nothing_created"])
        if allowed:
            st.markdown(
                "Openmart said later that it created nothing, so sending again cannot be charged twice."
            )
        else:
            phrase, credits = resend_phrase(cost.at_most), words.count(math.ceil(cost.at_most))
            st.markdown(
                f"If Openmart did take this batch, its {words.counted(row['open_tasks'], 'task')} are **paid "
                f"twice**: at most about **{credits} credits more** ({widgets.escape(cost.formula)}), an "
                "estimate. An answer to the first one is kept too, and the better result counts."
            )
            typed = st.text_input(f"Type **{phrase}** to confirm", key=f"resend_word_{pk}")
            allowed = is_confirmed(typed, phrase)
        if st.button("Send this batch again", key=f"resend_{pk}", type="primary", disabled=not allowed):
            change(lambda: decisions.resend_batch(resources.ledger(), pk))


def _give_up(pk: int, row: dict[str, Any]) -> None:
    with st.popover("Give it up…", icon=":material/block:", key=f"drop_box_{pk}"):
        st.markdown(
            f"Its {words.counted(row['open_rows'], 'row')} stay *unknown* (may have been charged). "
            "If an answer turns up later it is still kept."
        )
        if st.button("Give this batch up", key=f"drop_{pk}", type="primary"):
            change(lambda: decisions.drop_batch(resources.ledger(), pk))


def _support(run: RunInfo, unknown: pl.DataFrame) -> None:
    with st.popover("Message for Openmart support…", icon=":material/mail:", key=f"support_{run.run_id}"):
        st.markdown("Copy it into a mail. It names no company, no person and no whole key.")
        st.code(support_message(run, unknown), language=None, wrap_lines=True)
