"""Check tasks before they are sent: even a refused submission costs the server's 26 seconds.

Everything the documents let us check is checked here. Errors name the task and the field, never the
value: it may be somebody's name.
Source: the project's OpenAPI files for Openmart and Lance (request schemas).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

from openmart_lib.api.wire import (
    MAX_DOMAIN_LENGTH,
    MAX_K,
    MAX_LANCE_QUERY,
    MAX_PEOPLE_PER_TASK,
    MAX_TASKS_PER_BATCH,
    MAX_TRACKING_ID_LENGTH,
    MIN_DOMAIN_LENGTH,
    MIN_TASKS_PER_BATCH,
    InfoField,
    Kind,
    LanceEntityType,
    LanceField,
)
from openmart_lib.errors import InputError

Check = Callable[[object], str | None]
"""Says what is wrong with a value ("must be ..."), or None."""


def validate_tasks(kind: Kind, tasks: Sequence[Mapping[str, object]]) -> None:
    """Check one batch of an endpoint.

    Raises:
        InputError: At the first problem, with ``row`` (1-based position in the batch) and ``column``.
    """
    _check_count(tasks, MIN_TASKS_PER_BATCH, MAX_TASKS_PER_BATCH)
    seen: dict[object, int] = {}
    for row, task in enumerate(tasks, start=1):
        _check_object(task, _TASKS[Kind(kind)], row)
        if kind == Kind.LOOKUP_PEOPLE:
            _check_people(task["people"], row)
        if "tracking_id" in task and seen.setdefault(task["tracking_id"], row) != row:
            _refuse(row, "tracking_id", f"is the same as in task {seen[task['tracking_id']]}")


def validate_lance_query(tasks: Sequence[Mapping[str, object]]) -> None:
    """Check one Lance query.

    Raises:
        InputError: At the first problem, with ``row`` (1-based position in the query) and ``column``.
    """
    _check_count(tasks, 1, MAX_LANCE_QUERY)
    for row, task in enumerate(tasks, start=1):
        _check_object(task, _LANCE_TASK, row)


def _check_count(tasks: object, low: int, high: int) -> None:
    if not isinstance(tasks, Sequence) or isinstance(tasks, str | bytes):
        raise InputError("The tasks must be a list. Nothing was sent. Give a list of tasks.")
    if not low <= len(tasks) <= high:
        raise InputError(
            f"A request takes {low} to {high} tasks, and these are {len(tasks)}. Nothing was sent. "
            "Divide them differently."
        )


def _check_object(task: object, fields: Mapping[str, tuple[bool, Check]], row: int, within: str = "") -> None:
    if not isinstance(task, Mapping):
        _refuse(row, within.rstrip(".") or "task", "must be an object with named fields")
    for name in task:
        if name not in fields:
            # An unknown name can be anything, so only one that looks like a field's is repeated.
            shown = name if isinstance(name, str) and re.fullmatch(r"[a-zA-Z_]{1,40}", name) else "?"
            _refuse(row, within + shown, "is not a field of this request")
    for name, (required, check) in fields.items():
        if name in task:
            if problem := check(task[name]):
                _refuse(row, within + name, problem)
        elif required:
            _refuse(row, within + name, "is missing")


def _check_people(people: object, row: int) -> None:
    if not isinstance(people, list | tuple) or not 1 <= len(people) <= MAX_PEOPLE_PER_TASK:
        _refuse(row, "people", f"must be a list of 1 to {MAX_PEOPLE_PER_TASK} people")
    for number, person in enumerate(people, start=1):
        _check_object(person, _PERSON, row, within=f"people[{number}].")


def _refuse(row: int, column: str, problem: str) -> NoReturn:
    raise InputError(
        f"Task {row}: {column} {problem}. Nothing was sent. Correct it, then try again.",
        row=row,
        column=column,
    )


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if not value.strip():
        return "must not be empty"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds a broken character"
    return None


def _domain(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if not MIN_DOMAIN_LENGTH <= len(value) <= MAX_DOMAIN_LENGTH:
        return f"must have {MIN_DOMAIN_LENGTH} to {MAX_DOMAIN_LENGTH} characters"
    if value != value.lower() or not re.fullmatch(r"([^\s@/:?#.]+\.)+[^\s@/:?#.]+", value):
        return "must be a bare host in lower case, such as acme.com"
    return _text(value)


def _tech_type(value: object) -> str | None:
    if problem := _text(value):
        return problem
    return None if value == str(value).lower() else "must be in lower case"


def _whole_number(low: int, high: int) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"must be a whole number from {low} to {high}"

    return check


def _one_of(*allowed: str) -> Check:
    def check(value: object) -> str | None:
        return None if isinstance(value, str) and value in allowed else f"must be {' or '.join(allowed)}"

    return check


def _info_access(value: object) -> str | None:
    known = {str(name) for name in InfoField}
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(name, str) and name in known for name in value)
        and len(set(value)) == len(value)
    ):
        return None
    return "must name EMAIL, PHONE or both, each once"


def _tracking_id(value: object) -> str | None:
    if problem := _text(value):
        return problem
    if len(str(value)) > MAX_TRACKING_ID_LENGTH:
        return f"must have 1 to {MAX_TRACKING_ID_LENGTH} characters"
    return None


def _notify_url(value: object) -> str | None:
    try:
        fine = isinstance(value, str) and _is_https_url(value)
    except ValueError:  # urlsplit's word on a broken address
        fine = False
    return None if fine else "must be an https address with a host"


def _is_https_url(text: str) -> bool:
    parts = urlsplit(text)
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and not re.search(r"[\s\x00-\x1f\ud800-\udfff]", text)
        and parts.port != 0  # reading the port also checks it
    )


def _uuid(value: object) -> str | None:
    pattern = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    return None if isinstance(value, str) and re.fullmatch(pattern, value) else "must be a UUID"


def _any(value: object) -> str | None:
    return None  # checked by itself


_REQUIRED: Final = True
_OPTIONAL: Final = False

_COMPANY: Final[dict[str, tuple[bool, Check]]] = {
    "domain": (_REQUIRED, _domain),
    "company_name": (_OPTIONAL, _text),
    "tracking_id": (_OPTIONAL, _tracking_id),
}
_PLACE: Final[dict[str, tuple[bool, Check]]] = {
    "city": (_OPTIONAL, _text),
    "state": (_OPTIONAL, _text),
    "country": (_OPTIONAL, _text),
    "notify_url": (_OPTIONAL, _notify_url),
}
# info_access and max_k have defaults at the server, and they buy more than was meant: always said.
_TASKS: Final[dict[Kind, dict[str, tuple[bool, Check]]]] = {
    Kind.FIND_PEOPLE: {
        **_COMPANY,
        **_PLACE,
        "title": (_REQUIRED, _text),
        "max_k": (_REQUIRED, _whole_number(1, MAX_K)),
        "info_access": (_REQUIRED, _info_access),
        "version": (_OPTIONAL, _whole_number(0, 1)),
    },
    Kind.LOOKUP_PEOPLE: {
        **_COMPANY,
        **_PLACE,
        "people": (_REQUIRED, _any),
        "info_access": (_REQUIRED, _info_access),
    },
    Kind.LOOKUP_BUSINESS_EMAIL: {**_COMPANY, **_PLACE, "company_name": (_REQUIRED, _text)},
    Kind.FIND_TECH: {**_COMPANY, "tech_type": (_REQUIRED, _tech_type)},
}
_PERSON: Final[dict[str, tuple[bool, Check]]] = {
    "first_name": (_REQUIRED, _text),
    "last_name": (_REQUIRED, _text),
    "linkedin_url": (_OPTIONAL, _text),
}
_LANCE_TASK: Final[dict[str, tuple[bool, Check]]] = {
    "entityId": (_REQUIRED, _uuid),
    "field": (_REQUIRED, _one_of(*LanceField)),
    "entityType": (_REQUIRED, _one_of(*LanceEntityType)),
}
