"""What every test may use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_lib.sandbox import Sandbox


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through thousands of tests and libraries again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave benchmarks and the long versions of proofs out unless a marker expression asks for them."""
    if config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="the long version: run it with -m slow"))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A running sandbox of the test's own: a submission takes 26 ms, a task 30 to 130 ms."""
    with Sandbox(tmp_path / "sandbox", speed=1000) as server:
        yield server
