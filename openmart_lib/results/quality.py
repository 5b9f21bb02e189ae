"""How useful a record is: what makes one of a row's records, or of a company's, the best one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.ledger.verdicts import UNUSABLE_MAILBOX
from openmart_lib.results.titles import FITS


class Criterion(StrEnum):
    """What a record may be preferred for; a ranking is a list of these, the weightiest first."""

    VERIFIED_EMAIL = "verified email"
    EMAIL = "email"
    TITLE_FIT = "title fit"
    PHONE = "phone"


RANKING: Final = (Criterion.VERIFIED_EMAIL, Criterion.EMAIL, Criterion.TITLE_FIT, Criterion.PHONE)


def has_email() -> pl.Expr:
    """Return whether a record holds an email that can be used; a mailbox known to be dead cannot."""
    status = pl.col("found_email_status").str.to_uppercase()
    return pl.col("found_email").is_not_null() & ~status.is_in(UNUSABLE_MAILBOX).fill_null(False)


def is_verified(kind: Kind | None = None) -> pl.Expr:
    """Return whether a record's email is verified; a mailbox says so by the status VALID.

    Args:
        kind: What was asked for; None reads it from the column ``kind``.
    """
    verified = pl.col("found_email_verified").fill_null(False)
    valid = (pl.col("found_email_status").str.to_uppercase() == "VALID").fill_null(False)
    if kind is None:
        verified |= valid & (pl.col("kind") == Kind.LOOKUP_BUSINESS_EMAIL)
    elif kind is Kind.LOOKUP_BUSINESS_EMAIL:
        verified |= valid
    return has_email() & verified


def quality(kind: Kind | None = None) -> pl.Expr:
    """Return how useful a record is, best first: 0 verified email, 1 email, 2 phone, 3 neither.

    Args:
        kind: As for ``is_verified``.
    """
    return (
        pl.when(is_verified(kind))
        .then(0)
        .when(has_email())
        .then(1)
        .when(pl.col("found_phone").is_not_null())
        .then(2)
        .otherwise(3)
        .cast(pl.UInt8)
    )


def parse_ranking(words: Iterable[str]) -> tuple[Criterion, ...]:
    """Return a ranking from its words; "verified_email" is as good as "verified email".

    Raises:
        InputError: If one is no criterion.
    """
    given = list(dict.fromkeys(word.strip().replace("_", " ") for word in words))
    strange = [word for word in given if word not in list(Criterion)]
    if strange:
        raise InputError(
            f"A ranking cannot use {strange[0]!r}. Nothing was changed. "
            f"Use some of: {', '.join(ranking_words(list(Criterion)))}."
        )
    return tuple(Criterion(word) for word in given)


def ranking_words(ranking: Sequence[Criterion]) -> list[str]:
    """Return a ranking as ``parse_ranking`` reads it from an address or a command: a word for each."""
    return [criterion.replace(" ", "_") for criterion in ranking]


def ranking_sentence(ranking: Sequence[Criterion]) -> str:
    """Return the rule in words, for the screen and the file."""
    rules = ", then ".join(ranking)
    return f"Best first: {rules + ', then ' if rules else ''}the outcome, then the order of your list."


def ranks(ranking: Sequence[Criterion]) -> list[pl.Expr]:
    """Return one number per criterion and record, 0 for the best: what to sort by. Needs ``kind``."""
    places = {fit: place for place, fit in enumerate(FITS)}
    exprs = {
        Criterion.VERIFIED_EMAIL: ~is_verified(),
        Criterion.EMAIL: ~has_email(),
        Criterion.TITLE_FIT: pl.col("title_fit").replace_strict(
            places, default=len(FITS), return_dtype=pl.UInt8
        ),
        Criterion.PHONE: pl.col("found_phone").is_null(),
    }
    return [exprs[criterion].cast(pl.UInt8).alias(f"rank:{criterion}") for criterion in ranking]
