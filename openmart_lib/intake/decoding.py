"""Bytes to text: UTF-8 when it is, UTF-16 by its marks, else the legacy encoding that reads best.

A legacy encoding is always a guess, so it is always reported; the analyst can name another one.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

import charset_normalizer

from openmart_lib.errors import InputError

_SAMPLE_BYTES: Final = 64 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_QUOTES = "‘’“”„–—…•·°€©®™§«»"
# The letters that names and addresses are mostly made of, in each encoding's languages; the first wins a tie,
# so those with few letters of their own stand before those with many.
_LATIN: Final = {
    "cp1252": "äöüßéèêëàâáãåæøñçíóúôõîïìòùûœÄÖÜÉÈÊÀÂÇØÅÆÑÁÍÓÚÔÕ" + _QUOTES,
    "cp1254": "çğıöşüÇĞİÖŞÜâîû" + _QUOTES,
    "mac_roman": "äöüßéèêëàâáãåæøñçíóúôõîïìòùûœÄÖÜÉÀÇØÅÆÑ" + _QUOTES,
    "cp1250": "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽôĺľŕäöüőűăâîşţșțđÄÖÜŐŰĂÂÎŞŢĐß" + _QUOTES,
    "cp850": "äöüßéèêëàâáãåæøñçíóúôõîïìòùûÄÖÜÉÀÇØÅÆÑÁÍÓÚ",
}
_OTHER_SCRIPTS: Final = {
    "cp1251": "оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДПГЗБЧ" + _QUOTES,
    "koi8_r": "оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДПГЗБЧ",
    "cp866": "оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДПГЗБЧ",
    "cp1253": "αοιετσνηυρπκμλςδγωχθάέήίόύώΑΟΙΕΤΣΝΗΡΠΚΜΛΔΓΧΘΆΈΊΌ" + _QUOTES,
    "cp1255": "אבגדהוזחטיכלמנסעפצקרשתםןךףץ" + _QUOTES,
    "cp1256": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإآؤئء،" + _QUOTES,
    "cp874": "",
    "cp932": "",
    "euc_jp": "",
    "gb18030": "",
    "big5": "",
    "cp949": "",
}
# Control characters that no list holds; a file with many of them is no text.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text.

    Attributes:
        text: Without a byte-order mark.
        encoding: Python's name of the encoding.
        guessed: Whether the encoding was guessed by how well the text reads.
    """

    text: str
    encoding: str
    guessed: bool


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    """Return the text of a file.

    Args:
        encoding: The encoding that the analyst names; None lets us find out.

    Raises:
        InputError: If the bytes are no text, or not in the encoding that was named.
    """
    if encoding is not None:
        return Decoded(_decode_as(data, encoding), encoding, guessed=False)
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(_decode_as(data, name), name, guessed=False)
    if wide := _wide_without_mark(data):
        return Decoded(_decode_as(data, wide), wide, guessed=True)
    _refuse_binary(data)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", guessed=False)
    except UnicodeDecodeError:
        name = _guess(data)
        return Decoded(data.decode(name, errors="replace"), name, guessed=True)


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise InputError(
            f"There is no encoding called {encoding!r}. Nothing was read. Choose another one, such as UTF-8."
        ) from None
    except UnicodeError:
        raise InputError(
            f"The file is not written in {encoding}. Nothing was read. Choose another encoding, or save the "
            "file again as CSV UTF-8."
        ) from None


def _wide_without_mark(data: bytes) -> str | None:
    """Return the UTF-16 of a text without a mark: every other byte is zero there."""
    sample = data[: _SAMPLE_BYTES // 2 * 2]
    if len(sample) < 4 or len(data) % 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.05 * half else None


def _refuse_binary(data: bytes) -> None:
    sample = data[:_SAMPLE_BYTES]
    if len(_CONTROLS.findall(sample)) > max(1, len(sample) // 50):
        raise InputError(
            "This file is not a list: it holds binary data. Nothing was read. Upload a CSV, TSV, TXT or XLSX "
            "file, or paste the rows."
        )


def _guess(data: bytes) -> str:
    """Return the legacy encoding in which the file's non-English lines read best."""
    lines = [line for line in data.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    high = re.findall(rb"[\x80-\xff]+", sample)
    alone = sum(len(run) == 1 for run in high)
    if alone >= 0.5 * len(high):  # single accented letters in otherwise plain words
        return max(_LATIN, key=lambda name: _share(sample, name, _LATIN[name]))
    best = list(charset_normalizer.from_bytes(sample, cp_isolation=list(_OTHER_SCRIPTS)))
    if not best:
        return "cp1252"
    close = [match.encoding for match in best if match.percent_chaos <= best[0].percent_chaos + 1]
    return max(close, key=lambda name: _share(sample, name, _OTHER_SCRIPTS.get(name, "")))


def _share(sample: bytes, encoding: str, common: str) -> float:
    """Return the share of the non-ASCII characters that are common ones, -1 where the bytes do not decode."""
    try:
        text = sample.decode(encoding, errors="strict")
    except UnicodeDecodeError:
        return -1.0
    foreign = [char for char in text if not char.isascii()]
    return sum(char in common for char in foreign) / max(1, len(foreign))
