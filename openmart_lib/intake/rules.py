"""The names of the cleaning rules, in the words the analyst reads beside each row."""

from __future__ import annotations

from typing import Final

import polars as pl

FORMULA: Final = "took the link out of a formula"
MARKUP: Final = "took the link out of markup"
HIDDEN: Final = "removed hidden characters"
WIDE: Final = "turned full-width characters into plain ones"
LABEL: Final = "left out the words before it"
INNER_BLANKS: Final = "closed up blanks inside"
EMAIL: Final = "took the domain of an email address"
LINK: Final = "took the host of a URL"
WWW: Final = "left out www"
INTERNATIONAL: Final = "wrote an international name in ASCII"
SUBDOMAIN: Final = "left out the subdomain"
TIDIED: Final = "tidied capitals, blanks and punctuation around it"
REPEATED: Final = "took the one domain that the cell repeats"
ANYWAY: Final = "sent as it stands, as you decided"
FIRST_OF_SEVERAL: Final = "took the first of several websites"
BETWEEN: Final = "; "  # several rules that acted on one cell


def joined(*rules: pl.Expr) -> pl.Expr:
    """Return the rules that acted, in order, as one text; null when none did."""
    text = pl.concat_str(rules, separator=BETWEEN, ignore_nulls=True)
    return pl.when(text != "").then(text)


def named(acted: pl.Expr, rule: str) -> pl.Expr:
    """Return a rule's name where it acted, else null."""
    return pl.when(acted).then(pl.lit(rule))
