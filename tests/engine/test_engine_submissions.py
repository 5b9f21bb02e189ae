"""The money path through the engine: what one POST can come to, and what the ledger makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from engine_gate import gate
from engine_oracle import assert_truth
from engine_rig import Rig

from openmart_lib.api import Timeouts
from openmart_lib.engine.clients import Clients
from openmart_lib.ledger import Hold, RunState, queries
from openmart_lib.ledger.runs import resume_run

UNCLEAR: list[tuple[str, dict[str, Any], bool]] = [  # fault, its values, whether a batch was created
    ("answer_lost", {}, True),
    ("answer_lost", {"reset": True}, True),
    ("drop_before", {}, False),
    ("drop_before", {"reset": True}, False),
    *(("cut_answer", {"at": at}, True) for at in (0, 12, 90, -60, -1)),
    ("status_created", {"status": 500}, True),
    ("status_created", {"status": 502, "html": True}, True),
    ("status_created", {"status": 408}, True),
    ("status", {"status": 500}, False),
    ("status", {"status": 503, "retry_after": "1"}, False),
    ("status", {"status": 504, "html": True}, False),
    ("status", {"status": 409}, False),
    ("no_batch_id", {}, True),
    ("invalid_json", {}, True),
    ("truncated_json", {}, True),
    ("empty_body", {}, True),
    ("deep_json", {}, True),
    ("wrong_content_type", {"html": True}, True),
    ("redirect", {"status": 302}, False),
    ("redirect", {"status": 307}, False),
]
REFUSALS = (400, 413, 422)
HOLDS = {401: Hold.UNAUTHORIZED, 402: Hold.CREDIT_LIMIT, 403: Hold.BANNED, 404: Hold.WRONG_ADDRESS}
WRONG_ADDRESSES = (405, 411, 414, 415, 431)


def test_a_run_is_submitted_collected_and_counted(rig: Rig) -> None:
    run_id = rig.plan(250, rejected=3)

    rig.settle()

    assert rig.states(run_id) == ["collected"] * 3
    assert rig.posts() == 3
    assert rig.outcomes(run_id)["rejected"] == 3
    assert "pending" not in rig.outcomes(run_id)
    assert rig.info(run_id).state is RunState.DONE
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize(("fault", "values", "created"), UNCLEAR)
def test_a_submission_without_a_clear_answer_is_unknown_and_is_never_sent_again(
    rig: Rig, fault: str, values: dict[str, Any], created: bool
) -> None:
    rig.sandbox.faults.add(fault, on="submit", **values)
    run_id = rig.plan(3)

    rig.settle()
    rig.pass_time(7200)

    assert rig.states(run_id) == ["unknown"]
    assert rig.posts() == 1
    assert len(rig.sandbox.journal()) == created
    assert rig.outcomes(run_id) == {"unknown": 3}
    assert rig.batch(run_id)["detail"]
    assert_truth(rig.sandbox, rig.ledger)


def test_an_answer_that_lost_nothing_but_the_end_of_the_connection_is_accepted(rig: Rig) -> None:
    rig.sandbox.faults.add("cut_answer", at=100_000)
    run_id = rig.plan(3)

    rig.settle()

    assert rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize(("fault", "values"), [("hang", {"seconds": 30.0}), ("drip", {"seconds": 30.0})])
def test_a_submission_that_hangs_or_drips_is_unknown_at_its_deadline(
    rig: Rig, fault: str, values: dict[str, Any]
) -> None:
    short = Timeouts(connect=60.0, read=0.2, total=0.3)
    rig.clients = Clients(rig.settings, submitting=short)
    rig.restart_worker()
    rig.sandbox.faults.add(fault, **values)
    run_id = rig.plan(3)

    rig.until(lambda: rig.states(run_id) == ["unknown"])

    assert rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_batch_says_the_servers_words_on_every_row_and_costs_nothing(rig: Rig, status: int) -> None:
    rig.sandbox.faults.add("status", status=status, detail="Domain is required")
    run_id = rig.plan(4, per_batch=2)

    rig.settle()

    assert sorted(rig.states(run_id)) == ["collected", "refused"]
    assert rig.outcomes(run_id)["refused"] == 2
    assert "Openmart refused this batch: Domain is required" in rig.reasons(run_id)
    assert rig.posts() == 2 and len(rig.sandbox.journal()) == 1
    assert rig.account().hold is None
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("status", HOLDS)
def test_a_no_that_holds_for_the_account_stops_all_its_runs_until_a_person_resumes(
    rig: Rig, status: int
) -> None:
    first = rig.plan(2)
    rig.settle()
    rig.sandbox.faults.add("status", status=status, times=None)
    second, third = rig.plan(5, per_batch=1), rig.plan(2)

    rig.settle()
    sent = rig.posts()
    rig.pass_time(7200)

    assert rig.account().hold is HOLDS[status]
    assert sent <= 1 + 4, "only what was in flight may run into it"
    assert rig.posts() == sent, "a held account sends nothing"
    assert set(rig.states(second) + rig.states(third)) == {"planned"}
    assert rig.outcomes(second) == {"pending": 5} and rig.info(second).state is RunState.PAUSED
    assert rig.states(first) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)

    rig.sandbox.faults.clear()
    resume_run(rig.ledger, second)
    rig.settle()

    assert set(rig.states(second) + rig.states(third)) == {"collected"}
    assert rig.posts() == sent + 6
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("status", WRONG_ADDRESSES)
def test_an_address_that_takes_no_submissions_holds_the_account_with_nothing_spent(
    rig: Rig, status: int
) -> None:
    rig.sandbox.faults.add("status", status=status)
    run_id = rig.plan(2)

    rig.settle()

    assert rig.account().hold is Hold.WRONG_ADDRESS and rig.states(run_id) == ["planned"]


def test_credits_that_run_out_in_the_middle_leave_the_rest_unsent_and_the_first_collected(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("credits_limit", limit=0, after=2)
    run_id = rig.plan(8, per_batch=2)

    rig.settle()

    info = rig.info(run_id)
    assert info.hold is Hold.CREDIT_LIMIT and info.pause_reason == "credit limit reached (402)"
    assert rig.states(run_id) == ["collected"] * 2 + ["planned"] * 2 and rig.posts() == 3
    assert_truth(rig.sandbox, rig.ledger)


def _in_a_minute() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "low", "high"),
    [
        ("7", 7, 7),
        ("date", 57, 61),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1, 1),
        ("0", 1, 1),
        ("-5", 5, 5),
        ("soon", 5, 5),
        ("1.5", 5, 5),
        ("", 5, 5),
        ("86400", 86_400, 86_400),
        ("9" * 40, 3e8, 4e8),
    ],
)
def test_a_429_is_put_back_and_waits_as_long_as_the_server_asks(
    rig: Rig, retry_after: str, low: float, high: float
) -> None:
    asked = _in_a_minute() if retry_after == "date" else retry_after
    rig.sandbox.faults.add("status", status=429, retry_after=asked)
    run_id = rig.plan(3)

    rig.until(lambda: rig.account().hold is not None)

    hold = rig.account()
    assert hold.hold is Hold.RATE_LIMITED and hold.hold_until is not None
    assert low - 1 < hold.hold_until - rig.clock() <= high
    assert rig.states(run_id) == ["planned"] and rig.outcomes(run_id) == {"pending": 3}
    rig.pass_time(hold.hold_until - rig.clock() - 0.5)
    assert rig.posts() == 1, "the wait is never shortened"
    rig.clock.skip(1.0)
    rig.settle()
    assert rig.posts() == 2 and rig.states(run_id) == ["collected"]
    assert_truth(rig.sandbox, rig.ledger)


def test_a_storm_of_429_without_a_wait_costs_fewer_and_fewer_posts(rig: Rig) -> None:
    rig.sandbox.faults.add("status", status=429, times=None)
    rig.plan(4)

    rig.pass_time(600)

    assert rig.posts() <= 20, "5 s, then 10, then 15 ... up to a minute"
    assert not rig.sandbox.journal()


def test_a_server_that_cannot_be_reached_leaves_the_batch_planned_and_everything_finishes_later(
    rig: Rig,
) -> None:
    rig.sandbox.stop()
    run_id = rig.plan(6, per_batch=2)

    rig.until(lambda: rig.account().hold is Hold.OUTAGE)
    rig.pass_time(600)

    assert rig.states(run_id) == ["planned"] * 3 and rig.posts() == 0
    assert rig.outcomes(run_id) == {"pending": 6}

    rig.sandbox.start()
    rig.settle()

    assert rig.states(run_id) == ["collected"] * 3 and rig.posts() == 3
    assert_truth(rig.sandbox, rig.ledger)


@pytest.mark.parametrize("content", ["9\n", "", "nonsense", None])
def test_a_sandbox_that_has_not_told_its_port_is_waited_for(rig: Rig, content: str | None) -> None:
    port = rig.settings.sandbox_dir / "port"
    before = port.read_text()
    port.unlink() if content is None else port.write_text(content)
    run_id = rig.plan(3)

    rig.until(lambda: rig.account().hold is Hold.OUTAGE)
    assert rig.states(run_id) == ["planned"]
    port.write_text(before)
    rig.settle()

    assert rig.states(run_id) == ["collected"] and rig.posts() == 1
    assert_truth(rig.sandbox, rig.ledger)


def test_after_an_unknown_nothing_is_sent_before_the_backoff_is_over_even_if_reads_succeed(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("answer_lost")
    run_id = rig.plan(4, per_batch=2)

    rig.until(lambda: rig.states(run_id) == ["unknown", "planned"])
    rig.until(lambda: not rig.account().needs_read, skip=False)
    rig.pass_time(29)
    assert rig.posts() == 1
    rig.settle()

    assert rig.states(run_id) == ["unknown", "collected"] and rig.posts() == 2
    assert not rig.account().cautious, "a batch was accepted"
    assert_truth(rig.sandbox, rig.ledger)


def test_after_an_unknown_nothing_is_sent_before_a_free_read_succeeds_however_long_it_takes(rig: Rig) -> None:
    rig.start_worker(slots=1)
    rig.sandbox.faults.add("answer_lost")
    rig.sandbox.faults.add("status", on="balance", status=503, times=None)
    run_id = rig.plan(4, per_batch=2)

    rig.until(lambda: rig.states(run_id) == ["unknown", "planned"])
    rig.pass_time(3600)
    assert rig.posts() == 1 and rig.account().needs_read
    rig.sandbox.faults.clear()
    rig.settle()

    assert rig.states(run_id) == ["unknown", "collected"]


@pytest.mark.parametrize("on", ["submit", "any"])
def test_an_outage_during_submissions_makes_at_most_c_plus_4_unknowns(rig: Rig, on: str) -> None:
    run_id = rig.plan(20, per_batch=1)
    rig.sandbox.faults.add("answer_lost" if on == "submit" else "status", on=on, times=None)

    rig.until(lambda: rig.account().hold is not None)
    rig.pass_time(3 * 3600)

    assert rig.states(run_id).count("unknown") <= 4 + 4
    assert rig.posts() <= 4 + 4
    assert_truth(rig.sandbox, rig.ledger)

    rig.sandbox.faults.clear()
    if rig.account().waits_for_person:
        resume_run(rig.ledger, run_id)
    rig.settle()

    assert set(rig.states(run_id)) == {"unknown", "collected"}
    assert rig.states(run_id).count("unknown") <= 4 + 4
    assert_truth(rig.sandbox, rig.ledger)


def test_after_an_outage_one_post_goes_out_at_a_time_until_one_is_accepted(rig: Rig) -> None:
    answers = gate(rig, "submit_body")
    run_id = rig.plan(12, per_batch=1)
    rig.sandbox.faults.add("answer_lost", times=4)

    rig.until(lambda: rig.dispatcher.in_flight == 4, skip=False)
    answers.open(4 + 1)
    rig.until(lambda: "accepted" in rig.states(run_id))
    rig.until(lambda: rig.dispatcher.in_flight == 4, skip=False)
    answers.open()
    rig.settle()

    kinds = reversed(queries.events(rig.ledger, run_id, limit=500)["kind"].to_list())
    moves = [kind for kind in kinds if kind in ("batch_sending", "batch_unknown", "batch_accepted")]
    assert moves[:8] == ["batch_sending"] * 4 + ["batch_unknown"] * 4
    assert moves[8:10] == ["batch_sending", "batch_accepted"], "one alone tries it"
    assert moves[10:14] == ["batch_sending"] * 4, "and then all slots are used again"
    assert_truth(rig.sandbox, rig.ledger)


def test_five_unknowns_in_a_row_wait_for_a_person_and_then_go_on_one_by_one(rig: Rig) -> None:
    run_id = rig.plan(12, per_batch=1)
    lost = rig.sandbox.faults.add("answer_lost", times=None)

    rig.settle()
    rig.pass_time(7200)

    assert rig.account().hold is Hold.UNKNOWNS and rig.account().waits_for_person
    assert rig.states(run_id).count("unknown") == 5 and rig.posts() == 5

    resume_run(rig.ledger, run_id)
    rig.until(lambda: rig.posts() == 6 and not rig.dispatcher.in_flight, skip=False)
    assert rig.states(run_id).count("unknown") == 6, "one alone tries it"

    rig.sandbox.faults.remove(lost.number)
    rig.settle()
    assert rig.states(run_id).count("collected") == 6
    assert_truth(rig.sandbox, rig.ledger)
