"""How surely one column feeds one field, and why: what its name says, weighed against what its cells show.

A name and cells that agree are sure; cells alone are asked about, never applied; a name that its cells
contradict is doubted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from openmart_lib.intake.contents import FEW, LOOK_WORDS, Contents, percent
from openmart_lib.intake.fields import FIELD_WORDS, Field
from openmart_lib.intake.synonyms import EMAIL, OTHER, PHONE, Meaning, is_no_name, normalise

STRONG: Final = 0.9  # from here on a guess is applied without asking
WEAK: Final = 0.7  # below, a guess is not made
_ENOUGH: Final = 0.6  # share of cells that confirms a name; the rest are typing errors and notes
# Names of columns that hold people in one list, and companies in the next.
_VAGUE: Final = frozenset(
    [
        "name",
        "contact",
        "person",
        "kontakt",
        "contacto",
        "contatto",
        "contato",
        "naam",
        "navn",
        "namn",
        "nimi",
    ]
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is weighed: its name, place, what the name means and what its cells look like."""

    name: str
    position: int
    meaning: Meaning
    contents: Contents


@dataclass(frozen=True, slots=True)
class Evidence:
    """A column that may feed a field.

    Attributes:
        column: Its name.
        confidence: 0 to 1.
        reason: Why, or why not, in plain words, without a full stop.
        named: Whether its name says so; else only its cells do.
    """

    column: str
    confidence: float
    reason: str
    named: bool = True


# What the cells of a field look like, and the part of a name's score that is left when no cell does.
_LOOKS: Final[dict[Field, tuple[str, float]]] = {
    Field.LINKEDIN_URL: ("linkedin_person", 0.4),
    Field.ENTITY_ID: ("uuid", 0.4),
    Field.COUNTRY: ("country", 0.75),
}
# Looks that contradict a name, whose cells can otherwise be any text.
_WRONG: Final = ("site", "mail", "linkedin", "uuid", "phone")
_WORDS_ONLY: Final = frozenset(
    {Field.COMPANY_NAME, Field.TITLE, Field.CITY, Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME}
)


def domain_evidence(columns: list[Column], taken: set[str]) -> list[Evidence]:
    """Return the columns with websites, best first, then those with e-mail addresses, to stand in."""
    sites, mails = [], []
    for column in columns:
        contents = column.contents
        if column.meaning.field == Field.DOMAIN:
            sites.append(_site_by_name(column))
        elif column.meaning.field == EMAIL or (_is_open(column) and contents.share("mail") > 0.5):
            share = contents.share("mail")
            reason = f"{_named(column)}, {_share(share, 'mail')}, whose domain counts"
            mails.append(Evidence(column.name, 0.6 + 0.2 * share, reason, column.meaning.field == EMAIL))
        elif column.name not in taken and _is_open(column) and contents.share("site") > 0.5:
            sites.append(_by_content(column, "site", contents.share("site")))
    ranked = [sorted(some, key=lambda one: -one.confidence) for some in (sites, mails)]
    kept = [one for some in ranked for one in some if one.confidence >= WEAK]
    return kept or ranked[0][:1]


def field_evidence(
    field: Field, column: Column, columns: list[Column], *, beside: set[str], company_list: bool
) -> Evidence | None:
    """Return how surely a column feeds a field other than the domain; None when nothing says so.

    Args:
        columns: All columns of the list.
        beside: Columns found to hold first or last names.
        company_list: Whether a column called "Name" may hold companies.
    """
    if field is Field.FULL_NAME:
        return _full_name(column, columns)
    if column.meaning.field == field:
        return None if _is_misnamed(column, columns) else _by_name(field, column)
    if field is Field.COMPANY_NAME and company_list and normalise(column.name) == "name":
        # "Name" alone is a company's in a list of companies, and nobody's in a list of people.
        people = column.contents.share("person") >= 0.5 or _has_first_names(columns)
        return (
            None
            if people
            else Evidence(column.name, 0.75, f"it is called “{column.name}”, in a list of companies")
        )
    if not _is_open(column):
        return None
    if field in (Field.FIRST_NAME, Field.LAST_NAME):
        return _name_by_content(field, column, columns, beside)
    look, least = {Field.COMPANY_NAME: ("company", 0.3), Field.COUNTRY: ("country", 0.9)}.get(
        field, (_LOOKS.get(field, ("", 0))[0], 0.5)
    )
    share = column.contents.share(look)
    if not look or share < least or column.contents.filled < FEW:
        return None
    return _by_content(column, look, 1.0 if field is Field.COMPANY_NAME else share, shown=share)


def _site_by_name(column: Column) -> Evidence:
    contents = column.contents
    sites = contents.share("site")
    found = _weigh(column, "site", 0.4, min(1.0, sites + 0.8 * contents.share("mail")))
    if found.confidence < WEAK and contents.filled >= FEW and sites > 0.1:
        return Evidence(found.column, WEAK, found.reason)
    return found


def _by_name(field: Field, column: Column) -> Evidence:
    look, floor = _LOOKS.get(field, ("", 1.0))
    if look:
        return _weigh(column, look, floor, column.contents.share(look))
    contents = column.contents
    score = column.meaning.score
    wrong = contents.share(*_WRONG, *(["number"] if field in _WORDS_ONLY else []))
    people = contents.share("person")
    if contents.filled == 0:
        return Evidence(column.name, 0.8 * score, f"{_named(column)}, but it is empty")
    if wrong > 0.5:
        return Evidence(column.name, score * (1 - 0.6 * wrong), f"{_named(column)}, but {_seen(contents)}")
    if field in (Field.FIRST_NAME, Field.LAST_NAME) and people >= 0.5:
        reason = f"{_named(column)}, but {percent(people)} of its cells look like full names"
        return Evidence(column.name, min(0.85, score), reason)
    if field is Field.COMPANY_NAME and people >= 0.6 and contents.share("company") < 0.1:
        reason = f"{_named(column)}, but {percent(people)} of its cells look like people's names"
        return Evidence(column.name, min(0.85, score), reason)
    return Evidence(column.name, score, _named(column))


def _weigh(column: Column, look: str, floor: float, share: float) -> Evidence:
    """Weigh a name by the share of cells that look as it says; ``floor`` of its score is left without any."""
    contents, score = column.contents, column.meaning.score
    if contents.filled == 0:
        return Evidence(column.name, 0.8 * score, f"{_named(column)}, but it is empty")
    agreeing = min(1.0, share / _ENOUGH)
    if contents.filled < FEW and look in ("site", "country"):
        floor = max(floor, 0.75)  # too few to contradict
    confirmed = 1 - (1 - score) * (1 - 0.8 * min(1.0, share))
    confidence = confirmed * (floor + (1 - floor) * agreeing)
    if agreeing == 1.0:
        return Evidence(column.name, confidence, f"{_named(column)}, {_share(share, look)}")
    return Evidence(
        column.name, confidence, f"{_named(column)}, but only {_share(share, look)}{_mostly(contents, look)}"
    )


def _by_content(column: Column, look: str, score: float, *, shown: float | None = None) -> Evidence:
    reason = f"{_named(column)}, but {_share(score if shown is None else shown, look)}"
    return Evidence(column.name, 0.45 + 0.4 * score, reason, named=False)


def _full_name(column: Column, columns: list[Column]) -> Evidence | None:
    contents, meaning = column.contents, column.meaning
    people, several = contents.share("person"), contents.share("several")
    if meaning.field == Field.FULL_NAME:
        vague = meaning.score < 0.85 or normalise(column.name) in _VAGUE
        if contents.filled == 0 and not vague:
            return Evidence(column.name, 0.8 * meaning.score, f"{_named(column)}, but it is empty")
        # "Name" and "Campaign name" can be anything; without common first names they are not people's.
        share = people if vague else several
        found = _weigh(column, "person", 0.4, share)
        few = contents.filled < FEW and vague and share < 0.5
        return Evidence(column.name, 0.0, found.reason) if few else found
    if _is_misnamed(column, columns):
        return Evidence(column.name, 0.85, f"{_named(column)}, but {_share(people, 'person')}")
    if _is_open(column) and people >= 0.5 and contents.filled >= FEW:
        return _by_content(column, "person", people)
    return None


def _is_misnamed(column: Column, columns: list[Column]) -> bool:
    """Return whether a column named after one half of a name holds whole ones, and no other has the half."""
    other = {Field.FIRST_NAME.value: Field.LAST_NAME, Field.LAST_NAME.value: Field.FIRST_NAME}
    missing = other.get(column.meaning.field)
    if missing is None or any(one.meaning.field == missing for one in columns):
        return False
    return column.contents.share("person") >= 0.5


def _name_by_content(
    field: Field, column: Column, columns: list[Column], beside: set[str]
) -> Evidence | None:
    """Return a column of single words that are common first names, or of those beside it."""
    contents = column.contents
    given = contents.share("given")
    if contents.filled < FEW or contents.share("word") < 0.7:
        return None
    if field is Field.FIRST_NAME:
        return _by_content(column, "given", min(1.0, given + 0.2), shown=given) if given >= 0.5 else None
    near = is_no_name(column.name) and any(
        abs(one.position - column.position) == 1 for one in columns if one.name in beside
    )
    if not near or given >= 0.5 or contents.share("country") >= 0.5:
        return None
    return Evidence(column.name, 0.72, f"{_named(column)}, but it stands beside the first names", named=False)


def _is_open(column: Column) -> bool:
    """Return whether a column's cells may speak for it: no name, an unknown one, or one they contradict."""
    if column.meaning.field == "":
        return True
    return (
        column.meaning.field not in (EMAIL, PHONE, OTHER, Field.DOMAIN)
        and column.contents.share(*_WRONG) > 0.5
    )


def _has_first_names(columns: list[Column]) -> bool:
    return any(column.meaning.field == Field.FIRST_NAME for column in columns)


def _named(column: Column) -> str:
    meaning = column.meaning
    if is_no_name(column.name):
        return "it has no name"
    if not meaning.field:
        return "its name tells nothing"
    if meaning.field in (OTHER, PHONE):
        return "it is named like something else"
    words = "e-mail address" if meaning.field == EMAIL else FIELD_WORDS[Field(meaning.field)]
    if meaning.score < 0.9 and normalise(meaning.known) not in normalise(column.name):
        return f"named almost like “{meaning.known}” ({words})"
    return f"named like a {words}" if words[0] not in "aeiou" else f"named like an {words}"


def _share(share: float, look: str) -> str:
    return f"{percent(share)} of its cells look like {LOOK_WORDS[look]}"


def _mostly(contents: Contents, but: str) -> str:
    look = contents.look
    return f"; {_seen(contents)}" if look and look != but else ""


def _seen(contents: Contents) -> str:
    look = contents.look
    return _share(contents.shares[look], look) if look else "its cells look like something else"
