"""Mappings worth remembering: by the header of the file, and only as long as its columns hold the same.

Storing them is the ledger's work (``ledger/remembered.py``, topic "mapping").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as ReadMapping
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.contents import FEW, LOOK_WORDS, Contents, contents_of, percent
from openmart_lib.intake.fields import FIELDS_BY_KIND, Field, Mapping
from openmart_lib.intake.synonyms import normalise

# Looks that are told for certain; people's names and words run into each other from list to list.
_CLEAR: Final = frozenset({"mail", "linkedin_person", "linkedin_company", "site", "uuid", "phone"})
_GONE: Final = 0.3  # share of cells below which a column no longer has its look


@dataclass(frozen=True, slots=True)
class KnownMapping:
    """A mapping as it was confirmed.

    Attributes:
        mapping: Field to uploaded columns, in order.
        looks: Per mapped column, what its cells looked like then ("site", "mail", ...; "" for any text).
        file: How the file was read (encoding, sheet, header row, ...), as the caller wants it back.
    """

    mapping: Mapping
    looks: dict[str, str] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> KnownMapping:
        """Return what ``to_dict`` gave.

        Raises:
            InputError: If it cannot be read; it is then as good as forgotten.
        """
        try:
            known = dict(value)  # type: ignore[call-overload]  # checked by the except
            mapping = {
                Field(name).value: [str(one) for one in columns] for name, columns in known["mapping"].items()
            }
            return cls(mapping, dict(known.get("looks") or {}), dict(known.get("file") or {}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "A remembered choice of columns cannot be read. Nothing was planned. Choose them again."
            ) from error


@dataclass(frozen=True, slots=True)
class Fit:
    """How far a remembered mapping serves a file.

    Attributes:
        mapping: What still fits, with the columns as this file calls them: to be applied.
        misfits: Per field that does not, why, in plain words: to be asked.
    """

    mapping: Mapping
    misfits: dict[str, str]

    @property
    def fits(self) -> bool:
        """Whether all of it may be applied without asking."""
        return not self.misfits


def header_key(columns: Sequence[str], kind: Kind | None = None) -> str:
    """Return the identity of a header: the same for the same names in any order, case and punctuation.

    Args:
        columns: The uploaded columns.
        kind: The goal, when what is kept holds for one goal only.
    """
    names = sorted(normalise(name) or name for name in columns)
    digest = hashlib.sha256(json.dumps(names, ensure_ascii=False).encode()).hexdigest()
    return f"{Kind(kind).value}:{digest}" if kind else digest


def know_mapping(
    frame: pl.DataFrame, mapping: Mapping, file: ReadMapping[str, Any] | None = None
) -> KnownMapping:
    """Return a confirmed mapping as it should be remembered, with what its columns hold.

    Args:
        frame: An upload's frame.
        file: How the file was read, as JSON types.
    """
    used = list(dict.fromkeys(column for columns in mapping.values() for column in columns))
    looks = {name: contents.look for name, contents in contents_of(frame, used).items()}
    return KnownMapping(
        {name: list(columns) for name, columns in mapping.items() if columns}, looks, dict(file or {})
    )


def fits(frame: pl.DataFrame, known: KnownMapping, kind: Kind | None = None) -> Fit:
    """Check a remembered mapping against a file: its columns must be there and hold what they held.

    Args:
        frame: An upload's frame.
        known: What was remembered.
        kind: Leave out fields that this goal does not take.
    """
    present = {normalise(name) or name: name for name in reversed(uploaded_columns(frame))}
    names = {
        column: _found(frame, present, column) for columns in known.mapping.values() for column in columns
    }
    contents = contents_of(frame, [name for name in dict.fromkeys(names.values()) if name is not None])
    wanted = set(FIELDS_BY_KIND[Kind(kind)].all) if kind else set(Field)
    mapping: Mapping = {}
    misfits: dict[str, str] = {}
    for field_name, columns in known.mapping.items():
        if field_name not in wanted:
            continue
        problems = [
            f"“{column}” is not in this file."
            if (name := names[column]) is None
            else _change(name, known.looks.get(column), contents[name])
            for column in columns
        ]
        told = [problem for problem in problems if problem]
        if told:
            misfits[field_name] = " ".join(told)
        else:
            mapping[field_name] = [name for column in columns if (name := names[column]) is not None]
    return Fit(mapping, misfits)


def _found(frame: pl.DataFrame, present: dict[str, str], column: str) -> str | None:
    return column if column in frame.columns else present.get(normalise(column) or column)


def _change(name: str, before: str | None, now: Contents) -> str:
    """Return how a column's cells have changed since its mapping was remembered, "" when they have not."""
    if before is None or now.filled < FEW:
        return ""
    look = f"most look like {LOOK_WORDS[now.look]}" if now.look else "most are other text"
    if before in _CLEAR and now.share(before) < _GONE:
        held = f"held {LOOK_WORDS[before]} when this was remembered"
        return f"“{name}” {held}; now {percent(now.share(before))} of its cells do, and {look}."
    if before not in _CLEAR and now.look in _CLEAR:
        return f"“{name}” held other text when this was remembered; now {look}."
    return ""
