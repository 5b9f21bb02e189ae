"""kill -9 at every labelled point of a real worker, and of a program that exports: the next one makes it good."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import polars as pl
import pytest
from _pytest.mark import ParameterSet
from engine_oracle import assert_all_collected, assert_truth
from engine_processes import Point, Programs, assert_posted_once, live_rig, wait_for
from engine_rig import Rig

from openmart_lib.engine import worker_status

CLIENT = "openmart_lib.api.openmart:OpenmartClient"
POST = f"{CLIENT}.submit_body"
CONNECTION = "openmart_lib.api.connection:WatchedConnection"
JOURNAL = "openmart_lib.ledger.journal:Journal"
SUBMISSIONS = "openmart_lib.ledger.submissions"
ANSWERS = "openmart_lib.ledger.answers"

# The point, how many batches of the first POST the server has, and what the ledger makes of the batch.
SUBMITTING = [
    ("before the claim", (f"{SUBMISSIONS}:claim", "before", 1), 0, "collected"),
    ("in the claim's transaction", (f"{SUBMISSIONS}:append_event", "after", 1), 0, "collected"),
    ("after the claim", (f"{SUBMISSIONS}:claim", "after", 1), 0, "unknown"),
    ("before the journal's line", (f"{JOURNAL}.append", "before", 1), 0, "unknown"),
    ("after the journal's line", (f"{JOURNAL}.append", "after", 1), 0, "unknown"),
    ("connected, before the first byte", (f"{CONNECTION}.send", "before", 1, POST), 0, "unknown"),
    ("between headers and body", (f"{CONNECTION}.send", "after", 1, POST), 0, "unknown"),
    ("when the body has left", (f"{CONNECTION}.send", "after", 2, POST), 1, "unknown"),
    ("when the answer is there", (f"{CLIENT}.submit_body", "after", 1), 1, "unknown"),
    ("before the id is in the journal", (f"{JOURNAL}.append", "before", 2), 1, "unknown"),
    ("after the id is in the journal", (f"{JOURNAL}.append", "after", 2), 1, "collected"),
    ("before the commit", (f"{SUBMISSIONS}:accept", "before", 1), 1, "collected"),
    ("in the transaction", ("openmart_lib.ledger.moves:accept", "after", 1), 1, "collected"),
    ("after the commit", (f"{SUBMISSIONS}:accept", "after", 1), 1, "collected"),
]
READING = [
    ("before the poll", (f"{CLIENT}.batch_status", "before", 1)),
    ("when the counters are there", (f"{CLIENT}.batch_status", "after", 1)),
    ("when the counters are stored", (f"{ANSWERS}:store_counts", "after", 1)),
    ("when the list is there", (f"{CLIENT}.task_ids", "after", 1)),
    ("when the list is stored", (f"{ANSWERS}:store_listing", "after", 1)),
    ("before the second task", (f"{CLIENT}.task", "before", 2)),
    ("when the second task is there", (f"{CLIENT}.task", "after", 2)),
    ("before the results are stored", (f"{ANSWERS}:store_answers", "before", 1)),
    ("in the transaction of the results", (f"{ANSWERS}:append_event", "after", 1)),
    ("when the results are stored", (f"{ANSWERS}:store_answers", "after", 1)),
    ("before the batch is finished", (f"{ANSWERS}:finish_if_complete", "before", 1)),
    ("when the batch is finished", (f"{ANSWERS}:finish_if_complete", "after", 1)),
]
EXPORTING = [
    ("before the first byte", ("polars:DataFrame.write_csv", "before", 1)),
    ("when it is written", ("polars:DataFrame.write_csv", "after", 1)),
    ("before it has its name", ("openmart_lib.results.files:HashedFile.__exit__", "after", 1)),
]


@pytest.fixture
def live(rig: Rig) -> Rig:
    """A rig whose work is done by worker processes, against a sandbox 500 times as fast as life."""
    return live_rig(rig)


@pytest.fixture
def programs(live: Rig, forking: None) -> Iterator[Programs]:
    started = Programs(live)
    yield started
    started.end()


@pytest.mark.parametrize(
    ("point", "created", "state"), [pytest.param(*case[1:], id=case[0]) for case in SUBMITTING]
)
def test_a_worker_killed_while_it_submits_leaves_a_batch_that_is_never_sent_a_second_time(
    live: Rig, programs: Programs, point: Point, created: int, state: str
) -> None:
    run_id = live.plan(4, per_batch=2, rejected=1)
    killed = programs.start(point, OPENMART_SUBMIT_CONCURRENCY="1")
    assert killed.wait() == -signal.SIGKILL
    wait_for(lambda: len(live.sandbox.journal()) == created)  # what the server has read it still does

    programs.start(OPENMART_SUBMIT_CONCURRENCY="1")
    wait_for(lambda: live.states(run_id) == [state, "collected"])

    in_doubt = state == "unknown"
    assert_posted_once(live)
    assert len(live.sandbox.journal()) == (1 if in_doubt else 2) + (created if in_doubt else 0)
    assert live.outcomes(run_id).get("unknown", 0) == (2 if in_doubt else 0)
    assert "pending" not in live.outcomes(run_id) and live.outcomes(run_id)["rejected"] == 1
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


@pytest.mark.parametrize("point", [pytest.param(case[1], id=case[0]) for case in READING])
def test_a_worker_killed_while_it_reads_is_followed_by_one_that_stores_every_result_once(
    live: Rig, programs: Programs, point: Point
) -> None:
    run_id = live.plan(4)
    assert programs.start(point).wait() == -signal.SIGKILL

    programs.start()
    wait_for(lambda: live.states(run_id) == ["collected"])

    assert live.posts() == 1
    assert not {"pending", "missing", "unknown"} & set(live.outcomes(run_id))
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


def anywhere(*few: str) -> list[ParameterSet]:
    """All points of a worker; only these few in the fast version."""
    points = [(case[0], case[1]) for case in SUBMITTING] + READING
    return [
        pytest.param(point, id=name, marks=() if name in few else pytest.mark.slow) for name, point in points
    ]


@pytest.mark.parametrize("point", anywhere("after the journal's line", "in the transaction of the results"))
def test_a_page_server_killed_at_any_point_of_its_worker_leaves_nothing_in_doubt(
    live: Rig, programs: Programs, point: Point
) -> None:
    """Its worker finishes what it is at and ends; the next server's worker does the rest."""
    run_id = live.plan(4, per_batch=2, rejected=1)
    server = programs.start(point, kills="server", OPENMART_SUBMIT_CONCURRENCY="1")
    assert server.wait() == -signal.SIGKILL
    wait_for(lambda: not worker_status(live.settings).alive)
    assert not {"sending", "unknown"} & set(live.states(run_id))

    programs.start(OPENMART_SUBMIT_CONCURRENCY="1")
    wait_for(lambda: live.states(run_id) == ["collected"] * 2)

    assert_posted_once(live)
    assert live.posts() == 2
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


@pytest.mark.parametrize("point", anywhere("before the id is in the journal"))
def test_a_page_server_and_its_worker_killed_at_any_point_send_nothing_a_second_time(
    live: Rig, programs: Programs, point: Point
) -> None:
    state = next((case[3] for case in SUBMITTING if case[1] == point), None)
    # Beside a read another batch's POST may be open, so there is only the one that is read.
    run_id = live.plan(4, per_batch=2 if state else 4, rejected=1)
    both = programs.start(point, kills="both", OPENMART_SUBMIT_CONCURRENCY="1")
    assert both.wait() == -signal.SIGKILL

    programs.start(OPENMART_SUBMIT_CONCURRENCY="1")
    wait_for(lambda: live.states(run_id) == ([state, "collected"] if state else ["collected"]))

    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)
    assert_all_collected(live.sandbox, live.ledger)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_workers_killed_thirty_times_anywhere_end_with_exactly_the_truth(
    live: Rig, programs: Programs, seed: int
) -> None:
    dice = random.Random(seed)
    points = [case[1] for case in SUBMITTING] + [case[1] for case in READING]
    run_id = live.plan(150, per_batch=3, rejected=4)
    for _ in range(30):
        name, when, _, *within = dice.choice(points)
        worker = programs.start((name, when, dice.randint(1, 6), *within))
        try:
            worker.wait(timeout=dice.uniform(0.5, 3.0))
        except AssertionError:  # it did not come to that point: held, or done
            worker.kill()

    programs.start()
    going = {"planned", "sending", "accepted"}
    wait_for(lambda: not set(live.states(run_id)) & going or live.account().waits_for_person)

    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)


@pytest.mark.parametrize("point", [pytest.param(case[1], id=case[0]) for case in EXPORTING])
def test_an_export_that_is_killed_leaves_no_half_file_under_the_name_it_was_to_have(
    live: Rig, programs: Programs, point: Point
) -> None:
    run_id = live.plan(3)
    programs.start()
    wait_for(lambda: live.states(run_id) == ["collected"])
    folder = live.settings.data_dir / "files"
    folder.mkdir()
    out, older = folder / "results.csv", folder / "older.csv"
    older.write_text("the file of last week")

    for path in (out, older):
        killed = programs.start(point, argv=["export", run_id, "--out", str(path)])
        assert killed.wait() == -signal.SIGKILL, programs.said.read_text()

    assert not out.exists() and older.read_text() == "the file of last week"
    assert programs.start(argv=["export", run_id, "--out", str(out)]).wait() == 0
    assert pl.read_csv(out).height == 3
    assert_truth(live.sandbox, live.ledger)


def test_an_export_killed_when_it_has_its_name_is_whole(live: Rig, programs: Programs) -> None:
    run_id = live.plan(3)
    programs.start()
    wait_for(lambda: live.states(run_id) == ["collected"])
    out = live.settings.data_dir / "results.csv"

    point = "openmart_lib.results.export:write_frame", "after", 1
    killed = programs.start(point, argv=["export", run_id, "--out", str(out)])

    assert killed.wait() == -signal.SIGKILL
    assert pl.read_csv(out).height == 3
