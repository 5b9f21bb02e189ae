"""Which uploaded column means what: guessed from names and contents, checked before a run is planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.contents import contents_of, first_values
from openmart_lib.intake.evidence import STRONG, WEAK, Column, Evidence, domain_evidence, field_evidence
from openmart_lib.intake.fields import FIELD_WORDS, FIELDS_BY_KIND, Field, FieldSet, Mapping
from openmart_lib.intake.headers import RESERVED
from openmart_lib.intake.synonyms import meaning_of

__all__ = [
    "FIELDS_BY_KIND",
    "FIELD_WORDS",
    "STRONG",
    "Field",
    "FieldSet",
    "Guess",
    "Mapping",
    "check_mapping",
    "guess_mapping",
    "suggest_kind",
    "uploaded_columns",
    "with_only_column",
]

_NAMES: Final = (Field.FIRST_NAME, Field.LAST_NAME)


@dataclass(frozen=True, slots=True)
class Guess:
    """What the columns seem to mean.

    Attributes:
        mapping: Field to uploaded columns, in order; fields without a guess are absent.
        confidence: Per guessed field, 0 to 1, of its first column.
        samples: Per uploaded column, its first three different values.
        reasons: Per guessed field, why, in plain words; also per field that a column is named after whose
            cells say otherwise, so that it was not taken.
        doubtful: The guessed fields whose confidence is below ``STRONG``: asked, the others applied.
    """

    mapping: Mapping
    confidence: dict[str, float]
    samples: dict[str, list[str]]
    reasons: dict[str, str] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()


def uploaded_columns(frame: pl.DataFrame) -> list[str]:
    """Return the uploaded columns of an upload's frame, in order, without ``seq`` and ``file_line``."""
    return [name for name in frame.columns if name not in RESERVED]


def guess_mapping(frame: pl.DataFrame, kind: Kind | None) -> Guess:
    """Guess which columns feed which fields, from their names and from a sample of their cells.

    Args:
        frame: An upload's frame.
        kind: The kind whose fields are wanted; None for all fields, those of Lance included.
    """
    names = uploaded_columns(frame)
    contents = contents_of(frame, names)
    columns = [
        Column(name, position, meaning_of(name), contents[name]) for position, name in enumerate(names)
    ]
    found: dict[Field, list[Evidence]] = {}
    reasons: dict[str, str] = {}
    for wanted in _in_order(set(Field) if kind is None else set(FIELDS_BY_KIND[kind].all)):
        if wanted is Field.FULL_NAME and all(name in found for name in _NAMES):
            continue
        taken = {one.column for other in found.values() for one in other}
        evidence = _evidence(wanted, columns, taken, found, company_list=kind is not Kind.LOOKUP_PEOPLE)
        kept = [one for one in evidence if one.confidence >= WEAK]
        if kept:
            found[wanted] = kept
            reasons[wanted.value] = " Then ".join(_sentence(one) for one in kept)
        elif evidence and evidence[0].named:
            reasons[wanted.value] = _sentence(evidence[0])
    confidence = {wanted.value: round(kept[0].confidence, 2) for wanted, kept in found.items()}
    return Guess(
        {wanted.value: [one.column for one in found[wanted]] for wanted in Field if wanted in found},
        {wanted.value: confidence[wanted.value] for wanted in Field if wanted in found},
        {name: first_values(frame.get_column(name)) for name in names},
        reasons,
        frozenset(name for name, score in confidence.items() if score < STRONG),
    )


def with_only_column(guess: Guess) -> Mapping:
    """Return the guessed mapping; an only column is the website, whatever is in it: there is no other."""
    only = list(guess.samples) if len(guess.samples) == 1 else []
    return {Field.DOMAIN.value: only, **guess.mapping} if only else guess.mapping


def check_mapping(frame: pl.DataFrame, mapping: Mapping, kind: Kind) -> None:
    """Check that a mapping fits the frame and gives what only a column can give.

    A column with full names stands in for those with first and last names.

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
    for needed in fields.required:
        if not mapping.get(needed) and not (needed in _NAMES and mapping.get(Field.FULL_NAME)):
            raise InputError(
                f"No column gives the {FIELD_WORDS[needed]}. Nothing was planned. Choose the column.",
                column=needed.value,
            )


def suggest_kind(frame: pl.DataFrame) -> Kind:
    """Return the goal that the columns suggest: people with names are looked up, else people are found."""
    guess = guess_mapping(frame, Kind.LOOKUP_PEOPLE)
    apart = all(name.value in guess.mapping for name in _NAMES)
    whole = guess.confidence.get(Field.FULL_NAME.value, 0.0) >= STRONG
    return Kind.LOOKUP_PEOPLE if apart or whole else Kind.FIND_PEOPLE


def _in_order(wanted: set[Field]) -> list[Field]:
    """Return fields in the order they take their columns: a column of people's names is no company's."""
    first = [Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME, *Field]
    return [one for one in dict.fromkeys(first) if one in wanted]


def _evidence(
    wanted: Field,
    columns: list[Column],
    taken: set[str],
    found: dict[Field, list[Evidence]],
    *,
    company_list: bool,
) -> list[Evidence]:
    """Return the columns that may feed a field, best first; more than one only for the domain."""
    if wanted is Field.DOMAIN:
        return domain_evidence(columns, taken)
    free = [column for column in columns if column.name not in taken]
    beside = {one.column for name in _NAMES for one in found.get(name, [])}
    evidence = [
        one
        for column in free
        if (one := field_evidence(wanted, column, columns, beside=beside, company_list=company_list))
    ]
    return sorted(evidence, key=lambda one: -one.confidence)[:1]


def _sentence(one: Evidence) -> str:
    return f"“{one.column}”: {one.reason}."
