"""One or several runs looked at as one: their rows stand run after run and are numbered on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.columns import uploaded_names

SEVERAL_KINDS: Final = "several"  # in names of files, where one run has its kind


@dataclass(frozen=True)
class Runs:
    """Runs in the order in which their rows stand; what it has in common with ``RunInfo`` is their sum.

    A row's *number* is its place among the rows of all of them, from 1; of a run alone its row number.
    """

    each: tuple[RunInfo, ...]

    @classmethod
    def read(cls, ledger: Ledger, run_id: str | Sequence[str]) -> Runs:
        """Read one or several runs, each once.

        Raises:
            RunNotFoundError: If there is no such run.
            InputError: If no run is named.
        """
        run_ids = [run_id] if isinstance(run_id, str) else list(dict.fromkeys(run_id))
        if not run_ids:
            raise InputError(
                "No run was named, so there is nothing to show. Nothing was changed. Name a run."
            )
        return cls(tuple(queries.run_info(ledger, one) for one in run_ids))

    @property
    def alone(self) -> RunInfo | None:
        """The run, when it is one."""
        return self.each[0] if len(self.each) == 1 else None

    @property
    def ids(self) -> tuple[str, ...]:
        """The runs' ids."""
        return tuple(run.run_id for run in self.each)

    @property
    def run_id(self) -> str:
        """All their ids in one text, as an address holds them."""
        return ",".join(self.ids)

    @property
    def name(self) -> str:
        """What they are called: "Spring list and 2 more"."""
        further = len(self.each) - 1
        return f"{self.each[0].name} and {further} more" if further else self.each[0].name

    @cached_property
    def names(self) -> dict[str, str]:
        """Each run's name by its id; of runs that are called the same, with the id."""
        times = Counter(run.name for run in self.each)
        return {
            run.run_id: run.name if times[run.name] == 1 else f"{run.name} ({run.run_id})"
            for run in self.each
        }

    @property
    def environment(self) -> str:
        """Where they ran: a ledger holds runs of one environment."""
        return self.each[0].environment

    @property
    def kind(self) -> Kind | None:
        """What was asked for; None where they asked for different things."""
        return self.each[0].kind if len(self.kinds) == 1 else None

    @property
    def kinds(self) -> list[Kind]:
        """What was asked for, each kind once."""
        return list(dict.fromkeys(run.kind for run in self.each))

    @property
    def row_count(self) -> int:
        """Uploaded rows."""
        return sum(run.row_count for run in self.each)

    @property
    def final_rows(self) -> int:
        """Rows that have their last word."""
        return sum(run.final_rows for run in self.each)

    @property
    def moving(self) -> bool:
        """Whether something will change without a person."""
        return any(run.moving for run in self.each)

    @property
    def made_elsewhere(self) -> bool:
        """Whether another tool submitted all of them."""
        return all(run.made_elsewhere for run in self.each)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Rows per outcome."""
        return {one: sum(run.outcomes[one] for run in self.each) for one in Outcome}

    @property
    def found(self) -> dict[str, int]:
        """Found values, as ``RunInfo.found``."""
        return {name: sum(run.found[name] for run in self.each) for name in self.each[0].found}

    @cached_property
    def columns(self) -> list[str]:
        """Their uploaded columns: of several runs side by side, equal names once."""
        return list(dict.fromkeys(name for run in self.each for name in run.columns))

    @cached_property
    def uploaded(self) -> dict[str, str]:
        """What each uploaded column is called in results."""
        return uploaded_names(self.columns)

    @property
    def mapping(self) -> dict[str, list[str]]:
        """Uploaded columns by the field they feed, under their names in results."""
        told: dict[str, list[str]] = {}
        for run in self.each:
            for field, columns in run.mapping.items():
                names = [self.uploaded.get(one, one) for one in columns]
                told[field] = list(dict.fromkeys([*told.get(field, []), *names]))
        return told

    def number(self) -> pl.Expr:
        """Return the number of the row that a line of results is about (Int64)."""
        if len(self.each) == 1:
            return pl.col("row")
        names = list(self.names.values())
        before = [sum(run.row_count for run in self.each[:place]) for place in range(len(names))]
        return pl.col("row") + pl.col("run_name").replace_strict(names, before, return_dtype=pl.Int64)

    def locate(self, number: int) -> tuple[RunInfo, int]:
        """Return the run that a row is of, and its number there.

        Raises:
            ValueError: If there is no row of this number.
        """
        left = number
        for run in self.each:
            if 1 <= left <= run.row_count:
                return run, left
            left -= run.row_count
        raise ValueError(f"There are {self.row_count} rows, none has the number {number}.")
