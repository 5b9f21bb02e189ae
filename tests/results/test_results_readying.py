"""Large runs are taken apart while they move and joined when they end, before anybody opens them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import queries
from openmart_lib.ledger.erasing import erase_run
from openmart_lib.results import join
from openmart_lib.results.readying import Readying, make_ready

AT_ONCE = partial(make_ready, keep_from=1)
FOUND = {1: [person()], 2: [], 3: [person("Bo")], 4: [person("Cy"), person("Di")]}


def story(tmp_path: Path) -> Story:
    return Story(tmp_path, companies("a.com", "b.com", "a.com", "c.com", "d.com", note=list("abcde")))


def kept(told: Story) -> list[str]:
    return sorted(path.name.removeprefix(told.run_id) for path in told.ledger.results_dir.glob("*.parquet"))


def test_a_moving_run_is_taken_apart_and_joined_once_it_has_ended(tmp_path: Path) -> None:
    told = story(tmp_path)
    readying = Readying(told.ledger, AT_ONCE, keep_from=1)
    readying.go_on()
    assert kept(told) == []

    first, second = told.send(), told.send()
    told.answer(first, 1, FOUND[1])
    told.answer(first, 2, FOUND[2])
    readying.go_on()
    assert kept(told) == ["-0.parquet"]

    told.answer(second, 3, FOUND[3])
    told.answer(second, 4, FOUND[4])
    readying.go_on()
    assert kept(told) == ["-0.parquet", ".rows.parquet"]


def test_small_runs_and_what_is_ready_cost_nothing(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.send_all(FOUND)
    Readying(told.ledger, AT_ONCE, keep_from=6).go_on()
    assert kept(told) == []

    readying = Readying(told.ledger, AT_ONCE, keep_from=5)
    readying.go_on()
    (joined,) = told.ledger.results_dir.glob("*.rows.parquet")
    joined.unlink()
    readying.go_on()
    assert not joined.exists(), "who opens it joins it: it was ready once"


def test_nothing_of_an_erased_run_is_made_again(tmp_path: Path) -> None:
    told = Story(tmp_path, companies("not a website", "nor this one"))
    run = queries.run_info(told.ledger, told.run_id)
    make_ready(told.ledger, run, keep_from=1)
    assert kept(told) == [".rows.parquet"]
    erase_run(told.ledger, told.run_id)

    make_ready(told.ledger, run, keep_from=1)

    assert kept(told) == []


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.send_all(FOUND)
    steps: list[tuple[int, int]] = []

    make_ready(
        told.ledger,
        queries.run_info(told.ledger, told.run_id),
        lambda done, of: steps.append((done, of)),
        keep_from=1,
    )

    assert steps == [(1, 1)]


@pytest.mark.parametrize("most", [1, 3, 5, 9])
def test_the_first_rows_are_those_of_the_whole(tmp_path: Path, most: int) -> None:
    told = story(tmp_path)
    told.send_all(FOUND)

    first = join.first_rows(told.ledger, told.run_id, most)

    whole = join.results(told.ledger, told.run_id, contacts=False).head(most)
    assert first is not None and first.equals(whole) and first.schema == whole.schema


def test_first_rows_that_share_a_task_with_later_ones_are_not_guessed(tmp_path: Path) -> None:
    known = {"domain": ["website"], "first_name": ["first"], "last_name": ["last"]}
    people = {"first": ["Ana", "Bo"], "last": ["Silva", "Lee"]}
    told = Story(
        tmp_path,
        companies("acme.com", "acme.com", **people),
        Kind.LOOKUP_PEOPLE,
        mapping=known,
        options=RunOptions(info_access=("EMAIL",), people_per_task=4),
    )

    assert join.first_rows(told.ledger, told.run_id, 1) is None
