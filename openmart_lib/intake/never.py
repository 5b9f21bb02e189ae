"""A never-contact list as it is read: a column of emails, websites, LinkedIn links, or names and websites.

Of a file with several columns the one that holds them is read, where there is no doubt which. Each cell
becomes a kind and a normal form, the same that rows and results are compared in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from openmart_lib.errors import InputError
from openmart_lib.intake.columns import uploaded_columns
from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.fields import Field
from openmart_lib.intake.files import Upload
from openmart_lib.intake.folding import fold_text
from openmart_lib.intake.suffixes import registrable
from openmart_lib.intake.synonyms import OTHER, PHONE, meaning_of

EMAIL: Final = "email"
DOMAIN: Final = "domain"
PERSON: Final = "person"
_SIMULATED: Final = ".invalid"  # the sandbox writes acme.com.invalid where it means acme.com
_ADDRESS: Final = r"(?i)^(?:mailto:)?\s*([^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+)$"
_IN_BRACKETS: Final = r"<([^<>\s]+@[^<>\s]+)>"
_PEOPLE: Final = (Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME)
_ENOUGH: Final = 0.5  # of a column's filled cells, or of a sample's rows
SAMPLE: Final = 5_000  # rows that a choice of column looks at
_NAME_AND_SITE: Final = r"^(.*\p{L}.*?)(?:\s*[,;|\t]\s*|\s+)(\S+\.\S+)$"


@dataclass(frozen=True, slots=True)
class Entries:
    """What a never-contact list says.

    Attributes:
        known: One row per entry, none twice: kind (``email``, ``domain``, ``person``), normal, and spaced: a
            named person as ``spaced_names`` writes it, null for all others (String).
        unread: Lines of the file (1-based) that are none of these.
        column: The column that was read, where the file has several.
    """

    known: pl.DataFrame
    unread: tuple[int, ...]
    column: str | None = None


def read_entries(upload: Upload) -> Entries:
    """Read a never-contact list from the one column of an upload that holds it.

    Raises:
        InputError: If no column, or more than one, can be meant, or not one cell can be read.
    """
    columns = uploaded_columns(upload.frame)
    column = columns[0] if len(columns) == 1 else column_of(upload.frame)
    if column is None:
        raise InputError(
            f"{upload.name} has {len(columns)} columns ({', '.join(columns)}), and which of them is meant is "
            "not clear. Nothing was changed. Give a file with one column: emails, websites, LinkedIn links, "
            "or names with a website."
        )
    cells = upload.frame.select("file_line", cell=column)
    heading = pl.DataFrame({"file_line": [0], "cell": [column]}, schema=cells.schema)
    cells = pl.concat([heading, cells])  # the first line may be an entry, not a heading
    read, lines = entries_of(cells["cell"]), cells["file_line"]
    # An empty cell among several columns is somebody who is not listed; a blank line is nobody.
    unread = lines.filter(
        read["kind"].is_null() & (lines > 0) & (cells["cell"].is_not_null() | (len(columns) > 1))
    )
    known = read.drop_nulls("normal").unique(["kind", "normal"], maintain_order=True)
    if known.is_empty():
        raise InputError(
            f"No line of {upload.name} is an email, a website, a LinkedIn link or a name with a website. "
            "Nothing was changed. Look at the file, and write one of these on each line."
        )
    return Entries(known, tuple(unread.to_list()), column if len(columns) > 1 else None)


def column_of(frame: pl.DataFrame) -> str | None:
    """Return the one column of several that holds emails, LinkedIn links or websites; None where in doubt.

    Emails and links name people. A column of websites beside names of people is in doubt: the people at
    these companies may be meant, or the companies.
    """
    held = _held(frame)
    if len(held) != 1 or not _is_table(frame):
        return None
    ((name, kind),) = held.items()
    others = [one for one in uploaded_columns(frame) if one != name]
    return None if kind == DOMAIN and any(_names_people(one, len(others)) for one in others) else name


def are_lines(frame: pl.DataFrame) -> bool:
    """Return whether a file's delimiter parts nothing: its whole lines are the entries.

    It is a list with a delimiter in some of its lines, or all lines are names with a website behind them.
    """
    if not _is_table(frame):
        return True
    *others, last = uploaded_columns(frame)
    return _held(frame) == {last: DOMAIN} and all(_names_people(one, len(others)) for one in others)


def _held(frame: pl.DataFrame) -> dict[str, str]:
    """Return the columns that hold entries, with their kind."""
    kinds = {name: _holds(frame[name].head(SAMPLE)) for name in uploaded_columns(frame)}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _holds(cells: pl.Series) -> str | None:
    """Return the kind of entry that most filled cells of a column are, None where few are any."""
    kinds = entries_of(cells.drop_nulls())["kind"]
    if not len(kinds) or kinds.count() < _ENOUGH * len(kinds):
        return None
    return str(kinds.drop_nulls().mode().sort()[0])


def _is_table(frame: pl.DataFrame) -> bool:
    """Return whether most rows have several cells."""
    cells = frame.head(SAMPLE).select(uploaded_columns(frame))
    crowded = cells.select((pl.sum_horizontal(pl.all().is_not_null()) > 1).alias("crowded"))["crowded"]
    return crowded.sum() >= _ENOUGH * max(1, len(crowded))


def _names_people(header: str, others: int) -> bool:
    """Return whether one of the columns beside the websites seems to name people, by its header.

    A header that says nothing does so only where there is no other ("Ana Silva, acme.com").
    """
    meaning = meaning_of(header).field
    return meaning in _PEOPLE or (others == 1 and meaning in ("", PHONE, OTHER))


def entries_of(cells: pl.Series) -> pl.DataFrame:
    """Return one row per cell: kind, normal and spaced, as in ``Entries``; all null where it is no entry.

    A name with an email after it is that email.
    """
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
    behind = pl.col("site").str.extract(_ADDRESS)
    frame = frame.with_columns(email=pl.coalesce("email", behind)).with_columns(
        name=pl.when(~pl.col("name").str.contains("@", literal=True)).then("name")
    )
    whole = clean_domains(frame["cell"], allow_example=True)
    sites = clean_domains(frame["site"], allow_example=True)
    frame = frame.with_columns(
        whole=pl.when(whole["code"].is_null()).then(whole["domain"]),
        site=pl.when(sites["code"].is_null()).then(sites["domain"]),
    )
    person, spaced = names(frame["name"], frame["site"]), spaced_names(frame["name"], frame["site"])
    told = frame.with_columns(emails(frame["email"]), person.alias("person"), spaced.alias("spaced"))
    kind = (
        pl.when(pl.col("email").is_not_null()).then(pl.lit(EMAIL))
        .when(pl.col("link").is_not_null()).then(pl.lit(PERSON))
        .when(pl.col("whole").is_not_null()).then(pl.lit(DOMAIN))
        .when(pl.col("person").is_not_null()).then(pl.lit(PERSON))
    )  # fmt: skip
    normal = pl.coalesce("email", "link", "whole", "person")
    return told.select(
        kind=kind,
        normal=normal,
        spaced=pl.when(normal.is_not_null() & (normal == pl.col("person"))).then("spaced"),
    )


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
    """Return names at companies as they are compared; null where one of the two is missing or empty.

    Letters and digits alone count: "J. R. O'Brien" is "JR OBrien". Their order does too, so a person is
    looked for with the last name in front as well.
    """
    return _at(fold_text(people).str.replace_all(" ", "", literal=True), sites)


def spaced_names(people: pl.Series, sites: pl.Series) -> pl.Series:
    """Return names at companies as older lists keep them: words apart, so "o brien" is not "obrien"."""
    return _at(fold_text(people), sites)


def _at(folded: pl.Series, sites: pl.Series) -> pl.Series:
    pairs = pl.DataFrame({"name": folded.replace("", None), "site": sites})
    return pairs.select(pl.concat_str("name", pl.lit("@"), "site")).to_series()
