"""Spans: task numbers as short text, ``1-40,43``, for the journal's lines."""

from __future__ import annotations

from collections.abc import Iterable


def spans(numbers: Iterable[int]) -> str:
    """Return ascending numbers as text, neighbours joined: ``1-40,43``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in parts)


def parse_spans(text: str) -> frozenset[int]:
    """Return the numbers that ``spans`` wrote.

    Raises:
        ValueError: If it wrote no such text.
    """
    found: set[int] = set()
    for part in text.split(",") if text else ():
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)
