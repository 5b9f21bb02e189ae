"""From the text of a cell to the host it names: one polars pipeline over unique cells.

Nothing is judged here but what can be seen in the text alone (empty, a placeholder, a cell that a
spreadsheet has changed); whether a host is a company's domain is decided in ``domains.py``.
"""

from __future__ import annotations

import string
from typing import Final

import polars as pl

from openmart_lib.intake.rules import FORMULA, HIDDEN, INNER_BLANKS, LABEL, MARKUP, WIDE, joined, named
from openmart_lib.intake.wordlists import word_series

_PLAIN = r"^[a-z0-9./:?=&_%#~+-]*$"  # nothing to repair in such a cell
_INVISIBLE = r"[\x{00AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]"
# Full-width ASCII and the dots of Chinese and Japanese keyboards. Not NFKC: it would make "⒈com" a domain.
_WIDE_FORMS: Final = {chr(0xFF01 + code): chr(0x21 + code) for code in range(94)} | {"。": ".", "｡": "."}
# Joiners mean something inside Persian and Indic names, nothing beside a Latin letter.
_STRAY_JOINER = r"([\x00-\x7F])[\x{200C}\x{200D}]"
EDGES: Final = " \t\n\r\u00a0\u3000.,;:!'\"<>()[]{}*`´|«»“”„‘’‚•·…\\"
_FORMULA_LINK = (
    r"(?is)^=+\s*[\p{L}_.]*(?:hyperlink|hypertext|lien|hiper|v[íi]nculo|link)[\p{L}_.]*\s*\(\s*[\"']([^\"']+)"
)
_MARKDOWN_LINK = r"^\[[^\]]*\]\(([^)\s]+)\)$"
_HTML_LINK = r"(?i)^<a\s[^>]*href\s*=\s*[\"']?([^\"'\s>]+)"
_ADDRESS_WITH_NAME = r"^[^<>]*<\s*([^<>\s]+)\s*>$"
# https://, //, hxxp://, https//, https;//, http:acme.com, twice over, and labels such as "web:".
_SCHEME = (
    r"^(?:(?:[a-z][a-z0-9+.-]{0,19}[:;])?[/\\]{2,}"
    r"|h(?:tt|xx)ps?[:;/\\]+"
    r"|(?:mailto|ftp)\s*[:;]+[\s/\\]*)+"
)
_LABEL = r"^(?:web|website|site|url|homepage|domain|e-?mail)\s*:\s+"
_MONTHS = (  # English, German, French, Spanish, Italian, Portuguese, Dutch; short or whole
    r"(?:jan(?:uary|uar|vier|uari)?|janv|ene(?:ro)?|gen(?:naio)?|feb(?:ruary|ruar|rero|braio)?|févr?(?:ier)?|fev"
    r"|mar(?:ch|s|zo|ço)?|mrz|mär(?:z)?|mrt|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|ma[iy]o?|mag|mei|jun[ei]?|juin"
    r"|giu|jul[yi]?|juil(?:let)?|lug|aug(?:ust)?|août|ago(?:sto)?|sept?(?:ember)?|set|o[ck]t(?:ober)?|ott|out"
    r"|nov(?:ember)?|de[cz](?:ember)?|déc|dic)\.?"
)
_SPREADSHEET_DAMAGE = (
    # #REF! and its like, the closing mark already taken off
    r"^(?:#(?:ref|name|value|div/0|num|spill|calc|bezug|wert|zahl|valeur|nom|nombre|nome|valor)[!?]?"
    r"|[+-]?\d+(?:[.,]\d+)?e[+-]?\d+"  # 1.23E+11
    rf"|\d{{1,4}}[-/ ]{_MONTHS}|{_MONTHS}[-/ ]\d{{1,4}}"  # 1-Mar, Mar-01
    rf"|\d{{1,2}}[-/. ]{_MONTHS}[-/. ]\d{{2,4}}"
    r"|\d{1,4}[-/]\d{1,2}[-/]\d{1,4}(?:[t ]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?z?)?"  # 2024-03-01 00:00:00
    r"|\d{1,2}\.\d{1,2}\.(?:19|20)\d{2}"  # 01.03.2024
    r"|[+-]?\d+(?:[.,]\d+)?)$"  # a bare number
)


def read_cells(cells: pl.Series) -> pl.DataFrame:
    """Read unique cells as far as their text tells.

    Args:
        cells: Unique non-null strings.

    Returns:
        One row per cell: ``raw``, ``text`` (trimmed, repaired, lower case), ``host`` (lower case, may
        hold anything), ``path`` (what follows the host), ``link`` (whether the text is written as a
        link), ``mail`` (whether the host came from an e-mail address), ``repair`` (the repairs that were
        made, of ``rules.py``, or null), ``code`` (blank, placeholder, excel, or null).
    """
    return read_texts(cells).pipe(split_link)


def read_texts(cells: pl.Series) -> pl.DataFrame:
    """Return ``raw``, ``text``, ``repair`` and ``code`` of unique cells, as ``read_cells`` does."""
    frame = pl.DataFrame({"raw": cells}, schema={"raw": pl.String}).with_columns(
        text=pl.col("raw").str.strip_chars().pipe(_lower)
    )
    plain = pl.col("text").str.contains(_PLAIN)
    frame = pl.concat(
        [
            frame.filter(plain).with_columns(repair=pl.lit(None, pl.String)),
            frame.filter(~plain).pipe(_repair),
        ]
    )
    return frame.with_columns(code=_text_code())


def split_link(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``link``, ``mail``, ``host`` and ``path`` to a frame with ``text``."""
    bare = pl.col("text").str.replace(_SCHEME, "")
    return (
        frame.lazy()
        .with_columns(bare=bare)
        .with_columns(
            link=pl.col("bare").str.len_bytes() < pl.col("text").str.len_bytes(),
            authority=pl.col("bare").str.replace(r"(?s)[/\\?#].*$", ""),
        )
        .with_columns(
            path=pl.col("bare").str.strip_prefix(pl.col("authority")),
            mail=pl.col("authority").str.contains(r"[^@\s]@[^@]+$")
            & (~pl.col("text").str.contains(r"^[a-z]{2,5}:/") | pl.col("text").str.starts_with("mailto")),
            host=pl.col("authority")
            .str.replace(r"(?s)^.*@", "")
            .str.replace(r":\d*$", "")
            .str.strip_chars(EDGES + "/"),
        )
        .drop("bare", "authority")
        .collect()
    )


def _lower(text: pl.Expr) -> pl.Expr:
    # ASCII only: the other letters are for UTS 46 to fold, which knows better than str.lower.
    return text.str.replace_many(list(string.ascii_uppercase), list(string.ascii_lowercase))


def _repair(frame: pl.DataFrame) -> pl.DataFrame:
    """Take off what surrounds an address, and mend what copying broke; name what was done."""
    # A pattern with a group is slow, so each is tried on the few cells that can match it only.
    around = pl.when(pl.col("seen").str.contains(r"^[=\[]|<")).then("seen")
    link = pl.coalesce(
        around.str.extract(pattern)
        for pattern in (_FORMULA_LINK, _HTML_LINK, _MARKDOWN_LINK, _ADDRESS_WITH_NAME)
    )
    trimmed = pl.coalesce("link", "seen").str.strip_chars(EDGES)
    return (
        frame.lazy()
        .with_columns(narrow=_narrow(pl.col("text")))
        .with_columns(seen=_visible(pl.col("narrow")).str.strip_chars().pipe(_lower))
        .with_columns(link=link)
        .with_columns(trimmed=trimmed, bare=_unlabelled(trimmed))
        .with_columns(mended=_closed_up(pl.col("bare")))
        .select(
            "raw",
            # A cell of punctuation only is left to speak for itself.
            text=pl.when(pl.col("mended") == "").then("seen").otherwise("mended"),
            repair=_repairs(),
        )
        .collect()
    )


def _narrow(text: pl.Expr) -> pl.Expr:
    wide = text.str.contains(r"[\x{FF01}-\x{FF5E}。｡]")
    return pl.when(wide).then(pl.when(wide).then(text).str.replace_many(_WIDE_FORMS)).otherwise(text)


def _visible(text: pl.Expr) -> pl.Expr:
    return (
        text.str.replace_all(_INVISIBLE, "")
        .str.replace_all(_STRAY_JOINER, "${1}")
        .str.replace_all(r"\p{Zs}", " ")
    )


def _unlabelled(trimmed: pl.Expr) -> pl.Expr:
    """Take off a list's bullet or number, and words such as "web:"."""
    return (
        trimmed.str.replace(r"^(?:[-–—•·*>]+|\d{1,4}[.)]|[x✓✔]\])\s+", "")
        .str.strip_chars(EDGES)
        .str.replace(_LABEL, "")
        .str.replace(r"^(https?:)\s*//\s+", "${1}//")
    )


def _closed_up(bare: pl.Expr) -> pl.Expr:
    """Close "acme .com" and "jane @ acme.com"; never "Mr. Coffee"."""
    blank = bare.str.contains(r"\s")
    closed = bare.str.replace_all(r"(\S)\s+\.(\S)", "${1}.${2}").str.replace_all(r"\s*@\s*", "@")
    return pl.when(blank).then(closed).otherwise(bare)


def _repairs() -> pl.Expr:
    seen, has_link = pl.col("seen"), pl.col("link").is_not_null()
    hidden = pl.col("text").str.contains(_INVISIBLE) | pl.col("narrow").str.contains(_STRAY_JOINER)
    return joined(
        named(pl.col("narrow") != pl.col("text"), WIDE),
        named(hidden, HIDDEN),
        named(has_link & seen.str.starts_with("="), FORMULA),
        named(has_link & seen.str.contains(r"^(?:\[|<a\s)"), MARKUP),
        named(pl.col("bare") != pl.col("trimmed"), LABEL),
        named(pl.col("mended") != pl.col("bare"), INNER_BLANKS),
    )


def _text_code() -> pl.Expr:
    text = pl.col("text")
    return (
        pl.when(text == "")
        .then(pl.lit("blank"))
        .when(is_placeholder(text))
        .then(pl.lit("placeholder"))
        .when(text.str.contains(_SPREADSHEET_DAMAGE))
        .then(pl.lit("excel"))
    )


def is_placeholder(text: pl.Expr) -> pl.Expr:
    """Return whether trimmed lower-case text only says that there is no value."""
    return text.is_in(word_series("placeholders")) | text.str.contains(r"^[\p{P}\p{S}\s]+$")
