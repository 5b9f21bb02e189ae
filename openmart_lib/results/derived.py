"""What follows from what was found: does the title fit, is the email the company's own, how to dial.

What a record tells by itself is worked out once, when its answer is flattened (``of_records``); what needs
the uploaded row beside it, when the two are joined (``of_rows``).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from openmart_lib.intake.suffixes import registrable
from openmart_lib.intake.wordlists import word_series
from openmart_lib.results.phones import PHONE_SCHEMA, read_phones
from openmart_lib.results.titles import title_fit

RECORD_FACTS: Final[dict[str, Any]] = {
    "email_company": pl.String,  # registrable domain of found_email; in no file
    "email_free_mail": pl.Boolean,  # a private mailbox provider's domain; null without an email
    **PHONE_SCHEMA,
}


def of_records(lines: pl.DataFrame) -> pl.DataFrame:
    """Add ``RECORD_FACTS`` to records that have ``found_email`` and ``found_phone``."""
    # The sandbox writes acme.com.invalid where it means acme.com.
    host = pl.col("found_email").str.to_lowercase().str.extract(r"@([^@\s]+)$").str.strip_suffix(".invalid")
    hosts = lines.select(host.alias("host"))
    free = pl.col("host", "email_company").is_in(word_series("free_mail")).fill_null(False)
    known = (
        hosts.unique()
        .drop_nulls()
        .with_columns(registrable(pl.col("host")).alias("email_company"))
        .with_columns(
            pl.coalesce("email_company", "host").alias("email_company"),
            pl.any_horizontal(free).alias("email_free_mail"),
        )
    )
    told = hosts.join(known, on="host", how="left", maintain_order="left").drop("host")
    return lines.hstack(told).hstack(read_phones(lines["found_phone"]))


def of_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what needs both sides: ``title_fit`` (see ``titles``) and ``email_domain_agrees`` (Boolean).

    The email's registrable domain and that of ``domain`` are the same or not; null without an email or a
    domain. Free mail never agrees, unless the provider itself was asked for.

    Args:
        frame: One row per record beside its row: domain, asked_title, found_title, email_company.
    """
    return frame.with_columns(title_fit(frame["asked_title"], frame["found_title"]), _agrees(frame))


def _agrees(frame: pl.DataFrame) -> pl.Series:
    same = frame.select(pl.col("email_company") == pl.col("domain")).to_series().alias("email_domain_agrees")
    # Most emails are of the very domain that was asked for; only the others need the list of suffixes.
    others = frame.select("domain", "email_company").filter(~same)
    if others.is_empty():
        return same
    host = pl.col("domain").str.to_lowercase()
    told = others.select(pl.col("email_company") == pl.coalesce(registrable(host), host)).to_series()
    return same.scatter(same.not_().fill_null(False).arg_true(), told)
