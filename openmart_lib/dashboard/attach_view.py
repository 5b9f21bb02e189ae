"""Collect a batch made by another tool: a fold on Monitor that looks first, then collects; all of it free."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from openmart_lib import attachment
from openmart_lib.api.wire import FINAL_TASK_STATUSES, Kind
from openmart_lib.dashboard import background, resources, widgets, words
from openmart_lib.dashboard.widgets import Figure
from openmart_lib.engine.attach import look_at
from openmart_lib.errors import OpenmartError
from openmart_lib.intake import foreign
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.files import Upload
from openmart_lib.intake.guarded import read_upload_guarded
from openmart_lib.ledger.attaching import ForeignBatch, place_of_id

SAMPLE: Final = 5  # tasks shown
_SAID: Final = "foreign_said"  # what happened, told after the page has moved to the run
_ROUND: Final = "foreign_round"  # counts up when a batch is done, so that the boxes are empty again


def form() -> None:
    """Show the fold, and what came of the batch that was attached last."""
    if said := st.session_state.pop(_SAID, None):
        st.toast(widgets.escape(said, 500), icon=":material/check_circle:", duration="long")
    fold = st.expander("Collect a batch made by another tool", icon=":material/add_link:")
    with fold, widgets.errors_shown():
        _steps(f"foreign_{st.session_state.setdefault(_ROUND, 0)}")


def _steps(key: str) -> None:
    st.markdown(
        "A script, curl, n8n or an assistant submitted a batch with your key? Paste its id and it is "
        "collected here, joined to your list if you have it. Looking and collecting are free, nothing is "
        "submitted; its credits were spent where it was made."
    )
    batch_id = (st.text_input("Batch id", key=f"{key}_id", max_chars=300) or "").strip()
    here = place_of_id(resources.ledger(), batch_id) if batch_id else None
    if here is not None:
        st.info(widgets.escape(attachment.already_words(here), 600), icon=":material/info:")
        if st.button("Open that run", icon=":material/monitoring:", key=f"{key}_open"):
            _open(here.run_id)
        return
    kind = st.selectbox(
        "What was it submitted as?",
        list(Kind),
        index=None,
        format_func=words.KIND_NAMES.__getitem__,
        placeholder="Choose",
        help="Openmart does not say it of a finished batch, and it decides how the answers are read.",
        key=f"{key}_kind",
    )
    file = st.file_uploader(
        "Your list, if it holds the tracking ids (optional)",
        help="Every row comes back with an outcome. Without a list, each task of the batch is a row.",
        key=f"{key}_file",
    )
    upload = None if file is None else _read(file.file_id, file)
    job = f"look|{resources.settings().environment}|{batch_id}"
    if st.button("Look", icon=":material/search:", disabled=not batch_id, key=f"{key}_look"):
        background.forget(job)
        settings = resources.settings()
        background.start(job, lambda progress: look_at(settings, batch_id, progress=progress))
    found = _follow(job, "Reading the batch's tasks at Openmart.") if batch_id else None
    if found is not None:
        _found(found, kind, upload, key)


@st.cache_resource(max_entries=2, show_spinner="Reading your list…")
def _read(file_id: str, _file: Any) -> Upload:
    return read_upload_guarded(_file.getvalue(), _file.name)


def _follow(job_key: str, text: str) -> Any:
    """Wait for a job and return its result, None where there is none; its error is shown."""
    job: background.Job[Any] | None = background.find(job_key)
    if job is None:
        return None
    if not job.finished:
        bar = st.progress(job.share, text=text)
        while not job.wait(0.2):
            bar.progress(job.share, text=text)
        bar.empty()
    try:
        return job.result()
    except OpenmartError as error:
        widgets.error_message(error, level="warning")
        return None


def _found(found: ForeignBatch, kind: Kind | None, upload: Upload | None, key: str) -> None:
    _numbers(found)
    ours = attachment.whose(resources.ledger(), found)
    column = None
    if ours is not None:
        widgets.message(
            "info",
            attachment.ours_words(ours) if ours.in_doubt else f"Its tasks are those of our {ours.words}.",
            "It belongs to that run: its kind is known, and no list is needed.",
        )
    elif upload is not None:
        column = _column(found, upload, key)
    else:
        _sample(found, None, None)
    ready = ours is not None or (kind is not None and (upload is None or column is not None))
    if not ready and kind is None:
        st.caption("Choose what it was submitted as, then collect it.")
    job = f"attach|{resources.settings().environment}|{found.batch_id}"
    if st.button(
        "Collect it", type="primary", icon=":material/download:", disabled=not ready, key=f"{key}_go"
    ):
        background.forget(job)
        _collect(job, found, kind or Kind.FIND_PEOPLE, None if ours is not None else upload, column)
    done: attachment.Attached | None = _follow(job, "Writing the run into the ledger.")
    if done is not None:
        background.forget(job)
        st.session_state[_SAID] = done.sentence
        _open(done.run_id)


def _numbers(found: ForeignBatch) -> None:
    named = sum(each.tracking_id is not None for each in found.tasks)
    finished = sum(each.status in FINAL_TASK_STATUSES for each in found.tasks)
    of = f"of {words.counted(len(found.tasks), 'task')}"
    unfinished = "The others are followed until they finish."
    widgets.numbers(
        [
            Figure("Tasks", words.count(len(found.tasks))),
            Figure("Finished", words.count(finished), of, unfinished),
            Figure("With a tracking id", words.count(named), of, "Given by the tool that made the batch."),
        ]
    )


def _column(found: ForeignBatch, upload: Upload, key: str) -> str | None:
    """Ask which column holds the tracking ids and show how it fits; return it if any row fits."""
    ids = [each.tracking_id for each in found.tasks]
    columns = uploaded_columns(upload.frame)
    guess = foreign.guess_column(upload.frame, ids)
    column = st.selectbox(
        "Column with the tracking ids",
        columns,
        index=columns.index(guess) if guess is not None else 0,
        key=f"{key}_column_{upload.sha256[:8]}_{found.batch_id}",
    )
    if column is None:
        return None
    fit = foreign.fit(upload.frame, column, ids)
    rows, tasks = upload.frame.height, len(found.tasks)
    if not fit.rows:
        widgets.message(
            "warning",
            "No row of this column names a task of this batch.",
            "Nothing was changed.",
            "Choose another column or list, or remove the list to collect the batch without one.",
        )
        _sample(found, None, None)
        return None
    st.markdown(
        f"**{words.count(fit.rows)} of {words.counted(rows, 'row')}** name a task of this batch"
        + (
            f"; {words.counted(rows - fit.rows, 'other row')} will be *skipped*. "
            if fit.rows < rows
            else ". "
        )
        + f"{words.count(fit.tasks)} of {words.counted(tasks, 'task')} are named by a row"
        + ("; what the others found is kept as *unmatched records*." if fit.tasks < tasks else ".")
    )
    _sample(found, upload, column)
    return column


def _sample(found: ForeignBatch, upload: Upload | None, column: str | None) -> None:
    """Show the first tasks, and with a list the row that names each."""
    head = found.tasks[:SAMPLE]
    frame = pl.DataFrame(
        {
            "Tracking id": [each.tracking_id or "none" for each in head],
            "State": [each.status.lower() for each in head],
        },
        schema={"Tracking id": pl.String, "State": pl.String},
    )
    if upload is not None and column is not None:
        named, links = foreign.join_rows(upload.frame, column, [each.tracking_id for each in found.tasks])
        lines = dict(links.join(named, on="seq").select("task_no", "file_line").rows())
        rows = [f"line {words.count(lines[n])}" if n in lines else "none" for n in range(1, frame.height + 1)]
        frame = frame.with_columns(pl.Series("Row of your list", rows, dtype=pl.String))
    widgets.table(frame, f"The first {frame.height} tasks of the batch")
    if len(found.tasks) > frame.height:
        st.caption(f"The first {frame.height} of {words.counted(len(found.tasks), 'task')}.")


def _collect(job: str, found: ForeignBatch, kind: Kind, upload: Upload | None, column: str | None) -> None:
    ledger, settings = resources.ledger(), resources.settings()
    background.start(
        job,
        lambda progress: attachment.attach(
            ledger,
            settings,
            found.batch_id,
            kind,
            upload=upload,
            column=column,
            found=found,
            progress=progress,
        ),
    )


def _open(run_id: str) -> None:
    """Show the run on this page, with the fold's boxes empty again."""
    st.session_state[_ROUND] += 1
    resources.forget_runs()
    st.query_params["run"] = run_id
    st.rerun()
