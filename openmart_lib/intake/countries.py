"""Countries: names in many languages become two-letter codes when there is no doubt which one is meant."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from typing import Final

import polars as pl
from babel import Locale
from babel.core import get_global

from openmart_lib.intake.fields import Field, Mapping
from openmart_lib.intake.options import MAX_TEXT
from openmart_lib.intake.synonyms import sections_of
from openmart_lib.intake.values import text_value

# The languages that lists arrive in; English first, whose word counts where two languages disagree.
_LANGUAGES: Final = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "is", "pl", "cs", "sk", "hu", "ro",
    "bg", "hr", "sr", "sr_Latn", "sl", "et", "lv", "lt", "el", "tr", "ru", "uk", "ca", "ar", "he", "fa", "hi",
    "id", "ms", "vi", "th", "ja", "ko", "zh", "zh_Hant",
)  # fmt: skip
# Codes that ISO 3166 keeps for other uses, or that are the CLDR's own: "EU", "UN", Kosovo's XK, ...
_NO_COUNTRY: Final = frozenset(
    ["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"]
)
_NOISE: Final = r"\b(?:and|the)\b"
_PARTS: Final = re.compile(r"\s*[(),;:/|–—]\s*|\s+-\s+")
_NAMES_MORE: Final = "It can mean more than one country; it is sent as it is written."
_NAMES_SEVERAL: Final = "It names several countries; it is sent as it is written."
_NOT_KNOWN: Final = "It is no country name that we know; it is sent as it is written."


def country_codes(column: pl.Series) -> pl.Series:
    """Return the two-letter code of each country that is certain; any other text stays as it is.

    Args:
        column: Tidied text, null where there is none.
    """
    unique = column.drop_nulls().unique()
    codes = {text: code for text in unique if (code := country_code(text)[0]) is not None}
    if not codes:
        return column
    return column.replace(list(codes), list(codes.values()))


@lru_cache(maxsize=65_536)
def country_code(text: str) -> tuple[str | None, str | None]:
    """Return a country's ISO 3166 alpha-2 code, and, when it is not certain, one sentence why not.

    Known are two- and three-letter codes and names in 42 languages (Unicode CLDR), and the names in
    ``country_names.txt``. What can mean two countries ("Georgia", "Congo") is never decided.
    """
    if len(text) > MAX_TEXT:
        return None, _NOT_KNOWN
    names = _names()
    key = _fold(text)
    if key in _uncertain():
        return None, _NAMES_MORE
    if key in names:
        return names[key], None
    parts = {_fold(part) for part in _PARTS.split(text)} - {""}
    codes = {names.get(part) for part in parts if part not in _uncertain()}
    if len(codes - {None}) > 1:
        return None, _NAMES_SEVERAL
    # "Germany (DE)", "US - United States": each part says the same.
    found = next(iter(codes), None) if len(codes) == 1 else None
    return (found, None) if found is not None and parts <= names.keys() else (None, _NOT_KNOWN)


def is_country_text(text: str) -> bool:
    """Return whether a text is a country's name or code."""
    key = _fold(text)
    return key in _names() or key in _uncertain()


def review_countries(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Return what became of the countries of a list, to be told before it is sent.

    Returns:
        One row per distinct country as written, those left as they are first, then by rows: ``raw``
        String, ``rows`` Int64, ``code`` String (null when left as it is), ``reason`` String (why).
    """
    schema = {"raw": pl.String, "rows": pl.Int64, "code": pl.String, "reason": pl.String}
    columns = mapping.get(Field.COUNTRY, [])
    if not columns:
        return pl.DataFrame(schema=schema)
    written = frame.select(text_value(Field.COUNTRY, columns, None)).to_series().drop_nulls()
    counts = Counter(dict(written.value_counts().iter_rows()))
    rows = [(raw, count, *country_code(raw)) for raw, count in counts.items()]
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        pl.col("code").is_not_null(), pl.col("rows"), "raw", descending=[False, True, False]
    )


def _fold(text: str) -> str:
    """Return a country's name as it is looked up: no case, accents, punctuation, "and" or "the"."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(char for char in plain if not "\u0300" <= char <= "\u036f")
    words = re.sub(_NOISE, " ", re.sub(r"[\W_]+", " ", letters)).split()
    if len(words) == 1:
        return words[0]  # "ST" is a code
    return " ".join("saint" if word == "st" else word for word in words)


@cache
def _uncertain() -> frozenset[str]:
    return frozenset(_fold(name) for name in sections_of("country_names")["uncertain"].split(","))


@cache
def _names() -> dict[str, str]:
    """Return the code of every name and code that means one country only, by its folded text."""
    found: dict[str, str] = {}
    disputed: set[str] = set()
    for language in _LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY:
                key = _fold(name)
                if found.setdefault(key, code) != code:
                    disputed.add(key)
    english = {_fold(name): code for code, name in Locale("en").territories.items()}
    found = {key: code for key, code in found.items() if key not in disputed or key in english}
    iso = set(found.values())
    for alias, codes in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(codes) == 1 and codes[0] in iso:
            found.setdefault(alias.lower(), codes[0])
    for code, names in sections_of("country_names").items():
        if code != "uncertain":
            found.update((_fold(name), code) for name in names.split(","))
    found.update((code.lower(), code) for code in iso)
    return {name: code for name, code in found.items() if name not in _uncertain()}
