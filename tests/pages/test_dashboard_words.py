"""Numbers, durations and times in words; and how long a run still takes."""

from __future__ import annotations

from datetime import UTC

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import charts, words
from openmart_lib.dashboard.run_pace import pace
from openmart_lib.ledger import BatchState, Hold, Outcome, RunState

BATCHES = {"state": pl.String, "sent_at": pl.Float64, "answered_at": pl.Float64, "collected_at": pl.Float64}


def batches(*rows: tuple[str, float | None, float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=BATCHES, orient="row")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "under 1 s"),
        (40, "40 s"),
        (89, "89 s"),
        (780, "13 min"),
        (7_500, "2 h 5 min"),
        (7_200, "2 h"),
        (400_000, "4 days"),
    ],
)
def test_a_length_of_time_is_said_in_words(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "0 %"),
        (0, 500, "0 %"),
        (1, 500, "under 1 %"),
        (62, 100, "62 %"),
        (499, 500, "99 %"),
        (500, 500, "100 %"),
    ],
)
def test_a_share_is_never_all_while_something_is_missing(part: int, whole: int, said: str) -> None:
    assert words.percent(part, whole) == said


def test_numbers_have_thousands_separators_and_their_noun() -> None:
    assert words.counted(12_000, "row") == "12,000 rows"
    assert words.counted(1, "batch", "batches") == "1 batch"
    assert words.count(3.6) == "3.6"
    assert words.count(299.4) == "299"


def test_times_name_their_zone() -> None:
    assert words.date_and_time(1_795_320_240.0, words.zone("Europe/Berlin")).endswith("CET")
    assert words.date_and_time(1_795_320_240.0, UTC).endswith("UTC")


@pytest.mark.parametrize("name", [None, "", "Not/AZone", "../../etc/passwd", "\0"])
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    assert words.zone(name) is UTC


def test_everything_a_page_may_have_to_name_has_words() -> None:
    assert set(words.KIND_NAMES) == set(words.KIND_SENTENCES) == set(Kind)
    assert set(words.BATCH_STATE_NAMES) == set(BatchState)
    assert set(words.RUN_STATE_NAMES) == set(RunState)
    assert set(words.HOLD_MESSAGES) == set(Hold)
    assert set(charts.OUTCOME_COLOURS) == set(Outcome)
    assert list(charts.GROUP_COLOURS) == list(words.GROUPS)


@given(st.dictionaries(st.sampled_from(list(Outcome)), st.integers(0, 10**6)))
def test_the_groups_add_up_to_all_rows(outcomes: dict[Outcome, int]) -> None:
    assert sum(words.groups(outcomes).values()) == sum(outcomes.values())


def test_each_outcome_is_in_one_group() -> None:
    members = [one for group in words.GROUPS.values() for one in group]

    assert sorted(members) == sorted(Outcome)


def test_the_first_estimate_is_the_rule_of_thumb_and_names_what_is_not_known() -> None:
    waiting = batches(*[("planned", None, None, None)] * 120)

    estimate = pace(waiting, now=0.0, lanes=4)

    assert estimate.sending_seconds == 30 * 26
    assert estimate.left == "13 min to send; Openmart's own time is unknown until the first batch is back"
    assert estimate.phase == "Sending: keep this computer awake, about 13 min."


def test_later_estimates_are_measured() -> None:
    mixed = batches(
        ("collected", 0.0, 10.0, 70.0), ("accepted", 10.0, 20.0, None), *[("planned", None, None, None)] * 4
    )

    estimate = pace(mixed, now=70.0, lanes=4)

    assert estimate.sending_seconds == 10
    assert estimate.openmart_seconds == 70
    assert estimate.left == "about 70 s left"


def test_when_all_is_sent_the_lid_may_be_closed() -> None:
    sent = batches(("collected", 0.0, 10.0, 70.0), ("accepted", 10.0, 20.0, None))

    estimate = pace(sent, now=50.0, lanes=4)

    assert estimate.openmart_seconds == 30
    assert estimate.phase.startswith("Openmart is working: you may close the lid.")


def test_a_run_at_rest_has_no_phase() -> None:
    estimate = pace(batches(("collected", 0.0, 10.0, 70.0)), now=100.0, lanes=4)

    assert estimate.phase == ""


@pytest.mark.parametrize("rows", [0, 1, 100_000])
def test_every_chart_says_in_words_what_it_shows(rows: int) -> None:
    outcomes = dict.fromkeys(Outcome, 0) | {Outcome.MATCHED: rows}

    chart, sentence = charts.group_bar(outcomes)

    assert chart.to_dict()["mark"]["type"] == "bar"
    assert sentence.startswith(words.counted(rows, "row"))


def test_progress_over_time_ends_at_the_last_number_and_stays_small() -> None:
    steps = pl.DataFrame({"at": [float(n) for n in range(5_000)], "final_rows": list(range(5_000))})
    ticks = pl.DataFrame({"at": [1.0], "batch_no": [1]})

    chart, sentence = charts.progress_chart(steps, ticks, 10_000, until=6_000.0)

    drawn = max(len(rows) for rows in chart.to_dict()["datasets"].values())
    assert drawn < 400
    assert sentence == "Rows final over time: 4,999 of 10,000 so far; 1 batch accepted."
