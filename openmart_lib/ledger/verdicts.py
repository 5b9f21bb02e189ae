"""What a task's answer means for the rows it answers for. Pure; the same rule for pages, files and counts.

People of a group are found again by LinkedIn profile, else by normalised name, never by position.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final
from urllib.parse import unquote

from openmart_lib.api.payload import Record, read_records
from openmart_lib.api.wire import InfoField, Kind, TaskStatus
from openmart_lib.ledger.states import Outcome
from openmart_lib.wording import counted

# Letters that differ from a plain one by a stroke, which Unicode does not take apart.
_STROKES: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
UNUSABLE_MAILBOX: Final = frozenset({"INVALID", "NOT_FOUND", "NONE"})  # statuses of one that is dead


class Flag(IntEnum):
    """What was found for a row; several are added up to a number, so that counters change with it.

    Plain numbers: this runs for every row, and an ``IntFlag`` costs ten times as much.
    """

    EMAIL = 1
    VERIFIED_EMAIL = 2
    PHONE = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one row of a task: ``person_no`` 0 for a company, 1.. for the people asked for.

    ``record_nos`` are the 1-based positions in ``data`` that belong to this row.
    """

    person_no: int
    outcome: Outcome
    reason: str
    record_nos: tuple[int, ...] = ()
    flags: int = 0  # of ``Flag``


def judge(kind: Kind, request: dict[str, Any], status: str, data: Any) -> list[Verdict]:
    """Return one verdict per row that the task answers for; empty while the task is not final.

    What a batch made by another tool asked for is not known (``{}``): any contact data counts as asked for,
    and of several people in a task all belong to its one row.
    """
    return judge_records(kind, request, status, read_records(kind, data))


def judge_records(kind: Kind, request: dict[str, Any], status: str, records: list[Record]) -> list[Verdict]:
    """Return the verdicts as ``judge``, for whoever has read the records of the task's ``data`` already."""
    people = request.get("people", []) if kind is Kind.LOOKUP_PEOPLE else []
    persons = list(range(1, len(people) + 1)) or [0]
    if status == TaskStatus.ERRORED:
        return [Verdict(no, Outcome.ERRORED, "Openmart reported an error for this task") for no in persons]
    if status == TaskStatus.CANCELLED:
        return [Verdict(no, Outcome.CANCELLED, "Openmart cancelled this task") for no in persons]
    if status != TaskStatus.COMPLETED:
        return []
    asked = frozenset(request.get("info_access", InfoField))  # left out, it buys both
    if not people:
        every = tuple(range(1, len(records) + 1))
        return [_verdict(kind, 0, every, records, asked, {} if kind is Kind.LOOKUP_PEOPLE else None)]
    owned = assign(people, records)
    return [_verdict(kind, no, tuple(owned.get(no, ())), records, asked, people[no - 1]) for no in persons]


def assign(people: list[dict[str, Any]], records: list[Record]) -> dict[int, list[int]]:
    """Return record numbers per asked person (both 1-based); records that fit nobody are in none.

    Someone asked for alone owns every record: the tracking id says whose it is. Of several people, a
    LinkedIn profile decides before a name does. What two of them share tells neither.
    """
    if len(people) == 1:
        return {1: list(range(1, len(records) + 1))}
    by_slug = _only_ones(_slug(person.get("linkedin_url")) for person in people)
    by_name = _only_ones(_name(person.get("first_name"), person.get("last_name")) for person in people)
    owned: dict[int, list[int]] = {}
    for record_no, record in enumerate(records, 1):
        slug = _slug(record.linkedin_url)
        person = by_slug.get(slug) if slug else None
        if person is None:
            person = by_name.get(_name(record.first_name, record.last_name) or "")
        if person is not None:
            owned.setdefault(person, []).append(record_no)
    return owned


def _verdict(
    kind: Kind,
    person_no: int,
    record_nos: tuple[int, ...],
    records: list[Record],
    asked: frozenset[str],
    person: dict[str, Any] | None = None,
) -> Verdict:
    own = [records[no - 1] for no in record_nos]
    if not own:
        if records:
            return Verdict(person_no, Outcome.NO_MATCH, "another person came back, not the one asked for")
        return Verdict(person_no, Outcome.NO_MATCH, "nothing was found")
    if kind is Kind.FIND_TECH:
        return Verdict(person_no, Outcome.MATCHED, "the technology was found", record_nos)
    flags = 0
    for record in own:
        flags |= _flags(kind, record)
    if kind is Kind.FIND_PEOPLE and not any(_is_somebody(record) for record in own):
        return Verdict(person_no, Outcome.NO_MATCH, "nothing that can be read was found", record_nos)
    if kind is Kind.LOOKUP_BUSINESS_EMAIL:
        if flags & Flag.EMAIL:
            return Verdict(
                person_no, Outcome.MATCHED, counted(len(own), "mailbox", "mailboxes"), record_nos, flags
            )
        return Verdict(person_no, Outcome.NO_MATCH, "no usable mailbox was found", record_nos)
    wanted = 0
    if InfoField.EMAIL in asked:
        wanted |= Flag.EMAIL
    if InfoField.PHONE in asked:
        wanted |= Flag.PHONE
    if flags & wanted:
        return Verdict(person_no, Outcome.MATCHED, _found_words(own, flags), record_nos, flags)
    if person is not None and not any(_more_than_asked(record, person) for record in own):
        # The server answers a miss with the name it was asked for and nulls.
        return Verdict(person_no, Outcome.NO_MATCH, "nothing was found for this person", record_nos)
    return Verdict(person_no, Outcome.PARTIAL, "a person was found, but no contact data", record_nos, flags)


def _flags(kind: Kind, record: Record) -> int:
    flags = 0
    usable = record.email and (record.email_status or "").upper() not in UNUSABLE_MAILBOX
    if usable:
        flags |= Flag.EMAIL
        verified = record.email_verified or (
            kind is Kind.LOOKUP_BUSINESS_EMAIL and (record.email_status or "").upper() == "VALID"
        )
        if verified:
            flags |= Flag.VERIFIED_EMAIL
    if record.phones:
        flags |= Flag.PHONE
    return flags


def _found_words(own: list[Record], flags: int) -> str:
    parts = [counted(len(own), "person", "people")]
    if flags & Flag.VERIFIED_EMAIL:
        parts.append("verified email")
    elif flags & Flag.EMAIL:
        parts.append("email, not verified")
    if flags & Flag.PHONE:
        parts.append("phone")
    return ", ".join(parts)


def _is_somebody(record: Record) -> bool:
    named = record.first_name or record.last_name or record.title or record.linkedin_url
    return bool(named or record.email or record.phones)


def _more_than_asked(record: Record, person: dict[str, Any]) -> bool:
    profile = _slug(record.linkedin_url)
    new_profile = profile is not None and profile != _slug(person.get("linkedin_url"))
    return bool(record.title or new_profile or record.email or record.phones)


def _only_ones(keys: Iterable[str | None]) -> dict[str, int]:
    """Return the 1-based position of every key that stands there once; keys that say nothing are in none."""
    positions: dict[str, list[int]] = {}
    for position, key in enumerate(keys, 1):
        if key:
            positions.setdefault(key, []).append(position)
    return {key: found[0] for key, found in positions.items() if len(found) == 1}


def _slug(url: str | None) -> str | None:
    match = re.search(r"linkedin\.com/(?:in|pub)/([^/?#\s]+)", url or "", re.IGNORECASE)
    return unicodedata.normalize("NFC", unquote(match[1])).casefold() if match else None


def _name(first: str | None, last: str | None) -> str | None:
    plain = unicodedata.normalize("NFKD", f"{first or ''} {last or ''}")
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(re.findall(r"\w+", letters.casefold().translate(_STROKES))) or None
