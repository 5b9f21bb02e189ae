"""Text made comparable: no case, no accents, no punctuation."""

from __future__ import annotations

import unicodedata
from typing import Final

import polars as pl

# Letters with a stroke or without a dot, which Unicode does not take apart.
_LETTERS: Final = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss"}
_TABLE: Final = str.maketrans(_LETTERS)


def fold_text(cells: pl.Series) -> pl.Series:
    """Return text as plain lower-case words, parted by single blanks."""
    return (
        cells.str.normalize("NFKD")
        .str.replace_all(r"[\x{0300}-\x{036F}]", "")
        .str.to_lowercase()
        .str.replace_many(_LETTERS)
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars()
    )


def fold_word(word: str) -> str:
    """Return one word as ``fold_text`` does, blanks taken out too."""
    plain = word if word.isascii() else unicodedata.normalize("NFKD", word)
    lower = plain.lower()
    return "".join(char for char in lower if char.isalnum() or _is_mark(char)).translate(_TABLE)


def _is_mark(char: str) -> bool:
    """Return whether a character belongs to the letter before it, and is no accent."""
    return not "\u0300" <= char <= "\u036f" and unicodedata.category(char).startswith("M")
