"""Which legacy encoding a text is written in: the one in which it reads best, and how sure that is.

An 8-bit encoding cannot be proved, only judged by how its letters look in their words. So the judgement is
stated together with its certainty, and the analyst can choose another encoding.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

import charset_normalizer

_QUOTES: Final = "‘’“”„–—…•°€©®™§«»"
_WESTERN: Final = "äöüßéèêëàâáãåæøñçíóúôõîïìòùûœÄÖÜÉÈÊÀÂÇØÅÆÑÁÍÓÚÔÕ"
_CENTRAL: Final = "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽôĺľŕäöüőűăâîşţșțđÄÖÜŐŰĂÂÎŞŢĐß"
_BALTIC: Final = "āčēģīķļņšūžėęįųąĀČĒĢĪĶĻŅŠŪŽĖĘĮŲĄõäöüÕÄÖÜ"
_CYRILLIC: Final = "оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДПГЗБЧ"
_GREEK: Final = "αοιετσνηυρπκμλςδγωχθάέήίόύώΑΟΙΕΤΣΝΗΡΠΚΜΛΔΓΧΘΆΈΊΌ"
_HEBREW: Final = "אבגדהוזחטיכלמנסעפצקרשתםןךףץ"
_ARABIC: Final = "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإآؤئء،"
# The letters that names and addresses are mostly made of, in each encoding's languages; the first wins a tie,
# so those with few letters of their own stand before those with many.
_LATIN: Final = {
    "cp1252": _WESTERN + _QUOTES,
    "cp1254": "çğıöşüÇĞİÖŞÜâîû" + _QUOTES,
    "mac_roman": "äöüßéèêëàâáãåæøñçíóúôõîïìòùûœÄÖÜÉÀÇØÅÆÑ" + _QUOTES,
    "cp1250": _CENTRAL + _QUOTES,
    "iso8859_2": _CENTRAL,
    "cp1257": _BALTIC + _QUOTES,
    "cp850": "äöüßéèêëàâáãåæøñçíóúôõîïìòùûÄÖÜÉÀÇØÅÆÑÁÍÓÚ",
    "cp852": _CENTRAL,
}
_OTHER_SCRIPTS: Final = {
    "cp1251": _CYRILLIC + _QUOTES,
    "koi8_r": _CYRILLIC,
    "cp866": _CYRILLIC,
    "iso8859_5": _CYRILLIC,
    "mac_cyrillic": _CYRILLIC + _QUOTES,
    "cp1253": _GREEK + _QUOTES,
    "iso8859_7": _GREEK,
    "cp1255": _HEBREW + _QUOTES,
    "cp1256": _ARABIC + _QUOTES,
    "cp874": "",
    "cp932": "",
    "euc_jp": "",
    "gb18030": "",
    "big5": "",
    "cp949": "",
}
_ASIAN: Final = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp874")
_INNER: Final = "’'-.&"  # signs that stand between two letters
_SIGNS: Final = "™®©…•°€§"  # signs that stand before no letter
_RARER: Final = "õûùýÈÐðþÕ"  # letters of few languages; in others they are a wrong reading of common ones
_THAI_RARE: Final = "ฯ฿๏๐๑๒๓๔๕๖๗๘๙๚๛ฃฅฤฦ"
_OTHERS: Final = (
    *("ascii", "latin_1", "iso8859_9", "iso8859_15", "iso8859_4", "iso8859_13", "cp1258", "cp437"),
    *("koi8_u", "mac_latin2", "shift_jis", "euc_kr", "gbk", "gb2312", "big5hkscs", "iso2022_jp"),
)
_UNICODE: Final = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
    *("utf-32", "utf-32-le", "utf-32-be"),
)
_KNOWN: Final = frozenset(
    codecs.lookup(name).name for name in (*_UNICODE, *_LATIN, *_OTHER_SCRIPTS, *_OTHERS)
)
NAMES: Final = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32": "UTF-32",
    "utf-32-le": "UTF-32 LE",
    "utf-32-be": "UTF-32 BE",
    "cp1252": "Western European (Windows-1252)",
    "cp1254": "Turkish (Windows-1254)",
    "mac_roman": "Western European (Mac)",
    "cp1250": "Central European (Windows-1250)",
    "iso8859_2": "Central European (ISO 8859-2)",
    "cp1257": "Baltic (Windows-1257)",
    "cp850": "Western European (DOS 850)",
    "cp852": "Central European (DOS 852)",
    "cp1251": "Cyrillic (Windows-1251)",
    "koi8_r": "Cyrillic (KOI8-R)",
    "cp866": "Cyrillic (DOS 866)",
    "iso8859_5": "Cyrillic (ISO 8859-5)",
    "mac_cyrillic": "Cyrillic (Mac)",
    "cp1253": "Greek (Windows-1253)",
    "iso8859_7": "Greek (ISO 8859-7)",
    "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)",
    "cp874": "Thai (Windows-874)",
    "cp932": "Japanese (Shift JIS)",
    "euc_jp": "Japanese (EUC-JP)",
    "iso2022_jp": "Japanese (ISO-2022-JP)",
    "gb18030": "Chinese, simplified (GB 18030)",
    "big5": "Chinese, traditional (Big5)",
    "cp949": "Korean (CP949)",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text reads in one encoding.

    Attributes:
        encoding: Python's name.
        score: From -1 (senseless) to 1 (every foreign letter is common and where it belongs).
        sure: "certain", "likely", or "unsure" where another encoding gives another text that reads as well.
    """

    encoding: str
    score: float
    sure: str = "unsure"


def encoding_name(encoding: str) -> str:
    """Return an encoding's name for people, Python's own where we have none."""
    return NAMES.get(encoding, encoding)


def is_known_encoding(encoding: str) -> bool:
    """Return whether lists are written in an encoding.

    Python knows more codecs: some unpack, some evaluate escapes. None of those reads a file here.
    """
    try:
        return codecs.lookup(encoding).name in _KNOWN
    except (LookupError, ValueError):
        return False


def readings(sample: bytes) -> list[Reading]:
    """Judge a sample of lines that are not UTF-8 in every encoding that can decode them, best first."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    # Accents stand alone in otherwise plain words; other alphabets fill whole words.
    accents = sum(map(len, runs)) <= 2.2 * len(runs)
    chaos = {} if accents else _chaos(sample)
    scored = [Reading(name, _score(sample, name, _LATIN[name]) - 0.5 * (not accents)) for name in _LATIN]
    for name, common in _OTHER_SCRIPTS.items():
        score = _score(sample, name, common)
        if name in _ASIAN and len(runs) > 1:
            scored.append(Reading(name, score - chaos.get(name, 0.2) * (not accents)))
        else:
            scored.append(Reading(name, score - (0.5 if accents else chaos.get(name, 0.5))))
    able = sorted((one for one in scored if one.score > -2), key=lambda one: -one.score)
    if not able:
        return [Reading("cp1252", -1.0)]
    return [Reading(able[0].encoding, able[0].score, _certainty(sample, able)), *able[1:]]


def _chaos(sample: bytes) -> dict[str, float]:
    """Return how unlike any language the sample is in each encoding of other alphabets: 0 for the best."""
    found = charset_normalizer.from_bytes(sample, cp_isolation=list(_OTHER_SCRIPTS))
    chaos = {match.encoding: match.percent_chaos for match in found}
    least = min(chaos.values(), default=0.0)
    return {name: 0.0 if share <= least + 1 else 0.2 + share / 100 for name, share in chaos.items()}


def _certainty(sample: bytes, able: list[Reading]) -> str:
    """Return how sure the first reading is: unsure if another text comes close, or little was to judge by."""
    best, *others = able
    text = sample.decode(best.encoding)
    rivals = [one for one in others if one.score > best.score - 0.1 and sample.decode(one.encoding) != text]
    return "likely" if best.score >= 0.6 and not rivals else "unsure"


def _score(sample: bytes, encoding: str, common: str) -> float:
    """Return how common and well-placed the non-ASCII characters are, below -2 where it does not decode."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return -3.0
    text = f"\n{text}\n"  # so that every character has neighbours
    foreign = [index for index, char in enumerate(text) if not char.isascii()]
    points = sum(_points(text, index, encoding, common) for index in foreign)
    return points / max(1, len(foreign))


def _points(text: str, index: int, encoding: str, common: str) -> float:
    char, before, after = text[index], text[index - 1], text[index + 1]
    if "\x80" <= char <= "\x9f" or "\ue000" <= char <= "\uf8ff":
        return -1.0  # control and private characters stand in no name
    if encoding in _ASIAN:
        points = _asian_points(char, before + after)
        return min(points, 0.3) if encoding == "cp949" and char < "\ua000" else points  # Hanja are rare
    if char.isupper() and before.isalpha() and (before.islower() or after.islower()):
        return -0.5  # a capital inside a word
    if not char.isalpha() and char not in _INNER and after.isalpha() and (before.isalpha() or char in _SIGNS):
        return -0.5  # a sign inside a word, or glued to the front of one
    return 0.0 if char not in common else 0.7 if char in _RARER else 1.0


def _asian_points(char: str, beside: str) -> float:
    """Return 1 for the letters of everyday texts, 0 for rare ones, less for half-width kana and symbols."""
    if re.search("[a-z]", beside):
        return -0.5  # inside a word of Latin letters
    if "\u3040" <= char <= "\u30ff" or "\uac00" <= char <= "\ud7a3":
        return 1.0
    if "\u0e01" <= char <= "\u0e5b":
        return -0.5 if char in _THAI_RARE else 0.9
    if "\uff61" <= char <= "\uff9f":
        return -0.3
    if "\u4e00" <= char <= "\u9fff":
        return 1.0 if _is_everyday(char) else 0.3
    return 0.6 if "\u3000" <= char <= "\u303f" or "\uff01" <= char <= "\uff5e" else -0.2


def _is_everyday(char: str) -> bool:
    """Return whether a character is in the first level of GB 2312, Big5 or JIS: the frequent ones."""
    for codec, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF)):
        try:
            lead = char.encode(codec)[0]
        except UnicodeEncodeError:
            continue
        if first <= lead <= last:
            return True
    return False
