"""The box of refused batches: what Openmart said, *Find the row*, how far a search is, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import Final

import polars as pl
import streamlit as st

from openmart_lib.api.wire import SUBMIT_SECONDS
from openmart_lib.dashboard import resources, widgets, words
from openmart_lib.dashboard.run_card import change
from openmart_lib.ledger import BatchState, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.searches import GuiltyRow, Part, Search, searches
from openmart_lib.ledger.searching import find_row, stop_search

NAMED: Final = 5  # rows named in a message at most; Results has them all
_Batch = tuple[int, int, int]  # key, number, tasks


def show(run: RunInfo, refused: pl.DataFrame) -> None:
    """Show one box for the batches not searched yet, and one for each search.

    Args:
        refused: The refused batches of the run, columns as ``queries.batches``.
    """
    known = _searches(run.run_id, queries.revision(resources.ledger()))
    searched = {one.pk for one in known}
    plain = refused.filter(pl.col("search_of_no").is_null() & ~pl.col("pk").is_in(searched))
    if plain.height:
        _not_searched(run, plain)
    for search in known:
        if search.going:
            _going(search)
        else:
            _over(run, search, taken_up=any(part.pk in searched for part in search.parts))


@st.cache_resource(ttl=60, max_entries=8, show_spinner=False)
def _searches(run_id: str, revision: int) -> list[Search]:
    return searches(resources.ledger(), run_id)


def _not_searched(run: RunInfo, plain: pl.DataFrame) -> None:
    tasks = int(plain["task_count"].sum())
    said = "; ".join(f"“{detail[:300]}”" for detail in plain["detail"].drop_nulls().unique().sort().head(3))
    several = [row for row in plain.select("pk", "batch_no", "task_count").rows() if row[2] > 1]
    happened = (
        f"Openmart refused {words.counted(plain.height, 'batch', 'batches')} "
        f"({words.counted(tasks, 'task')})" + (f": {said}" if said else ".")
    )
    meaning = "Nothing was created and nothing was spent; their rows are marked refused."
    with st.container(border=True):
        if not several or run.cancelled_at is not None:
            widgets.message(
                "error", happened, meaning, "Correct what its words name, and submit those rows again."
            )
            return
        widgets.message(
            "error",
            happened,
            f"{meaning} Often a single row is at fault; Openmart does not say which.",
            "Find the row here, or correct the list and submit those rows again as a new run: not both.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _offer(run, several, among=plain)


def _offer(run: RunInfo, batches: Sequence[_Batch], *, among: pl.DataFrame | None = None) -> None:
    """Offer to look for the bad row of one of these batches; nothing is sent before the second click."""
    tasks_of = {pk: tasks for pk, _, tasks in batches}
    number_of = {pk: number for pk, number, _ in batches}
    first = batches[0][0]
    pk = first
    if len(batches) > 1:
        chosen = st.selectbox(
            "Batch",
            list(tasks_of),
            format_func=lambda one: f"Batch {number_of[one]}: {words.counted(tasks_of[one], 'task')}",
            key=f"refused_{run.run_id}_{first}",
        )
        pk = first if chosen is None else int(chosen)
    with st.popover("Find the row…", icon=":material/search:", key=f"find_box_{pk}"):
        st.markdown(_promise(number_of[pk], tasks_of[pk]))
        if among is not None and among.height > 1 and among["detail"].n_unique() == 1 and _none_taken(run):
            st.markdown(
                "Every batch was refused with the same words. Then the cause is likely an option of the "
                "run, and no row; look at one batch first."
            )
        if st.button("Send the halves", key=f"find_{pk}", type="primary"):
            change(lambda: find_row(resources.ledger(), pk))


def _promise(number: int, tasks: int) -> str:
    """Say before the click what a search does, how many submissions it takes, and what can cost."""
    seconds = SUBMIT_SECONDS / resources.settings().speed
    each = f"about {words.duration(seconds)}" if seconds >= 1 else words.duration(seconds)
    return (
        f"The {words.counted(tasks, 'task')} of batch {number} are sent again as two halves; a half that is "
        "refused is halved again, until the bad row stands alone. The other rows get their results.\n\n"
        f"For one bad row that takes about {words.counted(submissions(tasks), 'submission')} of {each} "
        "each, more for several. Only halves that Openmart accepts can cost: "
        "each row at most what it would have cost at first."
    )


def submissions(tasks: int) -> int:
    """Return about how many submissions it takes to find one bad row among so many tasks."""
    return 2 * ceil(log2(tasks)) if tasks > 1 else 0


def _none_taken(run: RunInfo) -> bool:
    return not run.batches[BatchState.ACCEPTED] + run.batches[BatchState.COLLECTED]


def _going(search: Search) -> None:
    found = len(search.guilty)
    facts = [
        f"{words.counted(search.sent, 'part')} sent, {words.count(search.waiting)} waiting",
        f"{words.count(search.accepted_tasks)} of {words.counted(search.task_count, 'task')} accepted",
        f"{words.counted(found, 'row')} refused alone" if found else "no row refused alone yet",
    ]
    with st.container(border=True):
        widgets.message(
            "info",
            f"Looking for the bad row of batch {search.batch_no}.",
            f"So far: {', '.join(facts)}. Refused parts cost nothing." + _in_doubt(search),
            "Nothing to do: it goes on by itself, and waits while the run is paused or held.",
        )
        if found:
            st.text(f"Refused alone so far: {_names(search.guilty)}")
        if st.button(
            "Stop searching",
            key=f"stop_search_{search.pk}",
            icon=":material/stop:",
            help=(
                f"{words.counted(search.waiting, 'part')} not sent yet will not be sent and cost nothing. "
                "What Openmart accepted is collected."
            ),
        ):
            change(lambda: stop_search(resources.ledger(), search.pk))


def _over(run: RunInfo, search: Search, *, taken_up: bool) -> None:
    """Say what a search came to; ``taken_up``: a part of it has a search of its own by now."""
    left = search.left_over
    cost = (
        f"{words.count(search.accepted_tasks)} of {words.counted(search.task_count, 'task')} were accepted "
        "and are collected; nothing was spent on what was refused." + _in_doubt(search)
    )
    with st.container(border=True):
        if search.hopeless and not search.accepted_tasks and not taken_up:
            widgets.message(
                "error",
                f"Openmart refuses every part of batch {search.batch_no}, single rows too.",
                "Nothing was created and nothing was spent.",
                "The cause is likely an option of the run, not a row: correct it and submit the list again.",
            )
        elif search.guilty:
            one = len(search.guilty) == 1
            found = _names(search.guilty) if one else words.counted(len(search.guilty), "row")
            named = "" if one else f"They are {_names(search.guilty)}. "
            widgets.message(
                "error" if left or search.cut_off else "warning",
                f"The search in batch {search.batch_no} is over: Openmart refused {found} alone.",
                f"{named}{search.guilty[0].reason}. {cost}",
                f"Correct {'it' if one else 'them'}, and submit again only what was refused"
                + (" or not sent." if left or search.cut_off else "."),
            )
        elif search.stopped or search.cut_off or left:
            widgets.message(
                "warning",
                f"The search in batch {search.batch_no} ended before a row was found.",
                cost,
                "The rows that were not sent again say so in Results.",
            )
        else:
            widgets.message(
                "info",
                f"No row of batch {search.batch_no} was refused alone.",
                cost,
                "Nothing to do: its parts are batches like any other.",
            )
        _afterwards(run, search, left)


def _afterwards(run: RunInfo, search: Search, left: Sequence[Part]) -> None:
    """Offer what can be done when a search is over: look at the refused rows, search what is left."""
    rows_left = run.outcomes[Outcome.REFUSED]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if rows_left and st.button(
            f"Show the refused rows ({words.count(rows_left)})",
            key=f"refused_rows_{search.pk}",
            icon=":material/table_view:",
        ):
            query = {"run": run.run_id, "outcome": str(Outcome.REFUSED)}
            resources.forget_runs()  # a list from before the search ended has no refused rows to filter by
            st.switch_page(resources.page("results"), query_params=query)
        if left and run.cancelled_at is None:
            _offer(run, [(part.pk, part.batch_no, part.task_count) for part in left])


def _names(guilty: Sequence[GuiltyRow]) -> str:
    """Return the rows as the analyst sees them, the first few by name."""
    named = ", ".join(words.row_name(row.seq, row.file_line) for row in guilty[:NAMED])
    more = len(guilty) - NAMED
    return named if more <= 0 else f"{named} and {words.count(more)} more"


def _in_doubt(search: Search) -> str:
    if not search.unknown:
        return ""
    parts = words.counted(search.unknown, "part is", "parts are")
    return f" {parts} unknown and may have been charged: decide about them above."
