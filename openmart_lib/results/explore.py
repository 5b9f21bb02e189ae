"""Looking around in results: facets with counts, filters, free-text search, sorting, pages. Pure polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

PAGE_ROWS: Final = 100
MAX_VALUES: Final = 60  # a column with more different values is no facet
MAX_ORDERS: Final = 4  # sorted orders kept in memory, 4 bytes a row each
MAX_RANKED: Final = 1_000  # different texts among the first rows up to which a column is sorted by rank
_NOT_SEARCHED: Final = frozenset(
    {"found_raw", "tracking_id", "task_id", "batch_id", "fetched_at", "run_name"}
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is to be seen.

    Attributes:
        values: Per column the values that are let through; None among them lets empty cells through.
        text: Every word of it must stand somewhere in the row, in whatever case.
        sort: The column to sort by; None keeps the order of the list.
        descending: Whether the greatest comes first. Empty cells always come last.
    """

    values: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    text: str = ""
    sort: str | None = None
    descending: bool = False


class Explorer:
    """A result frame made ready for looking around: held in memory, asked often. Safe between threads."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Take a frame of ``join.results``; what is searched is put together at the first search."""
        self.frame: Final = frame
        self._text: pl.Series | None = None
        self._orders: dict[tuple[str, bool], pl.Series] = {}

    def matching(self, query: Query) -> pl.Series:
        """Return the places of the rows that match, in the order asked for (UInt32, 0-based)."""
        mask = self._mask(query)
        if query.sort is None or query.sort not in self.frame.columns:
            places = pl.int_range(self.frame.height, dtype=pl.UInt32, eager=True)
            return (places if mask is None else places.filter(mask)).alias("place")
        order = self._order(query.sort, query.descending)
        return order if mask is None else order.filter(mask.gather(order))

    def page(self, places: pl.Series, number: int, *, rows: int = PAGE_ROWS) -> pl.DataFrame:
        """Return one page, counted from 1, of the rows that ``matching`` found; empty beyond the last."""
        return self.frame[places.slice((number - 1) * rows, rows)]

    def facet(self, column: str, query: Query | None = None, *, most: int = MAX_VALUES) -> pl.DataFrame:
        """Return the values of a column with their counts, the most frequent first.

        Args:
            query: Count only rows that match it; what it asks of this column itself is left out, so that
                the other values stay to be chosen.

        Returns:
            One row per value: value (String; null for empty cells), rows (Int64).
        """
        cell = pl.col(column).cast(pl.String).alias("value")
        cells = self.frame.lazy().select(cell)
        if query is not None:
            others = {name: values for name, values in query.values.items() if name != column}
            mask = self._mask(Query(values=others, text=query.text))
            cells = cells if mask is None else cells.filter(mask)
        counts = cells.group_by("value").agg(pl.len().cast(pl.Int64).alias("rows")).collect()
        return counts.sort("rows", "value", descending=[True, False], nulls_last=True).head(most)

    def facet_columns(self) -> list[str]:
        """Return the uploaded columns with at least two and few different values, in order."""
        uploaded = self.frame.columns[: self.frame.columns.index("outcome")]
        if not uploaded:
            return []
        # A sample tells most columns off cheaply.
        few = [name for name in uploaded if self.frame[name].head(2_000).n_unique() <= MAX_VALUES]
        counts = self.frame.lazy().select(pl.col(few).n_unique()).collect() if few else None
        return [name for name in few if counts is not None and 2 <= counts[name].item() <= MAX_VALUES]

    def _mask(self, query: Query) -> pl.Series | None:
        masks = []
        for column, values in query.values.items():
            if column in self.frame.columns and values:
                cell = pl.col(column).cast(pl.String)
                wanted = cell.is_in([value for value in values if value is not None]).fill_null(False)
                masks.append(wanted | cell.is_null() if None in values else wanted)
        mask = self.frame.select(pl.all_horizontal(masks)).to_series() if masks else None
        for word in query.text.lower().split():
            here = self._searched().str.contains(word, literal=True)
            mask = here if mask is None else mask & here
        return mask

    def _order(self, column: str, descending: bool) -> pl.Series:
        """Return all places sorted by a column; the newest orders are kept: a filter sorts nothing anew."""
        known = self._orders.get((column, descending))
        if known is None:
            keys = pl.DataFrame({"key": _sort_key(self.frame[column])}).with_row_index("place")
            known = keys.sort("key", descending=descending, nulls_last=True, maintain_order=True)["place"]
            newest = list(self._orders.items())[1 - MAX_ORDERS :]
            self._orders = {**dict(newest), (column, descending): known}
        return known

    def _searched(self) -> pl.Series:
        """Return one text per row: its outcome, its uploaded cells and what was found, in lower case."""
        if self._text is None:
            names = [name for name, dtype in self.frame.schema.items() if dtype == pl.String]
            names = [name for name in names if name not in _NOT_SEARCHED]
            text = pl.concat_str(pl.col(names), separator="\n", ignore_nulls=True).str.to_lowercase()
            self._text = self.frame.lazy().select(text.alias("text")).collect()["text"]
        return self._text


def _sort_key(column: pl.Series) -> pl.Series:
    """Return what sorts like the column: of few different texts their ranks, which are compared quicker."""
    if column.dtype != pl.String or column.head(10_000).n_unique() > MAX_RANKED:
        return column
    ranks = pl.DataFrame({"text": column.unique().drop_nulls().sort()}).with_row_index("rank")
    return pl.DataFrame({"text": column}).join(ranks, on="text", how="left", maintain_order="left")["rank"]
