"""A rig for each test, and the promise that the engine logs no bug of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rig import Rig
from lance_kit import Bench

from openmart_lib.ledger import Ledger
from openmart_lib.settings import SANDBOX


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger; copying it is ten times faster than making one."""
    folder = tmp_path_factory.mktemp("template")
    Ledger.open(folder, environment=SANDBOX).close()
    return folder / "ledger.db"


@pytest.fixture
def rig(tmp_path: Path, template: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    """A sandbox with nothing wrong with it, a ledger without runs, and a dispatcher."""
    bench = Rig(tmp_path, template)
    bench.sandbox.start()
    try:
        yield bench
    finally:
        bench.close()
        bench.sandbox.stop()
    errors = [
        record
        for record in caplog.get_records("call")
        if record.name.startswith("openmart_lib.engine") and record.levelno >= logging.ERROR
    ]
    assert not errors, errors


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A sandbox, a ledger and the rounds of watch lists, stepped by the test."""
    made = Bench(tmp_path)
    yield made
    made.close()
