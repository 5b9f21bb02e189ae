"""LinkedIn links: recognised, and brought to one spelling."""

from __future__ import annotations

import polars as pl

_LINK = r"(?i)^(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/([^?#\s]+)"


def linkedin_link(text: pl.Expr) -> pl.Expr:
    """Return ``https://www.linkedin.com/<path>`` for a LinkedIn link, null for any other text.

    Host and path are lower case, without query, fragment and closing slash, so that two spellings of a
    page are equal.
    """
    path = text.str.strip_chars().str.extract(_LINK).str.strip_chars("/").str.to_lowercase()
    return pl.when(path != "").then(pl.concat_str(pl.lit("https://www.linkedin.com/"), path))
