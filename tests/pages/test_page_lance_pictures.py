"""The pictures and words of a watch list say the same as its counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import polars as pl
import pytest

from openmart_lib.api.lance_states import STATES
from openmart_lib.dashboard import lance_charts, lance_words
from openmart_lib.ledger.watched import Standing, WatchCard
from openmart_lib.ledger.watching import Ended, WatchMode

NOW = 1_800_000_000.0
CARD = WatchCard(
    list_id="abcdefghij",
    name="Fair",
    mode=WatchMode.WAIT,
    fields=("emails", "phones"),
    mapping={"id_column": "Id"},
    environment="sandbox",
    upload_name="fair.csv",
    columns=("Id",),
    row_count=5,
    item_count=6,
    intake_counts={"accepted": 3, "duplicate": 1, "rejected": 1},
    counts={"emails": {"found": 2, "still running": 1}, "phones": {"never requested": 3}},
    rounds=3,
    created_at=NOW - 100,
    begun_at=NOW - 100,
    asked_at=NOW - 12,
    changed_at=NOW - 12,
    next_ask_at=NOW + 40,
    standing=Standing.WAITING,
    ended_why=None,
    error=None,
)


def test_every_state_has_a_colour_of_its_own() -> None:
    assert set(lance_charts.STATE_COLOURS) == set(STATES)
    assert len(set(lance_charts.STATE_COLOURS.values())) == len(STATES)


def test_the_bars_say_every_count_in_words_too() -> None:
    chart, said = lance_charts.field_bars(CARD.counts)

    assert said == (
        "Enrichments by field and state. emails: found 2, still running 1; phones: never requested 3."
    )
    assert chart.data["enrichments"].sum() == 6


def test_the_course_adds_up_at_every_moment_even_where_a_state_came_or_went() -> None:
    history = pl.DataFrame(
        [
            (1.0, "emails", "not asked", 5),
            (2.0, "emails", "still running", 4),
            (2.0, "emails", "found", 1),
            (3.0, "emails", "found", 5),
            (3.0, "phones", "found", 9),
        ],
        schema={"at": pl.Float64, "field": pl.String, "state": pl.String, "n": pl.Int64},
        orient="row",
    )

    chart, said = lance_charts.course(history, "emails")

    assert chart.data.group_by("at").agg(pl.col("n").sum())["n"].to_list() == [5, 5, 5]
    assert said == "The states of emails over time. At first: not asked 5. Last: found 5."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Waiting: asked 12 s ago, next in 40 s · 3 rounds"),
        ({"standing": Standing.ASKING}, "Asking Lance now · 3 rounds"),
        (
            {"standing": Standing.ASKING, "rounds": 0, "asked_at": None},
            "Asking Lance now",
        ),
        (
            {"standing": Standing.ENDED, "ended_why": Ended.FINAL, "next_ask_at": None},
            "All is final: asked 15 Jan 2027, 07:59 UTC · 3 rounds",
        ),
        (
            {"standing": Standing.HELD, "asked_at": None, "rounds": 0},
            "Needs you: not asked yet",
        ),
    ],
)
def test_how_a_list_stands_is_one_sentence(changes: dict[str, object], said: str) -> None:
    assert lance_words.standing(replace(CARD, **changes), NOW, UTC) == said  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize("why", list(Ended))
def test_every_end_has_its_words(why: Ended) -> None:
    card = replace(CARD, standing=Standing.ENDED, ended_why=why)

    assert lance_words.standing(card, NOW, UTC).startswith(lance_words.ENDED_SENTENCES[why])


def test_what_is_final_is_a_part_of_all() -> None:
    assert lance_words.progress(CARD) == "5 of 6 enrichments are final"


def test_the_rows_of_a_list_add_up_in_words() -> None:
    said = lance_words.reckoning(CARD.intake_counts, CARD.row_count)

    assert said == "3 ids + 1 row repeats one (asked once) + 1 rejected = 5 rows"
