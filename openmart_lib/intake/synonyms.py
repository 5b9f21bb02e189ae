"""What people call their columns: the names of ``column_names.txt``, made comparable."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

EMAIL: Final = "email"  # meanings in the list beside the fields
OTHER: Final = "other"


@cache
def names_by_meaning() -> dict[str, list[str]]:
    """Return the normalised names of every field, of e-mail columns and of columns we have no use for."""
    text = files(__package__).joinpath("column_names.txt").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("# "))
    sections = re.findall(r"\[(\w+)\]\n([^\[]*)", lines)
    return {meaning: _entries(names) for meaning, names in sections}


def normalise(name: str) -> str:
    """Return a column's name as plain lower-case words: no accents, no punctuation, camelCase taken apart."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced).casefold()
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", letters))


def is_known_header(cell: str) -> bool:
    """Return whether a cell is a name that columns have ("E-Mail", "Firmenname")."""
    return normalise(cell).replace(" ", "") in _known_keys()


@cache
def _known_keys() -> frozenset[str]:
    return frozenset(name.replace(" ", "") for names in names_by_meaning().values() for name in names)


def _entries(text: str) -> list[str]:
    names = (normalise(name) for name in " ".join(text.split()).split(","))
    return list(dict.fromkeys(name for name in names if name))
