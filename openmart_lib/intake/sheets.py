"""Which sheet of a workbook holds the list: told from the first rows of each, not from its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.intake.fields import Field
from openmart_lib.intake.headers import column_names, find_header
from openmart_lib.intake.synonyms import EMAIL, meaning_of

LOOKED_AT: Final = 80  # rows at the top of a sheet that tell what it is
_ADDRESSES: Final = ("site", "mail", "linkedin", "uuid")  # what a row of a list is looked up by
_ADDRESS_NAMES: Final = frozenset({Field.DOMAIN, EMAIL, Field.LINKEDIN_URL, Field.ENTITY_ID})
_UNNAMED: Final = 0.1  # of the weight, where no name says what a column holds
_NEARLY_ALL: Final = 0.8  # of such a column's cells are addresses: a cover has one or two among other texts
_NO_ADDRESS: Final = 0.001
_ENOUGH: Final = 20  # rows from which on nobody needs to look at the other sheets
_AS_GOOD: Final = 0.1  # of the best sheet's weight: an earlier sheet with so much is the one that is meant


@dataclass(frozen=True, slots=True)
class SheetLook:
    """How much a sheet looks like a list.

    Attributes:
        name: The sheet's name.
        visible: Whether it is shown in the spreadsheet program.
        weight: About how many of its rows look like those of a list; less where its columns' names do not.
    """

    name: str
    visible: bool
    weight: float

    @property
    def enough(self) -> bool:
        """Whether it is the list for certain, whatever other sheets hold."""
        return self.visible and self.weight >= _ENOUGH


def look_at(name: str, top: pl.DataFrame, height: int, *, visible: bool) -> SheetLook:
    """Return how much a sheet looks like a list.

    Args:
        name: The sheet's name.
        top: Its first rows (columns of text).
        height: How many rows it has.
        visible: Whether it is shown.
    """
    return SheetLook(name, visible, _weight(top.head(LOOKED_AT), height))


def choose_sheet(looks: list[SheetLook]) -> str:
    """Return the sheet to read: the first visible one that holds about as much of a list as any.

    A cover or an example of three rows is passed over; of two lists the first is taken. Where nothing looks
    like a list, it is the first visible sheet, and the first one at all where none is visible.
    """
    shown = [one for one in looks if one.visible] or looks
    best = max(one.weight for one in shown)
    return next(one.name for one in shown if one.weight >= _AS_GOOD * best)


def passed_over(looks: list[SheetLook], chosen: str) -> str:
    """Return in words which sheets stand before the chosen one and are no list, "" where none does."""
    before = [one.name for one in looks[: [one.name for one in looks].index(chosen)] if one.visible]
    if not before:
        return ""
    names = " and ".join(f"“{name}”" for name in before[:3])
    more = f" and {len(before) - 3} more" if len(before) > 3 else ""
    stand = "stands before it and does" if len(before) == 1 else "stand before it and do"
    return (
        f"The list was found on the sheet “{chosen}”; {names}{more} {stand} not look like one. "
        "If another sheet is meant, choose it."
    )


def _weight(top: pl.DataFrame, height: int) -> float:
    from openmart_lib.intake.contents import contents_of  # 0.1 s, which a workbook of one sheet need not wait

    header = find_header([list(row) for row in top.iter_rows()])
    body = top.slice(header.body)
    if body.is_empty():
        return 0.0
    names = column_names(header.names, top.width)
    body.columns = names
    contents = contents_of(body, names)
    rows = height - header.body
    found = [0.0]
    for name in names:
        share = contents[name].share(*_ADDRESSES)
        named = meaning_of(name).field in _ADDRESS_NAMES
        if share >= (0.5 if named else _NEARLY_ALL):
            weight = 1.0 if named else _UNNAMED
            found.append(weight * rows * share * contents[name].filled / body.height)
    known = sum(meaning_of(name).field != "" for name in names)
    return max(found) or (_NO_ADDRESS * rows if known > 1 else 0.0)
