"""The estimate: at most, expected, and the sum in words that leads there."""

from __future__ import annotations

import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.intake.estimate import ASSUMED_HIT_RATE, Estimate, estimate
from openmart_lib.intake.options import RunOptions
from openmart_lib.settings import Prices

PRICES = Prices(email=3, phone=8, mailbox=1, technology=2)


def of(
    kind: Kind, options: RunOptions | None = None, *, tasks: int, people: int | None = None, lanes: int = 4
) -> Estimate:
    return estimate(
        kind,
        options or RunOptions(),
        tasks=tasks,
        people=tasks if people is None else people,
        prices=PRICES,
        submit_concurrency=lanes,
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
