"""What every test may use."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples import USUAL
from forked import fork_server, subprocess_for_supervisors
from hypothesis import HealthCheck, settings

from openmart_lib.engine import supervisor
from openmart_lib.sandbox import Sandbox

if "PYTEST_XDIST_WORKER" in os.environ:  # the processors are shared already; read when polars is imported
    os.environ.setdefault("POLARS_MAX_THREADS", "1")


# Each of the tests' workers and of the programs they start would compile all of it anew: half of the time that
# collecting takes, a third of a command's start. Where the folder cannot be written, nothing is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
gc.disable()  # until all is collected: next to nothing of what is imported is garbage


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through thousands of tests and libraries again and again."""
    gc.enable()
    gc.collect()
    gc.freeze()


# The same examples in every run, so that a change is judged by itself; `--hypothesis-profile=explore` looks
# for new ones, and for more of them. How long an example takes says how busy the machine is.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", PATIENT, derandomize=True, max_examples=USUAL)
settings.register_profile("explore", PATIENT, derandomize=False, max_examples=10 * USUAL)
settings.load_profile("same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave benchmarks and the long versions of proofs out unless a marker expression asks for them."""
    for item in items:  # with -n: a file's tests share their fixtures, all browser tests one browser
        shared = "browser" if item.get_closest_marker("browser") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(shared))
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


@pytest.fixture(scope="session")
def forking() -> Iterator[None]:
    """The process that forks programs: ``Forked`` works while it runs."""
    with fork_server():
        yield


@pytest.fixture(scope="module")
def forked_children(forking: None) -> Iterator[None]:
    """Worker and sandbox of a module's desks are forked, not started as new processes: a second less each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "subprocess", subprocess_for_supervisors())
        yield
