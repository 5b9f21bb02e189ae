"""The reckoning: what became of every uploaded row before anything is sent, in counts that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.intake.fields import Intake
from openmart_lib.wording import counted

REUSED: Final = "reused"  # an earlier result serves; no plan says so by itself
OUTCOMES: Final = (*(str(one) for one in Intake), REUSED)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Uploaded rows, counted.

    Attributes:
        uploaded: All of them.
        outcomes: Rows per intake outcome, every one of them named, 0 where there are none.
        codes: Rejected and skipped rows per intake code, the most frequent first.
    """

    uploaded: int
    outcomes: Mapping[str, int]
    codes: Mapping[str, int]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Reckoning:
        """Count rows.

        Args:
            rows: One row per uploaded row: ``intake`` and ``code`` (null when accepted), as ``Plan.rows``.
        """
        outcomes = dict.fromkeys(OUTCOMES, 0) | dict(rows["intake"].value_counts().rows())
        passed_over = rows.filter(pl.col("intake").is_in([Intake.REJECTED.value, Intake.SKIPPED.value]))
        codes = passed_over["code"].drop_nulls().value_counts()
        codes = codes.sort("count", "code", descending=[True, False])
        return cls(rows.height, outcomes, dict(codes.rows()))

    @property
    def adds_up(self) -> bool:
        """Whether the outcomes are all that there are and sum to what was uploaded."""
        return set(self.outcomes) == set(OUTCOMES) and sum(self.outcomes.values()) == self.uploaded

    @property
    def sentence(self) -> str:
        """The sum in words: ``1,000 rows = 900 accepted + 60 duplicate + 40 rejected``, without zeros."""
        parts = [f"{count:,} {outcome}" for outcome, count in self.outcomes.items() if count]
        return f"{counted(self.uploaded, 'row')} = {' + '.join(parts)}"
