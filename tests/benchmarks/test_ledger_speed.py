"""How fast the ledger is with a large list: figures to read, never a failure by a clock.

Run with ``pytest -m slow -s tests/benchmarks/test_ledger_speed.py``; ``OPENMART_BENCHMARK_ROWS`` sets the size.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import polars as pl
import pytest

from openmart_lib.api.wire import Kind, TaskAnswer
from openmart_lib.ledger import BatchState, Ledger, Outcome, answers, queries, submissions
from openmart_lib.ledger.runs import NewRun, cancel_run, plan_run
from openmart_lib.ledger.tracking import tracking_id

ROWS = int(os.environ.get("OPENMART_BENCHMARK_ROWS", "100000"))
BATCHES_WORKED = 50  # of the run's batches: claimed, accepted and collected one by one
PERSON = {"first_name": "Ada", "last_name": "Roe", "email": {"email": "ada@one.invalid", "verified": True}}

pytestmark = pytest.mark.slow


def say(what: str, figure: str) -> None:
    sys.stdout.write(f"  {what:<58}{figure:>16}\n")


@contextmanager
def timed(what: str, *, each: int = 1) -> Iterator[None]:
    """Print how long the block took, in all and per piece."""
    began = time.perf_counter()
    yield
    took = time.perf_counter() - began
    say(what, f"{took:.2f} s" if each == 1 else f"{1_000 * took / each:.2f} ms each")


def middle(what: str, action: Callable[[], object], times: int = 15) -> None:
    """Print the median time of an action."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    say(what, f"{1_000 * median(taken):.2f} ms")


def a_list(rows: int) -> NewRun:
    """Return a run of so many companies, one task each."""
    numbers = pl.Series("seq", range(1, rows + 1), dtype=pl.UInt32)
    frame = pl.DataFrame({"seq": numbers}).with_columns(
        file_line=pl.col("seq") + 1,
        Company=pl.format("Shop {}", "seq"),
        Site=pl.format("shop{}.example", "seq"),
    )
    request = json.dumps({"title": "Owner", "max_k": 1, "info_access": ["EMAIL"]})[1:]
    text = pl.lit(None, dtype=pl.String)
    return NewRun(
        name="benchmark",
        kind=Kind.FIND_PEOPLE,
        mapping={"domain": ["Site"]},
        options={},
        content_key="benchmark",
        confirm_token="benchmark",
        upload_name="benchmark.csv",
        upload_sha256="00" * 32,
        upload_format={},
        frame=frame,
        rows=frame.select(
            "seq",
            "file_line",
            intake=pl.lit("accepted"),
            code=text,
            reason=text,
            domain="Site",
            asked_title=pl.lit("Owner"),
            duplicate_of=pl.lit(None, dtype=pl.UInt32),
        ),
        tasks=frame.select(
            task_no="seq",
            request=pl.concat_str(pl.lit('{"domain": "'), "Site", pl.lit('", ' + request)),
            domain="Site",
        ),
        links=frame.select("seq", task_no="seq", person_no=pl.lit(0, dtype=pl.UInt32)),
        worst_credits=3.0 * rows,
        key_fingerprint="key",
        key_last4="",
    )


def test_a_large_list_is_planned_worked_and_read(tmp_path: Path) -> None:
    new = a_list(ROWS)
    longest = 0.0
    last = time.perf_counter()

    def note(done: int, rows: int) -> None:
        nonlocal longest, last
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    sys.stdout.write(f"\n  ledger, {ROWS:,} rows\n")
    with closing(Ledger.open(tmp_path / "data", environment="sandbox")) as ledger:
        with timed("plan the run"):
            run_id = plan_run(ledger, new, progress=note)
        say("longest write transaction while planning", f"{1_000 * longest:.1f} ms")
        work(ledger, run_id)
        read(ledger, run_id)
        with timed("cancel the rest"):
            cancel_run(ledger, run_id)
        say("size of the ledger", f"{(ledger.folder / 'ledger.db').stat().st_size / 1e6:.0f} MB")

        info = queries.run_info(ledger, run_id)
        worked = min(BATCHES_WORKED, -(-ROWS // 100))
        assert info.batches[BatchState.COLLECTED] == worked
        assert info.outcomes[Outcome.MATCHED] + info.outcomes[Outcome.CANCELLED] == ROWS
        assert info.pending.total == 0


def work(ledger: Ledger, run_id: str) -> None:
    """Move some batches all the way, as the engine does."""
    account = queries.accounts(ledger)[0].id
    worked = min(BATCHES_WORKED, -(-ROWS // 100))
    claims = []
    with timed("look for a batch and claim it", each=worked):
        for _ in range(worked):
            candidate = submissions.next_candidate(ledger, account)
            assert candidate is not None
            claims.append(
                submissions.claim(ledger, candidate, account_id=account, worker_id="w", slots=worked)
            )
    with timed("accept a batch", each=worked):
        for claim in claims:
            assert claim is not None
            submissions.accept(ledger, claim.pk, f"b-{claim.pk}", None, poll_after=0.0)
    with timed("list, store and finish a batch of 100 answers", each=worked):
        for claim in claims:
            assert claim is not None
            fetched = [
                the_answer(run_id, no)
                for no in range((claim.batch_no - 1) * 100 + 1, min(ROWS, claim.batch_no * 100) + 1)
            ]
            answers.store_listing(ledger, claim.pk, [each["task_id"] for each in fetched])
            answers.store_answers(ledger, claim.pk, fetched)
            assert answers.finish_if_complete(ledger, claim.pk)


def the_answer(run_id: str, task_no: int) -> TaskAnswer:
    tracking, task_id = tracking_id(run_id, task_no), f"task-{task_no}"
    content = {"task_id": task_id, "status": "COMPLETED", "tracking_id": tracking, "data": [PERSON]}
    return TaskAnswer(
        task_id=task_id, status="COMPLETED", tracking_id=tracking, data=[PERSON], raw=json.dumps(content)
    )


def read(ledger: Ledger, run_id: str) -> None:
    """Read what pages read."""
    account = queries.accounts(ledger)[0].id
    middle("run_info (meant to stay under 20 ms)", lambda: queries.run_info(ledger, run_id))
    middle("runs", lambda: queries.runs(ledger))
    middle("revision", lambda: queries.revision(ledger))
    middle("batches", lambda: queries.batches(ledger, run_id), 5)
    middle("progress", lambda: queries.progress(ledger, run_id), 5)
    middle("events", lambda: queries.events(ledger, run_id), 5)
    middle("due_batches", lambda: answers.due_batches(ledger, account, limit=128))
    with timed("row_states (every row)"):
        assert queries.row_states(ledger, run_id).height == ROWS
    with timed("links (every tie)"):
        assert queries.links(ledger, run_id).height == ROWS
    with timed("requests (every task)"):
        assert queries.requests(ledger, run_id).height == ROWS
    with timed("answers (those fetched)"):
        queries.answers(ledger, run_id)
