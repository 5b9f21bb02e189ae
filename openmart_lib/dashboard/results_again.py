"""Try again: rows of a run become a draft on Submit, which is confirmed there like any other list."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import drafts, resources, submit_draft, submit_plan, url_state, widgets, words
from openmart_lib.dashboard.unknown_box import is_confirmed
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import check_mapping
from openmart_lib.intake.overrides import NO_OVERRIDES
from openmart_lib.ledger import queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import again
from openmart_lib.results.again import NEVER, REASON_WORDS, STEPS, Again, Reason

# What a next step is good for, beside its name.
STEP_SENTENCES: Final[dict[Kind, str]] = {
    Kind.FIND_PEOPLE: "Look for people at these companies.",
    Kind.LOOKUP_PEOPLE: "Ask for the email or phone of the people that were found by name.",
    Kind.LOOKUP_BUSINESS_EMAIL: "Ask for the company's shared address, such as info@.",
    Kind.FIND_TECH: "Look for the technology at these companies.",
}


def show(run: RunInfo, rows: pl.Series | None, sentence: str) -> None:
    """Offer to try rows of a run again; nothing is sent before the person confirms on Submit.

    Args:
        rows: The numbers of the uploaded rows that the page shows or that are ticked; None = all.
        sentence: What they are, in words ("the 3 ticked rows"); "" for all.
    """
    fold = st.expander("Try again…", key=f"again_{run.run_id}", icon=":material/replay:", on_change="rerun")
    if fold.open:
        with fold, widgets.errors_shown():
            _ask(run, rows, sentence)


def begin(found: Again) -> str:
    """Keep a list to try again as a draft of Submit, with everything chosen as it was; return its id."""
    root, upload = submit_draft.folder(), found.upload
    shape = dataclasses.asdict(upload.format)
    draft = drafts.create(root, upload.frame, name=upload.name, sha256=upload.sha256, file_format=shape)
    return drafts.choose(root, draft, _choices(found)).draft_id


@st.cache_resource(max_entries=4, show_spinner="Looking which rows can be tried again…")
def _standing(run_id: str, revision: int) -> pl.DataFrame:
    return again.standing(resources.ledger(), run_id)


def _ask(run: RunInfo, rows: pl.Series | None, sentence: str) -> None:
    stand = _standing(run.run_id, queries.revision(resources.ledger()))
    here = again.within(stand, rows)
    of = words.counted(run.row_count, "row")
    st.markdown(
        f"From **{widgets.escape(sentence)}** ({words.count(here.height)} of {of})."
        if rows is not None
        else f"From **all {of}** of this run."
    )
    step = _step(run)
    counts = {Reason(name): number for name, number in here["reason"].value_counts().iter_rows()}
    scope = f"again_{run.run_id}_{step}_{'all' if rows is None else rows.hash(seed=1).sum()}"
    reasons = _reasons(run, step, counts, scope, everything=rows is None)
    chosen = again.choose(stand, reasons, rows)
    unnamed = _unnamed(run, step, stand, chosen)
    left = chosen.len() - unnamed
    _reckoning(here.height, reasons, counts, chosen=chosen.len(), unnamed=unnamed)
    sure = _sure(counts[Reason.UNKNOWN], scope) if Reason.UNKNOWN in reasons else True
    label = f"Continue to Submit with {words.counted(left, 'row')}"
    if st.button(
        label,
        key=f"{scope}_go",
        type="primary",
        icon=":material/arrow_forward:",
        disabled=not (left and sure),
    ):
        with st.spinner("Making the list…"):
            draft_id = begin(again.make_list(resources.ledger(), run.run_id, chosen, step))
        url_state.leave_for("submit", draft=draft_id)
    st.caption(
        "Nothing is sent or spent by this: Submit shows what it may cost, and asks. "
        "What was paid before stays paid; whatever the new run finds is paid anew."
    )


def _step(run: RunInfo) -> Kind:
    steps = STEPS[run.kind]
    names = {kind: words.KIND_NAMES[kind] for kind in steps}
    names[run.kind] = f"The same again ({names[run.kind]})"
    chosen = st.radio(
        "What to do with them",
        steps,
        format_func=names.__getitem__,
        captions=[STEP_SENTENCES[kind] for kind in steps],
        key=f"again_{run.run_id}_step",
    )
    return Kind(chosen or run.kind)


def _reasons(
    run: RunInfo, step: Kind, counts: dict[Reason, int], scope: str, *, everything: bool
) -> list[Reason]:
    """Ask for which reasons; chosen rows begin with all of theirs, but those that may be paid twice."""
    offered = [reason for reason in Reason if counts.get(reason) and reason not in NEVER]
    if not offered:
        return []
    usual = again.usual_reasons(run.kind, step) if everything else offered
    ticked = widgets.checks(
        "Which rows",
        {str(one): f"{REASON_WORDS[one]} ({words.count(counts[one])})" for one in offered},
        key=scope,
        start=[str(one) for one in usual if one is not Reason.UNKNOWN],
    )
    return [Reason(one) for one in ticked]


def _unnamed(run: RunInfo, step: Kind, stand: pl.DataFrame, chosen: pl.Series) -> int:
    """Return how many of the chosen rows cannot be asked about as people, for nobody was found."""
    if step is not Kind.LOOKUP_PEOPLE or run.kind is not Kind.FIND_PEOPLE:
        return 0
    return again.within(stand, chosen).filter(~pl.col("named")).height


def _reckoning(
    shown: int, reasons: list[Reason], counts: dict[Reason, int], *, chosen: int, unnamed: int
) -> None:
    """Say where each of the rows goes; the parts add up to the whole."""
    ticked = sum(counts[reason] for reason in reasons)
    parts = [f"**{words.counted(chosen - unnamed, 'row')}** to send"]
    if ticked > chosen:
        repeat = "repeats" if ticked - chosen == 1 else "repeat"
        parts.append(f"**{words.count(ticked - chosen)}** that {repeat} one of them (same answer, free)")
    if unnamed:
        parts.append(f"**{words.count(unnamed)}** left out: no whole name to ask for")
    if shown > ticked:
        parts.append(f"**{words.count(shown - ticked)}** not chosen")
    st.markdown(" + ".join(parts) + f" = {words.counted(shown, 'row')}")
    never = [one for one in Reason if one in NEVER and counts.get(one)]
    kept = [f"{REASON_WORDS[one]} ({words.count(counts[one])})" for one in never]
    if kept:
        st.caption(f"Not offered among these: {', '.join(kept)}.")


def _sure(rows: int, scope: str) -> bool:
    """Ask a person to type it before rows that may have been paid are sent again."""
    phrase = f"pay {rows} twice"
    widgets.message(
        "warning",
        f"We don't know whether Openmart took {words.counted(rows, 'of these rows', 'of these rows')}.",
        "They may have been paid already, and would then be paid twice.",
        "Better decide about their batches in Monitor first; what they gave is then kept.",
    )
    return is_confirmed(st.text_input(f"Type **{phrase}** to go on", key=f"{scope}_sure"), phrase)


def _choices(found: Again) -> dict[str, Any]:
    """Return what Submit is to start with; columns that are known are not asked about."""
    decided = found.overrides or NO_OVERRIDES
    choices = submit_plan.choices_of(found.kind, found.mapping, found.options, decided)
    try:
        check_mapping(found.upload.frame, found.mapping, found.kind)
    except InputError:  # of a batch of another tool: Submit finds out, and asks
        del choices["mapping"], choices["recalled"]
    return choices | {"name": found.name}
