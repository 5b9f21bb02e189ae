"""Likeness: what a task buys, as one text, and 64 bits of it to look for the same purchase by.

Two tasks that buy the same are alike whatever list, column or spelling they came from: the kind, the domain,
whom (role, or LinkedIn profile, else the name), where, which contact fields and how many. The company's name
is no part of it: the domain says which company. The bits are kept in ledgers, so the text below must never
change its meaning; ``test_intake_likeness`` pins them.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import InfoField, Kind

_SEPARATOR: Final = "\x1f"  # in no tidied text
_LAYOUT: Final = "1"  # of the text; another one makes nothing of before alike any more
_BOTH: Final = "+".join(sorted(InfoField))  # what leaving the list out would buy
_PERSON: Final[dict[str, Any]] = dict.fromkeys(("first_name", "last_name", "linkedin_url"), pl.String)
_REQUEST: Final[dict[str, Any]] = {
    **dict.fromkeys(("domain", "title", "tech_type", "city", "state", "country"), pl.String),
    **dict.fromkeys(("max_k", "version"), pl.Int64),
    "info_access": pl.List(pl.String),
    "people": pl.List(pl.Struct(_PERSON)),
}
_PLACE: Final = ("city", "state", "country")
_BOUGHT: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.FIND_PEOPLE: ("domain", "title", *_PLACE, "info", "max_k", "version"),
    Kind.LOOKUP_PEOPLE: ("domain", "person", *_PLACE, "info"),
    Kind.LOOKUP_BUSINESS_EMAIL: ("domain", *_PLACE),
    Kind.FIND_TECH: ("domain", "tech_type"),
}


def asked(requests: pl.Series, kind: Kind) -> pl.DataFrame:
    """Return what requests buy: one row per request, or per person of a group of people.

    Args:
        requests: JSON texts of tasks of this kind, with or without tracking id.

    Returns:
        Columns: place (UInt32, the 0-based position in ``requests``), person_no (UInt32, 1-based in the
        request's people; 0 for companies), text (String; null where a request does not say what it buys: its
        data was deleted, or another tool made it).
    """
    kind = Kind(kind)
    wanted = {name: _REQUEST[name] for name in _members(kind)}
    frame = requests.alias("request").str.json_decode(pl.Struct(wanted)).struct.unnest()
    frame = frame.with_row_index("place")
    if kind is Kind.LOOKUP_PEOPLE:
        numbers = pl.int_ranges(1, pl.col("people").list.len() + 1, dtype=pl.UInt32).alias("person_no")
        people = pl.col("people").list.len() > 0
        frame = frame.filter(people).with_columns(numbers).explode("people", "person_no").unnest("people")
        frame = frame.with_columns(_person().alias("person"))
    else:
        frame = frame.with_columns(pl.lit(0, pl.UInt32).alias("person_no"))
    return frame.select("place", "person_no", _text(kind).alias("text"))


def bits(texts: pl.Series) -> pl.Series:
    """Return 64 bits per text as ``likeness`` (Int64): BLAKE2b of its UTF-8, 8 bytes, little-endian, signed.

    The same in every process and version; null for a null text.
    """
    known = texts.drop_nulls()
    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in known.to_list()])
    values = pl.Series("likeness", struct.unpack(f"<{len(known)}q", digests), dtype=pl.Int64)
    if len(known) == len(texts):
        return values
    place = texts.is_not_null().cast(pl.UInt32).cum_sum() - 1
    return values.gather(pl.select(pl.when(texts.is_not_null()).then(place)).to_series())


def with_likeness(tasks: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Add ``likeness`` (Int64) to tasks, null for a group of people: each of them is a purchase of his own.

    Args:
        tasks: As ``Plan.tasks``: ``request`` is read.
    """
    told = asked(tasks["request"], kind)
    alone = told.filter(pl.len().over("place") == 1) if kind is Kind.LOOKUP_PEOPLE else told
    values = alone.select("place", bits(alone["text"]))
    if alone.height < tasks.height:
        places = pl.select(pl.int_range(tasks.height, dtype=pl.UInt32).alias("place"))
        values = places.join(values, on="place", how="left", maintain_order="left")
    return tasks.with_columns(values["likeness"])


def _members(kind: Kind) -> list[str]:
    """Return the members of a request that say what is bought."""
    named = {"info": "info_access", "person": "people"}
    return [named.get(name, name) for name in _BOUGHT[kind]]


def _text(kind: Kind) -> pl.Expr:
    """Return what is bought as a text: layout, kind, then each part, empty where there is none.

    Null without a domain or, where somebody is asked for by name, without a person.
    """
    parts = {
        "info": pl.col("info_access").list.unique().list.sort().list.join("+").fill_null(_BOTH)
        if kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE)
        else pl.lit(""),
        "max_k": pl.col("max_k").fill_null(1).cast(pl.String),
        "version": pl.col("version").fill_null(0).cast(pl.String),
        "person": pl.col("person"),
        "domain": pl.col("domain").str.to_lowercase(),
    }
    texts = [
        parts.get(name, pl.col(name).fill_null("").str.to_lowercase().str.strip_chars())
        for name in _BOUGHT[kind]
    ]
    return pl.concat_str(pl.lit(_LAYOUT), pl.lit(kind.value), *texts, separator=_SEPARATOR)


def _person() -> pl.Expr:
    """Return who is meant: the LinkedIn profile where there is one, else the name without Latin accents.

    Marks of other scripts stay: two names may differ by nothing else.
    """
    slug = pl.col("linkedin_url").str.to_lowercase().str.extract(r"linkedin\.com/(?:in|pub)/([^/?#\s]+)")
    names = [
        pl.col(name)
        .fill_null("")
        .str.normalize("NFKD")
        .str.replace_all(r"[\x{300}-\x{36f}]|[^\p{L}\p{M}\p{N}]", "")
        for name in ("first_name", "last_name")
    ]
    name = pl.concat_str(names, separator=" ").str.to_lowercase().str.strip_chars().replace("", None)
    return pl.coalesce(pl.concat_str(pl.lit("in/"), slug), name)
