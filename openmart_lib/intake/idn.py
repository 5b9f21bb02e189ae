"""International host names: Unicode to A-labels and back, and names that only look like others.

IDNA 2008 with UTS 46 non-transitional mapping: straße.de stays another company than strasse.de
(Python's own ``idna`` codec would join them). One Python call a host, so callers pass unique,
non-ASCII hosts only.
"""

from __future__ import annotations

import unicodedata

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


def to_a_label(host: str) -> str | None:
    """Return a host with every label as ASCII, None where IDNA does not allow it."""
    try:
        ascii_host = idna.encode(host, uts46=True, std3_rules=True, transitional=False).decode("ascii")
        idna.decode(ascii_host, uts46=False)  # "xn--" labels that do not decode are no names
    except (idna.IDNAError, UnicodeError, IndexError, ValueError):
        return None
    return ascii_host


def to_unicode(host: str) -> str:
    """Return a host as people read it; A-labels that do not decode stay as they are."""
    try:
        return idna.decode(host)
    except (idna.IDNAError, UnicodeError, IndexError, ValueError):
        return host


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


def _script(char: str) -> str:
    # The first word of a letter's Unicode name is its script for every script in use.
    return unicodedata.name(char, "UNKNOWN").split(" ")[0].split("-")[0]
