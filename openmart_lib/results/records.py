"""Records: what the answers of a run hold, flat. Kept in Parquet files that may be deleted at any time.

One file per part of at most a hundred batches, so that new answers flatten their own part only and no more
than 10,000 payloads are in memory at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import polars as pl

from openmart_lib.api.payload import Record
from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.verdicts import assign
from openmart_lib.results import cache
from openmart_lib.results.derived import RECORD_FACTS, of_records
from openmart_lib.results.flatten import FOUND_SCHEMA, flatten

Progress = Callable[[int, int], None]

LAYOUT: Final = "2"  # of the Parquet files; another number makes every file stale
RECORD_SCHEMA: Final[dict[str, Any]] = {
    "task_no": pl.UInt32,  # null: a tracking id we did not send
    "person_no": pl.UInt32,  # 0, or 1.. in a group of people; null: fits nobody asked for
    "record_no": pl.UInt32,  # 1-based position in the answer's ``data``
    **FOUND_SCHEMA,
    **RECORD_FACTS,
    "tracking_id": pl.String,  # as the server gave it back
    "task_id": pl.String,
    "batch_id": pl.String,
    "fetched_at": pl.Float64,  # UTC seconds
}


def records(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return one row per record of a run's answers, by task, answer and position in it.

    Columns: ``RECORD_SCHEMA``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    return answer_lines(ledger, run_id).filter(pl.col("record_no").is_not_null())


def answer_lines(ledger: Ledger, run_id: str, progress: Progress | None = None) -> pl.DataFrame:
    """Return the records of a run, and one row with a null ``record_no`` per answer without any, by task.

    Columns: ``RECORD_SCHEMA``.

    Args:
        progress: As for ``scan_lines``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    lines = scan_lines(ledger, run_id, progress).collect()
    # Each part is in order; one with records of nobody, or with late answers, may break it.
    return lines if lines["task_no"].is_sorted() else lines.sort("task_no", maintain_order=True)


def scan_lines(ledger: Ledger, run_id: str, progress: Progress | None = None) -> pl.LazyFrame:
    """Return ``answer_lines`` unread, part after part, each in order of its tasks.

    Read from ``<run id>-<part>.parquet`` in the results folder while that is up to date, else rebuilt.

    Args:
        progress: Told (parts that are ready, parts in all).

    Raises:
        RunNotFoundError: If there is no such run.
    """
    kind = queries.run_info(ledger, run_id).kind
    parts = [pl.LazyFrame(schema=RECORD_SCHEMA)]
    paths = []
    stamps = _part_stamps(ledger, run_id)
    for done, (part, stamp) in enumerate(stamps, 1):
        path = ledger.results_dir / f"{run_id}-{part}.parquet"
        paths.append(path)
        parts.append(cache.kept(path, stamp, partial(_build, ledger, run_id, kind, part)))
        if progress is not None:
            progress(done, len(stamps))
    cache.forget(ledger, run_id, keep=paths, of="-*")
    return pl.concat(parts)


def stamp(ledger: Ledger, run_id: str) -> str:
    """Return a text that changes whenever an answer of this run is stored or deleted."""
    return ",".join(f"{part}:{one}" for part, one in _part_stamps(ledger, run_id))


def flatten_answers(answers: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return ``ledger.queries.answers`` as lines of ``RECORD_SCHEMA``, groups of people not told apart."""
    lines = of_records(flatten(answers["payload"].to_list(), kind))
    origin = answers.select("task_no", "tracking_id", "task_id", "batch_id", "fetched_at")[lines["answer"]]
    flat = pl.concat([lines, origin], how="horizontal").with_columns(
        pl.lit(0, dtype=pl.UInt32).alias("person_no")
    )
    return flat.select(RECORD_SCHEMA.keys())


def assign_people(lines: pl.DataFrame, people: dict[int, list[dict[str, Any]]]) -> pl.DataFrame:
    """Give each record of a group its ``person_no``, by the same rule that gives the rows their outcomes.

    Args:
        lines: As ``flatten_answers`` returns them.
        people: Per ``task_no`` of a group, the people asked for, in order.
    """
    wanted = lines.with_row_index("line").filter(
        pl.col("record_no").is_not_null() & pl.col("task_no").is_in(list(people))
    )
    owners: dict[int, int] = {}
    for group in wanted.partition_by("task_no", "task_id", maintain_order=True):
        names = group.select("found_first_name", "found_last_name", "found_linkedin_url").rows()
        own = [Record(raw=None, first_name=a, last_name=b, linkedin_url=c) for a, b, c in names]
        for person_no, numbers in assign(people[group["task_no"][0]], own).items():
            owners |= {group["line"][number - 1]: person_no for number in numbers}
    told_apart = wanted.select("line", person=pl.Series(map(owners.get, wanted["line"]), dtype=pl.UInt32))
    told = pl.col("line").is_in(told_apart["line"].implode())
    owner = pl.when(told).then("person").otherwise("person_no").alias("person_no")
    return (
        lines.with_row_index("line")
        .join(told_apart, on="line", how="left", maintain_order="left")
        .with_columns(owner)
        .select(RECORD_SCHEMA.keys())
    )


def _build(ledger: Ledger, run_id: str, kind: Kind, part: int) -> pl.DataFrame:
    lines = flatten_answers(queries.answers(ledger, run_id, part=part), kind)
    if kind is not Kind.LOOKUP_PEOPLE:
        return lines
    task_nos = lines["task_no"].drop_nulls().unique().to_list()
    ties = queries.links(ledger, run_id, task_nos=task_nos).group_by("task_no").len()
    groups = ties.filter(pl.col("len") > 1)["task_no"].to_list()
    asked = queries.requests(ledger, run_id, groups)
    people = {
        task_no: json.loads(request)["people"]
        for task_no, request in asked.select("task_no", "request").iter_rows()
    }
    return assign_people(lines, people) if people else lines


def _part_stamps(ledger: Ledger, run_id: str) -> list[tuple[int, str]]:
    """Return the parts of a run's answers, each with a text that changes with what is in it."""
    parts = queries.answer_parts(ledger, run_id)
    return [
        (part, f"{LAYOUT}:{listed}:{newest}:{at}")
        for part, listed, newest, at in parts.select("part", "listed", "newest", "stored_at").iter_rows()
        if newest is not None
    ]
