"""A run in numbers: parts that add up to the whole."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.options import RunOptions
from openmart_lib.results import join, summary
from openmart_lib.settings import Prices


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Eight uploaded rows: two rejected, one duplicate, one not sent yet; the first four tasks answered."""
    domains = ["a-1.com", "b-2.com", "www.a-1.com", "", "c-3.com", "d-4.com", "no domain", "e-5.com"]
    story = Story(
        tmp_path_factory.mktemp("ledger"),
        companies(*domains, land=["DE", "DE", "DE", "DE", "US", "US", None, None]),
    )
    first, second = story.send(), story.send()
    story.answer(first, 1, [person(email="a@a.invalid", verified=True, phone="+15550100")])
    story.answer(first, 2, [person(email="b@b.invalid")])
    story.answer(second, 3, [person()])
    story.answer(second, 4, None, status="ERRORED")
    return story


def test_outcomes_add_up_to_the_uploaded_rows(story: Story) -> None:
    numbers = summary.summary(story.ledger, story.run_id)

    assert numbers.row_count == 8
    assert sum(numbers.outcomes.values()) == 8
    assert {str(one): n for one, n in numbers.outcomes.items() if n} == {
        "matched": 2,
        "partial": 1,
        "pending": 1,
        "errored": 1,
        "rejected": 2,
        "duplicate": 1,
    }


def test_the_funnel_counts_every_uploaded_row_and_says_which_are_shared(story: Story) -> None:
    steps = summary.summary(story.ledger, story.run_id).funnel

    assert [(step.name, step.rows, step.shared) for step in steps] == [
        ("uploaded", 8, 1),
        ("accepted", 6, 1),
        ("sent", 5, 1),
        ("completed", 4, 1),
        ("matched", 3, 1),
        ("with verified email", 2, 1),
    ]


def test_headline_counts_and_credits_count_a_duplicate_only_once(story: Story) -> None:
    numbers = summary.summary(story.ledger, story.run_id, prices=Prices(email=3, phone=8))

    assert (numbers.rows_with_email, numbers.rows_with_verified_email, numbers.rows_with_phone) == (2, 1, 1)
    assert numbers.records == 3
    assert numbers.credits == 2 * 3 + 1 * 8
    assert numbers.credits_per_row_with_email == pytest.approx(7.0)


def test_the_frame_at_hand_is_used_instead_of_a_second_join(story: Story) -> None:
    frame = join.results(story.ledger, story.run_id)

    assert summary.summary(story.ledger, story.run_id, frame=frame) == summary.summary(
        story.ledger, story.run_id
    )


def test_an_unsent_run_has_no_share_of_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path, companies(""))

    numbers = summary.summary(story.ledger, story.run_id)

    assert [step.rows for step in numbers.funnel] == [1, 0, 0, 0, 0, 0]
    assert numbers.credits_per_row_with_email is None


@pytest.mark.parametrize(
    ("kind", "mapping", "options", "answers", "credits"),
    [
        (
            Kind.LOOKUP_BUSINESS_EMAIL,
            {"domain": ["website"], "company_name": ["name"]},
            RunOptions(),
            {
                1: [{"email": "a@a.invalid", "status": "VALID"}, {"email": "b@a.invalid", "status": "VALID"}],
                2: [],
            },
            2 * 1.0,
        ),
        (
            Kind.FIND_TECH,
            {"domain": ["website"]},
            RunOptions(tech_type="shopify"),
            {1: [{"technology": "shopify"}], 2: []},
            2 * 2.0,  # a check is paid whatever it finds
        ),
    ],
)
def test_mailboxes_are_paid_each_and_technologies_per_check(
    tmp_path: Path,
    kind: Kind,
    mapping: dict[str, list[str]],
    options: RunOptions,
    answers: dict[int, object],
    credits: float,
) -> None:
    rows = companies("acme.com", "beta.com", name=["Acme", "Beta"])
    story = Story(tmp_path, rows, kind, mapping=mapping, options=options)
    story.send_all(answers)

    assert summary.summary(story.ledger, story.run_id).credits == credits


def test_match_rate_of_an_uploaded_column(story: Story) -> None:
    frame = join.results(story.ledger, story.run_id)

    rates = summary.match_rate(frame, "land")

    assert rates.schema == pl.Schema(summary.MATCH_RATE_SCHEMA)
    assert rates.drop("low", "high").rows() == [
        ("DE", 4, 3, 3, 1.0, True),
        ("US", 2, 1, 0, 0.0, True),
        (None, 2, 0, 0, None, True),
    ]
    assert rates["rows"].sum() == frame.height


def test_a_rate_of_twenty_answered_rows_is_not_small() -> None:
    results = ["matched"] * 15 + ["no match"] * 5 + ["pending"] * 5 + ["matched"] * 19
    frame = pl.DataFrame({"result": results, "row": range(44), "size": ["a"] * 25 + ["b"] * 19})

    rates = summary.match_rate(frame, "size")

    assert rates.drop("low", "high").rows() == [("a", 25, 20, 15, 0.75, False), ("b", 19, 19, 19, 1.0, True)]


def test_match_rate_takes_numbers_as_well_and_refuses_an_unknown_column(story: Story) -> None:
    frame = join.results(story.ledger, story.run_id)

    assert summary.match_rate(frame, "row")["value"].to_list()[:1] == ["1"]
    with pytest.raises(InputError, match="no column 'nope'"):
        summary.match_rate(frame, "nope")


def test_a_rate_comes_with_its_confidence_interval() -> None:
    """15 of 20: 53 % to 89 %, by Wilson's formula worked out by hand; nothing answered says nothing."""
    results = ["matched"] * 15 + ["no match"] * 5 + ["pending"]
    frame = pl.DataFrame({"result": results, "row": range(21), "size": ["a"] * 20 + ["b"]})

    rates = summary.match_rate(frame, "size").select("value", pl.col("low", "high").round(4))

    assert rates.rows() == [("a", 0.5313, 0.8881), ("b", None, None)]


def test_a_step_of_the_funnel_counts_only_rows_of_the_step_before() -> None:
    """A row that says matched but was rejected before must not make the funnel grow downwards."""
    frame = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "outcome": ["matched", "rejected", "matched"],
            "result": ["matched", "rejected", "matched"],
            "batch_id": ["b", None, None],
            "found_email": ["a@a.invalid"] * 3,
            "found_email_status": [None] * 3,
            "found_email_verified": [True] * 3,
        },
        schema_overrides={"found_email_status": pl.String},
    )

    steps = summary.funnel(frame, Kind.FIND_PEOPLE)

    assert [step.rows for step in steps] == [3, 2, 1, 1, 1, 1]
