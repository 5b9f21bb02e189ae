"""One full name taken apart: what its words are, and which of them are the first and the last name."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final, NamedTuple

from openmart_lib.intake.folding import fold_word
from openmart_lib.intake.synonyms import sections_of

REVERSED: Final = "it may be written last name first"
_NO_NAME: Final = "it holds more than a name"
_COMPANY: Final = "it reads like a company, a team or a role"
_SEVERAL: Final = "it names several people"
_SINGLE: Final = "it is a single word"
_MANY: Final = "it has too many parts"
_MIDDLE: Final = "its middle part may belong to the first or the last name"
_PARTICLE: Final = "it begins or ends in the middle of a last name"
_LAST_PARTS: Final = "its last name may begin earlier or later"
AFTER_COMMA: Final = "what stands after the comma may be no name"
_INITIAL: Final = "an initial stands where the last name should"
_CAPITALS: Final = "the word in capitals may be initials or a last name"
_NO_SPACE: Final = "nothing parts the family name from the given name"
_SCRIPTS: Final = "it is written in several scripts"
_ORDER: Final = "its order may be that of another language"

_ASIDE: Final = re.compile(r"[\"“”„«(\[][^\"“”„»)\]]*[\"“”»)\]]|(?<=\s)['‘][^'’]{2,}['’](?=\s)")
_MARKS: Final = re.compile(r"[\"“”„«(\['‘’]")  # what _ASIDE and _BROKEN begin with
_NOT_IN_NAMES: Final = re.compile(r"[\d@\\|:=<>#%*+_?!]|https?|www\.|\.(?:com|net|org|de|io)\b| [-–—] ")
_JOINED: Final = re.compile(r"[/;&]|\s(?:and|und|et|og|och|и)\s", re.IGNORECASE)
_CJK: Final = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_KATAKANA: Final = re.compile(r"[\u30a0-\u30ff]+")
_INITIALS: Final = re.compile(r"(?:[^\W\d_]\.?|(?:[^\W\d_]\.-?){2,4}[^\W\d_]?)")
_PATRONYMIC: Final = re.compile(r"(?i).+(?:ович|евич|ьич|овна|евна|ична|івна|ївна)")
_SYLLABLES: Final = re.compile(r"[A-Z][a-z]+-[a-z]+")
_BROKEN: Final = re.compile(r"\b([OoDd]['’])\s+(?=\w)")
_VOWEL: Final = re.compile(r"(?i)[aeiouyäöüáéíóúàèìòùâêîôû]")
# First names that stand in the middle of two surnames just as often ("Ana Martín López").
_SURNAMES_TOO: Final = frozenset(
    ["martin", "marcos", "simon", "roman", "salvador", "santiago", "rosario", "leon", "ramon", "jesus"]
)
_MOST_PARTS: Final = 6


class Split(NamedTuple):
    """A name taken apart; first and last are None without a proposal, ``doubt`` is None when it is sure."""

    first: str | None
    last: str | None
    doubt: str | None


def split_name(name: str) -> Split:
    """Split one full name; see ``names.split_names``."""
    if _MARKS.search(name):
        name = _BROKEN.sub(r"\1", _ASIDE.sub(" ", name))
    text = " ".join(name.split()).strip(" .,;-–—'\"*")
    if not text or _NOT_IN_NAMES.search(text):
        return Split(None, None, _NO_NAME)
    if _JOINED.search(text):
        return Split(None, None, _SEVERAL)
    if not text.isascii():
        if _CJK.search(text):
            return _east_asian(text)
        if len({_script(char) for char in text if char.isalpha()}) > 1:
            return Split(None, None, _SCRIPTS)
    if not words_of("company").isdisjoint(map(_key, text.replace(",", " ").split())):
        return Split(None, None, _COMPANY)
    parts = [part.split() for part in text.split(",") if part.strip()]
    while len(parts) > 1 and all(_is_degree(word, alone=True) for word in parts[-1]):
        parts.pop()
    if len(parts) > 2:
        return Split(None, None, AFTER_COMMA)
    if len(parts) == 2:
        return _last_comma_first(_bare(parts[0]), _bare(parts[1]))
    return _in_order(_bare(parts[0]))


def bare_half(text: str) -> str:
    """Return a first or last name without what profiles add to it: "(he/him)", ", MBA", "Dr."."""
    whole = " ".join(_ASIDE.sub(" ", text).split())
    parts = [part.split() for part in whole.split(",") if part.strip()]
    while len(parts) > 1 and all(_is_degree(word, alone=True) for word in parts[-1]):
        parts.pop()
    if len(parts) != 1:
        return whole if parts else text
    return " ".join(_bare(parts[0]))


@cache
def words_of(section: str) -> frozenset[str]:
    """Return the words of a section of ``name_words.txt``, as ``_key`` makes them."""
    return frozenset(_key(word) for word in sections_of("name_words")[section].split(","))


@lru_cache(maxsize=200_000)
def _key(word: str) -> str:
    """Return a word as it is looked up: letters only, lower case, no accents."""
    return fold_word(word)


def _bare(words: list[str]) -> list[str]:
    """Return a name's words without the titles before and the degrees after it."""
    words, titled = list(words), False
    while len(words) > 1 and _is_title(words[0], titled):
        words.pop(0)
        titled = True
    while len(words) > 1 and _is_degree(words[-1], alone=all(word.isupper() for word in words)):
        words.pop()
    return words


def _is_title(word: str, titled: bool) -> bool:
    key = _key(word)
    dotted = word.endswith(".") and key in words_of("title_dotted") and len(key) > 1
    return key in words_of("title") or dotted or (titled and key in words_of("title_more"))


def _is_degree(word: str, *, alone: bool) -> bool:
    """Return whether a word is a degree; ``alone``: its capitals tell nothing, or it needs none."""
    key = _key(word)
    if key in words_of("degree"):
        return True
    written = "." in word.strip(".") or (word.isupper() and not alone)
    return key in words_of("degree_or_name") and written


def _last_comma_first(last: list[str], first: list[str]) -> Split:
    if len(last) > 4 or len(first) > 4:
        return Split(None, None, AFTER_COMMA)
    # "Beethoven, Ludwig van"
    while len(first) > 1 and _is_particle(first[-1]):
        last = [first.pop(), *last]
    proposal = (_given(first), " ".join(last))
    known = _is_given(first[0])
    if set(first) & set(last) or (_is_given(last[0]) and not known and not any(map(_is_particle, last))):
        return Split(*proposal, AFTER_COMMA)
    two_names = len([word for word in last if not _is_particle(word)]) > 1
    return Split(*proposal, _LAST_PARTS if two_names and not known else None)


def _in_order(words: list[str]) -> Split:
    """Split the words of a name without comma, titles and degrees."""
    if len(words) == 1:
        return Split(None, None, _SINGLE)
    if len(words) == 3 and words[1] in words_of("binder"):
        return Split(None, None, _SEVERAL)
    if len(words) > _MOST_PARTS:
        return Split(None, None, _MANY)
    if not all(word.isupper() for word in words) and any(_is_capital(word) for word in words):
        return _by_capitals(words)
    if _INITIALS.fullmatch(words[-1]):
        return Split(" ".join(words[1:]), words[0], _INITIAL)
    if any(not word.isascii() and _PATRONYMIC.fullmatch(word) for word in words):
        return _with_patronymic(words)
    if _key(words[0]) in words_of("family_first") and not _is_given(words[0]):
        return Split(_given(words[1:]), words[0], REVERSED)
    if _is_particle(words[0]) and not (len(words) == 2 and _key(words[0]) in ("al", "ben")):
        return Split(None, None, _PARTICLE)
    found = next((index for index in range(1, len(words)) if _is_particle(words[index])), None)
    bound = next((index for index in range(2, len(words) - 1) if words[index] in words_of("binder")), None)
    if bound is not None and (found is None or found > bound):
        return _with_last(words, bound - 1)
    if found is not None and not (found == 1 and len(words) == 2 and not words[1].islower()):
        return _with_last(words, found)
    return _first_to_last(words)


def _first_to_last(words: list[str]) -> Split:
    """Split words without particles; the last one is the last name unless something speaks against it."""
    first, last, middle = words[0], words[-1], words[1:-1]
    korean = _SYLLABLES.fullmatch(last) and not _proves(first)  # "Kim Min-jun"
    if (not _is_given(first) and _proves(last)) or korean:
        return Split(_given(words[1:]), first, REVERSED)
    if _is_cyrillic(first) and not _is_given(first):
        return Split(last, first, REVERSED)
    named = [word for word in middle if not _INITIALS.fullmatch(word)]
    given = words[:-1] if _INITIALS.fullmatch(first) else [first, *named]
    sure = all(_is_first_name(word) for word in named)
    return Split(" ".join(given), last, None if sure else _MIDDLE)


def _with_last(words: list[str], start: int) -> Split:
    """Split before the word a last name begins with; doubtful when it could begin or end elsewhere."""
    given, last = words[:start], words[start:]
    proposal = (_given(given), " ".join(last))
    if _is_particle(last[-1]):
        return Split(*proposal, _PARTICLE)
    named = [word for word in last if not _is_particle(word) and word not in words_of("binder")]
    bound = any(word in words_of("binder") for word in last)
    one_name = len(named) == 1 or (bound and len(named) == 2)
    sure = one_name and all(_is_first_name(word) or _INITIALS.fullmatch(word) for word in given[1:])
    return Split(*proposal, None if sure else _LAST_PARTS)


def _by_capitals(words: list[str]) -> Split:
    """Split a name whose last name is written in capitals ("DUPONT Jean", "Jean DUPONT")."""
    capital = [_is_capital(word) or (word.isupper() and _is_particle(word)) for word in words]
    count = sum(capital)
    head, tail = capital[:count], capital[-count:]
    block = words[:count] if all(head) else words[-count:] if all(tail) else None
    short = [word for word in words if _is_capital(word) and len(_key(word)) == 2]
    if short and not _VOWEL.search(short[0]) and words[0] == short[0]:
        rest = _first_to_last([words[0].capitalize(), *words[1:]])  # "JP Morgan": initials
        return Split(words[0] if len(words) == 2 else None, rest.last, None if len(words) == 2 else _CAPITALS)
    if block is None or short or not all(_VOWEL.search(word) for word in block):
        return Split(None, None, _CAPITALS)
    given = words[count:] if all(head) else words[:-count]
    doubt = _LAST_PARTS if any(map(_is_particle, given)) else None
    return Split(_given(given), " ".join(block), doubt)


def _with_patronymic(words: list[str]) -> Split:
    where = next(index for index, word in enumerate(words) if _PATRONYMIC.fullmatch(word))
    if len(words) == 3 and where == 2:
        return Split(words[1], words[0], None)
    if len(words) == 3 and where == 1:
        return Split(words[0], words[2], None)
    return Split(None, None, _ORDER)


def _east_asian(text: str) -> Split:
    """Split a Chinese, Japanese or Korean name: the family name first, where a blank says which it is."""
    words = text.replace("\u3000", " ").split()
    if not all(_CJK.match(char) for word in words for char in word):
        return Split(None, None, _ORDER if "・" in text or "·" in text else _SCRIPTS)
    if len(words) == 1:
        return Split(None, None, _NO_SPACE)
    if len(words) > 2 or "・" in text or _KATAKANA.fullmatch("".join(words)) or len(words[0]) > 3:
        return Split(None, None, _ORDER)
    return Split(words[1], words[0], None)


def _given(words: list[str]) -> str:
    """Return a first name without its middle initials; initials only stay as they are."""
    return " ".join([word for word in words if not _INITIALS.fullmatch(word)] or words)


def _is_particle(word: str) -> bool:
    key = _key(word)
    if len(key) == 1 and not word.startswith(("'", "’")):
        return False
    if key in words_of("particle_small"):
        return word.islower() or (key in words_of("particle") and not word.isupper()) or word.isupper()
    return key in words_of("particle")


def _is_given(word: str) -> bool:
    """Return whether a word, or the first part of "Anne-Marie", is a common first name."""
    return _is_known(_key(word)) or ("-" in word and _is_known(_key(word.split("-")[0])))


def _is_known(key: str) -> bool:
    return key in words_of("given") or key in words_of("either")


def _proves(word: str) -> bool:
    return _key(word) in words_of("given") and _key(word) not in words_of("either")


def _is_first_name(word: str) -> bool:
    return _key(word) in words_of("given") and _key(word) not in _SURNAMES_TOO


def _is_capital(word: str) -> bool:
    """Return whether a word of two letters or more is written in capitals, and is no "McKEE"."""
    return word.isupper() and "." not in word and len(_key(word)) >= 2


def _is_cyrillic(word: str) -> bool:
    return "\u0400" <= word[0] <= "\u04ff"


@cache
def _script(char: str) -> str:
    """Return the script of a letter ("LATIN", "CYRILLIC", ...)."""
    return unicodedata.name(char, "?").split()[0]
