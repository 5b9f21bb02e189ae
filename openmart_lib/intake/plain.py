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
from openmart_lib.intake.suffixes import registrable

_BEFORE: Final = r"^(?:https?://)?(?:[a-z0-9._%+'=&~:-]*@)?"
# Behind the host anything but blanks and what may begin or end a piece of markup.
_PLAIN: Final = rf"^{PLAIN_HOST}(?::\d*)?(?:[/?#][^\s<>\x22'\\]*)?$"
_NOT_PLAIN: Final = r"xn--|[,;|](?:https?:|www\.)"  # an A-label, or another website behind a separator
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
    rest, owner = pl.col("rest"), pl.col("owner")
    plain = rest.str.contains(_PLAIN) & (rest.str.len_bytes() <= _LONGEST) & ~rest.str.contains(_NOT_PLAIN)
    return (
        raw.alias("raw")
        .to_frame()
        .lazy()
        .with_columns(text=pl.col("raw").str.strip_chars(EDGES).str.to_lowercase())
        .with_columns(rest=pl.col("text").str.replace(_BEFORE, ""))
        .with_columns(owner=registrable(pl.when(plain).then("rest")))
        .with_columns(domain=pl.when(ordinary(owner)).then("owner"))
        .select("raw", "domain", rule=pl.when(pl.col("domain").is_not_null()).then(_rule()))
        .collect(engine="streaming")  # the one that works on several cores within a column
    )


def _rule() -> pl.Expr:
    """Return the rules that acted on a settled cell; only lengths and ends are compared, which is quick."""
    text, rest, owner = pl.col("text"), pl.col("rest"), pl.col("owner")
    url = text.str.starts_with("https://") | text.str.starts_with("http://")
    before = text.str.len_bytes() - rest.str.len_bytes()  # 1: an "@" alone
    email = ~url & (before > 1)
    how = (
        pl.when(email)
        .then(pl.lit(1, pl.UInt32))
        .when(url | ~rest.str.ends_with(owner))
        .then(pl.lit(2, pl.UInt32))
        .when(rest.str.starts_with("www.") & ~owner.str.starts_with("www."))
        .then(pl.lit(3, pl.UInt32))
        .otherwise(pl.lit(0, pl.UInt32))
    )
    below = ~rest.str.strip_prefix("www.").str.starts_with(owner)
    names = pl.Series(
        [*_HOW, *(f"{one}{BETWEEN}{SUBDOMAIN}" if one != TIDIED else SUBDOMAIN for one in _HOW)]
    )
    acted = pl.lit(names).gather(how + below.cast(pl.UInt32) * len(_HOW))
    return pl.when(pl.col("raw") != owner).then(acted)
