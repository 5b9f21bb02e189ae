"""The estimate: at most, expected, and the sum in words that leads there."""

from __future__ import annotations

import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.intake.estimate import ASSUMED_HIT_RATE, TELLING_ROWS, Estimate, Measured, estimate
from openmart_lib.intake.options import RunOptions
from openmart_lib.settings import Prices

PRICES = Prices(email=3, phone=8, mailbox=1, technology=2)


def of(
    kind: Kind,
    options: RunOptions | None = None,
    *,
    tasks: int,
    people: int | None = None,
    lanes: int = 4,
    measured: Measured | None = None,
) -> Estimate:
    return estimate(
        kind,
        options or RunOptions(),
        tasks=tasks,
        people=tasks if people is None else people,
        prices=PRICES,
        submit_concurrency=lanes,
        measured=measured or Measured(),
    )


@pytest.mark.parametrize(
    ("kind", "options", "tasks", "people", "at_most", "formula"),
    [
        (Kind.FIND_PEOPLE, RunOptions(), 12_000, None, 36_000, "12,000 x 1 person x email 3"),
        (
            Kind.FIND_PEOPLE,
            RunOptions(max_k=3, info_access=("EMAIL", "PHONE")),
            100,
            None,
            3_300,
            "100 x 3 people x (email 3 + phone 8)",
        ),
        (
            Kind.FIND_PEOPLE,
            RunOptions(max_k=8, info_access=("PHONE",)),
            1,
            None,
            64,
            "1 x 8 people x phone 8",
        ),
        (Kind.LOOKUP_PEOPLE, RunOptions(), 10, 73, 219, "73 people x email 3"),
        (Kind.LOOKUP_PEOPLE, RunOptions(), 1, 1, 3, "1 person x email 3"),
        (
            Kind.LOOKUP_BUSINESS_EMAIL,
            RunOptions(),
            1_500,
            None,
            7_500,
            "1,500 companies x 5 mailboxes (assumed) x mailbox 1",
        ),
        (Kind.FIND_TECH, RunOptions(tech_type="shopify"), 1, None, 2, "1 company x technology 2"),
    ],
)
def test_at_most_is_everything_asked_for_found(
    kind: Kind, options: RunOptions, tasks: int, people: int | None, at_most: float, formula: str
) -> None:
    found = of(kind, options, tasks=tasks, people=people)

    assert found.at_most == at_most
    assert found.formula == formula


def test_max_k_counts_only_where_people_are_searched_for() -> None:
    assert of(Kind.LOOKUP_PEOPLE, RunOptions(max_k=5), tasks=2).at_most == 2 * 3
    assert of(Kind.FIND_TECH, RunOptions(max_k=5), tasks=2).at_most == 2 * 2


def test_expected_is_an_assumption_that_is_said_in_words() -> None:
    found = of(Kind.FIND_PEOPLE, tasks=100)

    assert found.expected == pytest.approx(found.at_most * ASSUMED_HIT_RATE)
    assert "60%" in found.expected_basis
    assert "OPENMART_PRICES" in found.price_source


@pytest.mark.parametrize(
    ("tasks", "lanes", "batches", "seconds"),
    [
        (0, 4, 0, 0),
        (1, 4, 1, 26),
        (100, 4, 1, 26),
        (101, 4, 2, 26),
        (401, 4, 5, 52),
        (12_000, 4, 120, 780),
        (300, 1, 3, 78),
    ],
)
def test_sending_takes_a_submissions_time_for_each_round_of_batches(
    tasks: int, lanes: int, batches: int, seconds: float
) -> None:
    found = of(Kind.FIND_PEOPLE, tasks=tasks, lanes=lanes)

    assert (found.batches, found.send_seconds) == (batches, seconds)


def test_nothing_to_send_costs_nothing() -> None:
    found = of(Kind.FIND_PEOPLE, tasks=0)

    assert (found.at_most, found.expected) == (0, 0)


def test_fractions_of_a_credit_are_written_as_such() -> None:
    prices = Prices(mailbox=0.3)

    found = estimate(
        Kind.LOOKUP_BUSINESS_EMAIL, RunOptions(), tasks=10, people=10, prices=prices, submit_concurrency=4
    )

    assert found.at_most == pytest.approx(15.0)
    assert found.formula == "10 companies x 5 mailboxes (assumed) x mailbox 0.3"


BOTH = RunOptions(max_k=2, info_access=("EMAIL", "PHONE"))


def test_expected_rests_on_earlier_runs_as_soon_as_they_tell_enough() -> None:
    seen = Measured(runs=3, rows=4_120, found={"email": 0.61, "phone": 0.25})

    found = of(Kind.FIND_PEOPLE, BOTH, tasks=100, measured=seen)

    assert found.expected == pytest.approx(100 * 2 * (0.61 * 3 + 0.25 * 8))
    assert found.expected_basis == (
        "Expected rests on your last 3 runs, 4,120 rows: email found for 61% and phone found for 25% of the "
        "people wanted."
    )
    assert found.expected_short == "as in your last 3 runs"
    assert found.at_most == 100 * 2 * 11


def test_too_few_rows_leave_the_assumption_and_say_so() -> None:
    seen = Measured(runs=1, rows=TELLING_ROWS - 1, found={"email": 0.9})

    found = of(Kind.FIND_PEOPLE, tasks=10, measured=seen)

    assert found.expected == pytest.approx(found.at_most * ASSUMED_HIT_RATE)
    assert "your earlier runs have 99 finished rows, too few to tell" in found.expected_basis


def test_of_mailboxes_the_number_found_for_each_company_is_expected() -> None:
    seen = Measured(runs=1, rows=200, found={"mailbox": 1.5})

    found = of(Kind.LOOKUP_BUSINESS_EMAIL, tasks=100, measured=seen)

    assert found.expected == pytest.approx(150)
    assert "your last run, 200 rows: 1.5 mailboxes found for each company" in found.expected_basis


def test_no_more_is_expected_than_can_be_found() -> None:
    seen = Measured(runs=1, rows=200, found={"email": 1.2})

    found = of(Kind.FIND_PEOPLE, tasks=100, measured=seen)

    assert found.expected == found.at_most


@pytest.mark.parametrize("kind", list(Kind))
def test_what_each_task_or_person_costs_at_most_adds_up_to_the_whole(kind: Kind) -> None:
    options = RunOptions(title="Owner", max_k=3, tech_type="shopify")

    found = of(kind, options, tasks=40, people=90)

    assert found.each * (90 if found.per_person else 40) == pytest.approx(found.at_most)
    assert found.to_dict()["prices"] == {"email": 3, "phone": 8, "mailbox": 1, "technology": 2}
