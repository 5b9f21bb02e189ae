"""Rows taken out of a plan: what else they were to buy is not bought, what others wait for still is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final, Literal

import polars as pl

from openmart_lib.intake.fields import Intake
from openmart_lib.intake.tasks import Plan
from openmart_lib.wording import worded

Copies = Literal["stay", "follow", "inherit"]
"""What becomes of the duplicates of a row that is taken out: they stay its duplicates (its result comes from
elsewhere), they are taken out with it, or the first of them takes its place and is bought for the others."""

_SAME_TASK: Final = "Same task as row {}: it gets that row's result at no further cost."


def take_out(plan: Plan, rows: pl.DataFrame, *, intake: str, code: str, copies: Copies) -> Plan:
    """Return the plan without these rows' tasks; every row stays, with another intake outcome.

    Args:
        rows: The rows to take out: ``seq`` UInt32 (accepted ones or duplicates) and ``reason`` String.
        intake: What becomes of them, such as ``skipped``.
        code: Their intake code.
        copies: What becomes of their duplicates.
    """
    if rows.is_empty():
        return plan
    told = rows.select("seq", pl.col("reason").alias("why"))
    if copies == "follow":
        told = _with_duplicates(plan.rows, told)
    heirs = _heirs(plan.rows, told) if copies == "inherit" else _heirs(plan.rows.clear(), told)
    links = _inherited(plan.links, heirs).join(told, on="seq", how="anti", maintain_order="left")
    tasks, links = _renumbered(plan.tasks, plan.links, links.sort("seq"))
    return replace(plan, rows=_marked(plan.rows, told, heirs, intake, code), tasks=tasks, links=links)


def _with_duplicates(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Add the duplicates of rows that are taken out, with their reasons."""
    copies = rows.select("seq", "duplicate_of").join(
        told.rename({"seq": "duplicate_of"}), on="duplicate_of", maintain_order="left"
    )
    return pl.concat([told, copies.select("seq", "why")]).unique("seq", keep="first").sort("seq")


def _heirs(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Return seq and duplicate_of: per row taken out the first of its duplicates that is not."""
    return (
        rows.select("seq", "duplicate_of")
        .join(told.select(duplicate_of="seq"), on="duplicate_of", maintain_order="left")
        .join(told, on="seq", how="anti", maintain_order="left")
        .unique("duplicate_of", keep="first", maintain_order=True)
    )


def _inherited(links: pl.DataFrame, heirs: pl.DataFrame) -> pl.DataFrame:
    """Give the ties of rows that are taken out to their heirs."""
    by_seq = heirs.select(seq="duplicate_of", heir="seq")
    return (
        links.join(by_seq, on="seq", how="left", maintain_order="left")
        .with_columns(pl.coalesce("heir", "seq").alias("seq"))
        .drop("heir")
    )


def _marked(
    rows: pl.DataFrame, told: pl.DataFrame, heirs: pl.DataFrame, intake: str, code: str
) -> pl.DataFrame:
    """Return the rows with what became of them; the other duplicates of a row with an heir name the heir."""
    by_lead = heirs.select("duplicate_of", heir="seq")
    out, moved = pl.col("why").is_not_null(), pl.col("heir").is_not_null()
    is_heir = moved & (pl.col("heir") == pl.col("seq"))
    nothing = pl.lit(None, pl.String)
    return (
        rows.join(told, on="seq", how="left", maintain_order="left")
        .join(by_lead, on="duplicate_of", how="left", maintain_order="left")
        .with_columns(
            pl.when(out).then(pl.lit(intake)).when(is_heir).then(pl.lit(Intake.ACCEPTED.value))
            .otherwise("intake").alias("intake"),
            pl.when(out).then(pl.lit(code)).when(is_heir).then(nothing).otherwise("code").alias("code"),
            pl.when(out).then("why").when(is_heir).then(nothing)
            .when(moved).then(worded(_SAME_TASK, "heir")).otherwise("reason").alias("reason"),
            pl.when(~out & ~is_heir).then(pl.coalesce("heir", "duplicate_of")).alias("duplicate_of"),
        )
        .select(rows.columns)
    )  # fmt: skip


def _renumbered(
    tasks: pl.DataFrame, before: pl.DataFrame, links: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tasks that still have a row, numbered from 1 in their order, and the ties to them."""
    kept = tasks.filter(pl.col("task_no").is_in(links["task_no"].implode()))
    kept = _without_people(kept, before, links).with_columns(
        new=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32)
    )
    renumbered = (
        links.join(kept.select("task_no", "new"), on="task_no", how="left", maintain_order="left")
        .with_columns(
            task_no="new",
            person_no=pl.when(pl.col("person_no") == 0)
            .then(pl.lit(0, pl.UInt32))
            .otherwise(pl.col("person_no").rank("ordinal").over("task_no"))
            .cast(pl.UInt32),
        )
        .select(links.columns)
    )
    return kept.with_columns(task_no="new").drop("new"), renumbered


def _without_people(tasks: pl.DataFrame, before: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Take people out of the requests of groups that lost some, but not all, of theirs."""
    left = links.group_by("task_no").agg(pl.col("person_no").sort().alias("left"), pl.len().alias("n"))
    had = before.group_by("task_no").agg(pl.len().alias("had"))
    lost = left.join(had, on="task_no").filter(pl.col("n") < pl.col("had"))
    if lost.is_empty():
        return tasks
    touched = tasks.join(lost.select("task_no", "left"), on="task_no")
    requests = {
        task_no: _only_people(request, numbers)
        for task_no, request, numbers in touched.select("task_no", "request", "left").iter_rows()
    }
    narrowed = pl.DataFrame(
        {"task_no": list(requests), "narrowed": list(requests.values())},
        schema={"task_no": pl.UInt32, "narrowed": pl.String},
    )
    return (
        tasks.join(narrowed, on="task_no", how="left", maintain_order="left")
        .with_columns(pl.coalesce("narrowed", "request").alias("request"))
        .drop("narrowed")
    )


def _only_people(request: str, numbers: list[int]) -> str:
    asked = json.loads(request)
    asked["people"] = [asked["people"][number - 1] for number in numbers]
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"))
