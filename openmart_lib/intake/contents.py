"""What a column's cells look like: the share of them that has each shape, told from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import polars as pl

from openmart_lib.intake.countries import is_country_text
from openmart_lib.intake.folding import fold_text, fold_word
from openmart_lib.intake.hosts import is_placeholder
from openmart_lib.intake.synonyms import sections_of

FEW: Final = 5  # filled cells; fewer tell little
_SAMPLED: Final = 1_000  # filled cells looked at per column
_SPREAD: Final = 4_000  # rows, evenly over the list, that they are taken from
_LONG: Final = 300  # characters of a cell that are looked at
_PHONE: Final = r"^(?:\+|00|\()?\d[\d\s().\/-]{5,}\d(?:\s*(?:x|ext\.?)\s*\d+)?$"
_DATE: Final = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_SHAPES: Final = {
    "linkedin_person": r"(?i)linkedin\.com/(?:in|pub)/",
    "linkedin_company": r"(?i)linkedin\.com/(?:company|school|showcase|organization)/",
    "mail": r"(?i)^(?:mailto:)?[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    "uuid": r"(?i)^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$",
    "site": r"(?i)^(?:https?://|www\.|@)?(?:[\p{L}\d](?:[\p{L}\d_-]*[\p{L}\d])?\.)+\p{L}{2,24}\.?(?:[:/?#]\S*)?$",
    "number": r"^[+-]?[\d][\d.,' ]*%?$",
    "word": r"^\p{L}[\p{L}\p{M}'’-]+$",
    "words": r"^\p{L}[\p{L}\p{M}.'’-]*,?(?:\s+\p{L}[\p{L}\p{M}.'’-]*){1,4}$",
}
LOOK_WORDS: Final = {
    "mail": "e-mail addresses",
    "linkedin_person": "LinkedIn pages of people",
    "linkedin_company": "LinkedIn pages of companies",
    "site": "domains",
    "uuid": "long ids",
    "phone": "phone numbers",
    "number": "numbers",
    "person": "people's names",
    "company": "company names",
    "country": "countries",
    "given": "first names",
}
"""What the cells of a look are called on screen; the first that half of the cells have is a column's look."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sample of a column shows.

    Attributes:
        filled: Cells that were looked at; empty ones and placeholders ("n/a") are none.
        shares: Per look, the share of them that has it, 0 to 1.
    """

    filled: int
    shares: dict[str, float] = field(default_factory=dict)

    def share(self, *looks: str) -> float:
        """Return the share of cells of these looks, 0 to 1."""
        return min(1.0, sum(self.shares.get(look, 0.0) for look in looks))

    @property
    def look(self) -> str:
        """The look of at least half of the cells; "" when there is none, or no cell."""
        return next((look for look in LOOK_WORDS if self.shares.get(look, 0.0) >= 0.5), "")


def contents_of(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, Contents]:
    """Return what the cells of columns look like, from up to 1,000 filled ones spread over the list."""
    step = max(1, frame.height // _SPREAD)
    spread = frame.select(columns).gather_every(step)
    return {name: _contents(_filled(spread.get_column(name), frame.get_column(name))) for name in columns}


def first_values(column: pl.Series) -> list[str]:
    """Return a column's first three different values, trimmed."""
    near = _trimmed(column.head(_SAMPLED)).unique(maintain_order=True).head(3)
    if len(near) < 3 and len(column) > _SAMPLED:
        near = _trimmed(column.drop_nulls().head(50 * _SAMPLED)).unique(maintain_order=True).head(3)
    return near.to_list()


def percent(share: float) -> str:
    """Return a share as people read it; only all is 100 %."""
    return f"{min(99, round(100 * share)) if share < 1 else 100} %"


def _filled(spread: pl.Series, whole: pl.Series) -> pl.Series:
    found = _telling(spread)
    if len(found) < 20 and len(whole) > len(spread):
        found = _telling(whole.drop_nulls().head(50 * _SAMPLED))
    if len(found) > _SAMPLED:
        found = found.gather_every(len(found) // _SAMPLED)
    return found.head(_SAMPLED)


def _trimmed(cells: pl.Series) -> pl.Series:
    trimmed = cells.str.strip_chars()
    return trimmed.filter((trimmed != "").fill_null(False))


def _telling(cells: pl.Series) -> pl.Series:
    trimmed = _trimmed(cells).str.head(_LONG)
    return trimmed.to_frame("cell").filter(~is_placeholder(pl.col("cell").str.to_lowercase())).to_series()


def _contents(cells: pl.Series) -> Contents:
    if cells.is_empty():
        return Contents(0)
    has = cells.to_frame("cell").select(
        **{name: pl.col("cell").str.contains(pattern) for name, pattern in _SHAPES.items()},
        phone=pl.col("cell").str.contains(_PHONE)
        & ~pl.col("cell").str.contains(_DATE)
        & pl.col("cell").str.contains(r"[+\s()/-]")
        & (pl.col("cell").str.count_matches(r"\d") >= 7),
    )
    shares = {name: float(has[name].sum()) / len(cells) for name in has.columns}
    shares["linkedin"] = float(cells.str.contains(r"(?i)linkedin\.com/").sum()) / len(cells)
    shares["site"] = max(0.0, shares["site"] - shares["linkedin"])
    shares["number"] = max(0.0, shares["number"] - shares["phone"])
    lettered = shares["word"] + shares["words"] >= 0.3
    shares |= _words_shares(cells, has["words"]) if lettered else {}
    shares["country"] = _country_share(cells) if lettered or _is_short(cells) else 0.0
    return Contents(len(cells), shares)


def _words_shares(cells: pl.Series, several_words: pl.Series) -> dict[str, float]:
    """Return the shares of company names, of people's names, and of cells that hold a common first name."""
    words = fold_text(cells).str.split(" ")
    frame = pl.DataFrame({"words": words, "several": several_words}).select(
        company=pl.col("words").list.last().is_in(_word_list("company")),
        given=pl.col("words").list.head(3).list.eval(pl.element().is_in(_word_list("given"))).list.any(),
        several="several",
    )
    person = frame.select((pl.col("several") & ~pl.col("company")).mean()).item()
    given = float(frame.get_column("given").mean() or 0.0)  # type: ignore[arg-type]  # polars: any number
    return {
        "company": float(frame.get_column("company").mean() or 0.0),  # type: ignore[arg-type]
        "given": given,
        "several": float(person or 0.0),
        # Two words can be anything; with some common first names among them they are people.
        "person": float(person or 0.0) if given >= 0.25 else 0.0,
    }


def _country_share(cells: pl.Series) -> float:
    counts = cells.value_counts()
    known = counts.filter(pl.Series([is_country_text(text) for text in counts[cells.name]], dtype=pl.Boolean))
    return float(known["count"].sum()) / len(cells)


def _is_short(cells: pl.Series) -> bool:
    return bool((cells.str.len_chars() <= 3).mean() or 0)


@cache
def _word_list(section: str) -> pl.Series:
    names = {fold_word(name) for name in sections_of("name_words")[section].split(",")}
    return pl.Series(sorted(names), dtype=pl.String).implode()
