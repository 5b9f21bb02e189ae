"""Registrable domains by the Public Suffix List that ``publicsuffixlist`` ships.

``polars_tldextract`` is young, so it is used here only, behind two expressions; the tests hold it
against ``publicsuffixlist`` itself.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import polars as pl
import polars_tldextract as tld
from publicsuffixlist import PSLFILE


@cache
def psl_date() -> str:
    """Return the date of the Public Suffix List in use, as ``YYYY-MM-DD``."""
    version = tld.load_psl(Path(PSLFILE))
    found = re.match(r"\d{4}-\d{2}-\d{2}", version)
    return found.group() if found else version


@cache
def private_endings() -> frozenset[str]:
    """Return the endings of the list's private section, without wildcards, lower case, ASCII ones only."""
    return frozenset(map(_name, _rules("PRIVATE")))


@cache
def icann_endings() -> frozenset[str]:
    """Return those of its ICANN section."""
    return frozenset(map(_name, _rules("ICANN")))


@cache
def simple_endings() -> pl.Series:
    """Return the ASCII endings of the ICANN section that have no wildcards below them, for ``is_in``.

    A host of one label below such an ending is its own registrable domain, unless it is an ending itself.
    """
    rules = _rules("ICANN")
    wild = {_name(rule) for rule in rules if rule.startswith("*")}
    return pl.Series(sorted(rule for rule in rules - wild if rule[0] not in "*!")).implode()


def _rules(section: str) -> set[str]:
    text = Path(PSLFILE).read_text(encoding="utf-8")
    begin, end = (text.index(f"==={mark} {section} DOMAINS") for mark in ("BEGIN", "END"))
    lines = map(str.strip, text[begin:end].splitlines()[1:])
    return {line for line in lines if line.isascii() and line and not line.startswith("//")}


def _name(rule: str) -> str:
    return rule.lstrip("!").removeprefix("*.")


def registrable(host: pl.Expr, *, private: bool = False) -> pl.Expr:
    """Return the registrable domain of bare lower-case ASCII hosts, null where there is none.

    A port, path or query behind the host is passed over.

    Args:
        private: Count the list's private section too (``github.io``, ``myshopify.com``).
    """
    psl_date()  # loads the list once
    return tld.registrable_domain(host, include_private=private)


def suffix(host: pl.Expr, *, private: bool = False) -> pl.Expr:
    """Return the public suffix of bare lower-case ASCII hosts, null where the ending is unknown.

    Args:
        private: Count the list's private section too.
    """
    psl_date()
    return tld.suffix(host, include_private=private)
