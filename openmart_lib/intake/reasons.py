"""Why a cell gives no domain, in one plain sentence each."""

from __future__ import annotations

from typing import Final

import polars as pl

from openmart_lib.intake.judge import DomainCode
from openmart_lib.intake.noteworthy import TYPOS_OF_MAILBOXES
from openmart_lib.wording import worded

# {host}, {owner}, {ending} and {ascii} are filled in per cell.
REASONS: Final[dict[str, str]] = {
    DomainCode.BLANK: "The cell is empty.",
    DomainCode.PLACEHOLDER: "The cell only says that there is no website.",
    DomainCode.FREE_MAIL: "{owner} is a private mailbox provider, not a company.",
    DomainCode.DISPOSABLE: "{owner} hands out throw-away addresses; it is not a company.",
    DomainCode.SOCIAL: "A page on {host} is a profile, map or directory entry, not a company's website.",
    DomainCode.HOSTED: "{host} is a page on a shared host, not the company's own domain.",
    DomainCode.IP: "This is an IP address, not a domain.",
    DomainCode.INTERNAL: "{host} is an internal or example name that no company owns.",
    DomainCode.UNKNOWN_ENDING: "No domain can end in “.{ending}”.",
    DomainCode.SUFFIX_ONLY: "{host} is only a domain ending; the name before it is missing.",
    DomainCode.COMPANY_NAME: "This reads like a company name or a note, not a website.",
    DomainCode.MULTIPLE: "The cell names several websites; keep the one you mean.",
    DomainCode.LOOKALIKE: "{ascii} imitates another name with letters of a different alphabet.",
    DomainCode.EXCEL: "A spreadsheet turned this cell into a number, a date or an error.",
    DomainCode.INVALID: "This is not a valid domain name.",
}
_MISTYPED: Final = "{owner} looks like a mistyped private mailbox provider, not a company."
_ONLY_WWW: Final = "Between “www.” and the ending of {host} the name is missing."
_LINKEDIN: Final = "A LinkedIn page is not the company's website; its link is kept beside it."
# What makes a host no name, the first that fits: pattern on the host, the rule it breaks.
_BROKEN: Final = (
    (r"^.{254}", "A domain has at most 253 characters; this one has more."),
    (r"[^.]{64}", "Each part of a domain has at most 63 characters; one here has more."),
    (r"\.\.", "Two dots stand side by side; a part of the name is missing."),
    (r"^[^.\s]+,(?:[^.\s]+)$", "A comma stands where a dot belongs."),
    (r"(?:^|\.)-|-(?:\.|$)", "A part of a domain cannot begin or end with a hyphen."),
    (r"_", "A company's domain cannot hold an underscore."),
    (r"(?:^|\.)xn--", "The “xn--” code in this name cannot be read."),
)
_FOREIGN: Final = r"([^\p{L}\p{M}\p{N}.\s_-])"  # what no domain holds


def reason() -> pl.Expr:
    """Return the sentence of each rejected row.

    The frame has ``code``, ``text``, ``host``, ``ascii``, ``owner`` and ``linkedin_url``.
    """
    sentence = pl.col("code").replace_strict(REASONS, default=None, return_dtype=pl.String)
    sentence = pl.when(pl.col("code") == DomainCode.INVALID.value).then(_broken()).otherwise(sentence)
    mailbox = pl.col("code") == DomainCode.FREE_MAIL.value
    mistyped = mailbox & pl.col("owner").is_in(list(TYPOS_OF_MAILBOXES))
    sentence = (
        pl.when(mistyped)
        .then(pl.lit(_MISTYPED))
        .when((pl.col("code") == DomainCode.SUFFIX_ONLY.value) & pl.col("ascii").str.starts_with("www."))
        .then(pl.lit(_ONLY_WWW))
        .when(pl.col("linkedin_url").is_not_null() & (pl.col("code") == DomainCode.SOCIAL.value))
        .then(pl.lit(_LINKEDIN))
        .otherwise(sentence)
    )
    for name, value in {
        "{host}": pl.coalesce("host", "text"),
        "{owner}": pl.col("owner"),
        "{ascii}": pl.col("ascii"),
        "{ending}": pl.coalesce("ascii", "host").str.extract(r"([^.]+)$"),
    }.items():
        sentence = sentence.str.replace(name, value.fill_null(""), literal=True)
    return sentence


def _broken() -> pl.Expr:
    host = pl.when(pl.col("code") == DomainCode.INVALID.value).then(pl.coalesce("host", "text"))
    foreign = host.str.extract(_FOREIGN)
    return pl.coalesce(
        *(pl.when(host.str.contains(pattern)).then(pl.lit(words)) for pattern, words in _BROKEN),
        worded("A domain cannot hold “{}”.", foreign),
        pl.lit(REASONS[DomainCode.INVALID]),
    )
