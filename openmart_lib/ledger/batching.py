"""Batching: which task goes in which batch, and what each batch costs at most.

Tasks keep their numbers and their order; a pilot's tasks, a random sample, make up the first batches.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import polars as pl

from openmart_lib.ledger.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Batching:
    """The batches of a run.

    Attributes:
        tasks: The tasks as given, with batch_no (UInt32, 1-based).
        batches: One row per batch, in order: batch_no, tasks, rows (ties to uploaded rows), worst (Float64,
            credits at most).
        pilot_batches: So many of the first ones are the pilot's; None: no pilot.
    """

    tasks: pl.DataFrame
    batches: pl.DataFrame
    pilot_batches: int | None


def batching(
    tasks: pl.DataFrame, links: pl.DataFrame, *, size: int, tariff: Tariff | None, pilot_rows: int, seed: str
) -> Batching:
    """Divide tasks into batches of ``size``, those of ``pilot_rows`` random rows before all others.

    The same seed gives the same sample, so that a planning that was cut off can go on. A pilot that would
    hold all tasks is none.
    """
    place = pl.int_range(pl.len(), dtype=pl.UInt32) // size + 1
    sample = pilot_sample(links, rows=pilot_rows, seed=seed) if pilot_rows > 0 else []
    if not sample or len(sample) >= tasks.height:
        numbered = tasks.with_columns(place.alias("batch_no"))
        return Batching(numbered, _batches(numbered, links, tariff), None)
    in_pilot = pl.col("task_no").is_in(sample)
    first = tasks.filter(in_pilot).with_columns(place.alias("batch_no"))
    pilot_batches = int(first["batch_no"].max())  # type: ignore[arg-type]  # of UInt32, not empty
    rest = tasks.filter(~in_pilot).with_columns((place + pilot_batches).cast(pl.UInt32).alias("batch_no"))
    numbered = pl.concat([first, rest])
    return Batching(numbered, _batches(numbered, links, tariff), pilot_batches)


def pilot_sample(links: pl.DataFrame, *, rows: int, seed: str) -> list[int]:
    """Return the numbers of randomly chosen tasks that answer for ``rows`` uploaded rows or a few more.

    A task that answers for several rows (people of one company in a group) is sent as a whole.
    """
    rows_of = links.group_by("task_no").agg(pl.col("seq").n_unique().alias("rows")).sort("task_no").rows()
    random.Random(seed).shuffle(rows_of)
    chosen: list[int] = []
    for task_no, answered in rows_of:
        if rows <= 0:
            break
        chosen.append(task_no)
        rows -= answered
    return sorted(chosen)


def _batches(numbered: pl.DataFrame, links: pl.DataFrame, tariff: Tariff | None) -> pl.DataFrame:
    ties = links.select("task_no", "person_no").join(
        numbered.select("task_no", "batch_no"), on="task_no", how="inner"
    )
    by_person = tariff is not None and tariff.per_person
    people = pl.struct("task_no", "person_no").n_unique() if by_person else pl.lit(0)
    rows = ties.group_by("batch_no").agg(pl.len().alias("rows"), people.alias("people"))
    batches = numbered.group_by("batch_no").len("tasks").join(rows, on="batch_no", how="left")
    each = tariff.each if tariff is not None else 0.0
    units = pl.col("people" if by_person else "tasks")
    return (
        batches.with_columns(pl.col("rows", "people").fill_null(0))
        .with_columns((units.cast(pl.Float64) * each).alias("worst"))
        .sort("batch_no")
        .select("batch_no", "tasks", "rows", "worst")
    )
