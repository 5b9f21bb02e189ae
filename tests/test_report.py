"""How a run stands: what scripts, people and exit codes are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from reuse_kit import second_run
from small_runs import opened, plan, sandbox_settings

from openmart_lib.engine.clients import key_fingerprint
from openmart_lib.ledger import BatchState, Hold, Ledger, Outcome, RunState, accounts
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.queries import accounts as account_list
from openmart_lib.ledger.queries import run_info
from openmart_lib.ledger.runs import cancel_run, pause_run
from openmart_lib.report import Report, Standing, held_with, look, look_at_all, standing_of
from openmart_lib.reuse import Choice
from openmart_lib.settings import Secret, Settings

NOW = 1_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return sandbox_settings(tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with opened(settings) as ledger:
        yield ledger


@pytest.fixture
def planned(ledger: Ledger, settings: Settings) -> RunInfo:
    """A run of one batch that is not sent yet."""
    return run_info(ledger, plan(ledger, settings))


def with_batches(run: RunInfo, state: RunState = RunState.ACTIVE, **batches: int) -> RunInfo:
    counts = dict.fromkeys(BatchState, 0) | {BatchState(name): n for name, n in batches.items()}
    return replace(run, state=state, batches=counts)


def with_rows(run: RunInfo, outcome: Outcome) -> RunInfo:
    return replace(run, outcomes=dict.fromkeys(Outcome, 0) | {outcome: run.row_count})


def test_a_run_with_something_to_send_moves(planned: RunInfo) -> None:
    assert standing_of(planned, now=NOW) is Standing.MOVING


def test_a_run_whose_rows_all_have_their_last_word_is_final(planned: RunInfo) -> None:
    done = with_rows(with_batches(planned, RunState.DONE, collected=1), Outcome.NO_MATCH)

    assert standing_of(done, now=NOW) is Standing.FINAL


def test_unknown_rows_make_it_doubtful_once_nothing_moves_any_more(planned: RunInfo) -> None:
    unknown = with_rows(planned, Outcome.UNKNOWN)

    still_going = with_batches(unknown, unknown=1, accepted=1)
    over = with_batches(unknown, RunState.DONE, unknown=1)

    assert standing_of(still_going, now=NOW) is Standing.MOVING
    assert standing_of(over, now=NOW) is Standing.DOUBTFUL


def test_a_stalled_batch_is_not_waited_for(planned: RunInfo) -> None:
    stalled = replace(with_batches(planned, accepted=1), stalled_batches=1)
    beside_another = replace(with_batches(planned, accepted=2), stalled_batches=1)

    assert standing_of(stalled, now=NOW) is Standing.DOUBTFUL
    assert standing_of(beside_another, now=NOW) is Standing.MOVING


def test_a_paused_run_is_held_once_what_was_sent_is_collected(planned: RunInfo) -> None:
    collecting = with_batches(planned, RunState.PAUSED, planned=1, accepted=1)
    waiting = with_batches(planned, RunState.PAUSED, planned=1, collected=1)

    assert standing_of(collecting, now=NOW) is Standing.MOVING
    assert standing_of(waiting, now=NOW) is Standing.HELD


@pytest.mark.parametrize(("wait", "standing"), [(300.0, Standing.MOVING), (301.0, Standing.HELD)])
def test_a_wait_asked_for_is_waited_out_up_to_five_minutes(
    planned: RunInfo, wait: float, standing: Standing
) -> None:
    limited = replace(planned, hold=Hold.RATE_LIMITED)

    assert standing_of(limited, hold_until=NOW + wait, now=NOW) is standing


def test_what_was_cancelled_is_not_waited_for(planned: RunInfo) -> None:
    cancelled = with_rows(with_batches(planned, RunState.CANCELLED, cancelled=1), Outcome.CANCELLED)

    assert standing_of(cancelled, now=NOW) is Standing.FINAL


def test_the_object_for_programs_adds_up_and_names_every_state(
    ledger: Ledger, settings: Settings, planned: RunInfo
) -> None:
    values = look(ledger, settings, planned.run_id).as_json()

    assert json.loads(json.dumps(values)) == values
    assert {"run_id", "state", "rows", "outcomes", "batches", "pause_reason"} <= set(values)
    assert list(values["outcomes"]) == [str(outcome) for outcome in Outcome]
    assert list(values["batches"]) == [str(state) for state in BatchState]
    assert sum(values["outcomes"].values()) == values["rows"] == 1
    assert sum(values["pending"].values()) == values["outcomes"]["pending"]
    assert values["created_at"].endswith("Z")


def test_a_pause_is_told_with_its_reason_and_the_way_on(
    ledger: Ledger, settings: Settings, planned: RunInfo
) -> None:
    pause_run(ledger, planned.run_id)

    report = look(ledger, settings, planned.run_id)

    assert report.standing is Standing.HELD
    assert report.as_json()["pause_reason"] == report.note == "paused by you"
    assert f"openmart resume {planned.run_id}" in report.sentence()
    assert "cost nothing" in report.sentence()


def test_a_hold_of_the_account_is_told_in_words(ledger: Ledger, settings: Settings, planned: RunInfo) -> None:
    hold(ledger, Hold.CREDIT_LIMIT)

    report = look(ledger, settings, planned.run_id)

    assert (report.standing, report.note) == (Standing.HELD, "credit limit reached (402)")


def test_a_long_wait_says_until_when(ledger: Ledger, settings: Settings, planned: RunInfo) -> None:
    hold(ledger, Hold.RATE_LIMITED, until=4_102_444_800.0)

    report = look(ledger, settings, planned.run_id)

    assert report.standing is Standing.HELD
    assert report.note.endswith("until 2100-01-01T00:00:00Z")


def test_a_run_of_another_key_waits_and_says_so(ledger: Ledger, settings: Settings, planned: RunInfo) -> None:
    other = replace(settings, api_key=Secret("a-key-of-some-length"))

    report = look(ledger, other, planned.run_id)

    assert report.standing is Standing.HELD
    assert "another key" in report.note
    assert "a-key-of-some-length" not in report.sentence() + json.dumps(report.as_json())


def test_doubt_is_told_with_what_it_means_for_money(planned: RunInfo) -> None:
    run = with_rows(with_batches(planned, RunState.DONE, unknown=1), Outcome.UNKNOWN)

    said = Report(run, Standing.DOUBTFUL, "").sentence()

    assert "may have been charged" in said
    assert "Monitor" in said


def test_rows_of_a_batch_that_was_given_up_are_told_without_a_decision_to_make(planned: RunInfo) -> None:
    run = with_rows(with_batches(planned, RunState.DONE, dropped=1), Outcome.UNKNOWN)

    said = Report(run, Standing.DOUBTFUL, "").sentence()

    assert "1 row given up by you may have been charged." in said
    assert "Monitor" not in said


def test_a_hold_names_the_other_runs_it_keeps_and_no_paused_one(
    ledger: Ledger, settings: Settings, planned: RunInfo
) -> None:
    also_held, paused = plan(ledger, settings, ["acme.com"]), plan(ledger, settings, ["acme.org"])
    pause_run(ledger, paused)
    assert held_with(planned, [report.run for report in look_at_all(ledger, settings)]) == []
    hold(ledger, Hold.CREDIT_LIMIT)

    reports = look_at_all(ledger, settings)
    mine = next(report.run for report in reports if report.run.run_id == planned.run_id)

    assert [run.run_id for run in held_with(mine, [report.run for report in reports])] == [also_held]


def test_all_runs_are_told_newest_first(ledger: Ledger, settings: Settings, planned: RunInfo) -> None:
    newer = plan(ledger, settings, ["acme.com"])
    cancel_run(ledger, planned.run_id)

    reports = look_at_all(ledger, settings)

    assert [report.run.run_id for report in reports] == [newer, planned.run_id]
    assert [report.standing for report in reports] == [Standing.MOVING, Standing.FINAL]


def hold(ledger: Ledger, reason: Hold, until: float | None = None) -> None:
    (account,) = account_list(ledger)
    with ledger.write() as connection:
        accounts.hold(connection, account.id, reason, now=ledger.now(), detail="", until=until)


def test_a_run_that_only_waits_for_another_ones_answers_moves_as_that_one_does(
    ledger: Ledger, settings: Settings
) -> None:
    """What it reuses is bought elsewhere: it has no batch of its own that could tell."""
    sites = pl.DataFrame({"website": ["acme.com", "beta.com"]})
    mine = key_fingerprint(ledger, settings)
    first = second_run(ledger, sites, Choice.BUY, name="First list", key_fingerprint=mine)
    second = second_run(ledger, sites, name="Second list", key_fingerprint=mine)
    assert look(ledger, settings, second).standing is Standing.MOVING

    pause_run(ledger, first)

    report = look(ledger, settings, second)
    assert (report.standing, report.waits_for) == (Standing.HELD, first)
    assert f"openmart status {first}" in report.sentence()
    assert "2 rows wait" in report.sentence()
    told = report.as_json()
    assert told["pending"]["elsewhere"] == sum(told["pending"].values()) == told["outcomes"]["pending"] == 2
    assert {each.run.run_id: each.standing for each in look_at_all(ledger, settings)} == {
        first: Standing.HELD,
        second: Standing.HELD,
    }
    cancel_run(ledger, first)
    assert look(ledger, settings, second).standing is Standing.FINAL
