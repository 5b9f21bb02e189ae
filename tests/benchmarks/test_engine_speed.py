"""How close a run comes to the shortest time possible. Prints figures and ratios; never fails by a clock.

The lower bound, with S seconds a submission, C at once, B batches, P seconds of processing and G reads per
second, is ``max(S + P + N/G, S * ceil(B/C) + P + n_last/G)``: nothing can be read before it was processed.

What the bound leaves out, measured on two busy cores: without latency a run is bound by one core. A task
costs the worker 0.6 to 0.9 ms of processor time (the more, the more threads could go on at a time), and only
the reading of it is in G. Of that time 0.3 to 0.4 ms go into one read, no more than ``HTTPAdapter.send`` and
``.content`` take by themselves; 0.23 ms of these are urllib3's and http.client's. 0.13 ms go into the ledger
(choosing, claiming, accepting, listing, storing, finishing), the rest into threads and the dispatcher. So
where reading alone decides, as for a killed run with everything sent, the ratio is about the quotient of both
times, however little is waited for; with the latency of life reading is not bound by the processor, which is
measured too. A run killed with submissions open also waits, by design, for the backoff after an unknown batch
(1.5 s here) and for one submission to be accepted (S) before it sends several at once.

Run it with ``pytest tests/benchmarks -m slow -s``.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import requests

from openmart_lib.api import OpenmartClient, RetryPolicy
from openmart_lib.api.wire import Kind
from openmart_lib.engine import key_fingerprint, worker_status
from openmart_lib.ledger import BatchState, Ledger, RunState, open_ledger, queries
from openmart_lib.ledger.runs import NewRun, plan_run
from openmart_lib.settings import Settings

pytestmark = pytest.mark.slow
TASKS = 10_000
SUBMIT_SECONDS = 1.3  # 26 s scaled 1:20
PROCESS_SECONDS = 3.0  # 60 s scaled 1:20
SERVER = """
import sys, time
from pathlib import Path
from openmart_lib.sandbox import Sandbox
with Sandbox(Path(sys.argv[1]), speed=20, submit_seconds=float(sys.argv[2]),
             task_seconds=(float(sys.argv[3]), float(sys.argv[3]))) as sandbox:
    port = sandbox.url.rsplit(":", 1)[1]
    (Path(sys.argv[1]) / "port").write_text(port)
    sys.stdin.read()
"""


@contextmanager
def separate_sandbox(folder: Path, *, submit: float, process: float) -> Iterator[str]:
    """Serve the sandbox from a process of its own: client and server must not share an interpreter."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", SERVER, str(folder), str(submit), str(process)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while not (folder / "port").exists():
            time.sleep(0.05)
        yield f"http://127.0.0.1:{(folder / 'port').read_text().strip()}"
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(timeout=20)


def plan(ledger: Ledger, settings: Settings, count: int) -> str:
    seq = pl.int_range(1, count + 1, eager=True, dtype=pl.UInt32).alias("seq")
    domains = pl.Series("domain", [f"company-{number}.com" for number in range(count)])
    requests_ = [
        json.dumps({"domain": domain, "title": "Owner", "max_k": 1, "info_access": ["EMAIL"]})
        for domain in domains
    ]
    frame = pl.DataFrame([seq, (seq + 1).alias("file_line"), domains])
    rows = frame.with_columns(
        pl.lit("accepted").alias("intake"),
        pl.lit(None, pl.String).alias("code"),
        pl.lit(None, pl.String).alias("reason"),
        pl.lit("Owner").alias("asked_title"),
        pl.lit(None, pl.UInt32).alias("duplicate_of"),
    )
    tasks = pl.DataFrame([seq.alias("task_no"), pl.Series("request", requests_), domains])
    links = pl.DataFrame([seq, seq.alias("task_no")]).with_columns(pl.lit(0, pl.UInt32).alias("person_no"))
    return plan_run(
        ledger,
        NewRun(
            name="benchmark", kind=Kind.FIND_PEOPLE, mapping={"domain": ["domain"]}, options={},
            content_key="benchmark", confirm_token="benchmark", upload_name="benchmark.csv", upload_sha256="",
            upload_format={}, frame=frame, rows=rows, tasks=tasks, links=links, worst_credits=3.0 * count,
            key_fingerprint=key_fingerprint(ledger, settings), key_last4="",
        ),
    )  # fmt: skip


def reads_per_second(url: str, seconds: float = 3.0) -> float:
    """Measure G: how many tasks per second 32 threads of the library's client read from this server."""
    client = OpenmartClient("benchmark-key", base_url=url, retry=RetryPolicy(max_attempts=1))
    receipt = client.find_people(
        [{"domain": f"g{n}.com", "title": "Owner", "max_k": 1, "info_access": ["EMAIL"]} for n in range(100)]
    )
    ids = client.task_ids(receipt["batch_id"])
    end = time.monotonic() + seconds

    def read(start: int) -> int:
        done = 0
        while time.monotonic() < end:
            client.task(ids[(start + done) % len(ids)])
            done += 1
        return done

    with ThreadPoolExecutor(32) as pool:
        total = sum(pool.map(read, range(32)))
    client.close()
    return total / seconds


def requests_seen(url: str) -> dict[str, int]:
    """Return how many requests of each kind the sandbox has had."""
    seen: dict[str, int] = requests.get(f"{url}/_sandbox/requests", timeout=30).json()["requests"]
    return seen


@contextmanager
def worker_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as the dashboard does, in a process of its own; it is idle when the block begins."""
    values = {
        "OPENMART_DATA_DIR": str(settings.data_dir),
        "OPENMART_SANDBOX_SPEED": str(settings.sandbox_speed),
        "OPENMART_SUBMIT_CONCURRENCY": str(settings.submit_concurrency),
    }
    command = [sys.executable, "-m", "openmart_lib.engine"]
    process = subprocess.Popen(command, env={**os.environ, **values}, stdin=subprocess.PIPE)
    try:
        while not worker_status(settings).alive:
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answer_as_in_life(url: str) -> None:
    """Have each read of a task take 50 ms and more, as over the internet."""
    fault = {"name": "slow", "on": "task", "times": None, "seconds": 0.05}
    requests.post(f"{url}/_sandbox/faults", json=fault, timeout=10).raise_for_status()


def lower_bound(tasks: int, slots: int, rate: float) -> float:
    batches = math.ceil(tasks / 100)
    rounds = math.ceil(batches / slots)
    last = tasks - 100 * slots * (rounds - 1)
    return max(
        SUBMIT_SECONDS + PROCESS_SECONDS + tasks / rate,
        SUBMIT_SECONDS * rounds + PROCESS_SECONDS + last / rate,
    )


def until_done(ledger: Ledger, run_id: str) -> float:
    """Wait for a run to be done; return the seconds it took from now."""
    started = time.monotonic()
    while queries.run_info(ledger, run_id).state is not RunState.DONE:
        time.sleep(0.05)
    return time.monotonic() - started


def until_sent(ledger: Ledger, run_id: str, *, but: int) -> None:
    """Wait until all batches of a run are accepted but for so many."""
    while True:
        batches = queries.run_info(ledger, run_id).batches
        if batches[BatchState.PLANNED] + batches[BatchState.SENDING] <= but:
            return
        time.sleep(0.01)


@pytest.mark.parametrize("slots", [4, 16])
def test_a_run_takes_hardly_longer_than_the_lower_bound(tmp_path: Path, slots: int) -> None:
    settings = Settings(data_dir=tmp_path / "data", sandbox_speed=20, submit_concurrency=slots)
    with separate_sandbox(settings.sandbox_dir, submit=SUBMIT_SECONDS, process=PROCESS_SECONDS) as url:
        rate = reads_per_second(url)
        ledger = open_ledger(settings)
        with worker_process(settings):
            run_id = plan(ledger, settings, TASKS)
            before = requests_seen(url)
            wall = until_done(ledger, run_id)
        after = requests_seen(url)
        info = queries.run_info(ledger, run_id)
        ledger.close()

    bound = lower_bound(TASKS, slots, rate)
    print(
        f"\nC={slots}: {TASKS:,} tasks in {wall:.1f} s, lower bound {bound:.1f} s, ratio {wall / bound:.2f}; "
        f"G={rate:,.0f} reads/s, load {os.getloadavg()[0]:.1f}; "
        f"{(after['status'] - before['status']) / TASKS:.3f} status GETs a task"
    )
    assert sum(info.outcomes.values()) == TASKS
    assert info.pending.total == 0


@pytest.mark.parametrize("open_posts", [False, True], ids=["all sent", "submissions open"])
def test_a_killed_run_takes_hardly_longer_than_what_remained(tmp_path: Path, open_posts: bool) -> None:
    slots = 16
    settings = Settings(data_dir=tmp_path / "data", sandbox_speed=20, submit_concurrency=slots)
    with separate_sandbox(settings.sandbox_dir, submit=SUBMIT_SECONDS, process=PROCESS_SECONDS) as url:
        rate = reads_per_second(url)
        ledger = open_ledger(settings)
        with worker_process(settings) as process:
            run_id = plan(ledger, settings, TASKS)
            until_sent(ledger, run_id, but=50 if open_posts else 0)
            process.kill()
        info = queries.run_info(ledger, run_id)
        unread, unsent = info.pending.total, info.batches[BatchState.PLANNED]
        rounds = math.ceil(unsent / slots)
        submitting = SUBMIT_SECONDS * rounds + (PROCESS_SECONDS if unsent else 0.0)
        bound = max(submitting, unread / rate)
        with worker_process(settings):
            wall = until_done(ledger, run_id)
        info = queries.run_info(ledger, run_id)
        ledger.close()

    print(
        f"\nkilled with {unread:,} rows to go in {unsent} unsent batches and others: resumed in {wall:.1f} s, "
        f"lower bound {bound:.1f} s, ratio {wall / bound:.2f}; "
        f"{info.batches[BatchState.UNKNOWN]} batches unknown; load {os.getloadavg()[0]:.1f}"
    )
    assert info.pending.total == 0


def test_a_killed_run_with_everything_sent_is_read_as_fast_as_the_api_answers(tmp_path: Path) -> None:
    count = 6_000
    settings = Settings(data_dir=tmp_path / "data", sandbox_speed=20, submit_concurrency=16)
    with separate_sandbox(settings.sandbox_dir, submit=0.0, process=2.0) as url:
        answer_as_in_life(url)
        ledger = open_ledger(settings)
        with worker_process(settings) as process:
            run_id = plan(ledger, settings, count)
            until_sent(ledger, run_id, but=0)
            process.kill()
        rate = reads_per_second(url, seconds=5.0)  # meanwhile all is processed
        unread = queries.run_info(ledger, run_id).pending.total
        with worker_process(settings):
            wall = until_done(ledger, run_id)
        info = queries.run_info(ledger, run_id)
        ledger.close()

    print(
        f"\n50 ms: killed with {unread:,} rows to go, all sent: resumed in {wall:.2f} s, "
        f"lower bound {unread / rate:.2f} s at {rate:,.0f} reads/s, ratio {wall * rate / unread:.2f}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert info.pending.total == 0


def test_storing_costs_little_beside_fetching(tmp_path: Path) -> None:
    count = 3_000
    settings = Settings(data_dir=tmp_path / "data", sandbox_speed=20, submit_concurrency=16)
    with separate_sandbox(settings.sandbox_dir, submit=0.0, process=4.0) as url:
        answer_as_in_life(url)
        alone = reads_per_second(url, seconds=5.0)
        ledger = open_ledger(settings)
        with worker_process(settings):
            run_id = plan(ledger, settings, count)
            until_done(ledger, run_id)
        times = queries.batches(ledger, run_id)
        ledger.close()

    spans = times.select(first=pl.col("ready_at").min(), last=pl.col("collected_at").max()).row(0)
    stored = count / (spans[1] - spans[0])
    print(
        f"\n50 ms: {alone:,.0f} tasks/s read, {stored:,.0f} tasks/s read and stored, "
        f"{stored / alone:.1%}; load {os.getloadavg()[0]:.1f}"
    )
    assert times["open_tasks"].sum() == 0
