"""Files for other programs' import wizards: their column names, our values. The tables below are the rules.

One line per person with a usable email, verified ones first, nobody twice. Whoever cannot be imported stands
apart with the reason, so that every line of the results is in one of the two files or counted as a repeat.
Names come from Openmart's parts only: a last name is never made up. Shared mailboxes are companies.

Sources of the column lists: HubSpot, Salesforce (leads), Instantly, Smartlead and lemlist import
documentation, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.intake.fields import Field
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.results.columns import uploaded_names
from openmart_lib.results.quality import has_email, is_verified
from openmart_lib.wording import worded

SOURCE: Final = "Openmart"
NOTHING: Final = ""  # a column that the other program knows and we have nothing for
# Custom fields at the end of every line: where it came from, and when.
TRAILING: Final = ("source", "batch_id", "task_id", "tracking_id", "fetched_at", "email_verified")
WHY: Final = "left_out_because"
_LAST: Final = 2**40  # more than a list has rows

_PEOPLE: Final = (Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE)


@dataclass(frozen=True, slots=True)
class Preset:
    """One program's import file.

    Attributes:
        name: As people call it.
        columns: Its column -> our value (see ``_values``), in its order.
        needed: Our values a line must have, with what is said where one is missing.
        kinds: Runs it makes sense for.
        note: A limit of the other program worth knowing, "" without one.
    """

    name: str
    columns: Mapping[str, str]
    needed: Mapping[str, str] = field(default_factory=lambda: {"email": "no email address"})
    kinds: tuple[Kind, ...] = _PEOPLE
    note: str = ""


PRESETS: Final[dict[str, Preset]] = {
    "hubspot": Preset(
        "HubSpot contacts",
        {
            "First name": "first_name",
            "Last name": "last_name",
            "Email": "email",
            "Phone number": "landline",
            "Mobile phone number": "mobile",
            "Job title": "title",
            "Company name": "company",
            "Website URL": "domain",
            "City": "city",
            "State/Region": "state",
            "Country/Region": "country",
        },
    ),
    "salesforce": Preset(
        "Salesforce leads",
        {
            "First Name": "first_name",
            "Last Name": "last_name",
            "Company": "company_or_domain",
            "Email": "email",
            "Phone": "landline",
            "Mobile Phone": "mobile",
            "Title": "title",
            "Website": "domain",
            "City": "city",
            "State/Province": "state",
            "Postal Code": NOTHING,
            "Country": "country",
            "Lead Source": "source",
            "Lead Status": NOTHING,
            "Rating": NOTHING,
            "Description": NOTHING,
            "Email Opt Out": NOTHING,
        },
        needed={
            "email": "no email address",
            "last_name": "no last name, which Salesforce requires",
            "company_or_domain": "no company, which Salesforce requires",
        },
        note="Salesforce imports at most 50,000 leads at a time.",
    ),
    "instantly": Preset(
        "Instantly",
        {
            "email": "email",
            "first_name": "first_name",
            "last_name": "last_name",
            "company_name": "company",
            "job_title": "title",
            "phone": "phone",
            "website": "domain",
            "personalization": NOTHING,
        },
    ),
    "smartlead": Preset(
        "Smartlead",
        {
            "email": "email",
            "first_name": "first_name",
            "last_name": "last_name",
            "phone_number": "phone",
            "company_name": "company",
            "website": "domain",
            "location": "location",
            "linkedin_profile": "linkedin",
            "company_url": "domain",
            "job_title": "title",
        },
    ),
    "lemlist": Preset(
        "lemlist",
        {
            "email": "email",
            "firstName": "first_name",
            "lastName": "last_name",
            "companyName": "company",
            "phone": "phone",
            "linkedinUrl": "linkedin",
            "icebreaker": NOTHING,
            "timezone": NOTHING,
            "jobTitle": "title",
        },
    ),
    "companies": Preset(
        "Companies with their mailbox",
        {
            "Company name": "company",
            "Company domain name": "domain",
            "Company email": "email",
            "status": "email_status",
        },
        kinds=(Kind.LOOKUP_BUSINESS_EMAIL,),
    ),
}


@dataclass(frozen=True, slots=True)
class Split:
    """A preset's two files. ``repeats`` counts uploaded rows that repeat another of them and are in neither.

    ``ready``: the preset's columns, then ``TRAILING``. ``apart``: ``left_out_because`` and ``row`` (the
    uploaded row), then the same columns. All String but ``row`` (Int64).
    """

    ready: pl.DataFrame
    apart: pl.DataFrame
    repeats: int


def presets_for(kind: Kind) -> dict[str, Preset]:
    """Return the presets that make sense for a kind of run, by key."""
    return {key: preset for key, preset in PRESETS.items() if kind in preset.kinds}


def split(frame: pl.DataFrame, run: RunInfo, preset: Preset) -> Split:
    """Divide results into what a program can import and what it cannot.

    Args:
        frame: ``join.results`` in the shape ``long``, or a part of its lines.
    """
    repeats = frame.filter(~_counts())
    own = frame.filter(_counts())
    lines = own.select(_values(own, run))
    reason = pl.coalesce(
        pl.when(pl.col("record_no").is_null()).then(pl.col("outcome_reason")),
        pl.when(pl.col("unusable")).then(pl.lit("the mailbox is known not to work")),
        *(pl.when(pl.col(name).is_null()).then(pl.lit(words)) for name, words in preset.needed.items()),
    )
    judged = lines.with_columns(reason.alias(WHY)).sort(
        pl.col("email_verified") == "true", descending=True, nulls_last=True, maintain_order=True
    )
    email = pl.col("email").str.to_lowercase()
    first = pl.col("row").first().over(pl.when(pl.col(WHY).is_null()).then(email))
    again = pl.col(WHY).is_null() & ~pl.when(pl.col(WHY).is_null()).then(email).is_first_distinct()
    told = pl.when(again).then(worded("same email as row {}", first)).otherwise(WHY).alias(WHY)
    judged = judged.with_columns(told)
    values: list[pl.Expr] = [
        *(pl.col(ours).alias(theirs) if ours else pl.lit(None, pl.String).alias(theirs)
          for theirs, ours in preset.columns.items()),
        *(pl.col(name) for name in TRAILING),
    ]  # fmt: skip
    return Split(
        ready=judged.filter(pl.col(WHY).is_null()).select(values),
        apart=judged.filter(pl.col(WHY).is_not_null())
        .sort("row", maintain_order=True)
        .select(WHY, "row", *values),
        repeats=repeats["row"].n_unique(),
    )


def _counts() -> pl.Expr:
    """Return which lines stand for themselves: all but those of rows that repeat another row among them.

    Of rows that repeat one that was filtered out the first stands for it: its people were asked for.
    """
    looked_up = pl.coalesce("duplicate_of", "row")
    own_before_repeats = pl.col("row") + pl.col("duplicate_of").is_not_null() * _LAST
    return own_before_repeats == own_before_repeats.min().over(looked_up)


def _values(frame: pl.DataFrame, run: RunInfo) -> list[pl.Expr]:
    """Return our values, by the names that the tables use; empty texts are null."""
    phone = _phone()
    # North American numbers do not tell mobiles; the answer's own word does.
    mobile = (
        (pl.col("phone_type") == "mobile") | (pl.col("found_phone_type").str.to_uppercase() == "MOBILE")
    ).fill_null(False)
    company, place = _given(frame, run, Field.COMPANY_NAME), [
        _given(frame, run, name) for name in (Field.CITY, Field.STATE, Field.COUNTRY)
    ]  # fmt: skip
    location = pl.concat_str(place, separator=", ", ignore_nulls=True).replace("", None)
    verified = is_verified(run.kind).cast(pl.String)
    named = {
        "first_name": pl.col("found_first_name"),
        "last_name": pl.col("found_last_name"),
        "email": pl.col("found_email"),
        "email_status": pl.col("found_email_status"),
        "phone": phone,
        "mobile": pl.when(mobile).then(phone),
        "landline": pl.when(~mobile).then(phone),
        "title": pl.col("found_title"),
        "linkedin": pl.col("found_linkedin_url"),
        "domain": pl.col("domain"),
        "company": company,
        "company_or_domain": pl.coalesce(company, "domain"),
        "city": place[0],
        "state": place[1],
        "country": place[2],
        "location": location,
        "source": pl.lit(SOURCE),
        "email_verified": pl.when(pl.col("found_email").is_not_null()).then(verified),
        "unusable": pl.col("found_email").is_not_null() & ~has_email(),
    }
    own = [name for name in ("row", "record_no", "outcome_reason", *TRAILING) if name not in named]
    return [*(value.alias(name) for name, value in named.items()), *(pl.col(name) for name in own)]


def _given(frame: pl.DataFrame, run: RunInfo, name: Field) -> pl.Expr:
    """Return what the list says: the first mapped column that is not empty, else the option for all rows."""
    called = uploaded_names(run.columns)
    columns = [called[column] for column in run.mapping.get(name, ()) if column in called]
    cells = [
        pl.col(column).str.strip_chars().replace("", None) for column in columns if column in frame.columns
    ]
    for_all: Any = run.options.get(name)
    return pl.coalesce(*cells, pl.lit(for_all or None, pl.String))


def _phone() -> pl.Expr:
    """Return phone numbers as +49301234567, an extension apart (" x12"); what no plan has stays as it is."""
    written = pl.col("phone_international")
    number = written.str.replace(r" ext\. ?[0-9]+$", "").str.replace_all(r"[^+0-9]", "")
    extension = written.str.extract(r" ext\. ?([0-9]+)$")
    whole = pl.concat_str([number, worded(" x{}", extension)], ignore_nulls=True)
    return pl.when(written.is_not_null()).then(whole).otherwise("found_phone")
