"""What the tests of the commands share: settings of the test's own, for this process too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_runs import opened, sandbox_settings

from openmart_lib.ledger import Ledger
from openmart_lib.settings import NAMES, Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a data folder of the test's own, in the environment too; nobody sits at the input."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENMART_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    return sandbox_settings(tmp_path / "data")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with opened(settings) as ledger:
        yield ledger
