"""Try again: which rows of a run may be tried, the list they make, and that it goes back to the first one."""

from __future__ import annotations

from dataclasses import asdict
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
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.tasks import content_key, plan_tasks
from openmart_lib.ledger import queries
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.submissions import lose
from openmart_lib.results import again, join
from openmart_lib.results.again import Again, Reason
from openmart_lib.results.chain import chain, runs_of_chain


def rows(*numbers: int) -> pl.Series:
    return pl.Series(numbers, dtype=pl.Int64)


def reasons(story: Story) -> list[str]:
    return again.standing(story.ledger, story.run_id)["reason"].to_list()


def started(folder: Path, found: Again) -> Story:
    """Plan the run of a list to try again, as Confirm does."""
    frame = found.upload.frame
    return Story(
        folder,
        frame.drop("seq", "file_line"),
        found.kind,
        mapping=found.mapping,
        options=found.options,
        name=found.name,
        content=found.name,
        upload_format=asdict(found.upload.format),
    )


@pytest.fixture
def first(tmp_path: Path) -> Story:
    """A finished run with a row of every fate; its seventh row repeats the second."""
    websites = ("a-1.com", "b-2.com", "c-3.com", "d-4.com", "e-5.com", "f-6.com", "www.b-2.com", "")
    story = Story(tmp_path, companies(*websites, land=list("ABCDEFGH")))
    keys = story.send_all(
        {
            1: [person("Ana", email="a@a-1.com", verified=True)],
            2: [],
            3: [person("Bo", last_name="Berg")],
            4: [person("Cy", phone="+15550100")],
            5: [person("Di", email="d@e-5.com", verified=False)],
        }
    )
    story.answer(keys[2], 6, None, status="ERRORED")
    return story


def test_every_row_has_one_reason_and_a_repeat_that_of_the_row_it_repeats(first: Story) -> None:
    stand = again.standing(first.ledger, first.run_id)

    assert stand["row"].to_list() == list(range(1, 9))
    assert stand["paid_row"].to_list() == [1, 2, 3, 4, 5, 6, 2, 8]
    assert stand["reason"].to_list() == [
        *("found", "no match", "no contact", "no email", "not verified", "errored", "no match", "rejected")
    ]
    assert stand["named"].to_list() == [True, False, True, True, True, False, False, False]


def test_rows_that_wait_or_were_cancelled_are_told_apart(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "b-2.com", "c-3.com"))
    story.send()
    assert reasons(story) == ["pending"] * 3

    cancel_run(story.ledger, story.run_id)

    assert reasons(story) == ["pending", "pending", "cancelled"]


def test_a_repeat_stands_for_the_row_that_was_paid_and_each_is_sent_once(first: Story) -> None:
    stand = again.standing(first.ledger, first.run_id)

    assert again.choose(stand, [Reason.NO_MATCH], rows(7)).to_list() == [2]
    assert again.choose(stand, [Reason.NO_MATCH, Reason.ERRORED]).to_list() == [2, 6]


def test_rows_that_were_found_are_rejected_or_wait_are_never_chosen(first: Story) -> None:
    stand = again.standing(first.ledger, first.run_id)

    assert again.choose(stand, list(again.NEVER)).is_empty()


def test_the_list_holds_the_uploaded_columns_and_the_row_in_the_first_list(first: Story) -> None:
    found = again.make_list(first.ledger, first.run_id, rows(6, 2), Kind.FIND_PEOPLE)

    frame = found.upload.frame
    assert frame.columns == ["seq", "file_line", "website", "land", "Row in the first list"]
    assert frame.rows() == [(1, 3, "b-2.com", "B", "2"), (2, 7, "f-6.com", "F", "6")]
    assert asdict(found.upload.format)["origin"] == {
        "run_id": first.run_id,
        "column": "Row in the first list",
    }
    assert found.mapping == {"domain": ["website"]}
    assert (found.options.title, found.options.max_k) == ("Owner", 3)
    assert (found.name, found.upload.name) == ("Spring list · try 2", "Rows of Spring list")


def test_a_column_that_is_called_like_ours_stays_the_analysts(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", **{again.ROW_COLUMN: ["mine"]}))
    story.send_all({1: []})

    found = again.make_list(story.ledger, story.run_id, rows(1), Kind.FIND_PEOPLE)

    assert found.upload.frame.select(again.ROW_COLUMN, f"{again.ROW_COLUMN} 2").rows() == [("mine", "1")]


def test_all_rows_again_have_another_content_key_than_the_run_they_come_from(first: Story) -> None:
    found = again.make_list(first.ledger, first.run_id, rows(*range(1, 9)), Kind.FIND_PEOPLE)

    upload = queries.upload_rows(first.ledger, first.run_id).collect()
    keys = [
        content_key(frame, found.mapping, found.kind, found.options) for frame in (upload, found.upload.frame)
    ]
    assert keys[0] != keys[1]
    same = again.make_list(first.ledger, first.run_id, rows(*range(1, 9)), Kind.FIND_PEOPLE)
    assert content_key(same.upload.frame, same.mapping, same.kind, same.options) == keys[1]


def test_people_that_were_found_are_asked_about_by_name_and_rows_without_one_are_counted(
    first: Story,
) -> None:
    found = again.make_list(first.ledger, first.run_id, rows(2, 3, 4), Kind.LOOKUP_PEOPLE)

    assert found.unnamed == 1
    names = found.upload.frame.select(*again.NAME_COLUMNS, again.ROW_COLUMN).rows()
    assert [(one[0], one[1], one[3]) for one in names] == [("Bo", "Berg", "3"), ("Cy", "Silva", "4")]
    assert found.mapping["first_name"] == ["First name found"]
    plan = plan_tasks(found.upload.frame, found.mapping, found.kind, found.options)
    assert plan.rows["intake"].to_list() == ["accepted", "accepted"]
    assert found.options.title is None


def test_a_mailbox_step_needs_no_name_of_the_company(first: Story) -> None:
    found = again.make_list(first.ledger, first.run_id, rows(2), Kind.LOOKUP_BUSINESS_EMAIL)

    plan = plan_tasks(found.upload.frame, found.mapping, found.kind, found.options)
    assert plan.rows["intake"].to_list() == ["accepted"]
    assert found.options == RunOptions(company_name_from_domain=True)


def test_what_chose_rows_the_first_time_does_not_choose_among_them_again(tmp_path: Path) -> None:
    options = RunOptions(title="Owner", first_rows=1, only_where_empty="land")
    story = Story(tmp_path, companies("a-1.com", "b-2.com", land=["", "DE"]), options=options)
    story.send_all({1: []})
    assert reasons(story) == ["no match", "skipped"]

    found = again.make_list(story.ledger, story.run_id, rows(2), Kind.FIND_PEOPLE)

    assert (found.options.first_rows, found.options.only_where_empty) == (None, None)


def test_a_step_that_cannot_follow_is_refused_with_those_that_can(first: Story) -> None:
    with pytest.raises(InputError, match="find_people, lookup_people, lookup_business_email"):
        again.make_list(first.ledger, first.run_id, rows(2), Kind.FIND_TECH)


def test_a_list_without_a_row_is_refused(first: Story) -> None:
    with pytest.raises(InputError, match="None of the 1 chosen rows"):
        again.make_list(first.ledger, first.run_id, rows(2), Kind.LOOKUP_PEOPLE)


def test_three_runs_in_a_row_number_their_rows_as_the_first_list_does(tmp_path: Path, first: Story) -> None:
    second = started(tmp_path, again.make_list(first.ledger, first.run_id, rows(3, 6), Kind.FIND_PEOPLE))
    second.send_all({1: [], 2: []})
    third = started(
        tmp_path, again.make_list(first.ledger, second.run_id, rows(2), Kind.LOOKUP_BUSINESS_EMAIL)
    )
    third.send_all({1: [{"email": "info@f-6.com", "status": "VALID"}]})

    upload = queries.upload_rows(first.ledger, third.run_id).collect()
    assert upload.columns == ["seq", "file_line", "website", "land", again.ROW_COLUMN]
    assert upload.row(0)[2:] == ("f-6.com", "F", "6")
    whole = runs_of_chain(first.ledger, third.run_id)
    assert whole == [first.run_id, second.run_id, third.run_id]
    best = chain(first.ledger, whole)
    assert best["found_email"].to_list()[5] == "info@f-6.com"
    assert best["tries"].to_list() == [1, 1, 2, 1, 1, 3, 1, 1]


def test_a_row_that_another_run_found_is_not_offered_again(tmp_path: Path, first: Story) -> None:
    second = started(tmp_path, again.make_list(first.ledger, first.run_id, rows(2), Kind.FIND_PEOPLE))
    assert reasons(first)[1] == "pending"  # it is being tried: nobody pays for it in a third run meanwhile
    assert reasons(first)[6] == "pending"  # nor for the row that repeats it
    second.send_all({1: [person(email="x@b-2.com", verified=True)]})

    assert reasons(first)[1] == "found"
    assert reasons(second) == ["found"]


def test_a_row_whose_other_try_is_unknown_asks_for_the_word_of_a_person(tmp_path: Path, first: Story) -> None:
    second = started(tmp_path, again.make_list(first.ledger, first.run_id, rows(2), Kind.FIND_PEOPLE))
    lose(second.ledger, second.claim(), seen="cut off")

    assert reasons(first)[1] == "unknown"


def test_the_format_of_a_list_survives_being_kept_as_json(first: Story) -> None:
    found = again.make_list(first.ledger, first.run_id, rows(2), Kind.FIND_PEOPLE)

    assert again.format_of(asdict(found.upload.format)) == found.upload.format


FATES: dict[str, Any] = {
    "matched": [person(email="x@x.com", verified=True)],
    "partial": [person()],
    "no match": [],
}


@examples(4)
@given(
    fates=st.lists(st.sampled_from(sorted(FATES)), min_size=3, max_size=3),
    wanted=st.sets(st.sampled_from(list(Reason))),
    shown=st.sets(st.integers(1, 5)),
)
def test_whatever_is_chosen_no_row_is_sent_twice_and_none_that_was_found(
    fates: list[str], wanted: set[Reason], shown: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    story = Story(folder, companies("a-1.com", "b-2.com", "c-3.com", "www.a-1.com", "a-1.com"))
    story.send_all({number: FATES[fate] for number, fate in enumerate(fates, 1)})
    stand = again.standing(story.ledger, story.run_id)

    chosen = again.choose(stand, wanted, rows(*sorted(shown)))

    assert chosen.n_unique() == chosen.len()
    assert set(chosen) <= {1, 2, 3}
    results = join.results(story.ledger, story.run_id)["result"].to_list()
    assert all(results[row - 1] != "matched" for row in chosen)
