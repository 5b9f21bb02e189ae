"""Records: what the answers of a run hold, flat. Kept in a Parquet file that may be deleted at any time."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import polars as pl
from sqlalchemy import func, select

from openmart_lib.api.payload import Record
from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import event, remote_task
from openmart_lib.ledger.verdicts import assign
from openmart_lib.results.files import whole_file
from openmart_lib.results.flatten import FOUND_SCHEMA, flatten

LAYOUT: Final = "1"  # of the Parquet file; another number makes every file stale
_STAMP: Final = "openmart-desk"  # the Parquet file's metadata key
RECORD_SCHEMA: Final[dict[str, Any]] = {
    "task_no": pl.UInt32,  # null: a tracking id we did not send
    "person_no": pl.UInt32,  # 0, or 1.. in a group of people; null: fits nobody asked for
    "record_no": pl.UInt32,  # 1-based position in the answer's ``data``
    **FOUND_SCHEMA,
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


def answer_lines(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return the records of a run, and one row with a null ``record_no`` per answer without any.

    Read from ``<run id>.parquet`` in the results folder while that is up to date, else rebuilt.
    Columns: ``RECORD_SCHEMA``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    stamp = _stamp(ledger, run_id)  # before the answers: what lands in between makes the file stale
    path = ledger.results_dir / f"{run_id}.parquet"
    try:
        if pl.read_parquet_metadata(path).get(_STAMP) == stamp:
            return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        pass  # absent, cut or not ours: derived data is rebuilt
    lines = _build(ledger, run_id)
    # A full disk must not hide the results.
    with suppress(OSError, pl.exceptions.PolarsError), whole_file(path) as partial:
        lines.write_parquet(partial, metadata={_STAMP: stamp})
    return lines


def flatten_answers(answers: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return ``ledger.queries.answers`` as lines of ``RECORD_SCHEMA``, groups of people not told apart."""
    lines = flatten(answers["payload"].to_list(), kind)
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


def _build(ledger: Ledger, run_id: str) -> pl.DataFrame:
    kind = queries.run_info(ledger, run_id).kind
    lines = flatten_answers(queries.answers(ledger, run_id), kind)
    if kind is not Kind.LOOKUP_PEOPLE:
        return lines
    groups = queries.links(ledger, run_id).group_by("task_no").len().filter(pl.col("len") > 1)["task_no"]
    if groups.is_empty():
        return lines
    asked = queries.requests(ledger, run_id).filter(pl.col("task_no").is_in(groups.to_list()))
    people = {
        task_no: json.loads(request)["people"]
        for task_no, request in asked.select("task_no", "request").iter_rows()
    }
    return assign_people(lines, people)


def _stamp(ledger: Ledger, run_id: str) -> str:
    """Return a text that changes whenever an answer of this run is stored or deleted; two index reads."""
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        listed = connection.execute(
            select(func.count()).select_from(remote_task).where(remote_task.c.run_id == pk)
        ).scalar_one()
        newest = connection.execute(
            select(func.max(event.c.id)).where(event.c.run_id == pk, event.c.kind == "answers_stored")
        ).scalar_one()
    return f"{LAYOUT}:{listed}:{newest}"
