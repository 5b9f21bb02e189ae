"""Deleting a run's personal data from the Results page: said in full, typed, then done in the background."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from openmart_lib.dashboard import background, charts, resources, widgets, words
from openmart_lib.errors import OpenmartError
from openmart_lib.ledger.erased import erased_at, erasing_cut_off
from openmart_lib.ledger.erasing import Erased, erase_run, obstacle
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.residue import backups_of
from openmart_lib.ledger.states import BatchState

_ICON = ":material/delete_forever:"


def banner(run: RunInfo) -> None:
    """Say that a run's personal data was deleted, with what is left; offer to finish it if it was cut off."""
    ledger = resources.ledger()
    at = erased_at(ledger, run.run_id) or 0.0
    when = words.date_and_time(at, widgets.zone())
    widgets.message(
        "info",
        f"Personal data deleted {when}.",
        "The uploaded rows, answers and files of this run are gone from here. Its counts, batch ids and "
        "receipt stay, and nothing of it is ever sent again.",
    )
    chart, sentence = charts.outcome_bar(run.outcomes)
    st.altair_chart(chart, alt=sentence, key=f"erased_outcomes_{run.run_id}")
    parts = [(str(one), n, charts.OUTCOME_COLOURS[one]) for one, n in run.outcomes.items() if n]
    widgets.legend(parts, run.row_count)
    job = background.find(_job(run))
    if job is not None and not job.wait(0.3):
        _progress(run)
    elif erasing_cut_off(ledger, run.run_id) and st.button(
        "Finish deleting", key=f"finish_erasing_{run.run_id}", icon=_ICON
    ):
        _start(run)
        st.rerun()
    elif job is not None:
        _told(job)


def show(run: RunInfo) -> None:
    """Offer to delete a run's personal data."""
    with st.popover("Delete data…", icon=_ICON, key=f"erase_{run.run_id}"):
        _ask(run)
    job = background.find(_job(run))
    if job is not None and job.finished:
        _told(job)  # refused, or a file could not be deleted


def _ask(run: RunInfo) -> None:
    st.subheader("Delete this run's personal data", anchor=False)
    ledger = resources.ledger()
    seen = obstacle(ledger, run)
    if seen is not None:
        st.markdown(widgets.escape(seen, 2000))
        return
    st.markdown(
        f"**Gone for good:** {words.counted(run.row_count, 'uploaded row')}, all answers, what was asked for "
        "each row, prepared files and drafts of this list, and the bytes in the database's files.\n\n"
        "**Stays:** counts, outcomes, batch ids, credits, the receipt. Nothing is refunded."
    )
    if doubtful := run.batches[BatchState.UNKNOWN]:
        st.markdown(
            f"**{words.counted(doubtful, 'batch is', 'batches are')} in doubt** and can never be sent again "
            "afterwards. If one turns up at Openmart, only its outcome is kept."
        )
    if kept := backups_of(ledger.folder):
        st.markdown("**Not deleted by this:** backups that may still hold it; delete them yourself.")
        st.code("\n".join(str(one) for one in kept), language=None, wrap_lines=True)
    st.caption(
        "Files you downloaded before, and what Openmart keeps, cannot be reached from here. "
        "Other runs made from these rows keep theirs: delete them one by one."
    )
    typed = st.text_input(f"Type **{run.run_id}** to confirm", key=f"erase_word_{run.run_id}")
    sure = (typed or "").strip() == run.run_id
    if st.button("Delete for good", key=f"erase_now_{run.run_id}", type="primary", disabled=not sure):
        _start(run)
        st.rerun()


def _start(run: RunInfo) -> None:
    background.forget(_job(run))
    background.start(_job(run), _work(run.run_id)).wait(2.0)
    resources.forget_runs()


def _work(run_id: str) -> Callable[[background.Progress], Erased]:
    ledger = resources.ledger()

    def work(progress: background.Progress) -> Erased:
        try:
            return erase_run(ledger, run_id, progress=progress)
        finally:
            st.cache_resource.clear()  # frames that pages keep in memory were read before

    return work


def _told(job: background.Job[Erased]) -> None:
    try:
        done = job.result()
    except OpenmartError as error:
        widgets.error_message(error)
        return
    st.caption(widgets.escape(done.sentence(), 2000))


def _job(run: RunInfo) -> str:
    return f"erase|{run.run_id}"


@st.fragment(run_every=0.5)
def _progress(run: RunInfo) -> None:
    job = background.find(_job(run))
    if job is None or job.finished:
        st.rerun()
    st.progress(job.share, text="Deleting…")
