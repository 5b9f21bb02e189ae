"""The simulated world: what a task finds, as a pure function of its kind and content.

The same request always finds the same, whoever asks and whenever; ``tracking_id`` and ``notify_url`` play
no part. Nothing can be mistaken for real: every e-mail address ends in ``.invalid``, every profile address
starts with ``https://www.linkedin.com/in/sandbox-``, every phone number is one that regulators keep free
for fiction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from openmart_lib.api.wire import InfoField, Kind, TaskStatus
from openmart_lib.sandbox.company import Company
from openmart_lib.sandbox.dice import Dice
from openmart_lib.sandbox.magic import SOMETHING
from openmart_lib.sandbox.names import EVIDENCE, MAILBOXES
from openmart_lib.sandbox.people import empty_person, found_people, looked_up_people

EMAIL_PRICE: Final = 3  # credits; the prices two published clients agree on (API README, "Credits")
PHONE_PRICE: Final = 8  # per person with at least one number
MAILBOX_PRICE: Final = 1
TECHNOLOGY_PRICE: Final = 2  # per COMPLETED task
MAX_MAILBOXES: Final = 4

_ERRORED_PERCENT: Final = 3
_CANCELLED_PERCENT: Final = 1
_NOTHING_PERCENT: Final = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """What a task ends with. ``data`` is ``UNSET`` where the answer has no such member."""

    status: TaskStatus  # PROCESSING: the task never ends
    data: Any
    credits: int


def find(kind: Kind, task: Mapping[str, Any]) -> Finding:
    """Return what a valid task of this kind ends with, and what that costs in credits."""
    company = Company.of(task)
    dice = Dice(kind, company.domain, company.place, *_question(kind, task))
    status = _ending(company, dice)
    if status is not TaskStatus.COMPLETED:
        return Finding(status, None, 0)
    data = _data(kind, task, company, dice)
    return Finding(status, data, _price(kind, data))


def worst_case(kind: Kind, task: Mapping[str, Any]) -> int:
    """Return the most credits a task can cost: what the server reserves a part of."""
    if kind is Kind.FIND_TECH:
        return TECHNOLOGY_PRICE
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return MAX_MAILBOXES * MAILBOX_PRICE
    people = len(task["people"]) if kind is Kind.LOOKUP_PEOPLE else int(task.get("max_k", 1))
    fields = _wanted(task)
    return people * (EMAIL_PRICE * (InfoField.EMAIL in fields) + PHONE_PRICE * (InfoField.PHONE in fields))


def _wanted(task: Mapping[str, Any]) -> frozenset[str]:
    """The contact fields asked for; leaving ``info_access`` out asks for both (API README, "Limits")."""
    return frozenset(task.get("info_access", (InfoField.EMAIL, InfoField.PHONE)))


def _question(kind: Kind, task: Mapping[str, Any]) -> list[str]:
    """What else decides how a task ends; ``max_k`` and ``info_access`` only bound what is shown."""
    if kind is Kind.FIND_PEOPLE:
        return [task["title"].strip().casefold(), str(task.get("version", 0))]
    if kind is Kind.LOOKUP_PEOPLE:
        return [f"{person['first_name']}|{person['last_name']}".casefold() for person in task["people"]]
    return [task["tech_type"].strip().casefold()] if kind is Kind.FIND_TECH else []


def _ending(company: Company, dice: Dice) -> TaskStatus:
    roll = dice.roll(100)
    if company.magic:
        return company.magic.ending
    if roll < _ERRORED_PERCENT:
        return TaskStatus.ERRORED
    return TaskStatus.CANCELLED if roll < _ERRORED_PERCENT + _CANCELLED_PERCENT else TaskStatus.COMPLETED


def _data(kind: Kind, task: Mapping[str, Any], company: Company, dice: Dice) -> Any:
    miss = _miss(company, dice)
    if kind is Kind.LOOKUP_PEOPLE and miss == [] and company.magic:
        return [empty_person(person) for person in task["people"]]
    # A lookup says person by person whom it does not know, so an answer without any element is rarer.
    if miss != SOMETHING and (kind is not Kind.LOOKUP_PEOPLE or company.magic or dice.chance(25)):
        return miss
    if kind is Kind.FIND_PEOPLE:
        return found_people(company, task["title"], task.get("max_k", 1), _wanted(task))
    if kind is Kind.LOOKUP_PEOPLE:
        return looked_up_people(company, task["people"], _wanted(task))
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return _mailboxes(company, dice)
    return _technology(task["tech_type"].strip().lower(), dice)


def _miss(company: Company, dice: Dice) -> Any:
    """The form a miss takes ([], null or no member), or ``SOMETHING`` when the task is none."""
    missed, form = dice.chance(_NOTHING_PERCENT), dice.roll(10)
    if company.magic:
        return company.magic.miss
    if not missed:
        return SOMETHING
    return [] if form < 7 else None if form < 9 else msgspec.UNSET


def _mailboxes(company: Company, dice: Dice) -> list[dict[str, Any]]:
    first, count = dice.roll(4), 1 + dice.roll(MAX_MAILBOXES)
    if company.magic:
        first, count = 0, 0 if company.magic.contact == "none" else 2
    return [
        {"email": f"{name}@{company.mail_host}", "status": _mailbox_status(company, dice)}
        for name in MAILBOXES[first : first + count]
    ]


def _mailbox_status(company: Company, dice: Dice) -> str | None:
    if company.magic:
        return "INVALID" if company.magic.contact == "doubtful" else "VALID"
    # Only VALID is documented; the API README says to expect others.
    return dice.pick(("INVALID", "CATCH_ALL", "UNKNOWN", None)) if dice.chance(20) else "VALID"


def _technology(tech_type: str, dice: Dice) -> Any:
    """The real layout is not documented: this one is ours, and now and then not a list."""
    found = {
        "technology": tech_type,
        "detected": True,
        "confidence": round(dice.between(0.6, 1.0), 2),
        "evidence": dice.pick(EVIDENCE),
    }
    return found if dice.chance(15) else [found]


def _price(kind: Kind, data: Any) -> int:
    if kind is Kind.FIND_TECH:
        return TECHNOLOGY_PRICE
    if not isinstance(data, list):
        return 0
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        return MAILBOX_PRICE * len(data)
    emails = sum(bool((person.get("email") or {}).get("email")) for person in data)
    return EMAIL_PRICE * emails + PHONE_PRICE * sum(bool(person.get("phones")) for person in data)
