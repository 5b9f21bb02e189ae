"""Phone numbers for reading: international format and kind of line, by ``phonenumbers``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import phonenumbers
import polars as pl
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

PHONE_SCHEMA: Final[dict[str, Any]] = {"phone_international": pl.String, "phone_type": pl.String}
_NORTH_AMERICAN: Final = re.compile(r"\+1[2-9][0-9]{9}")  # no national prefix can stand in it
_LINES: Final = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed line",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed line or mobile",  # North America does not tell them apart
    PhoneNumberType.TOLL_FREE: "toll free",
    PhoneNumberType.PREMIUM_RATE: "premium rate",
    PhoneNumberType.SHARED_COST: "shared cost",
    PhoneNumberType.VOIP: "internet",
    PhoneNumberType.PERSONAL_NUMBER: "personal number",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "company number",
    PhoneNumberType.VOICEMAIL: "voicemail",
}


def read_phones(numbers: pl.Series) -> pl.DataFrame:
    """Return one row per number: phone_international ("+44 20 7946 0958") and phone_type (both String).

    Both are null for a number without its country code and for one that no numbering plan has. Each
    different number is read once.
    """
    different = numbers.unique().drop_nulls()
    told = pl.DataFrame([read_phone(one) for one in different], schema=PHONE_SCHEMA, orient="row")
    known = told.with_columns(different.alias("number"))
    return (
        pl.DataFrame({"number": numbers})
        .join(known, on="number", how="left", maintain_order="left")
        .select(PHONE_SCHEMA.keys())
    )


@lru_cache(maxsize=100_000)
def read_phone(number: str) -> tuple[str | None, str | None]:
    """Return a number in international format and its kind of line, or twice None if it is no valid one."""
    try:
        parsed = _parsed(number)
    except phonenumbers.NumberParseException:
        return None, None
    line = phonenumbers.number_type(parsed)
    if line == PhoneNumberType.UNKNOWN:  # no plan of any country has it
        return None, None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL), _LINES[line]


def _parsed(number: str) -> PhoneNumber:
    """Return a number taken apart as ``parse`` does; one of North America in full without its search.

    Raises:
        NumberParseException: If it is none, or has no country code.
    """
    if _NORTH_AMERICAN.fullmatch(number):
        return PhoneNumber(country_code=1, national_number=int(number[2:]))
    return phonenumbers.parse(number, None)
