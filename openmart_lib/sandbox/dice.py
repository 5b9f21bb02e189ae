"""Deterministic choices: the same text always gives the same rolls, on every machine and version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_LOW_WATER = 1 << 64  # below it the remaining bits would no longer be even over a large roll


class Dice:
    """An endless source of choices drawn from a hash of some text."""

    __slots__ = ("_pool", "_round", "_seed")

    def __init__(self, *parts: str) -> None:
        # surrogatepass: any text that fits a str must have a result, however broken
        self._seed = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        self._round = 0
        self._pool = 0

    def roll(self, sides: int) -> int:
        """Return a number from 0 to ``sides`` - 1."""
        if self._pool < _LOW_WATER:
            digest = hashlib.blake2b(self._seed, digest_size=64, salt=self._round.to_bytes(16, "big"))
            self._pool = int.from_bytes(digest.digest(), "big")
            self._round += 1
        self._pool, value = divmod(self._pool, sides)
        return value

    def chance(self, percent: int) -> bool:
        """Return True in about ``percent`` of 100 cases."""
        return self.roll(100) < percent

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, each as likely as the others."""
        return options[self.roll(len(options))]

    def between(self, low: float, high: float) -> float:
        """Return a number from ``low`` up to ``high``."""
        return low + (high - low) * self.roll(1 << 20) / (1 << 20)
