"""The records of one row: all of its own, none of a neighbour's, read without the rest of the run."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import RunNotFoundError
from openmart_lib.intake.options import RunOptions
from openmart_lib.results import join
from openmart_lib.results.row_records import records_of_row


def test_a_row_has_all_records_of_its_task_and_no_other(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "b-2.com", "c-3.com"))
    story.send_all({1: [person("Ana"), person("Eva", email="e@a-1.com")], 2: [person("Udo")], 3: []})

    assert records_of_row(story.ledger, story.run_id, 1)["found_first_name"].to_list() == ["Ana", "Eva"]
    assert records_of_row(story.ledger, story.run_id, 1)["email_company"].to_list() == [None, "a-1.com"]
    assert records_of_row(story.ledger, story.run_id, 3).is_empty()


def test_a_row_that_was_never_sent_has_none(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com", "no domain"))

    assert records_of_row(story.ledger, story.run_id, 2).is_empty()


def test_each_person_of_a_group_gets_their_own_record(tmp_path: Path) -> None:
    frame = pl.DataFrame({"site": ["a-1.com"] * 3, "first": ["Ana", "Udo", "Eva"], "last": ["Silva"] * 3})
    story = Story(
        tmp_path,
        frame,
        Kind.LOOKUP_PEOPLE,
        mapping={"domain": ["site"], "first_name": ["first"], "last_name": ["last"]},
        options=RunOptions(people_per_task=8, info_access=("EMAIL",)),
    )
    story.send_all({1: [person("Eva", email="e@a-1.com"), person("Ana"), person("Nobody")]})

    found = [
        records_of_row(story.ledger, story.run_id, seq)["found_first_name"].to_list() for seq in (1, 2, 3)
    ]

    assert found == [["Ana"], [], ["Eva"]]
    long = join.results(story.ledger, story.run_id, "long")
    assert long["found_first_name"].to_list() == ["Ana", None, "Eva"]


def test_an_unknown_run_is_said(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com"))

    with pytest.raises(RunNotFoundError):
        records_of_row(story.ledger, "nosuchrun1", 1)
