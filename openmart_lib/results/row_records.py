"""The records of one uploaded row, straight from its answers: nothing else of the run is read."""

from __future__ import annotations

import json

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.ledger import Ledger, queries
from openmart_lib.results.records import assign_people, flatten_answers


def records_of_row(ledger: Ledger, run_id: str, seq: int) -> pl.DataFrame:
    """Return one row per record that was found for an uploaded row, by task and position in its answer.

    Of a task that asked for several people only the records of this row's person count.

    Args:
        seq: The row's number; for a duplicate, that of the row it repeats.

    Returns:
        Columns: ``records.RECORD_SCHEMA``.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    ties = queries.links(ledger, run_id, seq=seq)
    task_nos = ties["task_no"].unique().sort().to_list()
    answers = queries.answers(ledger, run_id, task_nos=task_nos)
    kind = queries.run_info(ledger, run_id).kind
    lines = flatten_answers(answers, kind)
    if kind is Kind.LOOKUP_PEOPLE:
        lines = _of_persons(ledger, run_id, lines, ties)
    return lines.filter(pl.col("record_no").is_not_null())


def _of_persons(ledger: Ledger, run_id: str, lines: pl.DataFrame, ties: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of tasks that asked for this row alone, and of groups those of its persons."""
    sharing = queries.links(ledger, run_id, task_nos=ties["task_no"].unique().to_list())
    groups = sharing.group_by("task_no").len().filter(pl.col("len") > 1)["task_no"].to_list()
    if not groups:
        return lines
    asked = queries.requests(ledger, run_id, groups).select("task_no", "request")
    people = {task_no: json.loads(request)["people"] for task_no, request in asked.iter_rows()}
    told = assign_people(lines, people)
    own = told.join(ties, on=["task_no", "person_no"], how="semi", maintain_order="left")
    return pl.concat(
        [told.filter(~pl.col("task_no").is_in(groups)), own.filter(pl.col("task_no").is_in(groups))]
    )
