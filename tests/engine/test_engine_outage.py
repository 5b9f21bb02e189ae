"""An outage as a whole: few batches in doubt, few reads, back within half a minute; and the app that starts in it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from engine_oracle import assert_all_collected, assert_truth
from engine_processes import (
    PageServer,
    Programs,
    assert_posted_once,
    live_rig,
    wait_for,
)
from engine_rig import PATIENCE, Rig

from openmart_lib.engine import worker_status
from openmart_lib.engine.clients import Clients
from openmart_lib.ledger import Hold, queries
from openmart_lib.ledger.runs import resume_run
from openmart_lib.settings import Secret

TEN_MINUTES = 600.0
PROBE_EVERY = 0.2  # seconds: the 5 s of life, at the pace of the sandbox


@pytest.fixture
def live(rig: Rig) -> Rig:
    """A rig whose work is done by processes."""
    return live_rig(rig)


@pytest.fixture
def programs(live: Rig, forking: None) -> Iterator[Programs]:
    started = Programs(live)
    yield started
    started.end()


def fail_with_503(rig: Rig) -> None:
    rig.sandbox.faults.add("status", on="any", status=503, times=None)


def hang_up(rig: Rig) -> None:
    rig.sandbox.faults.add("drop_before", on="any", times=None)


def lose_answers(rig: Rig) -> None:
    rig.sandbox.faults.add("answer_lost", on="any", times=None)


@pytest.mark.parametrize("outage", [fail_with_503, hang_up, lose_answers])
def test_ten_minutes_of_outage_leave_at_most_c_plus_4_unknowns_and_what_was_sent_before_is_collected(
    rig: Rig, outage: Callable[[Rig], None]
) -> None:
    run_id = rig.plan(16, per_batch=1)
    rig.until(lambda: rig.states(run_id).count("accepted") >= 4, skip=False)
    outage(rig)
    sent_before = [no for no, state in enumerate(rig.states(run_id)) if state == "accepted"]
    for _ in range(60):
        rig.clock.skip(TEN_MINUTES / 60)
        rig.dispatcher.step()
        rig.until(lambda: rig.idle, step=False)

    states = rig.states(run_id)
    assert 1 <= states.count("unknown") <= 4 + 4 and "sending" not in states
    rig.sandbox.faults.clear()
    returned = rig.clock()
    rig.until(lambda: {rig.states(run_id)[no] for no in sent_before} == {"collected"})
    assert rig.clock() - returned < 30.0, "reads are back within half a minute"

    if rig.account().waits_for_person:
        resume_run(rig.ledger, run_id)
    rig.settle()
    assert set(rig.states(run_id)) == {"unknown", "collected"}
    assert rig.states(run_id).count("unknown") <= 4 + 4
    assert_truth(rig.sandbox, rig.ledger)
    assert_all_collected(rig.sandbox, rig.ledger)


def test_a_server_that_cannot_be_reached_for_ten_minutes_is_sent_to_again_within_30_s_of_its_return(
    rig: Rig,
) -> None:
    rig.sandbox.stop()
    run_id = rig.plan(12, per_batch=1)
    rig.until(lambda: rig.account().hold is Hold.OUTAGE)
    rig.pass_time(TEN_MINUTES)
    assert rig.states(run_id) == ["planned"] * 12

    rig.sandbox.start()
    returned = rig.clock()
    rig.until(lambda: rig.posts() > 0)

    assert rig.clock() - returned < 30.0
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 12 and rig.posts() == 12
    assert_truth(rig.sandbox, rig.ledger)


def test_a_real_worker_asks_a_server_that_is_down_by_one_probe_at_a_time_and_is_back_at_once(
    live: Rig, programs: Programs
) -> None:
    live.sandbox.faults.add("stuck")
    programs.start()
    run_id = live.plan(12, per_batch=1)
    wait_for(lambda: live.states(run_id) == ["accepted"] * 12)
    before_the_breaker = 5 + live.settings.read_concurrency  # what opens it, and was on its way then
    live.sandbox.faults.add("status", on="reads", status=503, times=None)
    began, before = time.monotonic(), live.reads()

    wait_for(lambda: live.reads() - before >= before_the_breaker + 8)
    lasted = time.monotonic() - began

    assert live.reads() - before <= before_the_breaker + lasted / PROBE_EVERY + 2
    live.sandbox.faults.clear()
    wait_for(lambda: live.states(run_id) == ["collected"] * 12)
    assert_posted_once(live)
    assert_truth(live.sandbox, live.ledger)


def test_an_address_that_answers_404_to_everything_holds_the_account_before_a_second_submission(
    rig: Rig,
) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("status", on="any", status=404, times=None)
    run_id = rig.plan(6, per_batch=1)

    rig.pass_time(TEN_MINUTES)

    assert rig.posts() == 1 and rig.states(run_id) == ["planned"] * 6
    assert rig.account().hold is Hold.WRONG_ADDRESS and rig.account().waits_for_person
    assert rig.info(run_id).pause_reason == "the address does not behave like Openmart"

    rig.sandbox.faults.clear()
    resume_run(rig.ledger, run_id)
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 6 and rig.posts() == 7
    assert_truth(rig.sandbox, rig.ledger)


def test_a_name_that_cannot_be_resolved_keeps_everything_planned_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    there = replace(rig.settings, api_key=Secret("key-of-this-test"), base_url="https://openmart.invalid")
    working = rig.clients
    rig.clients = Clients(there, submitting=PATIENCE, reading=PATIENCE)
    rig.restart_worker()
    run_id = rig.plan(6, per_batch=1)
    with monkeypatch.context() as broken:
        broken.setattr(socket, "getaddrinfo", unknown_name)
        rig.until(lambda: rig.account().hold is Hold.OUTAGE, skip=False)
        rig.until(lambda: rig.idle, step=False)
        assert rig.states(run_id) == ["planned"] * 6
        assert "its name could not be resolved" in (rig.account().hold_detail or "")
        rig.pass_time(TEN_MINUTES)
    assert rig.posts() == 0

    rig.clients = working
    rig.restart_worker()
    rig.settle()
    assert rig.states(run_id) == ["collected"] * 6 and rig.posts() == 6
    assert_truth(rig.sandbox, rig.ledger)


def test_the_dashboard_opens_without_a_server_and_the_old_results_are_read(
    live: Rig, programs: Programs
) -> None:
    run_id = live.plan(2)
    worker = programs.start()
    wait_for(lambda: live.states(run_id) == ["collected"])
    worker.kill()
    live.sandbox.stop()
    out = live.settings.data_dir / "results.csv"
    port = live.settings.sandbox_dir / "port"
    port.unlink()
    port.mkdir()  # the supervisor's own sandbox cannot say where it listens, so there is none

    server = PageServer(live).start()
    try:
        wait_for(lambda: server.answers)
        wait_for(lambda: worker_status(live.settings).responding)
        later = live.plan(2)
        wait_for(lambda: live.account().hold is Hold.OUTAGE)
        assert live.states(later) == ["planned"]
        assert "sandbox is not running" in (live.account().hold_detail or "")
        assert programs.start(argv=["export", run_id, "--out", str(out)]).wait() == 0
        assert out.read_text().count("\n") == 1 + 2
    finally:
        server.end()
        wait_for(lambda: not worker_status(live.settings).alive)
    assert queries.answers(live.ledger, run_id).height == 2
