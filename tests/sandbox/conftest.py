"""Sandboxes whose time the test sets, and clients for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_lib.sandbox import Sandbox

from .client import Client


class Clock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, clock: Clock) -> Iterator[Sandbox]:
    """A sandbox whose tasks take 30 to 130 s of the test's clock; submissions are answered at once."""
    with Sandbox(tmp_path / "timed", speed=1, submit_seconds=0, clock=clock) as server:
        yield server


@pytest.fixture
def client(timed: Sandbox) -> Iterator[Client]:
    """A client of ``timed``."""
    caller = Client(timed)
    with caller.session:
        yield caller
