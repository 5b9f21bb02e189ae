"""Texts with values in them, for whole columns: ``worded("same task as row {}", "lead")``.

In place of ``polars.format``, which panics in polars 2.1 where the first chunk of a filtered frame is empty
(select, over, and every lazy frame); ``concat_str`` does not. ruff refuses the other one.
"""

from __future__ import annotations

import polars as pl


def worded(words: str, *values: pl.Expr | pl.Series | str) -> pl.Expr:
    """Return the words with a value in place of each ``{}``; null where one of the values is null.

    Args:
        values: Columns by name, expressions or series, of any type that can be written as text.
    Raises:
        ValueError: If there are more or fewer values than places.
    """
    first, *others = words.split("{}")
    parts: list[pl.Expr | pl.Series] = [pl.lit(first)] if first else []
    for value, after in zip(values, others, strict=True):
        parts += [pl.col(value) if isinstance(value, str) else value, *([pl.lit(after)] if after else [])]
    return pl.concat_str(parts)
