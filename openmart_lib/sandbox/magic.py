"""Magic domains: companies whose results are fixed, for demonstrations and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from openmart_lib.api.wire import TaskStatus

SOMETHING: Final = "something"  # a task that is no miss


@dataclass(frozen=True, slots=True)
class Magic:
    """What is fixed about a company; the rest is drawn as for any other."""

    says: str
    ending: TaskStatus = TaskStatus.COMPLETED
    miss: Any = SOMETHING  # the ``data`` of a task that finds nothing
    people: int = 1  # what find_people finds, as far as max_k allows
    contact: Literal["full", "doubtful", "none"] = "full"
    same_name: bool = False
    other_name: bool = False
    formulas: bool = False


MAGIC: Final = {
    "errored.example": Magic("the task ends ERRORED", ending=TaskStatus.ERRORED),
    "cancelled.example": Magic("the task ends CANCELLED", ending=TaskStatus.CANCELLED),
    "stuck.example": Magic("the task never leaves PROCESSING", ending=TaskStatus.PROCESSING),
    "nobody.example": Magic("finds nothing: data is [], a looked-up person comes back with nulls", miss=[]),
    "null.example": Magic("finds nothing: data is null", miss=None),
    "absent.example": Magic("finds nothing: there is no data member", miss=msgspec.UNSET),
    "nocontact.example": Magic("one person without email and phone; mailboxes: data is []", contact="none"),
    "people3.example": Magic("three people with email and phones, fewer if max_k is smaller", people=3),
    "everything.example": Magic("one person: verified email, valid mobile and landline; two VALID mailboxes"),
    "unverified.example": Magic(
        "one person: email not verified, phone not valid; two INVALID mailboxes", contact="doubtful"
    ),
    "namesakes.example": Magic("two people of the same name, if max_k allows", people=2, same_name=True),
    "otherperson.example": Magic("lookup_people answers with a name nobody asked for", other_name=True),
    "formulas.example": Magic("names and titles that a spreadsheet takes for formulas", formulas=True),
}

MAGIC_DOMAINS: Final = {domain: magic.says for domain, magic in MAGIC.items()}
