"""What every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_lib.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A running sandbox of the test's own: a submission takes 26 ms, a task 30 to 130 ms."""
    with Sandbox(tmp_path / "sandbox", speed=1000) as server:
        yield server
