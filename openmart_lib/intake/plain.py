"""The cells that need no closer look: a bare host, a URL or an e-mail address of an ordinary company.

They are most of any list, so they are settled here in one pass without a join; what this passes over is
read with care in ``hosts.py`` and judged in ``judge.py``. Where this one settles a cell, both agree.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.hosts import EDGES
from openmart_lib.intake.noteworthy import PLAIN_HOST, ordinary
from openmart_lib.intake.rules import BETWEEN, EMAIL, LINK, SUBDOMAIN, TIDIED, WWW
from openmart_lib.intake.suffixes import registrable, simple_endings

# Behind a user's colon no digit, so that a colon and a digit always mean a port.
_USER: Final = r"[a-z0-9._%+'=&~-]*(?::[a-z._%+'=&~-][a-z0-9._%+'=&~-]*)?@"
# Behind the host anything but blanks, what may begin or end a piece of markup, and a separator that another
# website ("http", "www") may follow.
_PATH: Final = r"[/?#](?:[^\s<>\x22'\\,;|]|[,;|][^\s<>\x22'\\,;|hw])*"
_PLAIN: Final = rf"^(?:https?://)?(?:{_USER})?{PLAIN_HOST}(?::\d+)?(?:{_PATH})?$"
_END_OF_HOST: Final = r"[^/:](?:[/?#]|:\d)"  # and not the slashes of "https://"
_HOW: Final = (TIDIED, EMAIL, LINK, WWW)
_LONGEST: Final = 250  # bytes; a host may have 253


def settle_plain(raw: pl.Series) -> pl.DataFrame:
    """Settle the plain cells of a column.

    Args:
        raw: Any text, null for empty cells.

    Returns:
        One row per cell, in order: ``raw``, ``domain`` (null where the cell needs a closer look) and
        ``rule`` (of ``rules.py``; null where the cell was clean or is not settled).
    """
    text, host, bare = pl.col("text"), pl.col("host"), pl.col("bare")
    plain = text.str.contains(_PLAIN) & (text.str.len_bytes() <= _LONGEST)
    return (
        raw.alias("raw")
        .to_frame()
        .lazy()
        .with_columns(text=pl.col("raw").str.strip_chars(EDGES).str.to_lowercase())
        .with_columns(text=pl.when(plain).then("text"))
        .with_columns(scheme=_scheme(), end=_place(_END_OF_HOST), at=_place("@"))
        .with_columns(begin=pl.when(pl.col("at") < pl.col("end")).then("at").otherwise("scheme"))
        .with_columns(host=text.str.slice(pl.col("begin"), pl.col("end") - pl.col("begin")))
        .with_columns(bare=host.str.strip_prefix("www."))
        .with_columns(above=bare.str.slice(bare.str.find(".", literal=True) + 1))
        .with_columns(owner=_owner())
        .with_columns(domain=pl.when(ordinary(pl.col("owner"))).then("owner"))
        .select("raw", "domain", rule=pl.when(pl.col("domain").is_not_null()).then(_rule()))
        .collect(engine="streaming")  # the one that works on several cores within a column
    )


def _scheme() -> pl.Expr:
    """Return how many characters the scheme has."""
    text, size = pl.col("text"), {"https://": 8, "http://": 7}
    return pl.coalesce(
        *(pl.when(text.str.starts_with(one)).then(pl.lit(size[one], pl.UInt32)) for one in size),
        pl.lit(0, pl.UInt32),
    )


def _place(pattern: str) -> pl.Expr:
    """Return the place behind the first character that a pattern finds in a text, or one behind any text."""
    return pl.col("text").str.find(pattern).fill_null(_LONGEST) + 1


def _owner() -> pl.Expr:
    """Return the registrable domain; only a host with a subdomain or a rare ending has to be looked up."""
    known = pl.col("above").is_in(simple_endings()).fill_null(False)
    other = pl.when(~known).then("host")
    looked_up = registrable(pl.when(~other.str.contains("xn--", literal=True)).then(other))
    return pl.when(known).then("bare").otherwise(looked_up)


def _rule() -> pl.Expr:
    """Return the rules that acted on a settled cell; nearly all of it compares lengths, which is quick."""
    text, host, bare, owner = (pl.col(name).str.len_bytes() for name in ("text", "host", "bare", "owner"))
    begin, scheme = pl.col("begin"), pl.col("scheme")
    how = (
        pl.when((scheme == 0) & (begin > 1))  # 1: an "@" alone
        .then(pl.lit(1, pl.UInt32))
        .when((scheme > 0) | (begin + host < text))
        .then(pl.lit(2, pl.UInt32))
        .when(bare < host)
        .then(pl.lit(3, pl.UInt32))
        .otherwise(pl.lit(0, pl.UInt32))
    )
    names = pl.Series(
        [*_HOW, *(f"{one}{BETWEEN}{SUBDOMAIN}" if one != TIDIED else SUBDOMAIN for one in _HOW)]
    )
    acted = pl.lit(names).gather(how + (owner < bare).cast(pl.UInt32) * len(_HOW))
    return pl.when(pl.col("raw") != pl.col("owner")).then(acted)
