"""Fixtures of the ledger's tests: an empty ledger, on a clock that moves only when told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledger_kit import ENVIRONMENT, Clock, make_empty

from openmart_lib.ledger import Ledger
from openmart_lib.ledger.ledger import DATABASE_FILE


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder in memory, else one on disk; it is gone afterwards."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def clock() -> Clock:
    """The ledger's clock."""
    return Clock()


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger that has just been made: copying it is faster than making it anew."""
    folder = tmp_path_factory.mktemp("empty") / ENVIRONMENT
    Ledger.open(folder, environment=ENVIRONMENT).close()
    return folder / DATABASE_FILE


@pytest.fixture(scope="session")
def kept_ledger() -> Iterator[Ledger]:
    """One ledger for all tests: what SQLAlchemy has compiled once serves them all."""
    with quick_folder() as folder:
        opened = Ledger.open(folder / ENVIRONMENT, environment=ENVIRONMENT)
        yield opened
        opened.close()


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder of the test's own in which a thousand fsyncs cost nothing, where there is such a place."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def ledger(kept_ledger: Ledger, empty_ledger: Path, clock: Clock) -> Iterator[Ledger]:
    """An empty ledger."""
    make_empty(kept_ledger, empty_ledger, clock)
    yield kept_ledger
    kept_ledger.close()
