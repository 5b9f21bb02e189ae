"""Looking around: what is filtered, searched, sorted and paged is what a loop over the rows would find."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.results.explore import MAX_KEPT, Explorer, Query

FRAME = pl.DataFrame(
    {
        "name": ["Ärzte GmbH", "Beta", "Gamma (a.b)", None, "beta"],
        "land": ["DE", "US", "DE", None, "US"],
        "id": ["1", "2", "3", "4", "5"],
        "outcome": ["matched", "no match", "matched", "rejected", "matched"],
        "found_email": ["a@x.com", None, "g@x.com", None, None],
        "found_email_verified": [True, None, False, None, None],
        "found_raw": ["secret"] * 5,
    }
)


def rows(query: Query) -> list[int]:
    return [place + 1 for place in Explorer(FRAME).matching(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), [1, 2, 3, 4, 5]),
        (Query(values={"land": ["DE"]}), [1, 3]),
        (Query(values={"land": ["DE", None]}), [1, 3, 4]),
        (Query(values={"land": []}), [1, 2, 3, 4, 5]),
        (Query(values={"land": ["DE"], "outcome": ["matched"], "found_email_verified": ["true"]}), [1]),
        (Query(values={"no such column": ["x"]}), [1, 2, 3, 4, 5]),
        (Query(text="BETA"), [2, 5]),
        (Query(text="ärzte"), [1]),
        (Query(text="x.com gamma"), [3]),
        (Query(text="(a.b)"), [3]),  # no pattern
        (Query(text="secret"), []),  # raw text is not searched
        (Query(text="beta", values={"outcome": ["matched"]}), [5]),
        (Query(sort="name"), [2, 3, 5, 1, 4]),
        (Query(sort="name", descending=True), [1, 5, 3, 2, 4]),
        (Query(sort="land"), [1, 3, 2, 5, 4]),  # equal cells keep the order of the list
        (Query(sort="no such column"), [1, 2, 3, 4, 5]),
    ],
)
def test_what_is_asked_for_is_shown_in_the_order_asked_for(query: Query, expected: list[int]) -> None:
    assert rows(query) == expected


def test_pages_follow_one_another_and_end() -> None:
    explorer = Explorer(FRAME)
    places = explorer.matching(Query(values={"outcome": ["matched"]}))

    pages = [explorer.page(places, number, rows=2)["id"].to_list() for number in (1, 2, 3)]

    assert pages == [["1", "3"], ["5"], []]


def test_a_facet_counts_under_all_filters_but_its_own() -> None:
    explorer = Explorer(FRAME)

    assert explorer.facet("land").rows() == [("DE", 2), ("US", 2), (None, 1)]
    query = Query(values={"land": ["DE"], "outcome": ["matched"]})
    assert explorer.facet("land", query).rows() == [("DE", 2), ("US", 1)]
    assert explorer.facet("outcome", query).rows() == [("matched", 2)]
    assert explorer.facet("found_email_verified").rows() == [(None, 3), ("false", 1), ("true", 1)]


def test_the_same_question_is_answered_once_and_only_the_newest_are_kept() -> None:
    explorer = Explorer(FRAME)
    first = explorer.matching(Query(values={"land": ["DE", "US"]}, text="Beta"))

    assert explorer.matching(Query(values={"land": ["US", "DE"], "id": []}, text=" beta")) is first
    for number in range(MAX_KEPT):
        explorer.matching(Query(text=str(number)))
    again = explorer.matching(Query(values={"land": ["DE", "US"]}, text="beta"))
    assert again is not first
    assert again.to_list() == first.to_list()


cells = st.none() | st.sampled_from(["a", "b", "Ab", "ba c"])


@examples(60)
@given(
    table=st.lists(st.tuples(cells, cells), max_size=10),
    wanted=st.lists(cells, max_size=2),
    text=st.sampled_from(["", "a", "B", "a c", "zz"]),
    by=st.sampled_from([None, "one", "two"]),
    descending=st.booleans(),
)
def test_it_finds_what_a_loop_would_find(
    table: list[tuple[Any, Any]], wanted: list[Any], text: str, by: str | None, descending: bool
) -> None:
    frame = pl.DataFrame(table, schema={"one": pl.String, "two": pl.String}, orient="row")
    frame = frame.with_columns(pl.lit("x").alias("outcome"))

    found = Explorer(frame).matching(Query(values={"one": wanted}, text=text, sort=by, descending=descending))

    def fits(one: str | None, two: str | None) -> bool:
        whole = "\n".join(cell for cell in (one, two, "x") if cell is not None).lower()
        return (not wanted or one in wanted) and all(word in whole for word in text.lower().split())

    places = [place for place, line in enumerate(table) if fits(*line)]
    if by:
        column = 0 if by == "one" else 1
        filled = [place for place in places if table[place][column] is not None]
        empty = [place for place in places if table[place][column] is None]
        places = sorted(filled, key=lambda place: table[place][column], reverse=descending) + empty
    assert found.to_list() == places
