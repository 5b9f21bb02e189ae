"""Texts with values in them: whole columns of them, whatever parts a filter left of a frame."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.wording import counted, utc_day, utc_iso, utc_minute, worded


def left_by_a_filter(kept: list[int]) -> pl.DataFrame:
    """Return a frame made of parts of three rows, of each part the first ones that a filter kept."""
    parts = [pl.DataFrame({"no": [1, 2, 3], "name": ["a", None, "c"]}) for _ in kept]
    return pl.concat(parts, rechunk=False).filter(pl.Series([no < many for many in kept for no in range(3)]))


@pytest.mark.parametrize(
    "read",
    [
        lambda frame, text: frame.select(text)["text"],
        lambda frame, text: frame.lazy().with_columns(text).collect()["text"],
        lambda frame, text: frame.with_columns(text.first().over("no"))["text"],
    ],
    ids=["select", "lazy", "over"],
)
@given(kept=st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_every_row_has_its_words_whatever_parts_a_filter_left(
    read: Callable[[pl.DataFrame, pl.Expr], pl.Series], kept: list[int]
) -> None:
    """Of a frame of which a filter emptied the first part polars' own format panics."""
    texts = read(left_by_a_filter(kept), worded("row {}: {}", "no", pl.lit("x")).alias("text"))

    assert texts.to_list() == [f"row {no + 1}: x" for many in kept for no in range(many)]


def test_without_one_of_the_values_there_are_no_words() -> None:
    texts = left_by_a_filter([3]).select(worded("{} is {}", "no", "name")).to_series()

    assert texts.to_list() == ["1 is a", None, "3 is c"]


@pytest.mark.parametrize("words", ["none", "{} and {}"])
def test_every_value_has_its_place(words: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        worded(words, "no")


def test_a_number_stands_with_its_noun() -> None:
    said = [counted(number, "batch", "batches") for number in (0, 1, 12_000)]

    assert said == ["0 batches", "1 batch", "12,000 batches"]
    assert [counted(1, "row"), counted(2, "row")] == ["1 row", "2 rows"]


def test_a_time_names_its_zone_and_is_cut_never_rounded() -> None:
    at = 1_795_349_071.9

    assert (utc_iso(at), utc_minute(at)) == ("2026-11-22T12:04:31Z", "2026-11-22 12:04 UTC")
    assert (utc_day(at), utc_day(86_400 * 2)) == ("22 Nov 2026", "3 Jan 1970")
