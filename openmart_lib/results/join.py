"""Uploaded rows + outcomes + records -> one frame: what pages show and files hold.

Joined on integers (``seq`` of the row, ``task_no`` of the task), whole columns at a time. Every uploaded
row appears: exactly once in the shape ``rows``, at least once in ``long``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.tasks import rejects_frame
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import BEST_FIRST, SENTENCES, BatchState
from openmart_lib.results.flatten import FOUND_SCHEMA
from openmart_lib.results.records import answer_lines

Shape = Literal["rows", "long"]

# Ours, after the uploaded columns, in this order. Columns that number several contacts in one line
# (contact_1_...) would follow ``found_raw``.
OWN_COLUMNS: Final = (
    *("outcome", "outcome_reason", "result", "duplicate_of", "row", "file_line", "domain", "asked_title"),
    *FOUND_SCHEMA,
    *("record_no", "record_count", "tracking_id", "task_id", "batch_id", "run_name", "kind", "fetched_at"),
)
UNUSABLE_MAILBOX: Final = ("INVALID", "NOT_FOUND", "NONE")  # as ledger.verdicts reads them; a test compares
PENDING_WORDS: Final = {
    BatchState.PLANNED: "waiting to be sent",
    BatchState.SENDING: "being sent",
    BatchState.ACCEPTED: "with Openmart",
}
FETCHING: Final = "being fetched from Openmart"
PLANNING: Final = "the run is still being written"
NOT_OURS: Final = "its tracking id is none of this run's"
UNASSIGNED: Final = "unassigned: it fits none of the people asked for"
_UTC: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Parts:
    """What a run is put together from, each frame as ``ledger.queries`` and ``results.records`` give it."""

    info: RunInfo
    upload: pl.DataFrame
    states: pl.DataFrame
    links: pl.DataFrame
    batches: pl.DataFrame
    lines: pl.DataFrame


def results(ledger: Ledger, run_id: str, shape: Shape = "rows") -> pl.DataFrame:
    """Return a run's results joined to its uploaded rows, in upload order.

    Args:
        shape: ``rows``: one row per uploaded row; the found columns hold its best record (a verified email
            first, then any email, then a phone, then the server's order). ``long``: one row per record by
            ``record_no``, and one for each uploaded row without any.

    Returns:
        The uploaded columns first (String, unchanged, in order; see ``uploaded_names``), then
        ``OWN_COLUMNS``: row, file_line, duplicate_of, record_no, record_count are Int64,
        found_email_verified is Boolean, all others String; fetched_at is ISO 8601 UTC.
        A duplicate keeps its outcome and carries result and records of the row it repeats.

    Raises:
        RunNotFoundError: If there is no such run.
        InputError: If the shape is none of the two.
    """
    if shape not in ("rows", "long"):
        raise InputError(f"{shape!r} is no shape of results. Nothing was written. Use 'rows' or 'long'.")
    return join(_parts(ledger, run_id), shape)


def unmatched(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per record that belongs to no uploaded row; kept, because it may have been paid.

    Columns: why, asked_for_rows (the uploaded rows of its task, "3, 4"; null for a tracking id we did not
    send), record_no (position in its answer), the found columns, tracking_id, task_id, batch_id, fetched_at.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    return strays(_parts(ledger, run_id))


def rejects(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return the rejected rows to correct and upload again; see ``intake.tasks.rejects_frame``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    return rejects_frame(queries.upload_rows(ledger, run_id).collect(), queries.row_states(ledger, run_id))


def uploaded_names(columns: Sequence[str]) -> dict[str, str]:
    """Return what each uploaded column is called in our frames and files.

    A name that is one of ours gets `` (uploaded)``, then `` (uploaded 2)`` where that is taken too.
    """
    used = set(OWN_COLUMNS) | set(columns)
    names: dict[str, str] = {}
    for column in columns:
        name, number = column, 1
        while name in OWN_COLUMNS or (name != column and name in used):
            suffix = "uploaded" if number == 1 else f"uploaded {number}"
            name, number = f"{column} ({suffix})", number + 1
        used.add(name)
        names[column] = name
    return names


def join(parts: Parts, shape: Shape) -> pl.DataFrame:
    """Put a run's parts together; see ``results``. Reads nothing."""
    rows = _rows(parts)
    found = _row_records(parts, shape)
    joined = rows.join(found, on="source", how="left", maintain_order="left_right")
    record = pl.col("record_no").is_not_null()
    uploaded = uploaded_names(_uploaded(parts.upload))
    for name in ("task_no", "task_id", "batch_id", "fetched_at"):
        joined = joined.with_columns(pl.when(record).then(name).otherwise(f"row_{name}").alias(name))
    return joined.with_columns(
        pl.when(pl.col("task_no").is_not_null())
        .then(pl.format("{}-{}", pl.lit(parts.info.run_id), "task_no"))
        .alias("tracking_id"),
        pl.lit(parts.info.name).alias("run_name"),
        pl.lit(str(parts.info.kind)).alias("kind"),
        pl.col("row", "file_line", "duplicate_of", "record_no").cast(pl.Int64),
        pl.col("record_count").fill_null(0).cast(pl.Int64),
        _iso("fetched_at"),
    ).select(*(pl.col(f"u:{old}").alias(new) for old, new in uploaded.items()), *OWN_COLUMNS)


def strays(parts: Parts) -> pl.DataFrame:
    """Return the records that belong to no uploaded row; see ``unmatched``. Reads nothing."""
    of_task = parts.links.group_by("task_no").agg(
        pl.col("seq").unique().sort().cast(pl.String).str.join(", ").alias("asked_for_rows")
    )
    ties = _ties(parts.links)
    keys = _record_keys(parts.lines).join(
        ties, on=["task_no", "person_no"], how="anti", maintain_order="left"
    )
    stray = parts.lines[keys["line"]]
    return (
        stray.join(of_task, on="task_no", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("asked_for_rows").is_null())
            .then(pl.lit(NOT_OURS))
            .otherwise(pl.lit(UNASSIGNED))
            .alias("why"),
            pl.col("record_no").cast(pl.Int64),
            _iso("fetched_at"),
        )
        .select(
            *("why", "asked_for_rows", "record_no", *FOUND_SCHEMA),
            *("tracking_id", "task_id", "batch_id", "fetched_at"),
        )
    )


def _parts(ledger: Ledger, run_id: str) -> Parts:
    # Outcomes before answers: read the other way round, a row could say "matched" and show nothing.
    return Parts(
        info=queries.run_info(ledger, run_id),
        upload=queries.upload_rows(ledger, run_id).collect(),
        states=queries.row_states(ledger, run_id),
        links=queries.links(ledger, run_id),
        batches=queries.batches(ledger, run_id),
        lines=answer_lines(ledger, run_id),
    )


def _uploaded(upload: pl.DataFrame) -> list[str]:
    return [name for name in upload.columns if name not in ("seq", "file_line")]


def _rows(parts: Parts) -> pl.DataFrame:
    """Return one row per uploaded row: its columns as ``u:...``, its state, and ``source``.

    ``source`` is the row whose answer it carries; ``row_task_no`` and the other ``row_`` columns are of the
    task that counts for that row.
    """
    upload = parts.upload.rename({name: f"u:{name}" for name in _uploaded(parts.upload)})
    upload = upload.with_columns(pl.col("seq", "file_line").cast(pl.UInt32))
    states = parts.states.drop("file_line", "intake", "code", "reason")
    rows = upload.join(states, on="seq", how="left", maintain_order="left").with_columns(
        pl.coalesce("duplicate_of", "seq").alias("source"),
        pl.col("outcome").fill_null(str(Outcome.PENDING)),
    )
    tasks = _counting_tasks(parts)
    own = rows.select(source="seq", result="outcome", own=pl.col("outcome_reason").replace("", None))
    rows = rows.join(own, on="source", how="left", maintain_order="left").join(
        tasks, on="source", how="left", maintain_order="left"
    )
    sentence = pl.col("result").replace_strict({str(one): text for one, text in SENTENCES.items()})
    pending = pl.when(pl.col("result") == Outcome.PENDING).then(
        pl.coalesce("row_waiting", pl.lit(PLANNING) if parts.info.planned_at is None else pl.lit(None))
    )
    reason = pl.coalesce("own", pending, sentence)
    duplicate = pl.col("outcome") == Outcome.DUPLICATE
    return rows.with_columns(
        pl.when(duplicate)
        .then(pl.format("same task as row {}: {}", "duplicate_of", reason))
        .otherwise(reason)
        .alias("outcome_reason"),
    ).rename({"seq": "row"})


def _counting_tasks(parts: Parts) -> pl.DataFrame:
    """Return one row per uploaded row with a task: source, row_task_no and where that task is.

    Of several tasks (a resend) the one with the best outcome counts, then the first.
    """
    best = (
        parts.links.with_columns(_rank())
        .sort("seq", "rank", "task_no")
        .unique("seq", keep="first")
        .select(source="seq", row_task_no="task_no")
    )
    answered = parts.lines.filter(pl.col("task_no").is_not_null()).unique("task_no", keep="first")
    answered = answered.select(
        row_task_no="task_no", row_task_id="task_id", answered_in="batch_id", row_fetched_at="fetched_at"
    )
    return (
        best.join(answered, on="row_task_no", how="left")
        .sort("row_task_no")
        # A batch holds consecutive task numbers, so the batch with the last first number below is the task's.
        .join_asof(_batch_starts(parts.batches), left_on="row_task_no", right_on="first_no")
        .with_columns(pl.coalesce("answered_in", "of_batch").alias("row_batch_id"))
        .drop("answered_in", "of_batch", "first_no", strict=False)
    )


def _batch_starts(batches: pl.DataFrame) -> pl.DataFrame:
    waiting = (
        pl.when((pl.col("state") == BatchState.ACCEPTED) & pl.col("ready_at").is_not_null())
        .then(pl.lit(FETCHING))
        .otherwise(
            pl.col("state").replace_strict(
                {str(state): words for state, words in PENDING_WORDS.items()}, default=None
            )
        )
    )
    number = pl.col("first_tracking_id").str.extract(r"-([0-9]+)$").cast(pl.UInt32)
    return (
        batches.select(
            number.alias("first_no"), pl.col("batch_id").alias("of_batch"), waiting.alias("row_waiting")
        )
        .drop_nulls("first_no")
        .sort("first_no")
    )


def _ties(links: pl.DataFrame) -> pl.DataFrame:
    """Return the links with ``person_no`` as records have it: 0 for a task that answers for one row."""
    alone = pl.len().over("task_no") == 1
    return links.with_columns(
        pl.when(alone).then(pl.lit(0, dtype=pl.UInt32)).otherwise("person_no").alias("person_no")
    )


def _record_keys(lines: pl.DataFrame) -> pl.DataFrame:
    """Return one row per record: ``line`` (its place in ``lines``) and the integers it is joined by."""
    first = pl.col("record_no").fill_null(1) == 1  # of its answer
    keys = lines.with_row_index("line").with_columns(first.cum_sum().alias("answer"))
    return keys.select("line", "answer", "task_no", "person_no", "record_no").drop_nulls("record_no")


def _row_records(parts: Parts, shape: Shape) -> pl.DataFrame:
    """Return one row per record that is shown, by row: source, record_no, record_count, its own columns.

    Records of all tasks of a row count: the best outcome's first, renumbered, and without those that a
    second answer (a resend whose first answer turned up after all) gives back word for word.
    """
    ties = _ties(parts.links).select("task_no", "person_no", _rank(), source="seq")
    keys = _record_keys(parts.lines).join(ties, on=["task_no", "person_no"]).sort("source", "rank", "line")
    answer = pl.col("answer")
    keys = _without_repeats(
        keys.with_columns(several=answer.min().over("source") != answer.max().over("source")), parts.lines
    ).with_columns(
        (pl.int_range(pl.len()).over("source") + 1).alias("record_no"),
        pl.len().over("source").alias("record_count"),
    )
    if shape == "rows":
        quality = parts.lines.select(_quality(parts.info.kind))[keys["line"]].to_series()
        keys = keys.with_columns(quality.alias("quality")).sort("source", "quality", "record_no")
        keys = keys.unique("source", keep="first", maintain_order=True)
    own = parts.lines.select(*FOUND_SCHEMA, "task_id", "batch_id", "fetched_at")[keys["line"]]
    return keys.select("source", "task_no", "record_no", "record_count").hstack(own)


def _without_repeats(keys: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Drop records of a row that an earlier answer for the same row gave word for word."""
    if not keys["several"].any():
        return keys
    told = keys.with_columns(lines["found_raw"].gather(keys["line"]))
    nth = pl.int_range(pl.len()).over("source", "answer", "found_raw").alias("nth")
    first = pl.struct("source", "found_raw", nth).is_first_distinct()
    return told.filter(~pl.col("several") | first)


def _rank() -> pl.Expr:
    places = {str(outcome): place for place, outcome in enumerate(BEST_FIRST)}
    return pl.col("outcome").replace_strict(places, return_dtype=pl.UInt8).alias("rank")


def _quality(kind: Kind) -> pl.Expr:
    """Return how useful a record is, best first: 0 verified email, 1 email, 2 phone, 3 neither."""
    email = has_email()
    return (
        pl.when(email & is_verified(kind))
        .then(0)
        .when(email)
        .then(1)
        .when(pl.col("found_phone").is_not_null())
        .then(2)
        .otherwise(3)
    )


def has_email() -> pl.Expr:
    """Return whether a record holds an email that can be used; a mailbox known to be dead cannot."""
    status = pl.col("found_email_status").str.to_uppercase()
    return pl.col("found_email").is_not_null() & ~status.is_in(UNUSABLE_MAILBOX).fill_null(False)


def is_verified(kind: Kind) -> pl.Expr:
    """Return whether a record's email is verified; a mailbox says so by the status VALID."""
    verified = pl.col("found_email_verified").fill_null(False)
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        verified |= (pl.col("found_email_status").str.to_uppercase() == "VALID").fill_null(False)
    return has_email() & verified


def _iso(column: str) -> pl.Expr:
    seconds = pl.col(column)
    return pl.from_epoch(seconds.floor().cast(pl.Int64), time_unit="s").dt.strftime(_UTC).alias(column)
