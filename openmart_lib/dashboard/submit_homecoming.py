"""A corrected rejects file on the empty Submit page: the list it belongs to, and the way there."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib.dashboard import (
    background,
    drafts,
    resources,
    submit_draft,
    submit_plan,
    submit_rejects,
    widgets,
    words,
)
from openmart_lib.dashboard.drafts import Draft
from openmart_lib.errors import OpenmartError
from openmart_lib.intake.files import Upload
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import Overrides
from openmart_lib.intake.rejoin import LIST_ROW, corrected_list, rejoin
from openmart_lib.ledger import queries
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.again import format_of
from openmart_lib.results.chain import Origin

_OFFERED: Final = 3  # lists that are offered, the newest first
_OWN: Final = "list_of_its_own"  # a draft's choice: said once, it is not asked again


def ask(draft: Draft) -> bool:
    """Ask where corrected rows belong, if these are some; return whether that is still to be said."""
    if draft.corrections or draft.choices.get(_OWN):
        return False
    corrected = submit_draft.upload(draft)
    mark = corrected_list(corrected)
    if mark is None:
        return False
    lists = [one for one in drafts.of_list(submit_draft.folder(), mark) if one[0].draft_id != draft.draft_id]
    runs = _runs(mark)
    if not lists and not runs:
        return False
    rows = words.counted(corrected.frame.height, "corrected row")
    widgets.message(
        "info",
        f"{draft.upload_name} holds {rows} of a list that you brought before.",
        "Nothing was sent or spent.",
        "Put them where they belong, or treat them as a list of their own.",
    )
    for target, at in lists[:_OFFERED]:
        if st.button(
            f"Put them into {widgets.escape(target.upload_name)} (draft of {_when(at)})",
            key=f"{draft.draft_id}_into_{target.draft_id}",
            icon=":material/merge:",
            help="They replace the rows of the same number; all others stay as they are.",
        ):
            _follow(draft, target.draft_id, submit_rejects.joining(target, lambda: corrected))
    for run in runs[:_OFFERED]:
        if st.button(
            f"Look up only these, for the run {widgets.escape(run.name)} ({_when(run.created_at)})",
            key=f"{draft.draft_id}_for_{run.run_id}",
            icon=":material/forward:",
            help="A new run of the same list with the same choices: only the corrected rows are sent, the "
            "others are skipped. You see what it costs before anything is sent.",
        ):
            _follow(draft, None, _of_run(run, corrected))
    st.button(
        "Treat them as a list of their own",
        key=f"{draft.draft_id}_own",
        icon=":material/list_alt:",
        type="tertiary",
        on_click=submit_draft.change,
        args=(draft.draft_id,),
        kwargs={_OWN: True},
    )
    return True


def _runs(mark: str) -> list[RunInfo]:
    """Return the runs of a list whose rows are still here, newest first."""
    ledger = resources.ledger()
    return [
        run
        for run in queries.runs(ledger)
        if run.upload_sha256.startswith(mark) and not run.made_elsewhere and run.planned_at is not None
        if erased_at(ledger, run.run_id) is None
    ]


def _when(at: float) -> str:
    return words.date_and_time(at, widgets.zone())


def _follow(draft: Draft, target: str | None, work: Any) -> None:
    """Do it in the background, then open the list that the rows went into; their own draft is removed."""
    try:
        made = background.run(f"home|{draft.draft_id}", work, "Putting the rows into their list")
    except OpenmartError as error:
        widgets.error_message(error)
        return
    drafts.remove(submit_draft.folder(), draft)
    st.query_params["draft"] = target or str(made)
    st.rerun()


def _of_run(run: RunInfo, corrected: Upload) -> Any:
    """Return the work that makes a draft of a run's list, in which only the corrected rows are sent."""
    ledger, root = resources.ledger(), submit_draft.folder()

    def work(progress: background.Progress) -> str:
        frame = queries.upload_rows(ledger, run.run_id).collect()
        original = Upload(run.upload_name, run.upload_sha256, frame, format_of(run.upload_format), ())
        joined = rejoin(original, corrected)
        decided = Overrides.from_dict(queries.decisions(ledger, run.run_id)).without_rows(joined.rows)
        decided = dataclasses.replace(decided, only=joined.rows)
        known = {field.name for field in dataclasses.fields(RunOptions)}
        options = RunOptions.from_dict({name: one for name, one in run.options.items() if name in known})
        draft = drafts.create(
            root,
            _numbered(joined.upload.frame, joined.rows),
            name=run.upload_name,
            sha256=joined.upload.sha256,
            file_format=run.upload_format | Origin(run.run_id, LIST_ROW).to_format(),
            notes=[(problem.file_line, problem.message) for problem in joined.problems],
        )
        choices = submit_plan.choices_of(run.kind, run.mapping, options, decided)
        drafts.choose(
            root, draft, choices | {"name": f"{run.name} (corrected)"[:100], "memories_applied": True}
        )
        return draft.draft_id

    return work


def _numbered(frame: pl.DataFrame, rows: tuple[int, ...]) -> pl.DataFrame:
    """Write the corrected rows' numbers into a column, by which the results of both runs are joined."""
    number = pl.when(pl.col("seq").is_in(list(rows))).then(pl.col("seq").cast(pl.String))
    return frame.with_columns(number.alias(LIST_ROW))
