"""Likeness: what a task buys, as a text and as 64 bits that are the same in every process and version."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.intake.likeness import asked, bits, with_likeness

OWNER = {"domain": "acme.com", "title": "Owner", "max_k": 3, "info_access": ["EMAIL", "PHONE"]}


def texts(kind: Kind, *requests: dict[str, Any]) -> list[str | None]:
    return asked(pl.Series([json.dumps(one) for one in requests]), kind)["text"].to_list()


def people(*persons: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"domain": "acme.com", "people": list(persons), "info_access": ["EMAIL"]} | more


@pytest.mark.parametrize(
    ("kind", "request_", "expected"),
    [
        (Kind.FIND_PEOPLE, OWNER, 3688787852991364786),
        (
            Kind.LOOKUP_PEOPLE,
            people({"first_name": "Zoë", "last_name": "O'Neil"}, city="Köln"),
            -5013487266822071380,
        ),
        (Kind.LOOKUP_BUSINESS_EMAIL, {"domain": "acme.com", "company_name": "Acme"}, -5362537808798606711),
        (Kind.FIND_TECH, {"domain": "acme.com", "tech_type": "shopify"}, 8024576962569767274),
    ],
    ids=lambda value: str(value) if isinstance(value, Kind) else "",
)
def test_the_bits_never_change(kind: Kind, request_: dict[str, Any], expected: int) -> None:
    """Ledgers hold them: with other bits nothing that was bought before would be found again."""
    assert bits(pl.Series(texts(kind, request_))).to_list() == [expected]


def test_the_text_names_all_that_is_bought_and_nothing_else() -> None:
    request = OWNER | {"company_name": "Acme Inc.", "notify_url": "https://x.y", "city": "Porto"}

    assert texts(Kind.FIND_PEOPLE, request) == [
        "1\x1ffind_people\x1facme.com\x1fowner\x1fporto\x1f\x1f\x1fEMAIL+PHONE\x1f3\x1f0"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Buyer"}, {"domain": "beta.com"}, {"max_k": 2}, {"info_access": ["EMAIL"]}, {"city": "Porto"},
        {"state": "TX"}, {"country": "US"}, {"version": 1},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_another_question_has_another_text(change: dict[str, Any]) -> None:
    mine, theirs = texts(Kind.FIND_PEOPLE, OWNER, OWNER | change)

    assert mine != theirs


@pytest.mark.parametrize(
    "change",
    [
        {"title": " OWNER"}, {"info_access": ["PHONE", "EMAIL"]}, {"version": 0}, {"city": None},
        {"company_name": "Acme"}, {"tracking_id": "x-1"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_the_same_question_in_other_words_has_the_same_text(change: dict[str, Any]) -> None:
    mine, theirs = texts(Kind.FIND_PEOPLE, OWNER, OWNER | change)

    assert mine == theirs


def test_contact_fields_that_are_left_out_are_both() -> None:
    both = {name: value for name, value in OWNER.items() if name != "info_access"}

    assert texts(Kind.FIND_PEOPLE, both) == texts(Kind.FIND_PEOPLE, OWNER)


def test_a_person_is_the_profile_where_there_is_one_else_the_name() -> None:
    profile = {"first_name": "A.", "last_name": "S.", "linkedin_url": "https://www.linkedin.com/in/Ana-S/"}
    other = {"first_name": "Ana", "last_name": "Silva", "linkedin_url": "linkedin.com/in/ana-s?trk=x"}
    named = {"first_name": "ANA", "last_name": "Silva"}
    accents = {"first_name": "Ána", "last_name": "Sílva"}

    mine = texts(Kind.LOOKUP_PEOPLE, people(profile), people(other), people(named), people(accents))

    assert mine[0] == mine[1] != mine[2] == mine[3]


def test_names_that_differ_only_in_the_marks_of_their_script_are_two_people() -> None:
    """A Latin accent is often left out; a vowel sign of Devanagari is a letter of the name."""
    mine, theirs = texts(
        Kind.LOOKUP_PEOPLE,
        people({"first_name": "राम", "last_name": "क"}),
        people({"first_name": "रम", "last_name": "क"}),
    )

    assert mine != theirs


def test_of_a_group_each_person_is_asked_for_alone() -> None:
    group = people({"first_name": "A", "last_name": "B"}, {"first_name": "C", "last_name": "D"})

    told = asked(pl.Series([json.dumps(group)]), Kind.LOOKUP_PEOPLE)

    alone = texts(Kind.LOOKUP_PEOPLE, people({"first_name": "C", "last_name": "D"}))
    assert told.select("place", "person_no").rows() == [(0, 1), (0, 2)]
    assert told["text"][1] == alone[0]


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        (Kind.FIND_PEOPLE, {}),
        (Kind.FIND_PEOPLE, {"info_access": ["EMAIL"]}),
        (Kind.LOOKUP_PEOPLE, {"info_access": ["EMAIL"], "people": [{}]}),
        (Kind.LOOKUP_PEOPLE, people({"first_name": "?", "last_name": "!"})),
        (Kind.FIND_TECH, {}),
    ],
    ids=["of another tool", "deleted", "people deleted", "no name", "tech"],
)
def test_a_request_that_does_not_say_what_it_buys_is_like_nothing(
    kind: Kind, request_: dict[str, Any]
) -> None:
    tasks = pl.DataFrame({"request": [json.dumps(request_)]})

    assert texts(kind, request_) == [None]
    assert with_likeness(tasks, kind)["likeness"].to_list() == [None]


def test_groups_have_no_bits_of_their_own_and_single_people_have() -> None:
    one, other = {"first_name": "A", "last_name": "B"}, {"first_name": "C", "last_name": "D"}
    requests = [json.dumps(people(one, other)), json.dumps(people(one))]

    values = with_likeness(pl.DataFrame({"request": requests}), Kind.LOOKUP_PEOPLE)["likeness"]

    assert values[0] is None and values[1] is not None and values.dtype == pl.Int64


@pytest.mark.parametrize("kind", list(Kind))
def test_no_task_at_all_is_fine(kind: Kind) -> None:
    nothing = pl.DataFrame(schema={"request": pl.String})

    assert with_likeness(nothing, kind)["likeness"].dtype == pl.Int64


@given(st.lists(st.one_of(st.none(), st.text(max_size=20))))
def test_equal_texts_have_equal_bits_and_nothing_else_has(cells: list[str | None]) -> None:
    values = bits(pl.Series(cells, dtype=pl.String)).to_list()

    assert [value is None for value in values] == [cell is None for cell in cells]
    pairs = {(cell, value) for cell, value in zip(cells, values, strict=True)}
    assert len(pairs) == len(set(cells)) == len({value for _, value in pairs})
