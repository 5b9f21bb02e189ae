"""Runs made from another run's rows: the best that any of them found, for each row of the first list.

A run made from rows of another one says so in its ``upload_format``, under ``ORIGIN``: the other run's id and
the uploaded column that holds, in each row, the other run's row number (its ``seq``, our column ``row``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results import join
from openmart_lib.results.columns import OWN_COLUMNS, TRIES, uploaded_names
from openmart_lib.results.companies import outcome_rank
from openmart_lib.results.quality import quality

ORIGIN: Final = "origin"  # key in a run's upload_format
# Of the row itself, not of what was found for it.
_OF_ROW: Final = ("outcome", "duplicate_of", "row", "file_line", "domain")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a run come from: another run, and the uploaded column with its row numbers."""

    run_id: str
    column: str

    @classmethod
    def of(cls, run: RunInfo) -> Origin | None:
        """Return the origin of a run's rows, None for a list of its own."""
        told = run.upload_format.get(ORIGIN)
        return cls(told["run_id"], told["column"]) if told else None

    def to_format(self) -> dict[str, Any]:
        """Return what ``upload_format`` is to hold for it."""
        return {ORIGIN: {"run_id": self.run_id, "column": self.column}}


def runs_of_chain(ledger: Ledger, run_id: str) -> list[str]:
    """Return the run that a run's rows first came from and all runs made from those rows, oldest first.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    first = queries.run_info(ledger, run_id)
    while (origin := Origin.of(first)) is not None:
        first = queries.run_info(ledger, origin.run_id)
    chain = [first.run_id]
    made = [
        (run.run_id, origin.run_id) for run in reversed(queries.runs(ledger)) if (origin := Origin.of(run))
    ]
    for child, parent in made:  # oldest first: a parent stands before its children
        if parent in chain:
            chain.append(child)
    return chain


def chain(ledger: Ledger, run_ids: Sequence[str]) -> pl.DataFrame:
    """Return the best that several runs over the same list found for each uploaded row.

    Args:
        run_ids: The first run and runs made from its rows, in any order; see ``runs_of_chain``.

    Returns:
        One row per uploaded row of the first run, in its order: its uploaded columns and ``OWN_COLUMNS``;
        outcome, result and all that was found, with the ids and ``run_name``, ``kind``, are those of the run
        with the best result (then the better record, then the earlier run). ``duplicate_of``, ``row``,
        ``file_line`` and ``domain`` stay the first run's; a duplicate stays one and carries the best of the
        row it repeats. Last ``tries`` (Int64): how many of the runs had the row.

    Raises:
        RunNotFoundError: If one of the runs does not exist.
        InputError: If the runs are not one chain.
        LedgerError: If the rows of one of them are gone.
    """
    tried = _tried(ledger, run_ids)
    first = tried.steps[0]
    tries = tried.found.group_by("root").agg(pl.col("step").n_unique().cast(pl.Int64).alias(TRIES))
    rows = tried.frames[first.run_id].select(*list(uploaded_names(first.columns).values()), *_OF_ROW)
    own = [name for name in OWN_COLUMNS if name not in _OF_ROW]
    joined = (
        rows.with_columns(pl.coalesce("duplicate_of", "row").alias("root"))
        .join(tried.best().join(tries, on="root"), on="root", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("outcome") == Outcome.DUPLICATE)
            .then("outcome")
            .otherwise("result")
            .alias("outcome")
        )
    )
    uploaded = rows.columns[: -len(_OF_ROW)]
    return joined.select(*uploaded, *[name for name in OWN_COLUMNS if name in (*_OF_ROW, *own)], TRIES)


def best_so_far(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Return for each row of a run the best that it or any other run of its chain found.

    Runs whose personal data was deleted count for nothing here.

    Returns:
        One row per uploaded row of the run, in order: row, duplicate_of, result and all that was found, as
        ``join.results`` gives them (the columns that are no uploaded ones and say nothing of the row itself);
        ``in_work`` and ``in_doubt`` (Boolean): another answer for it is pending, or its fate is unknown.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If the run's rows are gone.
    """
    tried = _tried(ledger, _readable(ledger, run_id))
    of_root = tried.found.group_by("root").agg(
        (pl.col("result") == Outcome.PENDING).any().alias("in_work"),
        (pl.col("result") == Outcome.UNKNOWN).any().alias("in_doubt"),
    )
    return (
        tried.frames[run_id]
        .select("row", "duplicate_of")
        .join(tried.roots[run_id], on="row", maintain_order="left")
        .join(tried.best(), on="root", how="left", maintain_order="left")
        .join(of_root, on="root", how="left", maintain_order="left")
        .drop("root")
    )


def readable_chain(ledger: Ledger, run_id: str) -> list[str]:
    """Return ``runs_of_chain`` without those whose personal data was deleted; [] when the first one's was.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    whole = runs_of_chain(ledger, run_id)
    kept = [one for one in whole if erased_at(ledger, one) is None]
    return kept if kept[:1] == whole[:1] else []


@dataclass(frozen=True, slots=True)
class _Tried:
    """What the runs of a chain found.

    Attributes:
        steps: The runs, each after the one its rows come from.
        frames: Per run, its results in the shape ``rows``.
        roots: Per run, one row per row of it: row, root (the first run's row that it comes from; null: none).
        found: One row per row and run that tried it: root, rank, quality, step and all that was found.
    """

    steps: list[RunInfo]
    frames: dict[str, pl.DataFrame]
    roots: dict[str, pl.DataFrame]
    found: pl.DataFrame

    def best(self) -> pl.DataFrame:
        """Return one row per root: the best that was found for it."""
        ranked = self.found.sort("root", "rank", "quality", "step")
        return ranked.unique("root", keep="first").drop("rank", "quality", "step")


def _tried(ledger: Ledger, run_ids: Sequence[str]) -> _Tried:
    steps = _in_order({run_id: queries.run_info(ledger, run_id) for run_id in dict.fromkeys(run_ids)})
    frames = {run.run_id: join.results(ledger, run.run_id, "rows", contacts=False) for run in steps}
    first = steps[0].run_id
    roots = {first: frames[first].select("row", root=pl.coalesce("duplicate_of", "row"))}
    for run in steps[1:]:
        roots[run.run_id] = _roots(frames[run.run_id], run, roots)
    found = [_found(frames[run.run_id], roots[run.run_id], step) for step, run in enumerate(steps)]
    return _Tried(steps, frames, roots, pl.concat(found))


def _readable(ledger: Ledger, run_id: str) -> list[str]:
    """Return the runs that say something about a run's rows; alone where its first list is gone."""
    whole = readable_chain(ledger, run_id)
    return whole if run_id in whole else [run_id]


def _in_order(runs: dict[str, RunInfo]) -> list[RunInfo]:
    """Return the runs, each after the one its rows come from."""
    origins = {run_id: Origin.of(run) for run_id, run in runs.items()}
    starts = [run_id for run_id, origin in origins.items() if origin is None or origin.run_id not in runs]
    if len(starts) != 1:
        raise InputError(
            f"These {len(runs)} runs are not made from one another's rows, so they have no rows in common. "
            "Nothing was changed. Choose a run and those that were started from its rows."
        )
    order = starts
    while len(order) < len(runs):
        order += [
            one for one, origin in origins.items() if one not in order and origin and origin.run_id in order
        ]
    return [runs[run_id] for run_id in order]


def _roots(frame: pl.DataFrame, run: RunInfo, roots: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row per row of a run: row, and the first run's row it comes from (null: none of them)."""
    origin = Origin.of(run)
    names = uploaded_names(run.columns)
    if origin is None or origin.column not in names:
        raise InputError(
            f"The run {run.name!r} does not say which rows it was made from. Its results are unharmed. "
            "Look at it by itself."
        )
    asked = pl.col(names[origin.column]).str.strip_chars().cast(pl.Int64, strict=False)
    return (
        frame.select("row", asked.alias("asked"))
        .join(roots[origin.run_id].rename({"row": "asked"}), on="asked", how="left", maintain_order="left")
        .select("row", "root")
    )


def _found(frame: pl.DataFrame, roots: pl.DataFrame, step: int) -> pl.DataFrame:
    """Return one row per row that a run tried: root, rank, quality, step and all that was found for it."""
    own = [name for name in OWN_COLUMNS if name not in _OF_ROW]
    answered = frame.select(
        *own,
        pl.col("row").alias("source"),
        outcome_rank().alias("rank"),
        quality().alias("quality"),
        pl.lit(step, dtype=pl.UInt32).alias("step"),
    )
    sources = frame.select("row", source=pl.coalesce("duplicate_of", "row")).join(roots, on="row")
    return (
        sources.drop_nulls("root")
        .select("root", "source")
        .unique()
        .join(answered, on="source")
        .drop("source")
    )
