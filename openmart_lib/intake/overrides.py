"""What an analyst decided about single rows and whole classes of problems, against the rules of intake.

Applied by ``plan_tasks`` before anything is cleaned or judged, so that an edited cell is judged like any
other. The uploaded rows themselves never change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.fields import FIELD_WORDS, Field
from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.values import tidied_text

NAME_CODE: Final = "name"  # a full name whose split is in doubt
DROPPED_CODE: Final = "dropped"
EARLIER_CODE: Final = "in_first_run"  # not one of the rows that were corrected since
SENDABLE: Final = frozenset(
    {
        DomainCode.FREE_MAIL.value,
        DomainCode.DISPOSABLE.value,
        DomainCode.SOCIAL.value,
        DomainCode.HOSTED.value,
        DomainCode.LOOKALIKE.value,
        DomainCode.MULTIPLE.value,
        NAME_CODE,
    }
)
"""Codes of rejections that can be sent anyway: there is something to send (of several websites the first).

The others need an edit; of an ending without a name ("www.de") a single row can be sent as it stands.
"""


class Choice(StrEnum):
    """What becomes of a row whatever the rules say; the values are stored."""

    SEND = "send"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Overrides:
    """An analyst's decisions; immutable, each method returns another one.

    Attributes:
        edits: Per row (``seq``) and field, the text to read in place of the mapped cells; "" empties them.
        rows: Per row, to send it anyway or to leave it out. A row's choice wins over its class's.
        classes: Per intake code, what to do with all its rows.
        only: The rows that this run is about, where it is not about all: those corrected since an earlier
            run of the list. The others are skipped. Empty: all rows.

    Raises:
        InputError: If a field, choice or row number is none.
    """

    edits: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    rows: Mapping[int, Choice] = field(default_factory=dict)
    classes: Mapping[str, Choice] = field(default_factory=dict)
    only: Collection[int] = ()

    def __post_init__(self) -> None:
        try:
            edits = {
                _row(seq): {Field(name).value: _text(text) for name, text in cells.items()}
                for seq, cells in self.edits.items()
                if cells
            }
            rows = {_row(seq): Choice(choice) for seq, choice in self.rows.items()}
            classes = {_text(code): Choice(choice) for code, choice in self.classes.items()}
            only = tuple(sorted({_row(seq) for seq in self.only}))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"The corrections of a list cannot be read ({error}). Nothing was planned. Make them again."
            ) from error
        object.__setattr__(self, "edits", edits)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "only", only)

    def __bool__(self) -> bool:
        return bool(self.edits or self.rows or self.classes or self.only)

    def with_edit(self, seq: int, name: str, text: str) -> Overrides:
        """Return these decisions and the text of one field in one row."""
        return replace(self, edits={**self.edits, seq: {**self.edits.get(seq, {}), name: text}})

    def with_rows(self, seqs: Iterable[int], choice: Choice) -> Overrides:
        """Return these decisions and one for each of these rows."""
        return replace(self, rows={**self.rows, **dict.fromkeys(seqs, choice)})

    def with_class(self, code: str, choice: Choice) -> Overrides:
        """Return these decisions and one for all rows of an intake code."""
        return replace(self, classes={**self.classes, code: choice})

    def without_rows(self, seqs: Iterable[int]) -> Overrides:
        """Return these decisions without those about these rows: edits and choices are taken back."""
        gone = set(seqs)
        return replace(
            self,
            edits={seq: cells for seq, cells in self.edits.items() if seq not in gone},
            rows={seq: choice for seq, choice in self.rows.items() if seq not in gone},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the decisions as JSON types."""
        return {
            "edits": {str(seq): dict(cells) for seq, cells in sorted(self.edits.items())},
            "rows": {str(seq): choice.value for seq, choice in sorted(self.rows.items())},
            "classes": {code: choice.value for code, choice in sorted(self.classes.items())},
            **({"only": list(self.only)} if self.only else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Overrides:
        """Return the decisions that ``to_dict`` gave; absent parts are empty.

        Raises:
            InputError: If they cannot be read.
        """
        return cls(
            edits=dict(values.get("edits") or {}),
            rows=dict(values.get("rows") or {}),
            classes=dict(values.get("classes") or {}),
            only=list(values.get("only") or ()),
        )

    def counts(self) -> dict[str, int]:
        """Return how many decisions there are of each sort, in words; nothing of what cells hold."""
        fields = Counter(name for cells in self.edits.values() for name in cells)
        done = Counter(self.rows.values())
        told = {f"{FIELD_WORDS[Field(name)]} corrected": count for name, count in sorted(fields.items())}
        told["rows sent anyway"] = done[Choice.SEND]
        told["rows left out"] = done[Choice.DROP]
        told["rows corrected since an earlier run, the only ones sent"] = len(self.only)
        return {words: count for words, count in told.items() if count}

    def edited(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Return a frame of rows with the edited texts in place.

        Args:
            texts: One row per uploaded row: ``seq`` and a String column per field that may be edited.
                Edits of other rows and fields are passed over.
        """
        names = [name for name in texts.columns if any(name in cells for cells in self.edits.values())]
        if not names:
            return texts
        new = pl.DataFrame(
            {
                "seq": list(self.edits),
                **{f"new {name}": [cells.get(name) for cells in self.edits.values()] for name in names},
            },
            schema={"seq": pl.UInt32, **{f"new {name}": pl.String for name in names}},
        )
        joined = texts.join(new, on="seq", how="left", maintain_order="left")
        return joined.with_columns(
            pl.when(pl.col(f"new {name}").is_not_null())
            .then(tidied_text(Field(name), pl.col(f"new {name}")))
            .otherwise(name)
            .alias(name)
            for name in names
        ).select(texts.columns)

    def choices(self, judged: pl.DataFrame) -> pl.Series:
        """Return each row's choice (a :class:`Choice` value, null without one).

        Args:
            judged: One row per uploaded row: ``seq``, ``code`` (null where nothing is objected to).
        """
        by_class = pl.lit(None, pl.String)
        if self.classes:
            by_class = pl.col("code").replace_strict(
                {code: choice.value for code, choice in self.classes.items()},
                default=None,
                return_dtype=pl.String,
            )
        if not self.rows:
            return judged.select(by_class.alias("choice")).to_series()
        by_row = pl.DataFrame(
            {"seq": list(self.rows), "choice": [choice.value for choice in self.rows.values()]},
            schema={"seq": pl.UInt32, "choice": pl.String},
        )
        joined = judged.join(by_row, on="seq", how="left", maintain_order="left")
        return joined.select(pl.coalesce("choice", by_class).alias("choice")).to_series()


NO_OVERRIDES: Final = Overrides()


def _row(value: object) -> int:
    """Return a row's number; JSON has it as text."""
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < 2**32:
        raise ValueError(f"{value!r} is no row number")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
