"""Whether a host is a domain that a company can own: the verdict, with its code."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

from openmart_lib.intake.idn import is_lookalike, to_names
from openmart_lib.intake.linkedin import linkedin_link
from openmart_lib.intake.noteworthy import PLAIN_HOST, TYPOS_OF_MAILBOXES, ordinary
from openmart_lib.intake.rules import EMAIL, INTERNATIONAL, LINK, SUBDOMAIN, TIDIED, WWW, joined, named
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
_IP = (  # a number alone is one where it is long enough: "24/7" is none
    r"^(?:0x[0-9a-f]*|\d{8,}|(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))+|[0-9a-f.]*:[0-9a-f:.]*)$"
)
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
_COLUMNS: Final = (
    *("raw", "text", "host", "ascii", "owner", "readable", "domain", "rule", "code", "suggestion"),
    "linkedin_url",
)


def judge_hosts(cells: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    """Judge cells that name one host; add ``ascii``, ``owner``, ``readable`` (the owner
    in Unicode, where it differs), ``domain``, ``rule``, ``code``, ``suggestion``, ``linkedin_url``.

    The rows come back in another order.
    """
    none = pl.lit(None, pl.String)
    hosts = _with_ascii(cells).with_columns(owner=registrable(pl.col("ascii")))
    easy = (
        pl.col("code").is_null()
        & ordinary(pl.col("owner"))
        & pl.col("ascii").str.contains(f"^{PLAIN_HOST}$")
        & ~pl.col("text").str.contains("[", literal=True)
    ).fill_null(False)
    is_easy = hosts.select(easy).to_series()  # once for both halves
    judged = []
    if is_easy.any() or hosts.is_empty():
        settled = {"domain": pl.col("owner"), "readable": none, "suggestion": none, "linkedin_url": none}
        judged.append(hosts.filter(is_easy).with_columns(**settled))
    if not is_easy.all():
        judged.append(_judge_closely(hosts.filter(~is_easy), allow_example))
    columns = [name for name in _COLUMNS if name != "rule"]
    extra = [name for name in cells.columns if name not in _COLUMNS]
    return pl.concat(frame.with_columns(rule=_rule()).select(*columns, "rule", *extra) for frame in judged)


def _judge_closely(hosts: pl.DataFrame, allow_example: bool) -> pl.DataFrame:
    ascii_host = pl.col("ascii")
    sold = suffix(ascii_host, private=True).is_in(word_series("sold_endings"))
    demo = pl.lit(allow_example) & ascii_host.str.contains(r"[^.]\.example$")
    linkedin = pl.when(pl.col("host").str.contains(r"(?:^|\.)linkedin\.com$")).then("text")
    return (
        hosts.lazy()
        .with_columns(
            private=registrable(ascii_host, private=True),
            ending=pl.when(sold).then(suffix(ascii_host, private=True)).otherwise(suffix(ascii_host)),
        )
        .with_columns(owner=pl.when(sold).then("private").otherwise("owner"))
        .with_columns(
            owner=pl.when(demo).then(ascii_host.str.extract(r"([^.]+\.example)$")).otherwise("owner"),
            code=pl.when(demo & pl.col("code").is_null()).then(None).otherwise(_host_code()),
        )
        .collect()
        .pipe(_add_lookalikes)
        .with_columns(
            domain=pl.when(pl.col("code").is_null()).then("owner"),
            suggestion=_suggestion(),
            linkedin_url=linkedin_link(linkedin.str.replace(r"^[/\\]+", "")),
        )
    )


def _with_ascii(cells: pl.DataFrame) -> pl.DataFrame:
    """Add ``ascii`` (the host as A-labels, null where it is no valid name) and ``readable`` (in Unicode)."""
    international = pl.col("host").str.contains(r"[^\x00-\x7f]|(?:^|\.)xn--")
    hosts = cells.lazy().filter(international).select(pl.col("host").unique()).collect().to_series()
    names = [to_names(host) or (None, None) for host in hosts]
    labels = pl.DataFrame(
        {"host": hosts, "a_label": [one for one, _ in names], "readable": [one for _, one in names]},
        schema=dict.fromkeys(("host", "a_label", "readable"), pl.String),
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
        & (dotted | host.str.contains(_BARE_ENDINGS) | text.str.starts_with("."))
        | _is_www_of_an_ending(),
        DomainCode.COMPANY_NAME: ~dotted
        & ~pl.col("link")
        & ~pl.col("mail")
        & host.str.contains(r"^[\p{L}\d][\p{L}\p{M}\d&'’-]*$"),
        DomainCode.INVALID: ascii_host.is_null() | owner.str.contains("_", literal=True),
        DomainCode.UNKNOWN_ENDING: pl.col("ending").is_null() & dotted,
        DomainCode.HOSTED: _is_hosted(),
        DomainCode.SOCIAL: _is_social(),
        DomainCode.FREE_MAIL: _is_listed("free_mail") | owner.is_in(list(TYPOS_OF_MAILBOXES)),
        DomainCode.DISPOSABLE: _is_listed("disposable"),
    }
    code = pl.coalesce(
        "code",
        *(pl.when(objection).then(pl.lit(code.value)) for code, objection in objections.items()),
    )
    return pl.when(code.is_null() & owner.is_null()).then(pl.lit(DomainCode.INVALID.value)).otherwise(code)


def _is_www_of_an_ending() -> pl.Expr:
    """Return whether the name before the ending is missing behind "www."; www.ck is a company."""
    bare = pl.col("ascii").str.strip_prefix("www.")
    return (bare == pl.col("ending")) & (bare != pl.col("ascii")) & (bare != "ck")


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
    """Object to owners that imitate another name; make ``readable`` the owner's."""
    international = pl.col("owner").str.contains("xn--", literal=True)
    # As many labels from the end as the owner has.
    labels = pl.when(international).then("readable").str.split(".")
    cells = cells.with_columns(
        readable=labels.list.tail(pl.col("owner").str.count_matches(".", literal=True) + 1).list.join(".")
    )
    asked = cells.filter(pl.col("code").is_null()).get_column("readable").drop_nulls().unique()
    lookalikes = [name for name in asked if is_lookalike(name)]
    disguised = pl.col("code").is_null() & pl.col("readable").is_in(lookalikes).fill_null(False)
    return cells.with_columns(
        code=pl.when(disguised).then(pl.lit(DomainCode.LOOKALIKE.value)).otherwise("code")
    )


def _suggestion() -> pl.Expr:
    """Return a domain that may be meant, for typing errors that are seen every day."""
    last = pl.col("ascii").str.extract(r"([^.]+)$")
    ending = last.replace_strict(_TYPOS_IN_ENDINGS, default=None, return_dtype=pl.String)
    mended = pl.concat_str(pl.col("ascii").str.strip_suffix(last), ending)
    return pl.coalesce(
        pl.when(pl.col("code") == DomainCode.UNKNOWN_ENDING).then(mended),
        pl.when(pl.col("code") == DomainCode.FREE_MAIL).then(
            pl.col("owner").replace_strict(TYPOS_OF_MAILBOXES, default=None, return_dtype=pl.String)
        ),
    )


def _rule() -> pl.Expr:
    """Return what was done to an accepted cell, null where it was clean."""
    ascii_host, owner = pl.col("ascii"), pl.col("owner")
    without_www = ascii_host.str.strip_prefix("www.")
    address = pl.coalesce(
        named(pl.col("mail"), EMAIL),
        named(pl.col("link") | pl.col("text").str.contains(r"[/?#:]"), LINK),
        named((without_www != ascii_host) & (ascii_host != owner), WWW),
    )
    acted = joined(
        pl.col("repair"),
        address,
        named(pl.col("host") != ascii_host, INTERNATIONAL),
        named((without_www != owner) & (ascii_host != owner), SUBDOMAIN),
    )
    return pl.when(pl.col("domain").is_not_null()).then(
        pl.coalesce(acted, named(pl.col("raw") != owner, TIDIED))
    )
