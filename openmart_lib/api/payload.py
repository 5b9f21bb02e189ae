"""A task's ``data``, read tolerantly into our own values.

The route decides the shape and nothing in the answer names it; any member may be missing, null or of
another form (an e-mail as an object or a plain string). What cannot be read is kept raw, never dropped.
Source: the Openmart API description, PersonList, MailboxList, TechData.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from openmart_lib.api.wire import Kind


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone number; ``line_type`` is the server's word (MOBILE is the only one shown)."""

    number: str
    line_type: str | None = None
    valid: bool | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One element of a task's ``data``: a contact, a mailbox or a technology; ``raw`` as it came."""

    raw: Any
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    linkedin_url: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    email_status: str | None = None  # mailboxes only
    phones: tuple[Phone, ...] = ()
    technology: str | None = None


def read_records(kind: Kind, data: Any) -> list[Record]:
    """Return the records of a task's ``data``, in the server's order; nothing found gives an empty list."""
    if kind is Kind.FIND_TECH:
        return _technologies(data)
    elements = [element for element in _as_list(data) if element is not None]
    read = _mailbox if kind is Kind.LOOKUP_BUSINESS_EMAIL else _person
    return [read(element) for element in elements]


def best_phone(phones: tuple[Phone, ...]) -> Phone | None:
    """Return the first valid mobile, else the first valid number, else the first."""
    valid = [phone for phone in phones if phone.valid]
    mobile = [phone for phone in valid if (phone.line_type or "").upper() == "MOBILE"]
    return next(iter(mobile or valid or phones), None)


def _person(element: Any) -> Record:
    if not isinstance(element, dict):
        return Record(raw=element)
    email, verified = _email(element.get("email"))
    return Record(
        raw=element,
        first_name=_text(element.get("first_name")),
        last_name=_text(element.get("last_name")),
        title=_text(element.get("title")),
        linkedin_url=_text(element.get("linkedin_url")),
        email=email,
        email_verified=verified,
        phones=tuple(phone for item in _as_list(element.get("phones")) if (phone := _phone(item))),
    )


def _mailbox(element: Any) -> Record:
    if isinstance(element, str):
        return Record(raw=element, email=_text(element))
    if not isinstance(element, dict):
        return Record(raw=element)
    email, verified = _email(element.get("email"))
    return Record(
        raw=element, email=email, email_verified=verified, email_status=_text(element.get("status"))
    )


def _technologies(data: Any) -> list[Record]:
    """Read find_tech's undocumented ``data``: empty or a plain false is a miss, the rest is shown raw."""
    found = []
    for element in data if isinstance(data, list) else [data]:
        if element is None or element is False or element in ("", {}, []):
            continue
        if isinstance(element, dict) and any(
            element.get(name) is False for name in ("found", "detected", "uses")
        ):
            continue
        found.append(Record(raw=element, technology=_technology_name(element)))
    return found


def _technology_name(element: Any) -> str | None:
    if isinstance(element, str):
        return _text(element)
    if isinstance(element, dict):
        for name in ("technology", "tech_type", "name"):
            if text := _text(element.get(name)):
                return text
    return None


def _email(value: Any) -> tuple[str | None, bool | None]:
    if isinstance(value, dict):
        verified = value.get("verified")
        return _text(value.get("email")), verified if isinstance(verified, bool) else None
    return _text(value), None


def _phone(value: Any) -> Phone | None:
    if isinstance(value, dict):
        number = _text(value.get("phone_number"))
        valid = value.get("valid")
        if number is None:
            return None
        return Phone(number, _text(value.get("line_type")), valid if isinstance(valid, bool) else None)
    number = _text(value)
    return Phone(number) if number else None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None
