"""How fast a list of a million is compared with a million tasks bought before.

Run with ``pytest -m slow -s tests/benchmarks/test_reuse_speed.py``; ``OPENMART_BENCHMARK_ROWS`` sets the size.
Processor time is told beside the clock, and the best of three counts: others use the machine too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pytest

from openmart_lib import reuse
from openmart_lib.api.wire import Kind
from openmart_lib.intake.likeness import with_likeness
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.tasks import Plan, plan_tasks
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.runs import NewRun, plan_run

ROWS = int(os.environ.get("OPENMART_BENCHMARK_ROWS", "1000000"))
OVERLAP = 0.26  # of the new list, as in "3,120 of 12,000 you already have"
GOAL = 2.0  # seconds for a million
OPTIONS = RunOptions(title="Owner", max_k=3)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def say(what: str, figure: str) -> None:
    sys.stdout.write(f"  {what:<64}{figure:>14}\n")


class Took:
    """Seconds of a block, by the clock and of the processor (all threads together)."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Took:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.clock, self.work = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        say(self.what, f"{self.clock:.2f} s, {self.work:.2f} s")


def planned(first: int) -> Plan:
    """A list of companies by number, from this one on."""
    number = pl.int_range(first, first + ROWS, dtype=pl.UInt32, eager=True)
    frame = pl.DataFrame(
        {
            "seq": number - first + 1,
            "file_line": number - first + 2,
            "site": pl.select(pl.format("company-{}.com", number)).to_series(),
        }
    )
    plan = plan_tasks(frame, {"domain": ["site"]}, Kind.FIND_PEOPLE, OPTIONS)
    with Took(f"likeness of {ROWS:,} tasks, while a list is checked"):
        return replace(plan, tasks=with_likeness(plan.tasks, Kind.FIND_PEOPLE))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger whose one run bought so many tasks; the last tenth of them is answered."""
    opened = Ledger.open(tmp_path_factory.mktemp("reuse"), environment="sandbox")
    plan = planned(1)
    run = NewRun(
        name="Bought",
        kind=Kind.FIND_PEOPLE,
        mapping={"domain": ["site"]},
        options=OPTIONS.to_dict(),
        content_key="bought",
        confirm_token="bought",
        upload_name="bought.csv",
        upload_sha256="0" * 64,
        upload_format={},
        frame=plan.rows.select("seq", "file_line", site="domain"),
        rows=plan.rows,
        tasks=plan.tasks,
        links=plan.links,
        worst_credits=0.0,
        key_fingerprint="key",
        key_last4="abcd",
    )
    with Took("planned"):
        run_id = plan_run(opened, run)
    with Took("what it buys written down, at its end"):
        reuse.keep_index(opened, run_id, plan.tasks, Kind.FIND_PEOPLE)
    yield opened
    opened.close()


def test_a_large_list_is_compared_with_as_many_earlier_tasks(ledger: Ledger) -> None:
    shared = round(ROWS * OVERLAP)
    plan = planned(1 + ROWS - shared)

    taken = []
    for attempt in range(4):
        with Took(("first look" if not attempt else "another look") + f", {shared:,} shared") as took:
            found = reuse.look(ledger, plan, Kind.FIND_PEOPLE, OPTIONS)
        taken.append(min(took.clock, took.work))
    with Took("taken out of the plan"):
        left, reused = reuse.apply(plan, found, reuse.Choice.REUSE)
    everything = planned(1)
    with Took("a look in which every task was bought before"):
        all_found = reuse.look(ledger, everything, Kind.FIND_PEOPLE, OPTIONS)

    assert found.reusable == shared and reused is not None and reused.height == shared
    assert left.tasks.height == ROWS - shared and all_found.reusable == ROWS
    print(f"\nfirst look at {ROWS:,} against as many: {taken[0]:.2f} s, another: {min(taken[1:]):.2f} s")
    print(f"(goal {GOAL:g} s)")
