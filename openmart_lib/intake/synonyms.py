"""What people call their columns: the names of ``column_names.txt``, and what a column's name means."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from rapidfuzz import fuzz, process

EMAIL: Final = "email"  # meanings in the list beside the fields
PHONE: Final = "phone"
OTHER: Final = "other"
_IN_BRACKETS: Final = re.compile(r"[(\[].*?[)\]]")
_PREPOSITION: Final = re.compile(r" (?:of|for|de|der|des|du|del|della|da|do|di|von|van|av|af) ")
_NO_NAME: Final = re.compile(r"(?:column|unnamed|field|f|col|spalte|colonne|columna|coluna)?\s*\d*")
_CLOSE: Final = 84.0  # of 100: from here on a name is taken for a misspelt one


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column's name means.

    Attributes:
        field: A field's name, "email", "phone", "other", or "" when the name tells nothing.
        score: How surely, 0 to 1.
        known: The known name it was taken for.
    """

    field: str
    score: float
    known: str


NOTHING: Final = Meaning("", 0.0, "")


def sections_of(name: str) -> dict[str, str]:
    """Return the sections of ``<name>.txt``: the text below each ``[heading]``, comment lines left out."""
    text = files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("# "))
    return dict(re.findall(r"\[(\w+)\]\n([^\[]*)", lines))


@cache
def names_by_meaning() -> dict[str, list[str]]:
    """Return the normalised names of every field, of e-mails, of phones and of what we have no use for."""
    return {meaning: _entries(names) for meaning, names in sections_of("column_names").items()}


def normalise(name: str) -> str:
    """Return a column's name as plain lower-case words: no accents, no punctuation, camelCase taken apart."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced).casefold()
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", letters))


def is_known_header(cell: str) -> bool:
    """Return whether a cell is a name that columns have ("E-Mail", "Firmenname")."""
    return normalise(cell).replace(" ", "") in _dictionary()


def is_no_name(name: str) -> bool:
    """Return whether a column has no name of its own ("column_3", "Unnamed: 2", "F1")."""
    return _NO_NAME.fullmatch(normalise(name)) is not None


@cache
def meaning_of(name: str) -> Meaning:
    """Return what a column's name means, whatever its language, spelling, brackets or separators."""
    exact = _dictionary()
    key = normalise(name).replace(" ", "")
    if key in exact:
        return exact[key]
    bare = normalise(_IN_BRACKETS.sub(" ", name))
    if bare.replace(" ", "") in exact:
        found = exact[bare.replace(" ", "")]
        return Meaning(found.field, 0.95 * found.score, found.known)
    # "Head office city (HQ)" is a city, "Webseite der Firma" a website: the head of the phrase counts.
    head = _PREPOSITION.split(bare, maxsplit=1)[0]
    parts = [
        (len(known), meaning, known)
        for meaning, names in names_by_meaning().items()
        for known in names
        if _is_part(known, head)
    ]
    if parts:
        _, meaning, known = max(parts)
        return Meaning(meaning, 0.8, known)
    close = (
        process.extractOne(key, list(exact), scorer=fuzz.ratio, score_cutoff=_CLOSE) if len(key) > 4 else None
    )
    if close is None:
        return NOTHING
    return Meaning(exact[close[0]].field, 0.0095 * close[1], exact[close[0]].known)


def _is_part(known: str, text: str) -> bool:
    """Return whether a known name stands in a longer one: a phrase anywhere, a single word at its end."""
    if " " in known:
        return f" {known} " in f" {text} "
    return len(known) > 2 and f" {text}".endswith(f" {known}")


@cache
def _dictionary() -> dict[str, Meaning]:
    """Return the meaning of every known name without blanks; earlier names of a list score higher."""
    found: dict[str, Meaning] = {}
    meanings = names_by_meaning()
    for meaning in sorted(meanings, key=[OTHER, PHONE, EMAIL].__contains__, reverse=True):
        for position, known in enumerate(meanings[meaning]):
            found.setdefault(known.replace(" ", ""), Meaning(meaning, 1 - 0.0005 * position, known))
    return found


def _entries(text: str) -> list[str]:
    names = (normalise(name) for name in " ".join(text.split()).split(","))
    return list(dict.fromkeys(name for name in names if name))
