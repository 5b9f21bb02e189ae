"""Owners that need a closer look: mailbox providers, profile pages, shared hosts and the like.

Every other owner of a plain host is accepted without it; in most lists that is nearly all of them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl

from openmart_lib.intake.suffixes import icann_endings, private_endings, registrable
from openmart_lib.intake.wordlists import split_words, words

# A host of plain ASCII labels of up to 63 characters under an ending that is no number.
PLAIN_HOST: Final = r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
EXAMPLES: Final = ("example.com", "example.net", "example.org", "example.edu")
TYPOS_OF_MAILBOXES: Final = {
    "gmial.com": "gmail.com", "gmai.com": "gmail.com", "gamil.com": "gmail.com", "gmal.com": "gmail.com",
    "gmaill.com": "gmail.com", "gnail.com": "gmail.com", "gmail.co": "gmail.com", "gmail.cm": "gmail.com",
    "gmali.com": "gmail.com", "gmil.com": "gmail.com", "gmaul.com": "gmail.com", "ggmail.com": "gmail.com",
    "hotmial.com": "hotmail.com", "hotmal.com": "hotmail.com", "hotmai.com": "hotmail.com",
    "hotamil.com": "hotmail.com", "hotmaill.com": "hotmail.com", "homtail.com": "hotmail.com",
    "yaho.com": "yahoo.com", "yahooo.com": "yahoo.com", "yhaoo.com": "yahoo.com", "yhoo.com": "yahoo.com",
    "outlok.com": "outlook.com", "outllok.com": "outlook.com", "outloook.com": "outlook.com",
    "iclod.com": "icloud.com", "iclould.com": "icloud.com", "icoud.com": "icloud.com",
}  # fmt: skip


def ordinary(owner: pl.Expr) -> pl.Expr:
    """Return whether a registrable domain may be sent without a closer look; null stays null.

    Args:
        owner: The registrable domain of a plain host, by the list's ICANN section.
    """
    # One pattern that begins at the start: a million owners are looked at twice as fast as with four.
    brands = "|".join(sorted(_brands()))
    odd = owner.str.contains(rf"^(?:(?:www|{brands})\.|xn--|[^_]*(?:_|\.xn--|\.(?:arpa|onion)$))")
    return ~(owner.is_in(_owners()) | odd)


def _pages() -> list[str]:
    """Return the entries of the lists of profile pages and shared hosts, without their marks."""
    lists = (*split_words("social", "/"), *split_words("hosted", "."))
    return [entry for entries in lists for entry in entries]


def _brands() -> set[str]:
    return {entry.removesuffix(".*") for entry in _pages() if entry.endswith(".*")}


@cache
def _owners() -> pl.Series:
    """Return the registrable domains of everything listed, and the endings themselves, for ``is_in``."""
    hosts = {*words("free_mail"), *words("disposable"), *private_endings(), *TYPOS_OF_MAILBOXES, *EXAMPLES}
    hosts |= {entry for entry in _pages() if not entry.endswith(".*")}
    listed = pl.DataFrame({"host": sorted(hosts)}).select(owner=registrable(pl.col("host")))
    owners = {*listed.get_column("owner").drop_nulls(), *icann_endings()}
    return pl.Series(sorted(owners)).implode()
