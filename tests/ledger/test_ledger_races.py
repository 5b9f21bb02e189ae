"""Races: processes and threads on one ledger, killed at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from ledger_kit import (
    ENVIRONMENT,
    PROCESSES,
    account_id,
    assert_adds_up,
    last_words,
    new_run,
    outcomes,
    plan,
    state_of,
    unknown,
)
from sqlalchemy import select

from openmart_lib.api.wire import Kind
from openmart_lib.errors import LedgerError
from openmart_lib.ledger import BatchState, Ledger, decisions, queries, submissions
from openmart_lib.ledger.runs import plan_run
from openmart_lib.ledger.schema import batch
from openmart_lib.ledger.submissions import Candidate

BATCHES = 300


def claim_all(folder: Path, run_id: str, keys: list[int], results: Connection) -> None:
    """Try to claim every one of these batches, on four threads; tell which were claimed."""
    ledger = Ledger.open(folder, environment=ENVIRONMENT)
    mine = account_id(ledger)
    results.send("ready")
    results.recv()

    def work(thread: int) -> list[int]:
        claimed = []
        for pk in keys[thread::4]:  # the other process tries the same ones in the same order
            wanted = Candidate(pk, run_id, pk, Kind.FIND_PEOPLE, b"[]", 1, True)
            worker = f"{os.getpid()}-{thread}"
            if submissions.claim(ledger, wanted, account_id=mine, worker_id=worker, slots=BATCHES):
                claimed.append(pk)
        return claimed

    with ThreadPoolExecutor(4) as threads:
        results.send([pk for part in threads.map(work, range(4)) for pk in part])
    ledger.close()


def claim_for_ever(folder: Path, results: Connection) -> None:
    """Claim one batch after another and tell each as soon as the claim has returned."""
    ledger = Ledger.open(folder, environment=ENVIRONMENT)
    mine = account_id(ledger)
    while candidate := submissions.next_candidate(ledger, mine):
        if submissions.claim(ledger, candidate, account_id=mine, worker_id="doomed", slots=BATCHES):
            results.send(candidate.pk)


def test_two_processes_of_four_threads_claim_hundreds_of_batches_each_once(memory_path):
    folder = memory_path / "data"
    with closing(Ledger.open(folder, environment=ENVIRONMENT)) as ledger:
        run_id = plan(ledger, BATCHES, per_batch=1)
        pipes = [PROCESSES.Pipe() for _ in range(2)]
        keys = queries.batches(ledger, run_id)["pk"].to_list()
        processes = [
            PROCESSES.Process(target=claim_all, args=(folder, run_id, keys, theirs)) for _, theirs in pipes
        ]
        for process, (_, theirs) in zip(processes, pipes, strict=True):
            process.start()
            theirs.close()  # so that one that dies is noticed
        for ours, _ in pipes:
            assert ours.recv() == "ready"
        for ours, _ in pipes:
            ours.send("go")
        claimed = Counter(pk for ours, _ in pipes for pk in ours.recv())
        for process in processes:
            process.join(60)

        assert [process.exitcode for process in processes] == [0, 0], "no 'database is locked'"
        assert len(claimed) == BATCHES
        assert set(claimed.values()) == {1}
        assert set(queries.batches(ledger, run_id)["attempts"]) == {1}


def test_every_claim_that_returned_is_on_disk_after_a_kill_and_becomes_unknown(tmp_path):
    folder = tmp_path / "data"
    with closing(Ledger.open(folder, environment=ENVIRONMENT)) as ledger:
        run_id = plan(ledger, 200, per_batch=1)
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=claim_for_ever, args=(folder, theirs))
        process.start()
        theirs.close()
        claimed = [ours.recv() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        claimed += last_words(ours)

        with ledger.read() as connection:
            query = select(batch.c.id).where(batch.c.state == BatchState.SENDING)
            on_disk = list(connection.execute(query).scalars())
        lost = submissions.lose_orphans(ledger, "the next worker")

        assert set(claimed) <= set(on_disk)
        assert set(lost) == set(on_disk)
        assert outcomes(ledger, run_id) == {"unknown": len(lost), "pending": 200 - len(lost)}
        with closing(sqlite3.connect(folder / "ledger.db")) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert_adds_up(ledger)


def test_a_writer_waits_for_another_process_and_then_writes(ledger):
    plan(ledger, 1)
    with closing(sqlite3.connect(ledger.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(plan_run, ledger, new_run(1, content="second"))
            time.sleep(0.1)
            was_waiting = not waiting.done()
            other.execute("COMMIT")
            run_id = waiting.result(timeout=60)

    assert was_waiting
    assert outcomes(ledger, run_id) == {"pending": 1}


def test_a_ledger_that_stays_locked_opens_and_names_it_in_plain_words_where_a_person_asks(
    ledger, monkeypatch
):
    plan(ledger, 1)
    pk = unknown(ledger)
    monkeypatch.setattr("openmart_lib.ledger.opening.BUSY_TIMEOUT_MS", 50)

    with closing(sqlite3.connect(ledger.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(Ledger.open(ledger.folder, environment=ENVIRONMENT)) as impatient:
            with pytest.raises(LedgerError, match=r"locked.*is not done.*try again"):
                decisions.drop_batch(impatient, pk)
            other.execute("COMMIT")
            decisions.drop_batch(impatient, pk)

    assert state_of(ledger, pk) == BatchState.DROPPED
