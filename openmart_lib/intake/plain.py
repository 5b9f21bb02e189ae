"""The cells that need no closer look: a bare host, a URL or an e-mail address of an ordinary company.

They are most of any list, so they are settled here in one pass without a join; what this passes over is
read with care in ``hosts.py`` and judged in ``judge.py``. Where this one settles a cell, both agree.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.hosts import EDGES
from openmart_lib.intake.noteworthy import PLAIN_HOST, ordinary
from openmart_lib.intake.rules import BETWEEN, EMAIL, LINK, SUBDOMAIN, TIDIED, WWW, named
from openmart_lib.intake.suffixes import registrable

_BEFORE: Final = r"^(?:https?://|mailto:)?(?:[a-z0-9._%+'=&~:-]*@)?"
# Behind the host anything but what may divide several websites, or begin or end a piece of markup.
_PLAIN: Final = rf"^{PLAIN_HOST}(?::\d*)?(?:[/?#][^\s,;|<>\x22'\\]*)?$"
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
    plain = (
        rest.str.contains(_PLAIN)
        & (rest.str.len_bytes() <= _LONGEST)
        & ~rest.str.contains("xn--", literal=True)
    )
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
    text, rest, owner = pl.col("text"), pl.col("rest"), pl.col("owner")
    how = pl.coalesce(
        named(text.str.contains(r"^(?:mailto:)?[^/?#@]+@"), EMAIL),
        named(text.str.contains(r"^https?:|[/?#:]"), LINK),
        named(text.str.starts_with("www."), WWW),
    )
    return (
        pl.when(pl.col("raw") == owner)
        .then(None)
        .when(~rest.str.strip_prefix("www.").str.starts_with(owner))
        .then(pl.concat_str(how, pl.lit(SUBDOMAIN), separator=BETWEEN, ignore_nulls=True))
        .otherwise(pl.coalesce(how, pl.lit(TIDIED)))
    )
