"""A run as a card: what it is, how far it is, what it cost so far, and what can be done with it."""

from __future__ import annotations

import time

import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import balance_view, charts, resources, results_download, widgets, words
from openmart_lib.dashboard.run_pace import Pace
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger import BatchState, Outcome, RunState, reconciling, reused
from openmart_lib.ledger import runs as ledger_runs
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.reconciling import Reconciliation
from openmart_lib.ledger.states import Pause
from openmart_lib.settings import Prices


def heading(run: RunInfo) -> None:
    """Show the run's name and, below it, what it is made of."""
    st.header(widgets.escape(run.name, 120), anchor=False)
    facts = [
        words.KIND_NAMES[run.kind],
        run.upload_name,
        words.counted(run.row_count, "row"),
        f"started {words.date_and_time(run.created_at, widgets.zone())}",
        f"run {run.run_id}",
    ]
    st.caption(widgets.escape(" · ".join(facts)))


def progress(run: RunInfo, pace: Pace) -> None:
    """Show how many rows have their last word, as one sentence, one bar and its parts in words."""
    st.markdown(f"**{widgets.escape(progress_sentence(run, pace))}**")
    chart, sentence = charts.group_bar(run.outcomes, moving=run.moving)
    st.altair_chart(chart, alt=sentence, key=f"bar_{run.run_id}")
    legend(run)
    if run.state is RunState.ACTIVE and pace.phase:
        st.markdown(f":material/schedule: {widgets.escape(pace.phase)}")


def progress_sentence(run: RunInfo, pace: Pace) -> str:
    """Return "312 of 500 rows final · 2 batches in flight · about 3 min left"."""
    doubtful = run.rows_in_doubt
    parts = [f"{words.count(run.final_rows - doubtful)} of {words.counted(run.row_count, 'row')} final"]
    if doubtful:
        parts.append(f"{words.count(doubtful)} in doubt, waiting for your decision")
    flying = run.batches[BatchState.SENDING] + run.batches[BatchState.ACCEPTED]
    if flying:
        parts.append(f"{words.counted(flying, 'batch', 'batches')} in flight")
    if run.state is RunState.ACTIVE:
        parts.append(pace.left)
    elif run.state is RunState.PAUSED:
        parts.append(f"paused: {run.pause_reason}")
    elif run.needs_person:
        parts.append("nothing else is sent or fetched" if run.state is RunState.DONE else "needs you")
    elif run.state is RunState.DONE and run.finished_at is not None:
        parts.append(f"done after {words.duration(run.finished_at - run.created_at)}")
    else:
        parts.append(words.RUN_STATE_NAMES[run.state])
    return " · ".join(parts)


def legend(run: RunInfo) -> None:
    """Show the bar's parts in words; they add up to all rows."""
    parts = [
        (words.group_word(name, moving=run.moving), number, charts.GROUP_COLOURS[name])
        for name, number in words.groups(run.outcomes).items()
    ]
    widgets.legend(parts, run.row_count)


def figures(run: RunInfo, prices: Prices) -> None:
    """Show what was found and what it cost, as numbers with their wholes."""
    of_rows = f"of {words.count(run.looked_up_rows)} looked up"
    found = run.found
    shown: list[Figure] = []
    if run.kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE):
        note = "Rows with at least one email, of those that are looked up: repeats are not counted again."
        verified = "Marked as verified by Openmart."
        shown += [
            Figure("Rows with email", words.count(found["rows_with_email"]), of_rows, note),
            Figure(
                "Verified emails",
                words.count(found["verified_emails"]),
                f"of {words.count(found['emails'])}",
                verified,
            ),
        ]
        if found["phones"] or "PHONE" in run.options.get("info_access", ()):
            shown.append(Figure("Rows with phone", words.count(found["rows_with_phone"]), of_rows))
    elif run.kind is Kind.LOOKUP_BUSINESS_EMAIL:
        shown.append(Figure("Rows with a mailbox", words.count(found["rows_with_email"]), of_rows))
        shown.append(Figure("Mailboxes", words.count(found["mailboxes"]), "several per company"))
    else:
        shown.append(Figure("Technologies found", words.count(found["technologies"]), of_rows))
    books = reconciling.reconcile(resources.ledger(), run)
    shown += _credits(run, books, prices)
    widgets.numbers(shown)
    balance_view.reconciled(run, books)


def _credits(run: RunInfo, books: Reconciliation, prices: Prices) -> list[Figure]:
    if run.made_elsewhere:
        note = "Another tool submitted this batch. What it asked for, and so what it cost, is not known here."
        return [Figure("Credits", "0 here", "spent elsewhere", note)]
    cash = books.money
    note = "What was found times its price: an estimate. Openmart's own bill counts."
    if cash.limit is not None and cash.limit < run.worst_credits:
        note += f" Without your limit it could cost {words.count(run.worst_credits)}."
    at_most = f"of at most {words.count(run.worst_credits if cash.limit is None else cash.limit)}"
    sofar = f"about {words.count(cash.spent if cash.counted else spent(run, prices))}"
    if not books.in_doubt:
        return [Figure("Credits so far", sofar, at_most, note)]
    doubt = "May have been charged too: the worst case of what was sent and has no answer."
    return [
        Figure("Credits for sure", sofar, at_most, note),
        Figure("Credits in doubt", f"up to {words.count(books.in_doubt)}", "may be charged", doubt),
    ]


def spent(run: RunInfo, prices: Prices) -> float:
    """Return the credits that what was found so far costs by the price list: an estimate."""
    if run.kind is Kind.FIND_TECH:  # paid per check, whatever it finds
        answered = (Outcome.MATCHED, Outcome.PARTIAL, Outcome.NO_MATCH)
        return prices.technology * sum(run.outcomes[one] for one in answered)
    return (
        run.found["emails"] * prices.email
        + run.found["phones"] * prices.phone
        + run.found["mailboxes"] * prices.mailbox
    )


def pending(run: RunInfo) -> None:
    """Say where the rows are that have no last word yet."""
    if not run.pending.total:
        return
    parts = [
        (run.pending.waiting, "waiting to be sent"),
        (run.pending.sending, "being sent"),
        (run.pending.at_openmart, "at Openmart"),
        (run.pending.fetching, "being fetched"),
        (run.pending.elsewhere, "waited for in another run"),
    ]
    text = " + ".join(f"{words.count(number)} {name}" for number, name in parts if number)
    st.caption(f"{words.counted(run.pending.total, 'row')} without an answer yet: {text}.")
    if run.pending.elsewhere:
        _standing_sources(run)


def _standing_sources(run: RunInfo) -> None:
    """Say which runs that buy what this one reuses stand still, and what to do about it."""
    for wait in reused.standing_still(
        resources.ledger(),
        run.run_id,
        key_fingerprint=resources.key_fingerprint(),
        stall_after=resources.settings().effective_stall_after,
    ):
        source = f"run {wait.source.run_id} ({wait.source.name})"
        rows = words.counted(wait.rows, "row waits", "rows wait")
        widgets.message(
            "warning",
            f"{rows} for {source}, {wait.why}.",
            "They are bought there, so nothing is paid for them here; they get its answers when it goes on.",
            "Open that run in Monitor and go on with it, or cancel it there: its unsent rows are cancelled "
            "here too, and can be tried again.",
        )
        if st.button(
            f"Open {wait.source.run_id}",
            key=f"source_{run.run_id}_{wait.source.run_id}",
            icon=":material/arrow_forward:",
        ):
            st.switch_page(resources.page("monitor"), query_params={"run": wait.source.run_id})


def buttons(run: RunInfo) -> None:
    """Offer what can be done with the run now: pause, resume, cancel, open its results."""
    with st.container(horizontal=True):
        if run.final_rows:
            _open_results(run)
        if run.state is RunState.DONE:
            results_download.quick(run)
        if run.state is RunState.ACTIVE:
            _pause(run)
        waits_for_word = Pause.of(run.pause_reason) is not None  # its box above has the ways on
        if run.state is RunState.PAUSED and run.hold is None and not run.other_key and not waits_for_word:
            _resume(run)
        if run.state in (RunState.ACTIVE, RunState.PAUSED):
            _cancel(run)


def _open_results(run: RunInfo) -> None:
    if st.button(
        "Open results so far" if run.moving else "Open results",
        key=f"results_{run.run_id}",
        type="primary" if run.state is RunState.DONE else "secondary",
        icon=":material/table_view:",
    ):
        st.switch_page(resources.page("results"), query_params={"run": run.run_id})


def _pause(run: RunInfo) -> None:
    if st.button(
        "Pause",
        key=f"pause_{run.run_id}",
        icon=":material/pause:",
        help=(
            f"Stops sending: {words.counted(run.batches[BatchState.PLANNED], 'batch', 'batches')} wait. "
            f"{words.counted(_sent(run), 'batch', 'batches')} with Openmart go on and are collected."
        ),
    ):
        change(lambda: ledger_runs.pause_run(resources.ledger(), run.run_id))


def _resume(run: RunInfo) -> None:
    if st.button("Resume", key=f"resume_{run.run_id}", type="primary", icon=":material/play_arrow:"):
        change(lambda: ledger_runs.resume_run(resources.ledger(), run.run_id))


def _cancel(run: RunInfo) -> None:
    with st.popover("Cancel…", icon=":material/close:", key=f"cancel_box_{run.run_id}"):
        st.markdown(cancel_sentence(run))
        if st.button("Cancel the rest", key=f"cancel_{run.run_id}", type="primary"):
            change(lambda: ledger_runs.cancel_run(resources.ledger(), run.run_id))


def cancel_sentence(run: RunInfo) -> str:
    """Say what a cancel can stop and what it cannot."""
    planned = words.counted(run.batches[BatchState.PLANNED], "batch", "batches")
    sent = _sent(run)
    stays = (
        f" {words.counted(sent, 'batch is', 'batches are')} with Openmart, cannot be recalled, may be "
        "charged, and will be collected."
        if sent
        else " Nothing is with Openmart."
    )
    return f"{planned} not yet sent will never be sent and cost nothing.{stays}"


def _sent(run: RunInfo) -> int:
    return run.batches[BatchState.SENDING] + run.batches[BatchState.ACCEPTED]


def change(action: object) -> None:
    """Do what a person asked for, show an error of ours as a message, and read the runs anew."""
    assert callable(action)
    try:
        action()
    except OpenmartError as error:
        widgets.error_message(error)
        return
    resources.forget_runs()
    st.rerun()


def updated() -> None:
    """Say when the numbers on screen were read."""
    st.caption(f"updated {words.clock(time.time(), widgets.zone())}")
