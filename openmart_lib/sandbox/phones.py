"""Phone numbers that regulators keep free for fiction, so that nobody real is ever called.

Sources: NANPA (555-0100 to 555-0199), Ofcom (07700 900000-900999, 020 7946 0000-0999), ARCEP
(06 39 98 xx xx, 01 99 00 xx xx), Bundesnetzagentur (0171 39200-00 to -99, 030 23125-000 to -999) and
ACMA (0491 570 156 to 159, 02 5550 xxxx).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_AREA_CODES: Final = (
    201,
    202,
    206,
    212,
    215,
    303,
    305,
    312,
    313,
    404,
    408,
    410,
    412,
    415,
    416,
    504,
    512,
    514,
)

# country: (mobile, landline); # is any digit, A an area code of the North American plan, M one of 6 7 8 9
_RANGES: Final = {
    "US": ("+1A55501##", "+1A55501##"),
    "CA": ("+1A55501##", "+1A55501##"),
    "GB": ("+447700900###", "+442079460###"),
    "FR": ("+3363998####", "+3319900####"),
    "DE": ("+4917139200##", "+493023125###"),
    "AU": ("+6149157015M", "+6125550####"),
}
_COUNTRIES: Final = {
    "UK": "GB",
    "UNITED KINGDOM": "GB",
    "GREAT BRITAIN": "GB",
    "UNITED STATES": "US",
    "USA": "US",
    "CANADA": "CA",
    "FRANCE": "FR",
    "GERMANY": "DE",
    "DEUTSCHLAND": "DE",
    "AUSTRALIA": "AU",
} | {country: country for country in _RANGES}


def country_of(country: str, domain: str) -> str:
    """Return the numbering plan to use: the country asked for, else the domain's ending, else US."""
    by_domain = domain.rpartition(".")[2].upper()
    return _COUNTRIES.get(country.strip().upper()) or _COUNTRIES.get(by_domain, "US")


def fictional_phone(country: str, *, mobile: bool, roll: Callable[[int], int]) -> str:
    """Return a fictional number in E.164 form; ``roll(n)`` gives a number from 0 to n - 1."""
    template = _RANGES[country][0 if mobile else 1]
    area, pick = _AREA_CODES[roll(len(_AREA_CODES))], "6789"[roll(4)]
    template = template.replace("A", str(area)).replace("M", pick)
    return re.sub("#", lambda _: str(roll(10)), template)
