"""What a run may cost and how long sending takes, said before Confirm. Figures are estimates and say so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from openmart_lib.api.wire import MAX_TASKS_PER_BATCH, InfoField, Kind
from openmart_lib.intake.options import RunOptions
from openmart_lib.settings import Prices

ASSUMED_HIT_RATE: Final = 0.6  # share of the most that could be found; replaced by measured rates later
MAILBOXES_AT_MOST: Final = 5  # per company; no limit is documented and each is paid, so this is a guess
SECONDS_PER_SUBMISSION: Final = 26.0  # a submit route answers after about this long; source: the API notes
PRICE_SOURCE: Final = (
    "Prices are third-party figures (two published clients agree), not Openmart's own list; "
    "OPENMART_PRICES changes them."
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run may cost, in credits, and how long sending takes, in seconds.

    Attributes:
        expected: Credits if the assumption in ``expected_basis`` holds.
        at_most: Credits if everything asked for is found.
        formula: How ``at_most`` comes about: "12,000 x 1 person x email 3".
        batches: Submissions needed.
        send_seconds: Seconds until the last batch is sent; Openmart's own time comes on top.
        price_source: Where the prices come from, one sentence.
        expected_basis: The assumption behind ``expected``, one sentence.
    """

    expected: float
    at_most: float
    formula: str
    batches: int
    send_seconds: float
    price_source: str
    expected_basis: str


def estimate(
    kind: Kind,
    options: RunOptions,
    *,
    tasks: int,
    people: int,
    prices: Prices,
    submit_concurrency: int,
    seconds_per_submission: float = SECONDS_PER_SUBMISSION,
) -> Estimate:
    """Estimate the credits and the sending time of a run.

    Args:
        options: What is asked for; ``max_k`` and ``info_access`` matter here.
        tasks: Tasks to send (companies; for known people, tasks or groups of them).
        people: People in all tasks together; only known people are paid by person.
        prices: Credits per found value.
        submit_concurrency: Submissions under way at the same time.
        seconds_per_submission: Seconds until one submission is answered.
    """
    count, price_words, price = _price(kind, options, tasks=tasks, people=people, prices=prices)
    at_most = count * price
    batches = math.ceil(tasks / MAX_TASKS_PER_BATCH)
    return Estimate(
        expected=at_most * ASSUMED_HIT_RATE,
        at_most=at_most,
        formula=price_words,
        batches=batches,
        send_seconds=math.ceil(batches / max(1, submit_concurrency)) * seconds_per_submission,
        price_source=PRICE_SOURCE,
        expected_basis=(
            f"Expected assumes that {ASSUMED_HIT_RATE:.0%} of what is asked for is found; "
            "nobody has measured it on your lists yet."
        ),
    )


def _price(
    kind: Kind, options: RunOptions, *, tasks: int, people: int, prices: Prices
) -> tuple[int, str, float]:
    """Return how many things are paid at most, the formula in words, and the credits for each."""
    companies = _count(tasks, "company", "companies")
    if kind is Kind.FIND_TECH:
        return tasks, f"{companies} x technology {prices.technology:g}", prices.technology
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        words = f"{companies} x {MAILBOXES_AT_MOST} mailboxes (assumed) x mailbox {prices.mailbox:g}"
        return tasks * MAILBOXES_AT_MOST, words, prices.mailbox
    words, price = _fields(options, prices)
    if kind is Kind.LOOKUP_PEOPLE:
        return people, f"{_count(people, 'person', 'people')} x {words}", price
    each = _count(options.max_k, "person", "people")
    return tasks * options.max_k, f"{tasks:,} x {each} x {words}", price


def _fields(options: RunOptions, prices: Prices) -> tuple[str, float]:
    by_field = {InfoField.EMAIL: ("email", prices.email), InfoField.PHONE: ("phone", prices.phone)}
    asked = [by_field[field] for field in InfoField if field in options.info_access]
    words = " + ".join(f"{name} {price:g}" for name, price in asked)
    return (f"({words})" if len(asked) > 1 else words), sum(price for _, price in asked)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
