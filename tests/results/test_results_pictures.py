"""Chart frames: few lines that add up to the rows they stand for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import NOW, Story, companies, person

from openmart_lib.ledger.rates import interval, intervals
from openmart_lib.results import join, pictures
from openmart_lib.results.records import scan_lines


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Answers an hour apart; one duplicate, one rejected row, one company with many records."""
    domains = ["a-1.com", "b-2.com", "c-3.com", "www.a-1.com", ""]
    story = Story(tmp_path_factory.mktemp("ledger"), companies(*domains))
    first, second = story.send(), story.send()
    story.answer(first, 1, [person(f"P{nth}", title=" owner" if nth else "Owner") for nth in range(12)])
    story.time = NOW + 3600
    story.answer(first, 2, [person("Bo", title="OWNER"), person("Cy", title="Clerk")])
    story.time = NOW + 7200
    story.answer(second, 3, [])
    return story


def test_outcomes_over_time_grow_to_what_there_is(story: Story) -> None:
    frame = join.results(story.ledger, story.run_id)

    told = pictures.outcomes_over_time(frame, times=3)

    assert told.schema == pl.Schema(pictures.OVER_TIME_SCHEMA)
    counts = told.select(pl.col("at").dt.epoch("s") - int(NOW), "outcome", "rows").rows()
    assert counts == [
        (0, "no match", 0),
        (0, "partial", 2),  # row 1 and the duplicate of it
        (3600, "no match", 0),
        (3600, "partial", 3),
        (7200, "no match", 1),
        (7200, "partial", 3),
    ]


def test_nothing_answered_yet_is_an_empty_picture(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("a-1.com"))
    frame = join.results(story.ledger, story.run_id)

    assert pictures.outcomes_over_time(frame).schema == pl.Schema(pictures.OVER_TIME_SCHEMA)
    assert pictures.outcomes_over_time(frame).is_empty()
    assert pictures.records_per_company(frame).is_empty()
    assert pictures.top_titles(scan_lines(story.ledger, story.run_id)).schema == pl.Schema(
        pictures.TITLES_SCHEMA
    )


seconds = st.integers(0, 10_000_000)


@examples(25)
@given(
    told=st.lists(st.tuples(seconds, st.sampled_from(["matched", "no match"])), max_size=30),
    times=st.integers(2, 20),
)
def test_a_point_in_time_counts_what_had_come_by_then(told: list[tuple[int, str]], times: int) -> None:
    at = pl.from_epoch(pl.Series([second for second, _ in told], dtype=pl.Int64), time_unit="s")
    frame = pl.DataFrame({"result": pl.Series([one for _, one in told], dtype=pl.String)}).with_columns(
        at.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("fetched_at")
    )

    picture = pictures.outcomes_over_time(frame, times=times)

    assert picture["at"].n_unique() <= times
    for when, outcome, rows in picture.select(pl.col("at").dt.epoch("s"), "outcome", "rows").iter_rows():
        assert rows == sum(second <= when and one == outcome for second, one in told)
    if told:
        last = picture.filter(pl.col("at") == pl.col("at").max())
        assert last["rows"].sum() == len(told)


def test_records_per_company_count_looked_up_companies_once(story: Story) -> None:
    frame = join.results(story.ledger, story.run_id)

    told = pictures.records_per_company(frame)

    assert told.schema == pl.Schema({"records": pl.String, "companies": pl.Int64})
    assert told.rows() == [("0", 1), ("2", 1), ("10+", 1)]


def test_top_titles_join_spellings_of_one_title(story: Story) -> None:
    told = pictures.top_titles(scan_lines(story.ledger, story.run_id), most=1)

    assert told.rows() == [("owner", 13, pytest.approx(13 / 14))]


@pytest.mark.parametrize(
    ("matched", "answered", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (0, 0, None, None)],
)
def test_the_interval_stays_between_none_and_all_for_one_share_and_for_columns(
    matched: int, answered: int, low: float | None, high: float | None
) -> None:
    """Values from the textbook formula, worked out by hand."""
    frame = pl.DataFrame({"m": [matched], "n": [answered]})
    ends = frame.select(
        *(end.alias(name) for end, name in zip(intervals(pl.col("m"), pl.col("n")), "lh", strict=True))
    )

    assert ends.row(0) == (None, None) if low is None else ends.row(0) == pytest.approx((low, high), abs=1e-4)
    assert interval(matched, answered) == pytest.approx((low or 0.0, 1.0 if high is None else high), abs=1e-4)
