"""Several contacts in one line: ``contact_1_first_name`` to ``contact_8_linkedin_url``."""

from __future__ import annotations

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.results.columns import CONTACT_FIELDS, MAX_CONTACTS


def numbered(keys: pl.DataFrame, lines: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return one row per source: ``source``, then its records' fields, number by number, the best first.

    As many numbers as the source with the most records has, at most ``MAX_CONTACTS``; only ``source`` where
    none has two.

    Args:
        keys: One row per record, a source's together and the best first: source, nth (0-based among its
            source's), line (its row in ``lines``).
        lines: Records, with the found columns.
    """
    sources = keys.filter(pl.col("nth") == 0).select("source")
    most = int(keys.select(pl.col("nth").max()).item() or 0) + 1
    if most < 2:
        return sources
    columns: list[pl.Series] = []
    for nth in range(min(most, MAX_CONTACTS)):
        here = keys.filter(pl.col("nth") == nth).select("source", "line")
        places = sources.join(here, on="source", how="left", maintain_order="left")["line"]
        columns += [
            lines[f"found_{name}"].gather(places).alias(f"contact_{nth + 1}_{name}")
            for name in CONTACT_FIELDS[kind]
        ]
    return sources.hstack(columns)
