"""Reuse: which tasks of a new list equal one that was bought before, and what becomes of their rows.

``look`` compares, ``apply`` takes out of the plan what need not be bought. Equal bits only point to a
candidate; what is asked is compared word for word before anything is reused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.estimate import Estimate, estimate
from openmart_lib.intake.likeness import asked, bits, with_likeness
from openmart_lib.intake.narrowing import take_out
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.reckoning import REUSED
from openmart_lib.intake.tasks import Intake, Plan
from openmart_lib.ledger import Ledger, Outcome
from openmart_lib.ledger.following import SERVING
from openmart_lib.ledger.following import standing as words_of
from openmart_lib.ledger.purchases import Buyer, buyers, likenesses, requests_of, standing
from openmart_lib.results import cache
from openmart_lib.settings import DEFAULT_REUSE_DAYS, Prices
from openmart_lib.wording import counted

DAYS: Final = DEFAULT_REUSE_DAYS  # how far back is looked, unless said otherwise
BOUGHT_CODE: Final = "bought_before"  # intake code of a row that is skipped for it
_DAY: Final = 86_400.0  # seconds
_LAYOUT: Final = "1"  # of the derived files; another number makes every file stale
_FOUND: Final[dict[str, Any]] = {
    "seq": pl.UInt32,
    "source_run_id": pl.Int64,
    "source_task_no": pl.UInt32,
    "source_person_no": pl.UInt32,
    "run": pl.String,
    "outcome": pl.String,
    "at": pl.Float64,
}


class Choice(StrEnum):
    """What becomes of rows that were bought before."""

    REUSE = "reuse"  # they carry the earlier result, and cost nothing
    BUY = "buy again"
    SKIP = "skip"  # they are left out


@dataclass(frozen=True, slots=True)
class Found:
    """What a plan asks for that was bought before.

    Attributes:
        rows: One row per accepted row of the plan whose task was bought, by ``seq``: source_run_id (integer
            key), source_task_no, source_person_no, run (the source in words), outcome (of the source row
            now), at (when it was answered or planned, UTC s).
        planned: Accepted rows of the plan.
        days: How far back was looked.
        saves: What buying the rows that serve or are waited for would cost, in credits.
        now: When this was looked for (UTC s).
    """

    rows: pl.DataFrame
    planned: int
    days: int
    saves: Estimate
    now: float

    @property
    def served(self) -> int:
        """Rows whose earlier answer is here."""
        return self._count([str(one) for one in SERVING])

    @property
    def waiting(self) -> int:
        """Rows whose earlier answer is on its way."""
        return self._count([Outcome.PENDING.value])

    @property
    def in_doubt(self) -> int:
        """Rows that may have been bought: we do not know whether Openmart took their batch."""
        return self._count([Outcome.UNKNOWN.value])

    @property
    def reusable(self) -> int:
        """Rows that need not be bought: served and waiting."""
        return self.served + self.waiting

    def sentence(self) -> str:
        """Say how many rows are there already, since when, and what that saves; "" for none."""
        if not self.reusable:
            return ""
        return (
            f"{self.reusable:,} of {self.planned:,} you already have ({self._age()}), "
            f"saves up to {self.saves.at_most:,.0f} credits."
        )

    def doubt(self) -> str:
        """Say how many rows may have been bought, and what to do about it; "" for none."""
        if not self.in_doubt:
            return ""
        rows = counted(self.in_doubt, "row")
        return (
            f"{rows} more may have been bought: we don't know whether Openmart took their batch. They are "
            "not bought a second time unless you say so. Decide about that batch in Monitor."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON types: rows, credits and days."""
        return {
            "rows": self.reusable,
            "answered": self.served,
            "waiting": self.waiting,
            "may_have_been_bought": self.in_doubt,
            "saves_credits_at_most": self.saves.at_most,
            "days": self.days,
        }

    def _count(self, outcomes: list[str]) -> int:
        return int(self.rows["outcome"].is_in(outcomes).sum())

    def _age(self) -> str:
        reusable = self.rows.filter(pl.col("outcome") != Outcome.UNKNOWN)["at"]
        ages = [int(max(0.0, self.now - at) // _DAY) for at in (reusable.max(), reusable.min())]  # type: ignore[operator]  # floats
        if ages[1] == 0:
            return "today"
        newest, oldest = ages
        if newest == oldest:
            return f"{counted(oldest, 'day')} ago"
        return f"{newest or 'today'} to {oldest} days ago"


def look(
    ledger: Ledger,
    plan: Plan,
    kind: Kind,
    options: RunOptions,
    *,
    days: int = DAYS,
    prices: Prices | None = None,
) -> Found:
    """Return which rows of a plan ask for what a run of this environment bought in the last ``days`` days.

    Answers serve, also those that found nothing; unfinished tasks are waited for; a task in doubt is named
    apart. What failed (errored, cancelled, refused, missing) serves nobody. Of several the best of these
    counts, then the newest. Nothing is written but derived files in the results folder.

    Args:
        plan: A list's plan; quicker where its tasks have ``likeness`` (see ``intake.likeness``).
        days: How far back: by when a run was planned.
        prices: Credits per value; the defaults of ``Prices`` when None.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    now = ledger.now()
    known = buyers(ledger, Kind(kind), since=now - days * _DAY)
    found = pl.DataFrame(schema=_FOUND)
    if known and plan.links.height:
        found = _best(_candidates(ledger, kind, known, _planned(plan, Kind(kind))))
    usable = int((found["outcome"] != Outcome.UNKNOWN).sum())
    saves = estimate(
        kind,
        options,
        tasks=usable,
        people=usable,
        prices=prices or Prices(),
        submit_concurrency=1,
        seconds_per_submission=0.0,
    )
    return Found(found, plan.links.height, days, saves, now)


def apply(
    plan: Plan, found: Found, choice: Choice, *, buy_doubtful: bool = False
) -> tuple[Plan, pl.DataFrame | None]:
    """Return the plan of what is left to buy, and the rows that follow earlier tasks, for ``NewRun.reused``.

    Args:
        buy_doubtful: Buy what may have been bought. Else it is treated as ``choice`` says: a reusing row
            stays ``unknown`` until somebody decides about the batch in doubt.

    Returns:
        The plan, its rows ``reused`` or ``skipped``; seq, source_run_id, source_task_no, source_person_no,
        one row per reused row, None where nothing is reused.
    """
    rows = found.rows
    if buy_doubtful:
        rows = rows.filter(pl.col("outcome") != Outcome.UNKNOWN)
    if choice is Choice.BUY or rows.is_empty():
        return plan, None
    told = rows.select("seq", _reasons(rows))
    if choice is Choice.SKIP:
        return take_out(plan, told, intake=Intake.SKIPPED, code=BOUGHT_CODE, copies="follow"), None
    plan = take_out(plan, told, intake=REUSED, code=REUSED, copies="stay")
    return plan, rows.select("seq", "source_run_id", "source_task_no", "source_person_no")


def keep_index(ledger: Ledger, run_id: str, tasks: pl.DataFrame, kind: Kind) -> None:
    """Write down what a run that was just planned buys, so that not the first look has to read it all.

    Derived: without it, or when it cannot be written, a look works it out from the ledger.

    Args:
        tasks: The run's tasks, with ``likeness``, as they were planned.
    """
    missing = tasks.filter(pl.col("likeness").is_null())
    cache.kept(*_place(ledger, run_id, tasks.height), lambda: _laid_out(tasks, [missing], kind))


def _place(ledger: Ledger, run_id: str, tasks: int) -> tuple[Path, str]:
    """Return the derived file of what a run buys, and the stamp that it bears."""
    return ledger.results_dir / f"{run_id}.likeness.parquet", f"{_LAYOUT}:{tasks}"


def _planned(plan: Plan, kind: Kind) -> pl.DataFrame:
    """Return one row per accepted row of a plan: seq, task_no, person_no, likeness, request."""
    tasks = plan.tasks if "likeness" in plan.tasks.columns else with_likeness(plan.tasks, kind)
    rows = plan.links.join(
        tasks.select("task_no", "likeness", "request"), on="task_no", how="left", maintain_order="left"
    )
    unknown = rows.filter(pl.col("likeness").is_null())
    if unknown.is_empty():
        return rows
    groups = tasks.filter(pl.col("likeness").is_null())
    told = _of_requests(groups["task_no"], groups["request"], kind).rename({"likeness": "of_person"})
    return (
        rows.join(told, on=["task_no", "person_no"], how="left", maintain_order="left")
        .with_columns(pl.coalesce("likeness", "of_person").alias("likeness"))
        .drop("of_person")
    )


def _of_requests(task_nos: pl.Series, requests: pl.Series, kind: Kind) -> pl.DataFrame:
    """Return likeness, task_no and person_no of requests, one row per person of a group."""
    told = asked(requests, kind)
    return told.select(
        bits(told["text"]), task_nos.alias("task_no").gather(told["place"]), "person_no"
    ).drop_nulls("likeness")


def _candidates(ledger: Ledger, kind: Kind, known: list[Buyer], planned: pl.DataFrame) -> pl.DataFrame:
    """Return every earlier task that buys what a planned row asks for, proved, with how it stands."""
    frames = [pl.DataFrame(schema=_FOUND | {"place": pl.UInt32})]
    for place, buyer in enumerate(known):
        build = partial(_index, ledger, buyer, kind)
        index = cache.kept(*_place(ledger, buyer.public_id, buyer.task_count), build).rename(
            {"task_no": "source_task_no", "person_no": "source_person_no"}
        )
        same = planned.drop_nulls("likeness").lazy().join(index, on="likeness").collect()
        if same.height:
            frames.append(
                _proved(ledger, kind, buyer, same).with_columns(pl.lit(place, pl.UInt32).alias("place"))
            )
    return pl.concat([frame.select(frames[0].columns) for frame in frames])


def _index(ledger: Ledger, buyer: Buyer, kind: Kind) -> pl.DataFrame:
    """Return what a run bought: likeness, task_no, person_no (of a company's task 0, of one person's 1).

    Of runs older than the ledger's column, and of groups of people, it is worked out from what was sent.
    """
    tasks = likenesses(ledger, buyer)
    missing = tasks.filter(pl.col("likeness").is_null())["task_no"]
    return _laid_out(tasks, requests_of(ledger, buyer, missing), kind)


def _laid_out(tasks: pl.DataFrame, missing: Iterable[pl.DataFrame], kind: Kind) -> pl.DataFrame:
    """Return likeness, task_no and person_no; ``missing`` has task_no and request of tasks without one."""
    one = 1 if kind is Kind.LOOKUP_PEOPLE else 0
    stored = tasks.drop_nulls("likeness").select(
        "likeness", "task_no", pl.lit(one, pl.UInt32).alias("person_no")
    )
    told = [_of_requests(part["task_no"], part["request"], kind) for part in missing if part.height]
    return pl.concat([stored, *told])


def _proved(ledger: Ledger, kind: Kind, buyer: Buyer, same: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates of one run that ask for the very same, with outcome and time."""
    now = standing(ledger, buyer, same["source_task_no"].unique().sort())
    now = now.rename({"task_no": "source_task_no", "person_no": "source_person_no", "request": "bought"})
    rows = same.join(now, on=["source_task_no", "source_person_no"], maintain_order="left")
    equal = (rows["request"] == rows["bought"]) & (rows["person_no"] == rows["source_person_no"])
    doubtful = rows.filter(~equal)
    if doubtful.height:  # other words for it, such as another company name: what is bought decides
        mine = _texts(doubtful["request"], doubtful["person_no"], kind)
        theirs = _texts(doubtful["bought"], doubtful["source_person_no"], kind)
        rows = pl.concat([rows.filter(equal), doubtful.filter((mine == theirs).fill_null(False))])
    return rows.with_columns(
        pl.lit(buyer.pk, pl.Int64).alias("source_run_id"),
        pl.lit(f"{buyer.name} ({buyer.public_id})").alias("run"),
    )


def _texts(requests: pl.Series, person_nos: pl.Series, kind: Kind) -> pl.Series:
    """Return what each of these people or companies is asked for."""
    wanted = pl.DataFrame(
        {"place": pl.int_range(len(requests), dtype=pl.UInt32, eager=True), "person_no": person_nos}
    )
    return wanted.join(asked(requests, kind), on=["place", "person_no"], how="left", maintain_order="left")[
        "text"
    ]


def _best(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return per planned row the best candidate: answered, waited for, in doubt; of equal ones the newest."""
    ranks = dict.fromkeys(map(str, SERVING), 0) | {Outcome.PENDING.value: 1, Outcome.UNKNOWN.value: 2}
    rank = pl.col("outcome").replace_strict(ranks, default=None, return_dtype=pl.UInt8)
    return (
        candidates.with_columns(rank.alias("rank"))
        .drop_nulls("rank")
        .sort("seq", "rank", "place", "source_task_no", "source_person_no")
        .unique("seq", keep="first", maintain_order=True)
        .select(_FOUND.keys())
    )


def _reasons(rows: pl.DataFrame) -> pl.Series:
    """Return why each row is not bought."""
    days = rows.select(
        "run", "outcome", pl.from_epoch(pl.col("at").cast(pl.Int64), time_unit="s").dt.date().alias("day")
    )
    kinds = days.unique().with_columns(pl.col("day").dt.epoch("s").alias("at"))
    words = [
        words_of(outcome, None, run, at)[1]
        for run, outcome, at in kinds.select("run", "outcome", "at").rows()
    ]
    told = kinds.with_columns(pl.Series("reason", words, pl.String))
    return days.join(told, on=["run", "outcome", "day"], how="left", maintain_order="left")["reason"]
