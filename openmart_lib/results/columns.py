"""The columns of results: which are ours, in which order, and what an uploaded one is called beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from openmart_lib.api.wire import Kind
from openmart_lib.results.flatten import FOUND_SCHEMA

# Worked out from what was found; without "found_", because no answer holds them. See ``derived``.
DERIVED_COLUMNS: Final = (
    *("title_fit", "email_domain_agrees", "email_free_mail"),
    *("phone_international", "phone_type"),
)
# Ours, after the uploaded columns, in this order; the numbered ones stand before ``record_no``.
OWN_COLUMNS: Final = (
    *("outcome", "outcome_reason", "result", "duplicate_of", "row", "file_line", "domain", "asked_title"),
    *FOUND_SCHEMA,
    *DERIVED_COLUMNS,
    *("record_no", "record_count", "tracking_id", "task_id", "batch_id", "run_name", "kind", "fetched_at"),
)
MAX_CONTACTS: Final = 8  # numbered in one line; more of a row are in the shape long
_PERSON: Final = (
    *("first_name", "last_name", "title", "email", "email_verified"),
    *("phone", "phone_type", "linkedin_url"),
)
CONTACT_FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.FIND_PEOPLE: _PERSON,
    Kind.LOOKUP_PEOPLE: _PERSON,
    Kind.LOOKUP_BUSINESS_EMAIL: ("email", "email_status"),
    Kind.FIND_TECH: ("technology",),
}
COMPANY_ROWS: Final = "company_rows"  # last column of the shape ``companies``
TRIES: Final = "tries"  # last column of a chain of runs
_NUMBERED: Final = frozenset(
    f"contact_{number}_{name}"
    for number in range(1, MAX_CONTACTS + 1)
    for fields in CONTACT_FIELDS.values()
    for name in fields
)
_TAKEN: Final = frozenset(OWN_COLUMNS) | _NUMBERED | {COMPANY_ROWS, TRIES}


def contact_columns(kinds: Iterable[Kind], count: int) -> list[str]:
    """Return the numbered columns of so many contacts, number by number."""
    fields = list(dict.fromkeys(name for kind in kinds for name in CONTACT_FIELDS[kind]))
    return [f"contact_{number}_{name}" for number in range(1, count + 1) for name in fields]


def in_order(own: Iterable[str]) -> list[str]:
    """Return columns of ours in the written order, numbered ones by number before ``record_no``."""
    known = set(own)
    numbered = [name for kind in Kind for name in contact_columns([kind], MAX_CONTACTS) if name in known]
    numbered = sorted(dict.fromkeys(numbered), key=lambda name: int(name.split("_")[1]))
    place = OWN_COLUMNS.index("record_no")
    every = (*OWN_COLUMNS[:place], *numbered, *OWN_COLUMNS[place:], COMPANY_ROWS, TRIES)
    return [name for name in every if name in known]


def uploaded_names(columns: Sequence[str]) -> dict[str, str]:
    """Return what each uploaded column is called in our frames and files.

    A name that is one of ours gets `` (uploaded)``, then `` (uploaded 2)`` where that is taken too.
    """
    used = _TAKEN | set(columns)
    names: dict[str, str] = {}
    for column in columns:
        name, number = column, 1
        while name in _TAKEN or (name != column and name in used):
            suffix = "uploaded" if number == 1 else f"uploaded {number}"
            name, number = f"{column} ({suffix})", number + 1
        used |= {name}
        names[column] = name
    return names
