"""Benchmarks print figures; they are run by hand, with ``-m slow``."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the benchmarks out unless a marker expression asks for them."""
    if "slow" in (config.getoption("markexpr") or ""):
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="a benchmark: run it with -m slow"))
