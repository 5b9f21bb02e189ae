"""Full names become first and last names; where a split is in doubt, the row is held for a person to look at.

A wrong split asks for somebody who does not exist, and may be paid for. So whatever can be read two ways
("Nagy Gábor", "Gabriel García Márquez") is doubtful, with a proposal where there is one.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl

from openmart_lib.intake.folding import fold_text
from openmart_lib.intake.name_parts import AFTER_COMMA, REVERSED, Split, bare_half, split_name, words_of

SCHEMA: Final = {
    "full_name": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "doubt": pl.String,
}
# "Jane Doe", "Jane Q. Doe" and "Doe, Jane Q.": most names of any list.
_IN_ORDER: Final = r"^([\p{Latin}][\p{Latin}'’]+) (?:\p{Lu}\.? )?([\p{Latin}][\p{Latin}'’-]+)$"
_WITH_COMMA: Final = r"^([\p{Latin}][\p{Latin}'’]+), ([\p{Latin}][\p{Latin}'’]+)(?: \p{Lu}\.?)?$"
_CAPITALS: Final = r"^[\p{Lu}'’-]{2,}$"
_BESIDE: Final = r"[,.(\[\"“„«]"  # begins or parts what is no part of a name
_SPECIAL: Final = (
    "title", "title_dotted", "degree", "degree_or_name", "particle", "particle_small", "binder", "company",
)  # fmt: skip


def split_names(names: pl.Series) -> pl.DataFrame:
    """Split full names into first and last names.

    Titles, degrees, generations, nicknames and middle initials are left out; "Last, First", particles
    ("van der", "de la"), hyphens, surnames in capitals and names in other scripts are understood.

    Args:
        names: Tidied text (single blanks), null where there is none. Each distinct name is read once.

    Returns:
        One row per name, in the same order, all String: ``full_name`` (as given), ``first_name`` and
        ``last_name`` (null when there is no proposal), ``doubt`` (null when the split is sure, else why it
        is not: the end of the sentence "Name in doubt: ...").
    """
    column = names.cast(pl.String).alias("full_name")
    unique = column.drop_nulls().unique().to_frame()
    plain = pl.col("full_name").str.contains(_IN_ORDER) | pl.col("full_name").str.contains(_WITH_COMMA)
    quick = _two_words(unique.filter(plain))
    slow = pl.concat([unique.filter(~plain), quick.filter("special").select("full_name")])
    split = pl.concat([quick.filter(~pl.col("special")).select(*SCHEMA), _one_by_one(slow.to_series())])
    return column.to_frame().join(split, on="full_name", how="left", maintain_order="left").select(*SCHEMA)


def bare_halves(names: pl.Series) -> pl.Series:
    """Return first or last names (tidied text) without the degrees, pronouns and titles beside them."""
    some = names.drop_nulls().unique()
    some = some.filter(some.str.contains(_BESIDE))
    if some.is_empty():
        return names
    return names.replace(some, pl.Series([bare_half(name) for name in some], dtype=pl.String))


def _one_by_one(names: pl.Series) -> pl.DataFrame:
    rows = [(name, *split_name(name)) for name in names]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _two_words(names: pl.DataFrame) -> pl.DataFrame:
    """Split names of two ordinary words all at once; mark those that need a closer look (``special``).

    The rules are those of ``name_parts`` for two words; a test holds them together.
    """
    name, words = pl.col("full_name"), pl.col("full_name").str.split(" ")
    # The two patterns leave no choice which words these are; capturing them would take three times as long.
    parts = names.with_columns(comma=name.str.contains(",", literal=True)).with_columns(
        one=pl.when("comma").then(words.list.get(1, null_on_oob=True)).otherwise(words.list.first()),
        two=pl.when("comma").then(words.list.first().str.strip_suffix(",")).otherwise(words.list.last()),
    )
    keys = _keys(parts)
    parts = parts.join(keys.rename({"word": "one", "key": "a"}), on="one", how="left", maintain_order="left")
    parts = parts.join(keys.rename({"word": "two", "key": "b"}), on="two", how="left", maintain_order="left")
    known = {key: pl.col(key).is_in(_words("given", "either")) for key in ("a", "b")}
    proves = pl.col("b").is_in(_words("given", but="either"))
    capitals = [pl.col(name).str.contains(_CAPITALS) for name in ("one", "two")]
    backwards = ~known["a"] & (proves | pl.col("a").is_in(_words("family_first"))) & ~pl.col("comma")
    no_name = pl.col("comma") & ((known["b"] & ~known["a"]) | (pl.col("one") == pl.col("two")))
    return parts.with_columns(
        special=pl.col("a").is_in(_words(*_SPECIAL))
        | pl.col("b").is_in(_words(*_SPECIAL))
        | (~pl.col("comma") & (capitals[0] != capitals[1]))
        | pl.col("two").str.contains(r"-\p{Ll}"),
        first_name=pl.when(backwards).then("two").otherwise("one"),
        last_name=pl.when(backwards).then("one").otherwise("two"),
        doubt=pl.when(backwards).then(pl.lit(REVERSED)).when(no_name).then(pl.lit(AFTER_COMMA)),
    )


def _keys(parts: pl.DataFrame) -> pl.DataFrame:
    """Return the different words of names (``word``) as they are looked up (``key``)."""
    words = pl.concat([parts.get_column("one"), parts.get_column("two")]).unique().rename("word")
    return words.to_frame().with_columns(key=fold_text(words).str.replace_all(" ", "", literal=True))


@cache
def _words(*sections: str, but: str = "") -> pl.Series:
    found = set().union(*(words_of(section) for section in sections)) - (words_of(but) if but else set())
    return pl.Series(sorted(found), dtype=pl.String).implode()


__all__ = ["SCHEMA", "Split", "bare_halves", "split_name", "split_names"]
