"""The formula guard of CSV files: put on when we export, taken off when we import.

A spreadsheet runs a cell that starts with ``=``, ``+``, ``-``, ``@`` or a control character. The guard
is one leading ``'``. Both directions share one definition, so that the round trip gives every cell back
unchanged, those that began with ``'`` included:

    D = the dangerous texts, and every ``'`` before a text of D
    guard(x)   = ``'`` + x  for x in D, else x
    unguard(y) = x          for y = ``'`` + x with x in D, else y

Phone numbers and plain numbers start with the same characters, are harmless, and stay as they are.

Source: OWASP, "CSV Injection" (LF and full-width variants included).
"""

from __future__ import annotations

from typing import Final

import polars as pl

GUARD: Final = "'"
# The characters a spreadsheet may take for the start of a formula; the last four are full-width.
_TRIGGER: Final = r"[=+\-@\t\r\n\x00\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_NUMBER: Final = r"[+\-](?:[0-9][0-9.,]*|[.,][0-9]+)(?:[eE][+\-]?[0-9]+)?%?"
# One leading plus, then digits and the usual phone punctuation only: nothing a formula could call.
_PHONE: Final = r"\+[0-9(][0-9 ()./\-\x{00A0}]{5,28}"
_DASHES: Final = r"-{1,3}"
_SUSPECT: Final = rf"\A'*{_TRIGGER}"
_HARMLESS: Final = rf"\A'*(?:{_NUMBER}|{_PHONE}|{_DASHES})\z"


def guard(expr: pl.Expr) -> pl.Expr:
    """Return the text column with our guard on every cell that a spreadsheet could run as a formula.

    Args:
        expr: A String column; null stays null.
    """
    return pl.when(~_guardable(expr)).then(expr).otherwise(pl.lit(GUARD) + expr)  # the first names it


def unguard(expr: pl.Expr) -> pl.Expr:
    """Return the text column without our guard: exactly what ``guard`` was given.

    Args:
        expr: A String column; null stays null.
    """
    ours = expr.str.starts_with(GUARD) & _guardable(expr)
    return pl.when(ours).then(expr.str.slice(1)).otherwise(expr)


def guard_name(name: str) -> str:
    """Return one text, such as a column's name, with our guard where it needs one."""
    return str(pl.select(guard(pl.lit(name))).item())


def unguard_name(name: str) -> str:
    """Return one text, such as a column's name, without our guard."""
    return str(pl.select(unguard(pl.lit(name))).item())


def _guardable(expr: pl.Expr) -> pl.Expr:
    return expr.str.contains(_SUSPECT) & ~expr.str.contains(_HARMLESS)
