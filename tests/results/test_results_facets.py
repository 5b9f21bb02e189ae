"""What rows can be narrowed down by: few values, in a steady order, and nothing that names a person."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.results import facets, join
from openmart_lib.results.explore import Explorer, Query


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Seven rows: verified email and phone, plain email, nobody, error, a duplicate, a rejected one, one waiting."""
    story = Story(
        tmp_path_factory.mktemp("ledger"),
        companies(*["a-1.com", "b-2.com", "c-3.com", "d-4.com", "www.a-1.com", "no domain", "e-5.com"]),
    )
    first, second = story.send(), story.send()
    story.answer(first, 1, [person(email="a@a.invalid", verified=True, phone="+15550100")])
    story.answer(first, 2, [person(email="b@b.invalid", title="OWNER")])
    story.answer(second, 3, [])
    story.answer(second, 4, None, status="ERRORED")
    return join.results(story.ledger, story.run_id)


def texts(frame: pl.DataFrame, key: str) -> list[str | None]:
    return frame[key].cast(pl.String).to_list()


def test_our_own_questions_are_answered_for_every_row(rows: pl.DataFrame) -> None:
    told = facets.facet_frame(rows, Kind.FIND_PEOPLE)

    assert texts(told, "outcome")[3:6] == ["errored", "duplicate", "rejected"]
    assert texts(told, "task") == [
        *("completed", "completed", "completed", "errored", "completed", "not sent", "not sent")
    ]
    assert texts(told, "email") == ["verified", "not verified", *["none"] * 2, "verified", *["none"] * 2]
    assert texts(told, "phone") == ["yes", *["no"] * 3, "yes", "no", "no"]
    assert texts(told, "title_fit")[:3] == ["exact", "exact", None]


def test_spellings_of_a_title_are_one(rows: pl.DataFrame) -> None:
    told = facets.facet_frame(rows, Kind.FIND_PEOPLE)

    assert texts(told, "title") == ["Owner", "Owner", None, None, "Owner", None, None]


def test_whose_domain_an_email_is_of_is_a_question(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com", "gamma.com", "delta.com"))
    story.send_all(
        {
            1: [person(email="ana@eu.acme.com")],
            2: [person(email="bo@parent.com")],
            3: [person(email="cy@gmail.com")],
            4: [],
        }
    )

    told = facets.facet_frame(join.results(story.ledger, story.run_id), Kind.FIND_PEOPLE)

    assert texts(told, "email_domain") == ["the company's", "another", "private mailbox", None]


def test_a_question_with_one_answer_for_all_rows_is_not_asked(rows: pl.DataFrame) -> None:
    answered = facets.facet_frame(rows.head(1), Kind.FIND_PEOPLE)

    assert answered.columns == ["outcome"]


def uploaded(**columns: list[str | None]) -> pl.DataFrame:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    text = pl.lit(None, dtype=pl.String)
    found = ("batch_id", "title_fit", "found_title", "found_email", "found_email_status", "found_phone")
    flags = ("found_email_verified", "email_domain_agrees", "email_free_mail")
    return frame.with_columns(
        pl.lit("One").alias("run_name"),
        pl.lit("matched").alias("outcome"),
        pl.lit("matched").alias("result"),
        *(text.alias(name) for name in found),
        *(pl.lit(None, dtype=pl.Boolean).alias(name) for name in flags),
    )


def test_uploaded_columns_with_few_values_are_facets_and_the_country_comes_first() -> None:
    frame = uploaded(
        id=[str(n) for n in range(8)],
        same=["x"] * 8,
        size=["S", "L", "S", "L", "S", "L", "S", ""],
        land=["DE", "US", "DE", "US", "DE", "US", "DE", None],
    )

    told = facets.facet_frame(frame, Kind.FIND_PEOPLE, {"country": ["land"]})

    assert told.columns == ["outcome", "is.land", "is.size"]
    assert texts(told, "is.size")[-1] is None  # an empty text is an empty cell
    assert told["is.size"].dtype == pl.Enum(["S", "L"])  # the most frequent first


def test_what_names_people_or_companies_is_no_facet() -> None:
    frame = uploaded(
        first=["Ann", "Bob"] * 4,
        shop=["One", "Two"] * 4,
        seller=["a@x.com", "b@x.com"] * 4,
        size=["S", "L"] * 4,
    )

    told = facets.facet_frame(frame, Kind.LOOKUP_PEOPLE, {"first_name": ["first"], "company_name": ["shop"]})

    assert told.columns == ["outcome", "is.size"]


def test_all_countries_of_the_world_are_still_a_facet_where_sixty_cities_are_not() -> None:
    many = [f"land {n % 190}" for n in range(400)]
    frame = uploaded(land=many, town=many)

    told = facets.facet_frame(frame, Kind.FIND_PEOPLE, {"country": ["land"]})

    assert told.columns == ["outcome", "is.land"]


cells = st.sampled_from(["a", "b", "c", "", None])


@examples(25)
@given(
    table=st.lists(st.tuples(cells, cells), min_size=4, max_size=12),
    one=st.lists(st.sampled_from(["a", "b", None]), max_size=2),
    two=st.lists(st.sampled_from(["c", "zz", None]), max_size=2),
)
def test_facets_find_and_count_what_a_loop_would(
    table: list[tuple[str | None, str | None]], one: list[str | None], two: list[str | None]
) -> None:
    frame = uploaded(one=[line[0] for line in table], two=[line[1] for line in table])
    told = facets.facet_frame(frame, Kind.FIND_PEOPLE)
    wanted = {f"is.{name}": values for name, values in (("one", one), ("two", two)) if f"is.{name}" in told}
    explorer = Explorer(frame, told)

    found = explorer.matching(Query(values=wanted)).to_list()

    cell = {"is.one": 0, "is.two": 1}

    def fits(line: tuple[str | None, str | None], but: str = "") -> bool:
        return all(
            not values or name == but or (line[cell[name]] or None) in values
            for name, values in wanted.items()
        )

    assert found == [place for place, line in enumerate(table) if fits(line)]
    for name in wanted:
        counts = dict(explorer.facet(name, Query(values=wanted)).iter_rows())
        here = [line[cell[name]] or None for line in table if fits(line, but=name)]
        assert counts == {value: here.count(value) for value in here}
