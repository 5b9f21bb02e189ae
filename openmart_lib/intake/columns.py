"""Which uploaded column means what: guessed from names and contents, checked before a run is planned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl
from rapidfuzz import fuzz, process

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.fields import FIELD_WORDS, FIELDS_BY_KIND, Field, FieldSet, Mapping
from openmart_lib.intake.headers import RESERVED
from openmart_lib.intake.synonyms import EMAIL, OTHER, names_by_meaning, normalise

__all__ = [
    "FIELDS_BY_KIND",
    "FIELD_WORDS",
    "Field",
    "FieldSet",
    "Guess",
    "Mapping",
    "check_mapping",
    "guess_mapping",
    "suggest_kind",
    "uploaded_columns",
]

STRONG: Final = 0.9  # from here on a guess may be applied without asking
_WEAK: Final = 0.7  # below, a guess is not made
_SAMPLED: Final = 1_000  # filled cells looked at per column
_IN_BRACKETS: Final = re.compile(r"[(\[].*?[)\]]")
_PREPOSITION: Final = re.compile(r" (?:of|for|de|der|des|du|del|della|da|do|di|von|van|av|af) ")
# Shapes of content, and the share of a column's cells that must have it to count.
_SHAPES: Final = {
    "linkedin": r"(?i)linkedin\.com/",
    "mail": r"(?i)^(?:mailto:)?[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    "uuid": r"(?i)^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$",
    "site": r"(?i)^(?:https?://|www\.|@)?(?:[\p{L}\d](?:[\p{L}\d_-]*[\p{L}\d])?\.)+\p{L}{2,24}\.?(?:[:/?#]\S*)?$",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What the columns seem to mean.

    Attributes:
        mapping: Field to uploaded columns, in order; fields without a guess are absent.
        confidence: Per guessed field, 0 to 1; from ``STRONG`` on it may be applied without asking.
        samples: Per uploaded column, its first three different values.
    """

    mapping: Mapping
    confidence: dict[str, float]
    samples: dict[str, list[str]]


def uploaded_columns(frame: pl.DataFrame) -> list[str]:
    """Return the uploaded columns of an upload's frame, in order, without ``seq`` and ``file_line``."""
    return [name for name in frame.columns if name not in RESERVED]


def guess_mapping(frame: pl.DataFrame, kind: Kind | None) -> Guess:
    """Guess which columns feed which fields.

    Args:
        frame: An upload's frame.
        kind: The kind whose fields are wanted; None for all fields, those of Lance included.
    """
    wanted = set(Field) if kind is None else set(FIELDS_BY_KIND[kind].all)
    columns = uploaded_columns(frame)
    samples = {name: _sample(frame.get_column(name)) for name in columns}
    shares = {name: _shares(sample) for name, sample in samples.items()}
    named = {name: _by_name(name) for name in columns}
    mapping: Mapping = {}
    confidence: dict[str, float] = {}
    company_list = kind is not Kind.LOOKUP_PEOPLE and Field.FIRST_NAME not in {
        field for field, _ in named.values()
    }
    for field in sorted(wanted, key=list(Field).index):
        found = _columns_for(field, columns, named, shares, company_list=company_list)
        if found:
            mapping[field.value] = [name for name, _ in found]
            confidence[field.value] = round(found[0][1], 2)
    shown = {name: sample.unique(maintain_order=True).head(3).to_list() for name, sample in samples.items()}
    return Guess(mapping, confidence, shown)


def check_mapping(frame: pl.DataFrame, mapping: Mapping, kind: Kind) -> None:
    """Check that a mapping fits the frame and gives what only a column can give.

    Raises:
        InputError: Naming the field (``column``) and what to do.
    """
    fields = FIELDS_BY_KIND[Kind(kind)]
    columns = set(uploaded_columns(frame))
    for name, sources in mapping.items():
        if name not in fields.all:
            raise InputError(
                f"{name!r} is not a field of this goal. Nothing was planned. Take it out of the mapping.",
                column=name,
            )
        missing = [source for source in sources if source not in columns]
        if missing:
            raise InputError(
                f"The {FIELD_WORDS[Field(name)]} is mapped to {missing[0]!r}, which is not in this file. "
                "Nothing was planned. Choose another column.",
                column=name,
            )
    for field in fields.required:
        if not mapping.get(field):
            raise InputError(
                f"No column gives the {FIELD_WORDS[field]}. Nothing was planned. Choose the column.",
                column=field.value,
            )


def suggest_kind(frame: pl.DataFrame) -> Kind:
    """Return the goal that the columns suggest: people with names are looked up, else people are found."""
    guess = guess_mapping(frame, Kind.LOOKUP_PEOPLE)
    names = {Field.FIRST_NAME.value, Field.LAST_NAME.value}
    return Kind.LOOKUP_PEOPLE if names <= set(guess.mapping) else Kind.FIND_PEOPLE


def _columns_for(
    field: Field,
    columns: list[str],
    named: dict[str, tuple[str, float]],
    shares: dict[str, dict[str, float]],
    *,
    company_list: bool,
) -> list[tuple[str, float]]:
    """Return a field's columns with their confidence, best first; more than one only for the domain."""
    if field is Field.DOMAIN:
        return _domain_columns(columns, named, shares)
    scored = [(name, named[name][1]) for name in columns if named[name][0] == field]
    shape = {Field.LINKEDIN_URL: "linkedin", Field.ENTITY_ID: "uuid"}.get(field)
    if shape:
        by_content = [(name, 0.85 * shares[name][shape]) for name in columns if named[name][0] == ""]
        scored = [
            (name, score if shares[name][shape] or not shares[name]["filled"] else 0)
            for name, score in scored
        ]
        scored += by_content
    if field is Field.COMPANY_NAME:
        # "Name" alone is a company's in a list of companies, and nobody's in a list of people.
        scored += [(name, 0.75) for name in columns if normalise(name) == "name" and company_list]
    best = max(scored, key=lambda pair: pair[1], default=("", 0.0))
    return [best] if best[1] >= _WEAK else []


def _domain_columns(
    columns: list[str], named: dict[str, tuple[str, float]], shares: dict[str, dict[str, float]]
) -> list[tuple[str, float]]:
    """Return the columns with websites, then those with e-mail addresses, whose hosts can stand in."""
    sites: list[tuple[str, float]] = []
    mails: list[tuple[str, float]] = []
    for name in columns:
        meaning, score = named[name]
        share = shares[name]
        content = share["site"] - share["linkedin"]
        if meaning == Field.DOMAIN and (content + share["mail"] > 0.1 or share["filled"] < 5):
            sites.append((name, min(1.0, score * (0.8 + 0.2 * min(1.0, 2 * content)))))
        elif meaning == EMAIL or (meaning == "" and share["mail"] > 0.5):
            mails.append((name, 0.6 + 0.2 * share["mail"]))
        elif meaning == "" and content > 0.5:
            sites.append((name, 0.45 + 0.4 * content))
    sites.sort(key=lambda pair: -pair[1])
    mails.sort(key=lambda pair: -pair[1])
    return [pair for pair in sites if pair[1] >= _WEAK] + [pair for pair in mails if pair[1] >= _WEAK]


def _sample(column: pl.Series) -> pl.Series:
    trimmed = column.head(50 * _SAMPLED).str.strip_chars()
    return trimmed.filter((trimmed != "").fill_null(False)).head(_SAMPLED)


def _shares(sample: pl.Series) -> dict[str, float]:
    """Return the share of a sample's cells that have each shape, and the number of cells (``filled``)."""
    shares = {
        name: int(sample.str.contains(pattern).sum()) / max(1, len(sample))
        for name, pattern in _SHAPES.items()
    }
    return shares | {"filled": float(len(sample))}


@cache
def _by_name(name: str) -> tuple[str, float]:
    """Return what a column's name means (a field, "email" or "other") and how surely, ("", 0) if nothing."""
    exact = _dictionary()
    key = normalise(name).replace(" ", "")
    if key in exact:
        return exact[key]
    # "Head office city (HQ)" is a city, "Webseite der Firma" a website: the head of the phrase counts.
    head = _PREPOSITION.split(normalise(_IN_BRACKETS.sub(" ", name)), maxsplit=1)[0]
    parts = [
        (len(known), meaning)
        for meaning, names in names_by_meaning().items()
        for known in names
        if _is_part(known, head)
    ]
    if parts:
        return max(parts)[1], 0.8
    close = process.extractOne(key, list(exact), scorer=fuzz.ratio, score_cutoff=84) if len(key) > 4 else None
    return (exact[close[0]][0], 0.0095 * close[1]) if close else ("", 0.0)


def _is_part(known: str, text: str) -> bool:
    """Return whether a known name stands in a longer one: a phrase anywhere, a single word at its end."""
    if " " in known:
        return f" {known} " in f" {text} "
    return len(known) > 2 and f" {text}".endswith(f" {known}")


@cache
def _dictionary() -> dict[str, tuple[str, float]]:
    """Return meaning and score of every known name without blanks; earlier names of a list score higher."""
    found: dict[str, tuple[str, float]] = {}
    meanings = names_by_meaning()
    for meaning in sorted(meanings, key=[OTHER, EMAIL].__contains__, reverse=True):
        for position, known in enumerate(meanings[meaning]):
            found.setdefault(known.replace(" ", ""), (meaning, 1 - 0.0005 * position))
    return found
