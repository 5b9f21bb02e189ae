"""The company a task is about, and how its people and mailboxes are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from openmart_lib.sandbox.dice import Dice
from openmart_lib.sandbox.magic import MAGIC, Magic
from openmart_lib.sandbox.phones import country_of, fictional_phone

PROFILE_PREFIX: Final = "https://www.linkedin.com/in/sandbox-"


@dataclass(frozen=True, slots=True)
class Company:
    """A company as a task names it."""

    domain: str  # bare and lower-case
    place: str  # name and place as given, to tell requests apart
    country: str  # of its phone numbers
    magic: Magic | None

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Company:
        """Read the company out of a task of any kind."""
        domain = task["domain"].removeprefix("@").lower()
        given = [task.get(member, "") for member in ("company_name", "city", "state", "country")]
        place = "|".join(text.strip().casefold() for text in given)
        return cls(domain, place, country_of(task.get("country", ""), domain), MAGIC.get(domain))

    @property
    def mail_host(self) -> str:
        """Host of its e-mail addresses; no mail can ever reach it (RFC 2606)."""
        return f"{self.domain}.invalid"


@dataclass(frozen=True, slots=True)
class Contact:
    """Everything known of one person, before anybody decides what to show."""

    email: dict[str, Any] | None
    phones: list[dict[str, Any]]
    linkedin_url: str | None


def draw_contact(company: Company, first: str, last: str, dice: Dice) -> Contact:
    """Draw how a person (names in ASCII) can be reached; a magic domain's promise is kept."""
    profile = f"{PROFILE_PREFIX}{first}-{last}-{dice.roll(1 << 24):06x}"
    address = f"{_local_part(company.domain, first, last)}@{company.mail_host}"
    if company.magic:
        return _promised_contact(company, address, profile, dice)
    unreachable, verified = dice.chance(10), dice.chance(80)
    email: dict[str, Any] | None = {"email": address, "verified": verified}
    if unreachable or dice.chance(18):
        email = {"email": None, "verified": None} if dice.chance(8) else None
    count = 0 if unreachable else dice.pick((0, 0, 1, 1, 1, 1, 2, 2))
    return Contact(email, [_phone(company, dice) for _ in range(count)], profile if dice.chance(80) else None)


def _promised_contact(company: Company, address: str, profile: str, dice: Dice) -> Contact:
    kind = company.magic.contact if company.magic else "full"
    if kind == "none":
        return Contact(None, [], profile)
    valid = kind == "full"
    phones = [_number(company, dice, mobile=mobile) | {"valid": valid} for mobile in (True, False)]
    return Contact({"email": address, "verified": valid}, phones, profile)


def _local_part(domain: str, first: str, last: str) -> str:
    """A company writes all its addresses the same way."""
    form = Dice("mail", domain).roll(4)
    return (f"{first}.{last}", f"{first}.{last}", f"{first[:1]}{last}", f"{first}_{last}")[form]


def _phone(company: Company, dice: Dice) -> dict[str, Any]:
    valid, unlabelled = dice.chance(85), dice.chance(4)
    phone = _number(company, dice, mobile=dice.chance(65)) | {"valid": valid}
    return phone | {"line_type": None} if unlabelled else phone


def _number(company: Company, dice: Dice, *, mobile: bool) -> dict[str, Any]:
    return {
        "phone_number": fictional_phone(company.country, mobile=mobile, roll=dice.roll),
        "line_type": "MOBILE" if mobile else "LANDLINE",
    }
