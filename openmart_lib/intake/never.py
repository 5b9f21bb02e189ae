"""A never-contact list as it is read: one column of emails, websites, LinkedIn links, or names and websites.

Each cell becomes a kind and a normal form, the same that rows and results are compared in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.files import Upload
from openmart_lib.intake.folding import fold_text
from openmart_lib.intake.suffixes import registrable

EMAIL: Final = "email"
DOMAIN: Final = "domain"
PERSON: Final = "person"
_SIMULATED: Final = ".invalid"  # the sandbox writes acme.com.invalid where it means acme.com
_ADDRESS: Final = r"(?i)^(?:mailto:)?\s*([^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+)$"
_IN_BRACKETS: Final = r"<([^<>\s]+@[^<>\s]+)>"
_NAME_AND_SITE: Final = r"^(.*\p{L}.*?)(?:\s*[,;|\t]\s*|\s+)(\S+\.\S+)$"


@dataclass(frozen=True, slots=True)
class Entries:
    """What a never-contact list says.

    Attributes:
        known: One row per entry, none twice: kind (``email``, ``domain``, ``person``), normal (String).
        unread: Lines of the file (1-based) that are none of these.
    """

    known: pl.DataFrame
    unread: tuple[int, ...]


def read_entries(upload: Upload) -> Entries:
    """Read a never-contact list from an upload of one column.

    Raises:
        InputError: If the file has several columns, or not one cell of it can be read.
    """
    columns = uploaded_columns(upload.frame)
    if len(columns) != 1:
        raise InputError(
            f"{upload.name} has {len(columns)} columns, and a never-contact list has one. Nothing was "
            "changed. Keep the column of emails, websites, LinkedIn links or names with a website."
        )
    cells = upload.frame.select("file_line", cell=columns[0])
    heading = pl.DataFrame({"file_line": [0], "cell": columns}, schema=cells.schema)
    read = entries_of(pl.concat([heading, cells])["cell"])  # the first line may be an entry, not a heading
    lines = pl.concat([heading, cells])["file_line"]
    unread = lines.filter(
        read["kind"].is_null() & (lines > 0) & pl.concat([heading, cells])["cell"].is_not_null()
    )
    known = read.drop_nulls().unique(maintain_order=True)
    if known.is_empty():
        raise InputError(
            f"No line of {upload.name} is an email, a website, a LinkedIn link or a name with a website. "
            "Nothing was changed. Look at the file, and write one of these on each line."
        )
    return Entries(known, tuple(unread.to_list()))


def entries_of(cells: pl.Series) -> pl.DataFrame:
    """Return one row per cell: kind and normal (String), both null where a cell is none of them."""
    text = pl.col("cell").str.strip_chars()
    frame = (
        cells.alias("cell")
        .to_frame()
        .select(
            "cell",
            email=address(text),
            link=linkedin(text),
            name=text.str.extract(_NAME_AND_SITE, 1),
            site=text.str.extract(_NAME_AND_SITE, 2),
        )
    )
    whole = clean_domains(frame["cell"], allow_example=True)
    sites = clean_domains(frame["site"], allow_example=True)
    frame = frame.with_columns(
        whole=pl.when(whole["code"].is_null()).then(whole["domain"]),
        site=pl.when(sites["code"].is_null()).then(sites["domain"]),
    )
    person = names(frame["name"], frame["site"])
    told = frame.with_columns(emails(frame["email"]), person.alias("person"))
    kind = (
        pl.when(pl.col("email").is_not_null()).then(pl.lit(EMAIL))
        .when(pl.col("link").is_not_null()).then(pl.lit(PERSON))
        .when(pl.col("whole").is_not_null()).then(pl.lit(DOMAIN))
        .when(pl.col("person").is_not_null()).then(pl.lit(PERSON))
    )  # fmt: skip
    return told.select(kind=kind, normal=pl.coalesce("email", "link", "whole", "person"))


def address(text: pl.Expr) -> pl.Expr:
    """Return the email address that a trimmed cell is, or has in brackets after a name; null for none."""
    return pl.coalesce(text.str.extract(_IN_BRACKETS), text.str.extract(_ADDRESS))


def emails(cells: pl.Series) -> pl.Series:
    """Return email addresses as they are compared: trimmed, lower case."""
    return cells.str.strip_chars().str.to_lowercase().str.strip_suffix(_SIMULATED)


def hosts(addresses: pl.Series) -> pl.Series:
    """Return the company behind each address, its registrable domain; null for a null."""
    host = addresses.str.extract(r"@([^@\s]+)$").alias("host")
    return host.to_frame().select(pl.coalesce(registrable(pl.col("host")), "host")).to_series()


def domains(cells: pl.Series) -> pl.Series:
    """Return the registrable domain of bare hosts, the host itself where nobody can own one under it."""
    host = cells.str.to_lowercase().alias("host")
    return host.to_frame().select(pl.coalesce(registrable(pl.col("host")), "host")).to_series()


def linkedin(text: pl.Expr) -> pl.Expr:
    """Return LinkedIn profiles as they are compared; null for anything else."""
    slug = text.str.to_lowercase().str.extract(r"linkedin\.com/(?:in|pub)/([^/?#\s]+)")
    return pl.concat_str(pl.lit("in/"), slug)


def names(people: pl.Series, sites: pl.Series) -> pl.Series:
    """Return names at companies as they are compared; null where one of the two is missing or empty."""
    pairs = pl.DataFrame({"name": fold_text(people).replace("", None), "site": sites})
    return pairs.select(pl.concat_str("name", pl.lit("@"), "site")).to_series()
