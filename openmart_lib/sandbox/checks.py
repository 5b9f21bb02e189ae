"""What a submission must look like: every rule of the contract, and the words it is refused with.

Exact wordings are known for the batch size, ``Domain is required`` and ``CompanyName is required``; the
other refusals follow their pattern with the server's Go names. Nothing names the task that failed.
Source: the project's Openmart OpenAPI file (schemas, ``x-validator-field-names``) and its README.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from openmart_lib.api.wire import (
    MAX_DOMAIN_LENGTH,
    MAX_K,
    MAX_PEOPLE_PER_TASK,
    MAX_TASKS_PER_BATCH,
    MAX_TRACKING_ID_LENGTH,
    MIN_DOMAIN_LENGTH,
    MIN_TASKS_PER_BATCH,
    InfoField,
    Kind,
)

BATCH_SIZE: Final = (
    f"the number of tasks in each batch should be between {MIN_TASKS_PER_BATCH} and {MAX_TASKS_PER_BATCH}"
)
UNREADABLE: Final = "invalid JSON body"

_DOMAIN: Final = re.compile(r"@?[^\s@/:?#]+\.[^\s@/:?#.]+")
_GO_NAMES: Final = {
    "domain": "Domain",
    "company_name": "CompanyName",
    "title": "Title",
    "max_k": "MaxK",
    "people": "People",
    "first_name": "FirstName",
    "last_name": "LastName",
    "linkedin_url": "LinkedinUrl",
    "tech_type": "TechType",
    "info_access": "InfoAccess",
    "city": "City",
    "state": "State",
    "country": "Country",
    "version": "Version",
    "tracking_id": "TrackingID",
    "notify_url": "NotifyUrl",
}


class RefusalError(Exception):
    """A request body that the contract does not allow; the text is the answer's ``detail``."""


def read_tasks(kind: Kind, body: bytes) -> list[dict[str, Any]]:
    """Return the tasks of a submission.

    Raises:
        RefusalError: With the server's words, if the body, the number of tasks or any task is not allowed.
    """
    try:
        tasks = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise RefusalError(UNREADABLE) from None
    if not isinstance(tasks, list):
        raise RefusalError(UNREADABLE)
    if not MIN_TASKS_PER_BATCH <= len(tasks) <= MAX_TASKS_PER_BATCH:
        raise RefusalError(BATCH_SIZE)
    required, members = _TASKS[kind]
    for task in tasks:
        _check(task, required, members)
    return tasks


Rule = Callable[[Any], bool]


def _check(value: Any, required: tuple[str, ...], members: Mapping[str, Rule]) -> None:
    if not isinstance(value, dict):
        raise RefusalError(UNREADABLE)
    for name in value:
        if name not in members:
            # the wording of Go's own decoder when unknown members are forbidden
            raise RefusalError(f'json: unknown field "{name}"')
    for name in required:
        if value.get(name) in (None, "", []):
            raise RefusalError(f"{_GO_NAMES[name]} is required")
    for name, given in value.items():
        if not members[name](given):
            raise RefusalError(f"{_GO_NAMES[name]} is invalid")


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _domain(value: Any) -> bool:
    return (
        isinstance(value, str)
        and MIN_DOMAIN_LENGTH <= len(value) <= MAX_DOMAIN_LENGTH
        and _DOMAIN.fullmatch(value) is not None
    )


def _tracking_id(value: Any) -> bool:
    return _text(value) and len(value) <= MAX_TRACKING_ID_LENGTH


def _notify_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("https://") and len(value) > len("https://")


def _info_access(value: Any) -> bool:
    known = {field.value for field in InfoField}
    return (
        isinstance(value, list)
        and 1 <= len(value) <= len(known)
        and all(isinstance(field, str) and field in known for field in value)
        and len(set(value)) == len(value)
    )


def _whole_number(low: int, high: int) -> Rule:
    return lambda value: type(value) is int and low <= value <= high  # True is an int, and not a number here


def _people(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > MAX_PEOPLE_PER_TASK:
        return False
    for person in value:
        _check(person, ("first_name", "last_name"), _PERSON)
    return True


_PERSON: Final[dict[str, Rule]] = {"first_name": _text, "last_name": _text, "linkedin_url": _text}
_PLACE: Final[dict[str, Rule]] = {"city": _text, "state": _text, "country": _text}
_ANY: Final[dict[str, Rule]] = {"domain": _domain, "company_name": _text, "tracking_id": _tracking_id}
_TASKS: Final[dict[Kind, tuple[tuple[str, ...], dict[str, Rule]]]] = {
    Kind.FIND_PEOPLE: (
        ("domain", "title"),
        {
            **_ANY,
            **_PLACE,
            "title": _text,
            "max_k": _whole_number(1, MAX_K),
            "info_access": _info_access,
            "version": _whole_number(0, 1),
            "notify_url": _notify_url,
        },
    ),
    Kind.LOOKUP_PEOPLE: (
        ("domain", "people"),
        {**_ANY, **_PLACE, "people": _people, "info_access": _info_access, "notify_url": _notify_url},
    ),
    Kind.LOOKUP_BUSINESS_EMAIL: (("domain", "company_name"), {**_ANY, **_PLACE, "notify_url": _notify_url}),
    Kind.FIND_TECH: (("domain", "tech_type"), {**_ANY, "tech_type": _text}),
}
