"""Uploaded rows + outcomes + records -> one frame of one run. Pure; ``join`` reads and keeps.

Joined on integers (``seq`` of the row, ``task_no`` of the task), whole columns at a time. Every uploaded
row appears: exactly once in the shape ``rows``, at least once in ``long``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import polars as pl

from openmart_lib.ledger import Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import BEST_FIRST, SENTENCES, BatchState
from openmart_lib.results.columns import OWN_COLUMNS, in_order, uploaded_names
from openmart_lib.results.contacts import numbered
from openmart_lib.results.dense import by_number, repeated, take
from openmart_lib.results.derived import RECORD_FACTS, of_rows
from openmart_lib.results.flatten import FOUND_SCHEMA
from openmart_lib.results.quality import quality
from openmart_lib.wording import worded

Form = Literal["rows", "wide", "long"]  # wide: rows, with all its contacts numbered

PENDING_WORDS: Final = {
    BatchState.PLANNED: "waiting to be sent",
    BatchState.SENDING: "being sent",
    BatchState.ACCEPTED: "with Openmart",
}
FETCHING: Final = "being fetched from Openmart"
PLANNING: Final = "the run is still being written"
NOT_OURS: Final = "its tracking id is none of this run's"
NO_ROW: Final = "no uploaded row names its tracking id"
UNASSIGNED: Final = "unassigned: it fits none of the people asked for"
_RESULT_SCHEMA: Final = {"seq": pl.UInt32, "result": pl.String, "deleted": pl.String}
OF_STATE: Final = ("seq", "domain", "asked_title", "duplicate_of", "outcome", "outcome_reason")
_UTC: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Parts:
    """What a run is put together from, each frame as ``ledger.queries`` and ``results.records`` give it.

    ``foreign`` has the tracking ids of a batch made by another tool; no rows where they are ours. Tasks of
    other runs, whose answers reused rows show, are numbered beyond this run's; ``borrowed`` has their
    tracking ids, ``results`` per reused row the outcome of the row that bought it, and why nothing of it is
    there any more where its data was deleted.
    """

    info: RunInfo
    upload: pl.DataFrame
    states: pl.DataFrame
    links: pl.DataFrame
    batches: pl.DataFrame
    lines: pl.DataFrame
    foreign: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=queries.FOREIGN_SCHEMA))
    borrowed: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=queries.FOREIGN_SCHEMA))
    results: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=_RESULT_SCHEMA))


def assemble(parts: Parts, form: Form) -> pl.DataFrame:
    """Put a run's parts together.

    Args:
        form: ``rows``: one row per uploaded row; the found columns hold its best record (a verified email
            first, then any email, then a phone, then the server's order). ``wide``: the same, with the
            numbered contacts of rows that have several. ``long``: one row per record by ``record_no``, and
            one for each uploaded row without any.

    Returns:
        The columns as ``join.results`` describes them.
    """
    rows, keys = _rows(parts), _row_records(parts, form)
    joined = _placed(rows["source"], keys)
    uploaded = uploaded_names([name for name in parts.upload.columns if name not in ("seq", "file_line")])
    cells = parts.upload.select(pl.col(old).alias(new) for old, new in uploaded.items())
    if joined.height > rows.height:  # rows with several records repeat
        cells, rows = cells[joined["place"]], rows[joined["place"]]
    found = parts.lines.select(*FOUND_SCHEMA, *RECORD_FACTS)[joined["line"]]
    own = rows.hstack(joined.drop("place")).hstack(found)
    told = of_rows(_with_origin(own, parts)).with_columns(
        pl.lit(parts.info.name).alias("run_name"),
        pl.lit(str(parts.info.kind)).alias("kind"),
        pl.col("row", "file_line", "duplicate_of", "record_no").cast(pl.Int64),
        pl.col("record_count").fill_null(0).cast(pl.Int64),
    )
    numbers = [name for name in keys.columns if name.startswith("contact_")]
    return cells.hstack(told.select(in_order([*OWN_COLUMNS, *numbers])))


def strays(links: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the records that belong to no uploaded row; see ``join.unmatched``.

    Args:
        links, lines: As in ``Parts``; of the links all of a task whose records are among the lines.
    """
    of_task = links.group_by("task_no").agg(
        pl.col("seq").unique().sort().cast(pl.String).str.join(", ").alias("asked_for_rows")
    )
    ties = _ties(links)
    keys = _record_keys(lines).join(ties, on=["task_no", "person_no"], how="anti", maintain_order="left")
    stray = lines[keys["line"]]
    return (
        stray.join(of_task, on="task_no", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("task_no").is_null())
            .then(pl.lit(NOT_OURS))
            .when(pl.col("asked_for_rows").is_null())
            .then(pl.lit(NO_ROW))
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


def _placed(sources: pl.Series, keys: pl.DataFrame) -> pl.DataFrame:
    """Return one row per record of each uploaded row, and one for each without any: a left join.

    Columns: place (of the uploaded row), then those of ``keys`` but for ``source``.
    """
    first = keys.with_row_index("key").filter(pl.col("source").is_first_distinct())
    size = len(sources) + 1
    starts = take(by_number(first["source"], first["key"], size), sources)
    shown = first["key"].append(pl.Series([keys.height], dtype=first["key"].dtype)).diff(null_behavior="drop")
    counts = take(by_number(first["source"], shown, size), sources).fill_null(1)
    placed = pl.DataFrame({"place": repeated(counts)}).rename({"place": "source"})
    nth = placed.select(_nth()).to_series()
    return placed.rename({"source": "place"}).hstack(
        keys.drop("source")[starts.gather(placed["source"]) + nth]
    )


def _with_origin(own: pl.DataFrame, parts: Parts) -> pl.DataFrame:
    """Add tracking_id, task_id, batch_id and fetched_at: of the record, else of the task that counts.

    The tracking id is ours, or the one that another tool gave the task.
    """
    task = pl.when(pl.col("line").is_null()).then("row_task_no").otherwise("task_no").alias("task_no")
    own = own.with_columns(task)
    answer = own.select(pl.coalesce("line", "row_line")).to_series()
    own = own.hstack(parts.lines.select("task_id", "batch_id", "fetched_at")[answer]).with_columns(
        pl.coalesce("batch_id", "row_batch_id").alias("batch_id")
    )
    # Answers are stored many at a time, so a moment is written out once for its whole stretch of rows.
    moments = own.select(pl.col("fetched_at").rle().struct.field("value").alias("fetched_at"))
    own = own.with_columns(
        moments.select(_iso("fetched_at"))
        .to_series()
        .gather(own.select(pl.col("fetched_at").rle_id()).to_series())
    )
    if parts.foreign.height:
        return own.join(parts.foreign, on="task_no", how="left", maintain_order="left")
    ours = worded("{}-{}", pl.lit(parts.info.run_id), "task_no")
    if parts.borrowed.height:
        own = own.join(parts.borrowed, on="task_no", how="left", maintain_order="left")
        return own.with_columns(pl.coalesce("tracking_id", ours).alias("tracking_id"))
    return own.with_columns(ours.alias("tracking_id"))


def _rows(parts: Parts) -> pl.DataFrame:
    """Return one row per uploaded row, in order: its state, its reason and ``source``.

    ``source`` is the row whose answer it carries; ``row_task_no``, ``row_line`` (of that task's answer, in
    the lines) and ``row_batch_id`` are of the task that counts for that row.
    """
    places = parts.upload.select(pl.col("seq", "file_line").cast(pl.UInt32))
    states = parts.states.select(OF_STATE)
    rows = places.join(states, on="seq", how="left", maintain_order="left").with_columns(
        pl.coalesce("duplicate_of", "seq").alias("source"),
        pl.col("outcome").fill_null(str(Outcome.PENDING)),
    )
    tasks = _counting_tasks(parts)
    of_row = by_number(tasks["source"], tasks.with_row_index("task")["task"], rows.height + 1)
    rows = rows.hstack(tasks.drop("source")[take(of_row, rows["source"])])
    of_source = rows["source"] - 1  # rows are numbered from 1 without a gap
    results, reasons = _results(rows, parts)
    rows = rows.with_columns(
        results.gather(of_source).alias("result"), reasons.gather(of_source).alias("own")
    )
    sentence = pl.col("result").replace_strict({str(one): text for one, text in SENTENCES.items()})
    pending = pl.when(pl.col("result") == Outcome.PENDING).then(
        pl.coalesce("row_waiting", pl.lit(PLANNING) if parts.info.planned_at is None else pl.lit(None))
    )
    reason = pl.coalesce("own", pending, sentence)
    duplicate = pl.col("outcome") == Outcome.DUPLICATE
    return rows.with_columns(
        pl.when(duplicate)
        .then(worded("same task as row {}: {}", "duplicate_of", reason))
        .otherwise(reason)
        .alias("outcome_reason"),
    ).rename({"seq": "row"})


def _results(rows: pl.DataFrame, parts: Parts) -> tuple[pl.Series, pl.Series]:
    """Return each row's outcome, of a reused one that of the row that bought it, and its own reason."""
    outcome, reason = rows["outcome"], rows["outcome_reason"].replace("", None)
    if parts.results.is_empty():
        return outcome, reason
    told = rows.select("seq", "outcome").join(parts.results, on="seq", how="left", maintain_order="left")
    reused = pl.col("outcome") == Outcome.REUSED
    told = told.with_columns(
        pl.when(reused).then(pl.coalesce("result", "outcome")).otherwise("outcome").alias("told"),
        pl.coalesce("deleted", reason).alias("why"),
    )
    return told["told"], told["why"]


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
    answered = parts.lines.select("task_no").with_row_index("line")
    answered = answered.filter(pl.col("task_no").is_not_null() & pl.col("task_no").is_first_distinct())
    lines = by_number(answered["task_no"], answered["line"], _size(answered["task_no"]))
    return (
        best.with_columns(take(lines, best["row_task_no"]).alias("row_line"))
        .sort("row_task_no")
        # A batch holds consecutive task numbers, so the batch with the last first number below is the task's.
        .join_asof(_batch_starts(parts), left_on="row_task_no", right_on="first_no")
        .drop("first_no", strict=False)
    )


def _batch_starts(parts: Parts) -> pl.DataFrame:
    batches = parts.batches
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
    starts = (
        batches.select(
            number.alias("first_no"), pl.col("batch_id").alias("row_batch_id"), waiting.alias("row_waiting")
        )
        .drop_nulls("first_no")
        .sort("first_no")
    )
    # Tasks of other runs are numbered beyond ours, and in none of our batches.
    return pl.concat(
        [starts, parts.borrowed.select(pl.col("task_no").min().alias("first_no")).drop_nulls()],
        how="diagonal",
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


def _row_records(parts: Parts, form: Form) -> pl.DataFrame:
    """Return one row per record that is shown, by row: source, line, task_no, record_no, record_count.

    ``line`` is its place in the lines; in the form ``wide`` the numbered contacts follow.
    Records of all tasks of a row count: the best outcome's first, renumbered, and without those that a
    second answer (a resend whose first answer turned up after all) gives back word for word.
    """
    keys = _owned(_record_keys(parts.lines), parts.links).sort("source", "rank", "line")
    answer = pl.col("answer")
    keys = _without_repeats(
        keys.with_columns(several=answer.min().over("source") != answer.max().over("source")), parts.lines
    )
    keys = keys.with_columns((_nth() + 1).alias("record_no"), pl.len().over("source").alias("record_count"))
    numbers = None
    if form != "long":
        best = parts.lines.select(quality(parts.info.kind).alias("quality"))["quality"].gather(keys["line"])
        keys = (
            keys.with_columns(best).sort("source", "quality", "record_no").with_columns(_nth().alias("nth"))
        )
        if form == "wide":
            numbers = numbered(keys, parts.lines, parts.info.kind).drop("source")
        keys = keys.filter(pl.col("nth") == 0)
    told = keys.select("source", "line", "task_no", "record_no", "record_count")
    return told if numbers is None else told.hstack(numbers)


def _owned(keys: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Return the records that belong to an uploaded row, with ``source`` (that row) and ``rank``."""
    ties = _ties(links).select("task_no", "person_no", _rank(), source="seq")
    persons = _size(ties["person_no"], keys["person_no"])
    number = (pl.col("task_no").cast(pl.UInt64) * persons + pl.col("person_no")).alias("number")
    numbers = ties.select(number).to_series()
    tie = by_number(numbers, ties.with_row_index("tie")["tie"], _size(numbers))
    keys = keys.with_columns(take(tie, keys.select(number).to_series()).alias("tie")).drop_nulls("tie")
    return keys.hstack(ties.select("source", "rank")[keys["tie"]]).drop("tie")


def _size(*numbers: pl.Series) -> int:
    """Return one more than the greatest number."""
    return 1 + max((int(one.max() or 0) for one in numbers if len(one)), default=-1)  # type: ignore[arg-type]  # integers


def _nth() -> pl.Expr:
    """Return the 0-based position of a line among its source's, which stand together."""
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    first = pl.when(pl.col("source").rle_id().diff().fill_null(1) > 0).then(place)
    return place - first.forward_fill()


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


def _iso(column: str) -> pl.Expr:
    seconds = pl.col(column)
    return pl.from_epoch(seconds.floor().cast(pl.Int64), time_unit="s").dt.strftime(_UTC).alias(column)
