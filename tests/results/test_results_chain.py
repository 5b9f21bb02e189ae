"""Try again: over a run and those made from its rows, each uploaded row shows the best that was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.ledger.states import BEST_FIRST
from openmart_lib.results import columns, join
from openmart_lib.results.chain import Origin, chain, runs_of_chain

MAILBOX = {"domain": ["website"], "company_name": ["website"]}


def again(folder: Path, parent: Story, rows: list[int], *, kind: Kind = Kind.FIND_PEOPLE, name: str) -> Story:
    """Start a run from these rows of another, as Try again does."""
    websites = join.results(parent.ledger, parent.run_id)["website"].to_list()
    frame = companies(*[websites[row - 1] for row in rows], origin_row=[str(row) for row in rows])
    return Story(
        folder,
        frame,
        kind,
        mapping=MAILBOX if kind is Kind.LOOKUP_BUSINESS_EMAIL else None,
        name=name,
        content=name,
        upload_format=Origin(parent.run_id, "origin_row").to_format(),
    )


def test_each_row_shows_the_best_of_all_runs_and_which_run_found_it(tmp_path: Path) -> None:
    first = Story(
        tmp_path, companies("a-1.com", "b-2.com", "c-3.com", "", land=["DE", "US", "FR", "IT"]), name="one"
    )
    first.send_all({1: [person("Ana", email="a@a-1.com", verified=True)], 2: [person("Bo")], 3: []})
    second = again(tmp_path, first, [3, 2], name="two")
    second.send_all({1: [person("Cy", phone="+15550100")], 2: []})
    third = again(tmp_path, second, [2], kind=Kind.LOOKUP_BUSINESS_EMAIL, name="three")
    third.send_all({1: [{"email": "info@b-2.com", "status": "VALID"}]})

    frame = chain(first.ledger, [third.run_id, first.run_id, second.run_id])

    assert frame.columns == ["website", "land", *columns.OWN_COLUMNS, "tries"]
    assert frame.select(
        "row", "land", "outcome", "run_name", "found_first_name", "found_email", "tries"
    ).rows() == [
        (1, "DE", "matched", "one", "Ana", "a@a-1.com", 1),
        (2, "US", "matched", "three", None, "info@b-2.com", 3),
        (3, "FR", "matched", "two", "Cy", None, 2),
        (4, "IT", "rejected", "one", None, None, 1),
    ]
    assert frame["kind"].to_list()[1] == "lookup_business_email"


def test_of_equal_outcomes_the_better_record_counts_then_the_earlier_run(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("a-1.com", "b-2.com"), name="one")
    first.send_all({1: [person("Mail", email="m@a-1.com")], 2: [person("Early", email="e@b-2.com")]})
    second = again(tmp_path, first, [1, 2], name="two")
    second.send_all(
        {1: [person("Sure", email="s@a-1.com", verified=True)], 2: [person("Late", email="l@b-2.com")]}
    )

    frame = chain(first.ledger, [first.run_id, second.run_id])

    assert frame["found_first_name"].to_list() == ["Sure", "Early"]


def test_a_duplicate_carries_what_another_try_found_for_the_row_it_repeats(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("a-1.com", "www.a-1.com"), name="one")
    first.send_all({1: []})
    second = again(tmp_path, first, [2], name="two")  # the repeat was chosen, not the row itself
    second.send_all({1: [person("Ana", email="a@a-1.com")]})

    frame = chain(first.ledger, [first.run_id, second.run_id])

    assert frame.select("outcome", "result", "duplicate_of", "found_first_name").rows() == [
        ("matched", "matched", None, "Ana"),
        ("duplicate", "matched", 1, "Ana"),
    ]


def test_the_runs_of_a_chain_are_found_from_any_of_them(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("a-1.com"), name="one")
    second = again(tmp_path, first, [1], name="two")
    third = again(tmp_path, second, [1], name="three")
    other = Story(tmp_path, companies("z-9.com"), name="other", content="other")

    whole = [first.run_id, second.run_id, third.run_id]
    for run_id in whole:
        assert runs_of_chain(first.ledger, run_id) == whole
    assert runs_of_chain(first.ledger, other.run_id) == [other.run_id]


def test_runs_that_have_no_rows_in_common_are_refused(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("a-1.com"), name="one")
    other = Story(tmp_path, companies("z-9.com"), name="other", content="other")

    with pytest.raises(InputError, match="no rows in common"):
        chain(first.ledger, [first.run_id, other.run_id])


def test_a_run_that_does_not_say_its_rows_is_refused(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("a-1.com"), name="one")
    lost = Story(
        tmp_path,
        companies("a-1.com"),
        name="two",
        content="two",
        upload_format=Origin(first.run_id, "no such column").to_format(),
    )

    with pytest.raises(InputError, match="does not say which rows"):
        chain(first.ledger, [first.run_id, lost.run_id])


tries = st.lists(
    st.sampled_from(["matched", "partial", "no match", "errored", "not chosen"]), min_size=4, max_size=4
)
ANSWERS: dict[str, Any] = {
    "matched": [person(email="x@x.com")],
    "partial": [person()],
    "no match": [],
    "errored": None,
}


@examples(3)
@given(steps=st.lists(tries, min_size=1, max_size=3))
def test_whatever_the_runs_gave_every_row_shows_the_best_outcome_of_those_that_had_it(
    steps: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    first = Story(folder, companies("a-1.com", "b-2.com", "c-3.com", "d-4.com"), name="0")
    steps[0] = [one if one != "not chosen" else "errored" for one in steps[0]]
    runs = [first]
    for nth, outcomes in enumerate(steps):
        chosen = [row for row, one in enumerate(outcomes, 1) if one != "not chosen"]
        if nth and not chosen:
            continue
        story = first if nth == 0 else again(folder, first, chosen, name=str(nth))
        keys = story.send_all({})
        for task_no, row in enumerate(chosen, 1):
            outcome = outcomes[row - 1]
            status = "ERRORED" if outcome == "errored" else "COMPLETED"
            story.answer(keys[(task_no - 1) // 2], task_no, ANSWERS[outcome], status=status)
        runs += [story] if nth else []

    frame = chain(first.ledger, [story.run_id for story in runs])

    ranks = [str(one) for one in BEST_FIRST]
    had = [[one for one in row if one != "not chosen"] for row in zip(*steps, strict=True)]
    assert frame["row"].to_list() == [1, 2, 3, 4]
    assert frame["result"].to_list() == [min(row, key=ranks.index) for row in had]
    assert frame["tries"].to_list() == [len(row) for row in had]
    assert frame.schema["tries"] == pl.Int64
