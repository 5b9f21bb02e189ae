"""How well a found title fits the one that was asked for: exact, same seniority, other."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

import polars as pl

from openmart_lib.intake.folding import fold_text

EXACT: Final = "exact"
SAME_SENIORITY: Final = "same seniority"
OTHER: Final = "other"
FITS: Final = (EXACT, SAME_SENIORITY, OTHER)  # best first

# Per level, highest first, the words that name it: English, German, French, Spanish, Portuguese, Italian,
# Dutch, Polish, Swedish; plain as ``intake.folding`` writes them. The first level that a title names counts.
SENIORITY: Final[dict[str, str]] = {
    "owner": (
        "owner|co owner|proprietor|founder|co founder|cofounder|inhaber|inhaberin|besitzer|grunder|grunderin|"
        "proprietaire|fondateur|fondatrice|cofondateur|dueno|duena|propietario|propietaria|fundador|fundadora|"
        "proprietario|proprietaria|socio fundador|dono|dona|titolare|fondatore|fondatrice|eigenaar|eigenares|"
        "oprichter|wlasciciel|wlascicielka|zalozyciel|agare|grundare"
    ),
    "vice president": "vice president|vp|svp|evp|avp|vicepresidente|vice presidente|vizeprasident",
    "head of the company": (
        "ceo|cfo|coo|cto|cmo|cio|cro|cpo|chro|chief|president|chairman|chairwoman|managing director|"
        "general manager|managing partner|geschaftsfuhrer|geschaftsfuhrerin|geschaftsfuhrender|"
        "geschaftsleiter|vorstand|vorstandsvorsitzender|pdg|president directeur general|directeur general|"
        "directrice generale|gerant|gerante|director general|directora general|director geral|diretor geral|"
        "gerente general|consejero delegado|presidente|amministratore delegato|amministratore|"
        "direttore generale|algemeen directeur|bestuurder|prezes|dyrektor generalny|"
        "verkstallande direktor|vd|principal"
    ),
    "director": (
        r"director|directora|directeur|directrice|\w*direktor|\w*direktorin|direttore|direttrice|diretor|diretora|"
        "dyrektor|direktoren|dir"
    ),
    "head of a part": (
        r"head|\w*leiter|\w*leiterin|responsable|responsabile|jefe|jefa|chefe|capo|hoofd|kierownik|chef|lead"
    ),
    "manager": (
        r"\w*manager|\w*managerin|gerente|gestionnaire|encargado|encargada|gestore|beheerder|menedzer|supervisor"
    ),
    "partner": "partner|associe|associee|socio|socia|gesellschafter|vennoot|delagare|wspolnik",
}
# A title with one of these, when it was not asked for, is another person's: the owner's assistant, an
# owner who left, an owner of something smaller than a company.
ANOTHER_ONE: Final = (
    "assistant|assistent|assistentin|assistante|asistente|assistente|secretary|former|ex|ehemaliger|ancien|"
    "retired|intern|trainee|deputy|product owner|process owner|data owner|service owner|to the"
)
_SMALL_WORDS: Final = frozenset(
    {
        *("of", "the", "and", "for", "in", "at", "a", "an", "de", "des", "du", "la", "le", "les", "et"),
        *("der", "die", "das", "und", "fur", "y", "e", "del", "di", "da", "do", "van", "en", "het"),
    }
)
_SAME_WORDS: Final = {"vice president": "vp", "co founder": "cofounder", "co owner": "coowner"}
_ALTERNATIVES: Final = re.compile(r"[,;/|\n]|\bor\b|\boder\b|\bou\b", re.IGNORECASE)


def title_fit(asked: pl.Series, found: pl.Series) -> pl.Series:
    """Return how each found title fits the one asked for beside it: one of ``FITS``, null without either.

    Several titles asked for ("Owner, CEO") are alternatives: the best fit counts. ``exact``: all words of the
    asked title are in the found one ("VP Sales" in "VP of Sales, EMEA"). ``same seniority``: another title
    of the same level. Each different pair is compared once.
    """
    pairs = pl.DataFrame({"asked": asked.cast(pl.String), "found": found.cast(pl.String)})
    different = pairs.drop_nulls().unique()
    words = different.select("found").unique()
    words = words.with_columns(fold_text(words["found"]).alias("words"))
    fits = different.join(words, on="found", how="left", maintain_order="left")
    told = [_best(one, folded) for one, folded in fits.select("asked", "words").iter_rows()]
    fits = fits.select("asked", "found", pl.Series("fit", told, dtype=pl.String))
    return pairs.join(fits, on=["asked", "found"], how="left", maintain_order="left")["fit"].alias(
        "title_fit"
    )


def _best(asked: str, found: str) -> str | None:
    alternatives = _alternatives(asked)
    if not alternatives or not found:
        return None
    return min((_fit(one, found) for one in alternatives), key=FITS.index)


def _fit(asked: str, found: str) -> str:
    if set(_another().findall(found)) - set(_another().findall(asked)):
        return OTHER
    if _words(asked) <= _words(found):
        return EXACT
    level = _level(asked)
    return SAME_SENIORITY if level is not None and level == _level(found) else OTHER


@lru_cache(maxsize=10_000)
def _alternatives(asked: str) -> tuple[str, ...]:
    """Return the titles that an asked one names, folded.

    Where some parts name a level, the others only narrow them: "Head of Sales, EMEA" asks for one title.
    """
    parts = [folded for part in _ALTERNATIVES.split(asked) if (folded := _fold(part))]
    return tuple([part for part in parts if _level(part)] or parts)


def _fold(text: str) -> str:
    return str(fold_text(pl.Series([text])).item())


def _words(folded: str) -> frozenset[str]:
    for long, short in _SAME_WORDS.items():
        folded = folded.replace(long, short)
    return frozenset(folded.split()) - _SMALL_WORDS


def _level(folded: str) -> str | None:
    for level, pattern in _levels().items():
        if pattern.search(folded):
            return level
    return None


@cache
def _levels() -> dict[str, re.Pattern[str]]:
    return {level: re.compile(rf"\b(?:{names})\b") for level, names in SENIORITY.items()}


@cache
def _another() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{ANOTHER_ONE})\b")
