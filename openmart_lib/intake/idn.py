"""International host names: Unicode to A-labels and back, and names that only look like others.

IDNA 2008 with UTS 46 non-transitional mapping: straße.de stays another company than strasse.de
(Python's own ``idna`` codec would join them). One Python call a host, so callers pass unique,
non-ASCII hosts only.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from typing import Final

import idna

# Scripts that one label may mix (UTS 39, "highly restrictive"); anything else beside Latin is a disguise.
_ALLOWED_MIXES = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
# Letters of other scripts that pass for Latin ones, by script.
_LATIN_TWINS = {
    "CYRILLIC": frozenset("асԁеһіјӏорԛѕԝхуъЬҽпгѵѡ"),
    "GREEK": frozenset("αγηικνορτυχω"),
    "ARMENIAN": frozenset("ագզիյոսռսցօք"),
}

_SIMPLE_RANGES: Final = ((0xDF, 0x180), (0x3AC, 0x3CF), (0x430, 0x460))
_SHORT: Final = 40  # characters, so that no A-label of a simple one is over 63


def to_names(host: str) -> tuple[str, str] | None:
    """Return a host with every label in ASCII, and as people read it; None where IDNA does not allow it."""
    simple = _simple_name(host)
    if simple is not None:
        return ".".join(map(_punycode, simple)), ".".join(simple)
    try:
        ascii_host = idna.encode(host, uts46=True, std3_rules=True, transitional=False).decode("ascii")
        return ascii_host, idna.decode(ascii_host, uts46=False)  # "xn--" that does not decode is no name
    except (idna.IDNAError, UnicodeError, IndexError, ValueError):
        return None


@cache
def _simple() -> frozenset[str]:
    """Return the letters that UTS 46 leaves as they are and IDNA allows anywhere in a label.

    Small Latin, Greek and Cyrillic letters: no rule looks at what stands beside them, so that a name of
    them needs no check but of its hyphens and length. That is eight times as fast.
    """
    letters = (chr(code) for first, last in _SIMPLE_RANGES for code in range(first, last))
    return frozenset("abcdefghijklmnopqrstuvwxyz0123456789-") | {one for one in letters if _is_free(one)}


def _is_free(letter: str) -> bool:
    try:
        return idna.uts46_remap(letter, True, False) == letter and bool(idna.alabel(letter))
    except idna.IDNAError:
        return False


def _simple_name(host: str) -> list[str] | None:
    """Return the labels in Unicode of a host of simple letters; None where IDNA has to be asked."""
    labels = host.lower().split(".")
    for place, label in enumerate(labels):
        if label.startswith("xn--"):
            labels[place] = label = _decoded(label)
        fits = 0 < len(label) < _SHORT and label[0] != "-" and label[-1] != "-" and label[2:4] != "--"
        if not fits or not _simple().issuperset(label):
            return None
    return labels


def _decoded(label: str) -> str:
    """Return an A-label in Unicode, "" where that is not as plain as it should be."""
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return ""
    return decoded if not decoded.isascii() and _punycode(decoded) == label else ""


@lru_cache(maxsize=10_000)
def _punycode(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def is_lookalike(domain: str) -> bool:
    """Return whether a Unicode domain mixes scripts in one label, or spells a Latin word in another script.

    A whole label of Latin twins counts only under a Latin ending: "аррӏе.com" is a disguise, a short
    Russian word under ".рф" is not. Source: UTS 39 and the browsers' display rules.
    """
    labels = domain.split(".")
    latin_ending = labels[-1].isascii()
    return any(_is_disguised(label, latin_ending=latin_ending) for label in labels if not label.isascii())


def _is_disguised(label: str, *, latin_ending: bool) -> bool:
    scripts = {_script(char) for char in label if char.isalpha()}
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in _ALLOWED_MIXES):
        return True
    script = next(iter(scripts), "")
    twins = _LATIN_TWINS.get(script)
    return latin_ending and twins is not None and all(char in twins for char in label if char.isalpha())


@lru_cache(maxsize=10_000)
def _script(char: str) -> str:
    # The first word of a letter's Unicode name is its script for every script in use.
    return unicodedata.name(char, "UNKNOWN").split(" ")[0].split("-")[0]
