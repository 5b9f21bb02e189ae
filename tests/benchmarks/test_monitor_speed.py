"""How long Monitor waits for its counts while a worker writes flat out. Prints figures; fails by no clock."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_ledger_speed import a_list, work

from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.runs import plan_run

pytestmark = pytest.mark.slow
ROWS = 100_000
READS = 200
HERE = Path(__file__).parent


def test_the_counts_of_a_run_are_read_while_a_worker_writes(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "sandbox", environment="sandbox")
    run_id = plan_run(ledger, a_list(ROWS))
    command = [sys.executable, str(Path(__file__)), str(ledger.folder), run_id]
    writer = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])})
    try:
        while queries.run_info(ledger, run_id).final_rows == 0:
            time.sleep(0.05)
        seconds, seen = [], set()
        for _ in range(READS):
            started = time.perf_counter()
            info = queries.run_info(ledger, run_id)
            seconds.append(time.perf_counter() - started)
            seen.add(info.final_rows)
            time.sleep(0.02)
        still_writing = writer.poll() is None
    finally:
        writer.terminate()
        writer.wait(timeout=20)
    ledger.close()

    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(
        f"\ncounts at {ROWS:,} tasks, {READS} reads beside a writer ({len(seen)} different answers): "
        f"median {statistics.median(seconds) * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert still_writing and len(seen) > 5


if __name__ == "__main__":
    writing = Ledger.open(Path(sys.argv[1]), environment="sandbox")
    while True:
        work(writing, sys.argv[2])
