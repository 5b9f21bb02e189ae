"""What a run may cost and how long sending takes, said before Confirm. Figures are estimates and say so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from openmart_lib.api.wire import MAX_TASKS_PER_BATCH, SUBMIT_SECONDS, InfoField, Kind
from openmart_lib.intake.options import RunOptions
from openmart_lib.settings import Prices
from openmart_lib.wording import counted

ASSUMED_HIT_RATE: Final = 0.6  # share of the most that could be found, until earlier runs tell
TELLING_ROWS: Final = 100  # finished rows of earlier runs below which the assumption stays
MAILBOXES_AT_MOST: Final = 5  # per company; no limit is documented and each is paid, so this is a guess
PRICE_SOURCE: Final = (
    "Prices are third-party figures (two published clients agree), not Openmart's own list; "
    "OPENMART_PRICES changes them."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What earlier runs of the same kind found.

    Attributes:
        runs, rows: How many runs and finished rows it rests on.
        found: By what is paid ("email", "phone", "mailbox", "technology"), how many were found for each one
            asked for.
    """

    runs: int = 0
    rows: int = 0
    found: Mapping[str, float] = field(default_factory=dict)

    @property
    def tells(self) -> bool:
        """Whether it rests on enough rows to be believed."""
        return self.rows >= TELLING_ROWS


NOT_MEASURED: Final = Measured()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run may cost, in credits, and how long sending takes, in seconds.

    Attributes:
        expected: Credits if what ``expected_basis`` says holds.
        at_most: Credits if everything asked for is found.
        formula: How ``at_most`` comes about: "12,000 x 1 person x email 3".
        batches: Submissions needed.
        send_seconds: Seconds until the last batch is sent; Openmart's own time comes on top.
        price_source: Where the prices come from, one sentence.
        expected_basis: What ``expected`` rests on, one sentence.
        expected_short: The same in a few words: "if 60% found".
        measured: What earlier runs found; below ``TELLING_ROWS`` it is not used.
        each: Credits at most for a task, or with ``per_person`` for each person asked for in it.
        prices: Credits per found value.
    """

    expected: float
    at_most: float
    formula: str
    batches: int
    send_seconds: float
    price_source: str
    expected_basis: str
    expected_short: str
    measured: Measured
    each: float
    per_person: bool
    prices: Prices

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types: what is kept with the run and printed by ``--dry-run --json``."""
        return asdict(self)


def estimate(
    kind: Kind,
    options: RunOptions,
    *,
    tasks: int,
    people: int,
    prices: Prices,
    submit_concurrency: int,
    seconds_per_submission: float = SUBMIT_SECONDS,
    measured: Measured = NOT_MEASURED,
) -> Estimate:
    """Estimate the credits and the sending time of a run.

    Args:
        options: What is asked for; ``max_k`` and ``info_access`` matter here.
        tasks: Tasks to send (companies; for known people, tasks or groups of them).
        people: People in all tasks together; only known people are paid by person.
        prices: Credits per found value.
        submit_concurrency: Submissions under way at the same time.
        seconds_per_submission: Seconds until one submission is answered.
        measured: What earlier runs found; the assumption stays while that is too little to tell.
    """
    count, price_words, price = _price(kind, options, tasks=tasks, people=people, prices=prices)
    at_most = count * price
    batches = math.ceil(tasks / MAX_TASKS_PER_BATCH)
    per_person = kind is Kind.LOOKUP_PEOPLE
    units = people if per_person else tasks
    share, basis, short = _expectation(kind, options, prices, measured)
    return Estimate(
        expected=at_most * share,
        at_most=at_most,
        formula=price_words,
        batches=batches,
        send_seconds=math.ceil(batches / max(1, submit_concurrency)) * seconds_per_submission,
        price_source=PRICE_SOURCE,
        expected_basis=basis,
        expected_short=short,
        measured=measured,
        each=at_most / units if units else 0.0,
        per_person=per_person,
        prices=prices,
    )


def _expectation(
    kind: Kind, options: RunOptions, prices: Prices, measured: Measured
) -> tuple[float, str, str]:
    """Return the share of the most that is expected to be paid, what it rests on, and that in a few words."""
    if not measured.tells:
        seen = f"your earlier runs have {measured.rows:,} finished rows, too few to tell"
        known = seen if measured.rows else "nobody has measured it on your lists yet"
        words = f"Expected assumes that {ASSUMED_HIT_RATE:.0%} of what is asked for is found; {known}."
        return ASSUMED_HIT_RATE, words, f"if {ASSUMED_HIT_RATE:.0%} found"
    paid = _paid(kind, options, prices)
    most = sum(price * number for _, price, number in paid)
    likely = sum(price * min(number, measured.found.get(thing, 0.0)) for thing, price, number in paid)
    runs = "last run" if measured.runs == 1 else f"last {measured.runs:,} runs"
    words = f"Expected rests on your {runs}, {measured.rows:,} rows: {_found_words(kind, paid, measured)}."
    return (likely / most if most else 0.0), words, f"as in your {runs}"


def _paid(kind: Kind, options: RunOptions, prices: Prices) -> list[tuple[str, float, int]]:
    """Return what is paid for each company or person asked for: its name, its price, how many at most."""
    if kind is Kind.FIND_TECH:
        return [("technology", prices.technology, 1)]
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return [("mailbox", prices.mailbox, MAILBOXES_AT_MOST)]
    by_field = {InfoField.EMAIL: ("email", prices.email), InfoField.PHONE: ("phone", prices.phone)}
    return [(*by_field[each], 1) for each in InfoField if each in options.info_access]


def _found_words(kind: Kind, paid: list[tuple[str, float, int]], measured: Measured) -> str:
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return f"{measured.found.get('mailbox', 0.0):.1f} mailboxes found for each company"
    if kind is Kind.FIND_TECH:
        return f"{measured.found.get('technology', 0.0):.0%} of the checks were finished, and so paid"
    of = "people asked for" if kind is Kind.LOOKUP_PEOPLE else "people wanted"
    found = " and ".join(f"{thing} found for {measured.found.get(thing, 0.0):.0%}" for thing, _, _ in paid)
    return f"{found} of the {of}"


def _price(
    kind: Kind, options: RunOptions, *, tasks: int, people: int, prices: Prices
) -> tuple[int, str, float]:
    """Return how many things are paid at most, the formula in words, and the credits for each."""
    companies = counted(tasks, "company", "companies")
    if kind is Kind.FIND_TECH:
        return tasks, f"{companies} x technology {prices.technology:g}", prices.technology
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        words = f"{companies} x {MAILBOXES_AT_MOST} mailboxes (assumed) x mailbox {prices.mailbox:g}"
        return tasks * MAILBOXES_AT_MOST, words, prices.mailbox
    words, price = _fields(options, prices)
    if kind is Kind.LOOKUP_PEOPLE:
        return people, f"{counted(people, 'person', 'people')} x {words}", price
    each = counted(options.max_k, "person", "people")
    return tasks * options.max_k, f"{tasks:,} x {each} x {words}", price


def _fields(options: RunOptions, prices: Prices) -> tuple[str, float]:
    by_field = {InfoField.EMAIL: ("email", prices.email), InfoField.PHONE: ("phone", prices.phone)}
    asked = [by_field[field] for field in InfoField if field in options.info_access]
    words = " + ".join(f"{name} {price:g}" for name, price in asked)
    return (f"({words})" if len(asked) > 1 else words), sum(price for _, price in asked)
