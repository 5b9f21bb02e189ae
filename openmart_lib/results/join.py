"""Results of runs, joined to the uploaded rows: the frames that pages show, files hold and notebooks read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal, get_args

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.reused import reused_from
from openmart_lib.results import cache, records
from openmart_lib.results.assembly import OF_STATE, Form, Parts, assemble, strays
from openmart_lib.results.borrowed import with_borrowed
from openmart_lib.results.columns import OWN_COLUMNS, in_order, uploaded_names
from openmart_lib.results.companies import best_of_companies
from openmart_lib.results.quality import RANKING, Criterion
from openmart_lib.results.together import Runs

Shape = Literal["rows", "long", "companies"]

KEEP_FROM: Final = 20_000  # uploaded rows from which a finished run's frame is kept in a file
LAYOUT: Final = "1"  # of those files; another number makes every file stale


def results(
    ledger: Ledger,
    run_id: str | Sequence[str],
    shape: Shape = "rows",
    *,
    contacts: bool = True,
    ranking: Sequence[Criterion] = RANKING,
    rows: pl.Series | None = None,
) -> pl.DataFrame:
    """Return the results of one or several runs, joined to their uploaded rows, in upload order.

    Args:
        run_id: A run, or several: their rows stand one run after the other, ``run_name`` tells which; where
            two runs are called the same, with its id.
        shape: ``rows``: one row per uploaded row; the found columns hold its best record (a verified email
            first, then any email, then a phone, then the server's order). ``long``: one row per record by
            ``record_no``, and one for each uploaded row without any. ``companies``: one row per company with
            its best record, see ``companies.best_of_companies``.
        contacts: In the shape ``rows``, number all contacts of a row where one has several.
        ranking: What makes a company's best record, for the shape ``companies``.
        rows: Only these uploaded rows, by number; of several runs numbered on, see ``together.Runs``. A
            company is shown when one of them names it, with the best that was found for them.

    Returns:
        The uploaded columns first (String, unchanged, in order; see ``columns.uploaded_names``), those of
        several runs side by side under their names; then ``columns.OWN_COLUMNS``: row, file_line,
        duplicate_of, record_no, record_count are Int64; found_email_verified, email_domain_agrees,
        email_free_mail are Boolean, all others String; fetched_at is ISO 8601 UTC. Numbered contacts stand
        before record_no, as many as the row with most records has, 8 at most, none where no row has two.
        A duplicate keeps its outcome and carries result and records of the row it repeats.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the shape is none of the three, or no run is named.
    """
    frame = results_lazy(ledger, run_id, shape, contacts=contacts, ranking=ranking, rows=rows).collect()
    return frame if rows is None else frame.rechunk()  # polars 2.1 panics on some empty first chunks


def results_lazy(
    ledger: Ledger,
    run_id: str | Sequence[str],
    shape: Shape = "rows",
    *,
    contacts: bool = True,
    ranking: Sequence[Criterion] = RANKING,
    rows: pl.Series | None = None,
    keep_from: int = KEEP_FROM,
    progress: records.Progress | None = None,
) -> pl.LazyFrame:
    """Return ``results`` unread: of a large finished run only the columns and rows that are used are read.

    Args:
        keep_from: Uploaded rows from which the joined frame of a finished run is kept in the results folder.
        progress: Told how far the answers of a run are taken apart, as ``records.scan_lines`` tells it; the
            join is about a third more.

    Raises:
        RunNotFoundError, InputError: As ``results``.
    """
    if shape not in get_args(Shape):
        raise InputError(
            f"{shape!r} is no shape of results. Nothing was written. Use 'rows', 'long' or 'companies'."
        )
    runs = Runs.read(ledger, run_id)
    form: Form = "long" if shape in ("long", "companies") else "wide" if contacts else "rows"
    frame = _together([_of_run(ledger, run, form, keep_from, progress) for run in runs.each], runs)
    shown = None if rows is None else runs.number().is_in(rows.cast(pl.Int64).implode())
    if shape == "companies":
        lines = frame.collect()
        among = None if shown is None else lines.select(shown).to_series()
        return best_of_companies(lines, ranking, among=among).lazy()
    return frame if shown is None else frame.filter(shown)


def unmatched(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per record that belongs to no uploaded row; kept, because it may have been paid.

    Columns: why, asked_for_rows (the uploaded rows of its task, "3, 4"; null for a tracking id we did not
    send), record_no (position in its answer), the found columns, tracking_id, task_id, batch_id, fetched_at.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    lines = records.scan_lines(ledger, run_id).filter(pl.col("record_no").is_not_null())
    if queries.foreign_tracking(ledger, run_id).height:
        links = queries.links(ledger, run_id)
    else:  # each of our tasks was sent for a row, so only these can be nobody's
        lines = lines.filter(pl.col("task_no").is_null() | pl.col("person_no").is_null())
        asked = lines.select(pl.col("task_no").drop_nulls().unique()).collect().to_series()
        links = queries.links(ledger, run_id, task_nos=asked.to_list())
    return strays(links, lines.collect().sort("task_no", maintain_order=True))


def first_rows(ledger: Ledger, run_id: str, most: int) -> pl.DataFrame | None:
    """Return the first rows of ``results`` (shape ``rows``, no numbered contacts) before all are joined.

    Only their own answers are read, so it is quick in a run of a million rows. None where they cannot be told
    without the others: rows of other runs or other rows' tasks answer for them.
    """
    info, states = queries.run_info(ledger, run_id), queries.row_states(ledger, run_id, first=most)
    links = queries.links(ledger, run_id, first=most)
    task_nos = links["task_no"].unique().to_list()
    shared = queries.links(ledger, run_id, task_nos=task_nos).height > links.height
    if info.made_elsewhere or shared or reused_from(ledger, run_id):
        return None
    if states.filter(pl.col("duplicate_of") > most).height:
        return None
    lines = records.flatten_answers(queries.answers(ledger, run_id, task_nos=task_nos), info.kind)
    parts = Parts(
        info=info,
        upload=queries.upload_rows(ledger, run_id).head(most).collect(),
        states=states,
        links=links,
        batches=queries.batches(ledger, run_id),
        lines=lines.sort("task_no", maintain_order=True),
    )
    return assemble(parts, "rows")


def read_parts(ledger: Ledger, run_id: str, progress: records.Progress | None = None) -> Parts:
    """Read what a run is put together from.

    Args:
        progress: As for ``results_lazy``.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If its uploaded rows are gone.
    """
    # Outcomes before answers: read the other way round, a row could say "matched" and show nothing.
    own = Parts(
        info=queries.run_info(ledger, run_id),
        upload=queries.upload_rows(ledger, run_id).collect(),
        states=queries.row_states(ledger, run_id, of=OF_STATE),
        links=queries.links(ledger, run_id),
        batches=queries.batches(ledger, run_id),
        lines=records.answer_lines(ledger, run_id, progress),
        foreign=queries.foreign_tracking(ledger, run_id),
    )
    return with_borrowed(ledger, run_id, own)


def _of_run(
    ledger: Ledger, run: RunInfo, form: Form, keep_from: int, progress: records.Progress | None
) -> pl.LazyFrame:
    run_id = run.run_id
    build = partial(_build, ledger, run_id, form, progress)
    if run.row_count < keep_from or run.outcomes[Outcome.PENDING] or run.planned_at is None:
        return build().lazy()
    if reused_from(ledger, run_id):  # kept here, data of another run would outlive its being deleted there
        return build().lazy()
    queries.upload_rows(ledger, run_id)  # erased: says so, whatever is left of derived files
    event, at = queries.last_event(ledger, run_id)
    stamp = f"{LAYOUT}:{records.LAYOUT}:{event}:{at}:{records.stamp(ledger, run_id)}"
    return cache.kept(ledger.results_dir / f"{run_id}.{form}.parquet", stamp, build)


def _build(ledger: Ledger, run_id: str, form: Form, progress: records.Progress | None) -> pl.DataFrame:
    return assemble(read_parts(ledger, run_id, progress), form)


def _together(frames: list[pl.LazyFrame], runs: Runs) -> pl.LazyFrame:
    """Put the frames of several runs under each other; equal uploaded names share a column."""
    if runs.alone is not None:
        return frames[0]
    names = runs.uploaded
    renamed = []
    for frame, run in zip(frames, runs.each, strict=True):
        alone = uploaded_names(run.columns)
        called = pl.lit(runs.names[run.run_id]).alias("run_name")
        renamed.append(frame.rename({alone[name]: names[name] for name in run.columns}).with_columns(called))
    own = {name for frame in renamed for name in frame.collect_schema().names()} - set(names.values())
    return pl.concat(renamed, how="diagonal").select(*names.values(), *in_order([*OWN_COLUMNS, *own]))
