"""Looking around in results: facets with counts, filters, free-text search, sorting, pages. Pure polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Final, TypeVar

import polars as pl

from openmart_lib.results.facets import MAX_VALUES

PAGE_ROWS: Final = 100
MAX_ORDERS: Final = 4  # sorted orders kept in memory, 4 bytes a row each
MAX_KEPT: Final = 8  # answers to whole queries kept, 4 bytes a row each; found words, a bit a row
MAX_COUNTS: Final = 200  # counts of facets kept: some dozen values each
MAX_RANKED: Final = 1_000  # different texts among the first rows up to which a column is sorted by rank
_NOT_SEARCHED: Final = frozenset(
    {"found_raw", "tracking_id", "task_id", "batch_id", "fetched_at", "run_name"}
)

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Query:
    """What is to be seen.

    Attributes:
        values: Per column or facet the values that are let through; None among them lets empty cells through.
        text: Every word of it must stand somewhere in the row, in whatever case.
        sort: The column to sort by; None keeps the order of the list.
        descending: Whether the greatest comes first. Empty cells always come last.
    """

    values: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    text: str = ""
    sort: str | None = None
    descending: bool = False

    def key(self) -> tuple[object, ...]:
        """Return what is equal for queries that ask for the same."""
        values = frozenset((name, frozenset(wanted)) for name, wanted in self.values.items() if wanted)
        return values, tuple(self.text.lower().split()), self.sort, self.descending


class Explorer:
    """A result frame made ready for looking around: held in memory, asked often. Safe between threads."""

    def __init__(
        self, frame: pl.DataFrame, facets: pl.DataFrame | None = None, numbers: pl.Series | None = None
    ) -> None:
        """Take a frame of ``join.results``; what is searched is put together at the first search.

        Args:
            facets: What it can be narrowed down by beside its own columns, as ``facets.facet_frame``.
            numbers: Of the uploaded row that each line is about, see ``together.Runs``; None = 1, 2, 3 ...
        """
        self.frame: Final = frame
        self.facets: Final = pl.DataFrame() if facets is None else facets
        every = pl.int_range(1, frame.height + 1, eager=True)
        self.numbers: Final = every if numbers is None else numbers
        self._text: pl.Series | None = None
        self._orders: dict[tuple[str, bool], pl.Series] = {}
        self._words: dict[str, pl.Series] = {}
        self._places: dict[tuple[object, ...], pl.Series] = {}
        self._counts: dict[tuple[object, ...], pl.DataFrame] = {}

    def matching(self, query: Query) -> pl.Series:
        """Return the places of the rows that match, in the order asked for (UInt32, 0-based)."""
        known = self._places.get(query.key())
        if known is None:
            known = self._matching(query)
            self._places = {**_newest(self._places, MAX_KEPT), query.key(): known}
        return known

    def page(self, places: pl.Series, number: int, *, rows: int = PAGE_ROWS) -> pl.DataFrame:
        """Return one page, counted from 1, of the rows that ``matching`` found; empty beyond the last."""
        return self.frame[places.slice((number - 1) * rows, rows)]

    def page_numbers(self, places: pl.Series, number: int, *, rows: int = PAGE_ROWS) -> pl.Series:
        """Return the numbers of the uploaded rows that the lines of one ``page`` are about."""
        return self.numbers.gather(places.slice((number - 1) * rows, rows))

    def facet(self, column: str, query: Query | None = None, *, most: int = MAX_VALUES) -> pl.DataFrame:
        """Return the values of a column or facet with their counts, the most frequent first.

        Args:
            query: Count only rows that match it; what it asks of this column itself is left out, so that
                the other values stay to be chosen.

        Returns:
            One row per value: value (String; null for empty cells), rows (Int64).
        """
        query = query or Query()
        others = {name: values for name, values in query.values.items() if name != column}
        asked = Query(values=others, text=query.text)
        key = (column, asked.key())
        known = self._counts.get(key)
        if known is None:
            known = self._facet(column, self._mask(asked))
        if column in self.facets.columns:
            self._counts = {**_newest(self._counts, MAX_COUNTS), key: known}
        return known.head(most)

    def _facet(self, column: str, mask: pl.Series | None) -> pl.DataFrame:
        if column in self.facets.columns:
            counts = _counted(self.facets[column], mask)
        else:
            cells = self.frame.lazy().select(pl.col(column).cast(pl.String).alias("value"))
            cells = cells if mask is None else cells.filter(mask)
            counts = cells.group_by("value").agg(pl.len().cast(pl.Int64).alias("rows")).collect()
        return counts.sort("rows", "value", descending=[True, False], nulls_last=True)

    def _matching(self, query: Query) -> pl.Series:
        mask = self._mask(query)
        if query.sort is None or query.sort not in self.frame.columns:
            places = pl.int_range(self.frame.height, dtype=pl.UInt32, eager=True)
            return (places if mask is None else places.filter(mask)).alias("place")
        order = self._order(query.sort, query.descending)
        return order if mask is None else order.filter(mask.gather(order))

    def _mask(self, query: Query) -> pl.Series | None:
        masks = [
            _facet_mask(self.facets[column], values)
            if column in self.facets.columns
            else _cell_mask(self.frame[column], values)
            for column, values in query.values.items()
            if values and column in (*self.facets.columns, *self.frame.columns)
        ]
        masks += [self._holding(word) for word in query.text.lower().split()]
        return reduce(and_, masks) if masks else None

    def _order(self, column: str, descending: bool) -> pl.Series:
        """Return all places sorted by a column; the newest orders are kept: a filter sorts nothing anew."""
        known = self._orders.get((column, descending))
        if known is None:
            keys = pl.DataFrame({"key": _sort_key(self.frame[column])}).with_row_index("place")
            known = keys.sort("key", descending=descending, nulls_last=True, maintain_order=True)["place"]
            self._orders = {**_newest(self._orders, MAX_ORDERS), (column, descending): known}
        return known

    def _holding(self, word: str) -> pl.Series:
        """Return which rows hold a word; the newest are kept, for every facet asks for them."""
        known = self._words.get(word)
        if known is None:
            known = self._searched().str.contains(word, literal=True)
            self._words = {**_newest(self._words, MAX_KEPT), word: known}
        return known

    def _searched(self) -> pl.Series:
        """Return one text per row: its outcome, its uploaded cells and what was found, in lower case."""
        if self._text is None:
            names = [name for name, dtype in self.frame.schema.items() if dtype == pl.String]
            names = [name for name in names if name not in _NOT_SEARCHED]
            text = pl.concat_str(pl.col(names), separator="\n", ignore_nulls=True).str.to_lowercase()
            self._text = self.frame.lazy().select(text.alias("text")).collect()["text"]
        return self._text


def _newest(kept: dict[_Key, _Kept], most: int) -> dict[_Key, _Kept]:
    """Return what may stay when one more is to be kept."""
    return dict(list(kept.items())[1 - most :])


def _cell_mask(column: pl.Series, values: Sequence[str | None]) -> pl.Series:
    cell = column.cast(pl.String)
    wanted = cell.is_in([value for value in values if value is not None]).fill_null(False)
    return wanted | cell.is_null() if None in values else wanted


def _facet_mask(facet: pl.Series, values: Sequence[str | None]) -> pl.Series:
    """Return which rows have one of these values, compared as the numbers that an Enum is made of."""
    known = {value: code for code, value in enumerate(_categories(facet))}
    codes = facet.to_physical()
    masks = [codes == known[value] for value in values if value is not None and value in known]
    if None in values:
        masks.append(codes.is_null())
    return reduce(lambda one, other: one | other, masks, codes.is_null() & False).fill_null(False)


def _counted(facet: pl.Series, mask: pl.Series | None) -> pl.DataFrame:
    codes = facet.to_physical().alias("code")
    codes = codes if mask is None else codes.filter(mask)
    counts = codes.value_counts(name="rows")
    return counts.select(
        _categories(facet).gather(counts["code"].cast(pl.UInt32)).alias("value"),
        pl.col("rows").cast(pl.Int64),
    )


def _categories(facet: pl.Series) -> pl.Series:
    assert isinstance(facet.dtype, pl.Enum), "a facet is an Enum column"
    return facet.dtype.categories


def _sort_key(column: pl.Series) -> pl.Series:
    """Return what sorts like the column: of few different texts their ranks, which are compared quicker."""
    if column.dtype != pl.String or column.head(10_000).n_unique() > MAX_RANKED:
        return column
    ranks = pl.DataFrame({"text": column.unique().drop_nulls().sort()}).with_row_index("rank")
    return pl.DataFrame({"text": column}).join(ranks, on="text", how="left", maintain_order="left")["rank"]
