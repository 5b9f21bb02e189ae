"""Simulated people: who works at a company, and what an answer shows of them.

Who somebody is depends on the company and the question alone. So asking for more people or more fields
shows the same people again, and then more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from openmart_lib.api.wire import MAX_K, InfoField
from openmart_lib.sandbox.company import PROFILE_PREFIX, Company, draw_contact
from openmart_lib.sandbox.dice import Dice
from openmart_lib.sandbox.names import CIRCLES, NEAR_TITLES, OTHER_TITLES, SPELLING

_CROWDS: Final = (1,) * 7 + (2,) * 5 + (3,) * 3 + (4, 5, 6, 7, MAX_K)  # people found, by likelihood
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def found_people(company: Company, title: str, max_k: int, fields: frozenset[str]) -> list[dict[str, Any]]:
    """Return 1 to ``max_k`` people near a title, with the contact fields asked for and no others."""
    asked = title.strip().casefold()
    crowd = Dice("crowd", company.domain, company.place, asked).pick(_CROWDS)
    if company.magic:
        crowd = company.magic.people
    return [_found_person(company, title, number, fields) for number in range(min(crowd, max_k))]


def _found_person(company: Company, title: str, number: int, fields: frozenset[str]) -> dict[str, Any]:
    who = ("person", company.domain, company.place, title.strip().casefold())
    naming = Dice(*who, "name", "0" if company.magic and company.magic.same_name else str(number))
    first_names, last_names = naming.pick(CIRCLES)
    (first, first_ascii), (last, last_ascii) = naming.pick(first_names), naming.pick(last_names)
    dice = Dice(*who, str(number))
    person: dict[str, Any] = {"first_name": first, "last_name": last, "title": _title(title, dice)}
    if company.magic and company.magic.formulas:
        person = {"first_name": "=1+1", "last_name": f"+{last}", "title": "-Owner"}
    contact = draw_contact(company, first_ascii, last_ascii, dice)
    if InfoField.EMAIL in fields:
        person["email"] = contact.email
    if InfoField.PHONE in fields:
        person["phones"] = contact.phones
    return person | {"linkedin_url": contact.linkedin_url}


def looked_up_people(
    company: Company, people: Sequence[Mapping[str, Any]], fields: frozenset[str]
) -> list[dict[str, Any]]:
    """Return one element per person asked for, in an order of the server's own; misses hold nulls."""
    found = [_looked_up_person(company, person, fields) for person in people]
    shift = Dice("order", company.domain, str(len(people))).roll(len(people))
    return found[shift:] + found[:shift]


def _looked_up_person(company: Company, asked: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    first, last, profile = asked["first_name"], asked["last_name"], asked.get("linkedin_url", "")
    dice = Dice("lookup", company.domain, first.strip().casefold(), last.strip().casefold(), profile)
    unknown, mistaken = dice.chance(20), dice.chance(3)
    if company.magic:
        unknown, mistaken = False, company.magic.other_name
    if unknown:
        return empty_person(asked)
    if mistaken:
        first_names, last_names = dice.pick(CIRCLES)
        first, last, profile = f"{dice.pick(first_names)[0]} {first}", dice.pick(last_names)[0], ""
    contact = draw_contact(company, _ascii(first), _ascii(last), dice)
    return {
        "first_name": first,
        "last_name": last,
        "linkedin_url": _shown_profile(profile) or contact.linkedin_url,
        "email": contact.email if InfoField.EMAIL in fields else None,
        "phones": contact.phones if InfoField.PHONE in fields else [],
    }


def empty_person(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lookup_people answers about a person it knows nothing of."""
    return {
        "first_name": asked["first_name"],
        "last_name": asked["last_name"],
        "linkedin_url": None,
        "email": None,
        "phones": [],
    }


def _title(asked: str, dice: Dice) -> str:
    """A title near one of those asked for (they may be separated by commas), at times another."""
    wish = dice.pick([part.strip() for part in asked.split(",") if part.strip()] or ["Owner"])
    roll = dice.roll(100)
    if roll < 55:
        return wish
    return dice.pick(NEAR_TITLES).format(wish) if roll < 80 else dice.pick(OTHER_TITLES)


def _shown_profile(given: str) -> str | None:
    """A given profile that is plainly simulated is echoed, any other is renamed to a simulated one."""
    if not given:
        return None
    slug = given.partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"{PROFILE_PREFIX}{_ascii(slug.removeprefix('sandbox-'))}"


def _ascii(text: str) -> str:
    """Return the letters and digits of a name that fit an address; never empty."""
    folded = unicodedata.normalize("NFKD", SPELLING.get(text, text).lower())
    kept = "".join(char for char in folded if char in _PLAIN)
    return kept or f"x{Dice('spelling', text).roll(1 << 16):04x}"
