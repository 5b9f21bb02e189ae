"""Whether a host is a domain that a company can own: the verdict, with its code."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

from openmart_lib.intake.hosts import FROM_FORMULA
from openmart_lib.intake.idn import is_lookalike, to_a_label, to_unicode
from openmart_lib.intake.linkedin import linkedin_link
from openmart_lib.intake.suffixes import registrable, suffix
from openmart_lib.intake.wordlists import split_words, word_series


class DomainCode(StrEnum):
    """Why a cell gives no domain; the values are stored, do not rename them."""

    BLANK = "blank"
    PLACEHOLDER = "placeholder"
    FREE_MAIL = "free_mail"
    DISPOSABLE = "disposable"
    SOCIAL = "social"
    HOSTED = "hosted"
    IP = "ip"
    INTERNAL = "internal"
    UNKNOWN_ENDING = "unknown_ending"
    SUFFIX_ONLY = "suffix_only"
    COMPANY_NAME = "company_name"
    MULTIPLE = "multiple"
    LOOKALIKE = "lookalike"
    EXCEL = "excel"
    INVALID = "invalid"


_NAME = r"^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
_IP = r"^(?:(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*|[0-9a-f.]*:[0-9a-f:.]*)$"
_MAX_HOST = 253  # characters, RFC 1035
# RFC 2606, 6761, 6762, 8375 and the endings home routers and offices use.
_INTERNAL_ENDINGS = (
    r"(?:^|\.)(?:localhost|localdomain|local|internal|intranet|private|lan|corp|home|workgroup|test|invalid"
    r"|example|onion|arpa)$"
    r"|(?:^|\.)example\.(?:com|net|org|edu)$"
)
_BARE_ENDINGS = r"^(?:[a-z]{2}|com|net|org|info|biz|edu|gov|mil)$"
_TYPOS_IN_ENDINGS: Final = {
    "con": "com", "cim": "com", "cok": "com", "comm": "com", "vom": "com", "xom": "com", "ocm": "com",
    "cmo": "com", "c0m": "com", "couk": "co.uk",
    "nte": "net", "ent": "net", "nett": "net", "ne": "net", "ogr": "org", "orq": "org", "ort": "org",
    "rog": "org", "ed": "edu", "gob": "gov", "combr": "com.br", "comau": "com.au",
}  # fmt: skip
_TYPOS_OF_MAILBOXES: Final = {
    "gmial.com": "gmail.com", "gmai.com": "gmail.com", "gamil.com": "gmail.com", "gmal.com": "gmail.com",
    "gmaill.com": "gmail.com", "gnail.com": "gmail.com", "gmail.co": "gmail.com", "iclod.com": "icloud.com",
    "hotmial.com": "hotmail.com", "hotmal.com": "hotmail.com", "hotmai.com": "hotmail.com",
    "yaho.com": "yahoo.com", "yahooo.com": "yahoo.com", "outlok.com": "outlook.com",
}  # fmt: skip


def judge_hosts(cells: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    """Judge cells that name one host; add ``ascii``, ``owner``, ``domain``, ``code``, ``suggestion``."""
    ascii_host = pl.col("ascii")
    sold = suffix(ascii_host, private=True).is_in(word_series("sold_endings"))
    demo = pl.lit(allow_example) & ascii_host.str.contains(r"[^.]\.example$")
    return (
        _with_ascii(cells)
        .lazy()
        .with_columns(
            owner=registrable(ascii_host),
            private=registrable(ascii_host, private=True),
            ending=pl.when(sold).then(suffix(ascii_host, private=True)).otherwise(suffix(ascii_host)),
        )
        .with_columns(owner=pl.when(sold).then("private").otherwise("owner"))
        .with_columns(
            owner=pl.when(demo).then(pl.col("ascii").str.extract(r"([^.]+\.example)$")).otherwise("owner"),
            code=pl.when(demo & pl.col("code").is_null()).then(None).otherwise(_host_code()),
        )
        .collect()
        .pipe(_add_lookalikes)
        .lazy()
        .with_columns(
            domain=pl.when(pl.col("code").is_null()).then("owner"),
            suggestion=_suggestion(),
            linkedin_url=linkedin_link(pl.col("text").str.replace(r"^[/\\]+", "")),
            rule=_rule(),
        )
        .select(
            "raw", "text", "host", "ascii", "owner", "domain", "rule", "code", "suggestion", "linkedin_url"
        )
        .collect()
    )


def _with_ascii(cells: pl.DataFrame) -> pl.DataFrame:
    """Add ``ascii``: the host as A-labels, null where it is no valid name."""
    international = pl.col("host").str.contains(r"[^\x00-\x7f]|(?:^|\.)xn--")
    hosts = cells.lazy().filter(international).select(pl.col("host").unique()).collect().to_series()
    labels = pl.DataFrame(
        {"host": hosts, "a_label": [to_a_label(host) for host in hosts]},
        schema={"host": pl.String, "a_label": pl.String},
    )
    ascii_host = pl.when(international).then("a_label").otherwise("host")
    valid = ascii_host.str.contains(_NAME) & (ascii_host.str.len_bytes() <= _MAX_HOST)
    return (
        cells.lazy()
        .join(labels.lazy(), on="host", how="left", maintain_order="left")
        .with_columns(ascii=pl.when(valid).then(ascii_host))
        .drop("a_label")
        .collect()
    )


def _host_code() -> pl.Expr:
    """Return the first objection to a host, null when there is none."""
    host, ascii_host, owner, text = (pl.col(name) for name in ("host", "ascii", "owner", "text"))
    dotted = host.str.contains(r".\..")
    objections = {
        DomainCode.IP: host.str.contains(_IP) | text.str.contains(r"\[[0-9a-f.]*:[0-9a-f:.]*\]"),
        DomainCode.INTERNAL: ascii_host.str.contains(_INTERNAL_ENDINGS) & (dotted | (host != "example")),
        DomainCode.SUFFIX_ONLY: (ascii_host == pl.col("ending"))
        & (dotted | host.str.contains(_BARE_ENDINGS) | text.str.starts_with(".")),
        DomainCode.COMPANY_NAME: ~dotted
        & ~pl.col("link")
        & ~pl.col("mail")
        & host.str.contains(r"^[\p{L}\d][\p{L}\p{M}\d&'’-]*$"),
        DomainCode.INVALID: ascii_host.is_null() | owner.str.contains("_", literal=True),
        DomainCode.UNKNOWN_ENDING: pl.col("ending").is_null() & dotted,
        DomainCode.HOSTED: _is_hosted(),
        DomainCode.SOCIAL: _is_social(),
        DomainCode.FREE_MAIL: _is_listed("free_mail") | owner.is_in(list(_TYPOS_OF_MAILBOXES)),
        DomainCode.DISPOSABLE: _is_listed("disposable"),
    }
    code = pl.coalesce(
        "code",
        *(pl.when(objection).then(pl.lit(code.value)) for code, objection in objections.items()),
    )
    return pl.when(code.is_null() & owner.is_null()).then(pl.lit(DomainCode.INVALID.value)).otherwise(code)


def _is_listed(name: str) -> pl.Expr:
    entries = word_series(name)
    return pl.col("owner").is_in(entries) | pl.col("ascii").is_in(entries)


def _is_social() -> pl.Expr:
    always, with_path = split_words("social", "/")
    has_path = pl.col("path").str.contains(r"^/+[^/?#\s]")
    return _is_on(always) | (has_path & _is_on(with_path))


def _is_on(entries: list[str]) -> pl.Expr:
    """Return whether a host is one of the entries, below one, or of a brand (``yelp.*``)."""
    brands = [entry.removesuffix(".*") for entry in entries if entry.endswith(".*")]
    hosts = [entry for entry in entries if not entry.endswith(".*")]
    brand = pl.col("owner").str.extract(r"^([^.]+)")
    return (
        pl.col("owner").is_in(hosts)
        | pl.col("ascii").str.extract(r"((?:[^.]+\.){2}[^.]+)$").is_in(hosts)
        | brand.is_in(brands)
    )


def _is_hosted() -> pl.Expr:
    whole, below = split_words("hosted", ".")
    third_level = pl.col("ascii").str.extract(r"((?:[^.]+\.){2}[^.]+)$")
    is_below = pl.col("ascii").str.strip_prefix("www.") != pl.col("owner")
    listed = (
        pl.col("owner").is_in(whole) | third_level.is_in(whole) | (is_below & pl.col("owner").is_in(below))
    )
    # Under the list's private section, or such a suffix itself: many companies share the owner.
    return listed | pl.col("owner").ne_missing(pl.col("private"))


def _add_lookalikes(cells: pl.DataFrame) -> pl.DataFrame:
    international = pl.col("code").is_null() & pl.col("owner").str.contains("xn--", literal=True)
    owners = cells.lazy().filter(international).select(pl.col("owner").unique()).collect().to_series()
    lookalikes = [owner for owner in owners if is_lookalike(to_unicode(owner))]
    if not lookalikes:
        return cells
    return cells.with_columns(
        code=pl.when(international & pl.col("owner").is_in(lookalikes))
        .then(pl.lit(DomainCode.LOOKALIKE.value))
        .otherwise("code")
    )


def _suggestion() -> pl.Expr:
    """Return a domain that may be meant, for typing errors that are seen every day."""
    last = pl.col("ascii").str.extract(r"([^.]+)$")
    ending = last.replace_strict(_TYPOS_IN_ENDINGS, default=None, return_dtype=pl.String)
    mended = pl.concat_str(pl.col("ascii").str.strip_suffix(last), ending)
    return pl.coalesce(
        pl.when(pl.col("code") == DomainCode.UNKNOWN_ENDING).then(mended),
        pl.when(pl.col("code") == DomainCode.FREE_MAIL).then(
            pl.col("owner").replace_strict(_TYPOS_OF_MAILBOXES, default=None, return_dtype=pl.String)
        ),
    )


def _rule() -> pl.Expr:
    """Return the name of the most telling thing done to an accepted cell."""
    return pl.when(pl.col("code").is_null()).then(
        pl.coalesce(
            pl.when(pl.col("repair") == FROM_FORMULA).then("repair"),
            pl.when("mail").then(pl.lit("from email")),
            "repair",
            pl.when(pl.col("host") != pl.col("ascii")).then(pl.lit("international name")),
            pl.when(pl.col("ascii").str.strip_prefix("www.") != pl.col("owner")).then(
                pl.lit("subdomain left out")
            ),
            pl.when(pl.col("link") | (pl.col("path") != "") | (pl.col("ascii") != pl.col("owner"))).then(
                pl.lit("from link")
            ),
            pl.when(pl.col("raw") != pl.col("owner")).then(pl.lit("trimmed")),
        )
    )
