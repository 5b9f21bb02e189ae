"""The word lists shipped beside this module: one entry a line, ``#`` starts a comment."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import polars as pl


@cache
def words(name: str) -> frozenset[str]:
    """Return the entries of ``<name>.txt``, as written there (lower case)."""
    text = files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    # "#n/a" is an entry, "# some words" a comment.
    return frozenset(line for line in lines if line and not line.startswith("# "))


@cache
def word_series(name: str) -> pl.Series:
    """Return the entries of ``<name>.txt`` for ``is_in``; made once, since some lists are long."""
    return pl.Series(name, sorted(words(name)), dtype=pl.String).implode()


@cache
def split_words(name: str, mark: str) -> tuple[list[str], list[str]]:
    """Return the entries of ``<name>.txt`` without and with the leading ``mark`` (taken off), sorted."""
    entries = words(name)
    plain = sorted(entry for entry in entries if not entry.startswith(mark))
    marked = sorted(entry.removeprefix(mark) for entry in entries if entry.startswith(mark))
    return plain, marked
