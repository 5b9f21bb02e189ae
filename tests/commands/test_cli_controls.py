"""The command line inside this process: what a person steers, and the words for what can be stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_runs import plan
from terminal import Terminal

from openmart_lib.cli import execute
from openmart_lib.ledger import BatchState, Hold, Ledger, accounts, submissions
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.queries import run_info
from openmart_lib.settings import Secret, Settings


@pytest.fixture
def planned(ledger: Ledger, settings: Settings) -> RunInfo:
    """A run of three batches, nothing of it sent."""
    return run_info(ledger, plan(ledger, settings, [f"shop{n}-of-three.com" for n in range(250)]))


def send(ledger: Ledger, run: RunInfo, *, take: bool = True) -> int:
    """Send a batch as a worker does; ``take``: Openmart accepts it. Return its key."""
    candidate = submissions.next_candidate(ledger, run.account_id)
    assert candidate is not None
    claimed = submissions.claim(ledger, candidate, account_id=run.account_id, worker_id="w", slots=4)
    assert claimed is not None
    if take:
        submissions.accept(ledger, claimed.pk, f"batch-{claimed.pk}", None, poll_after=60.0)
    return claimed.pk


def hold(ledger: Ledger, run: RunInfo, reason: Hold) -> None:
    with ledger.write() as connection:
        accounts.hold(connection, run.account_id, reason, now=ledger.now(), detail="")


def last_object(out: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(out.splitlines()[-1])
    return values


def test_pause_says_what_waits_and_what_cannot_be_recalled(
    ledger: Ledger, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    send(ledger, planned)

    code = execute(["pause"])

    said = capsys.readouterr().out
    assert code == 0
    assert f"Run {planned.run_id} (companies) is paused." in said
    assert "2 batches (150 rows) not yet sent wait and cost nothing." in said
    assert "1 batch is with Openmart, cannot be recalled, may be charged, and will be collected." in said
    assert f"openmart resume {planned.run_id}" in said
    assert run_info(ledger, planned.run_id).pause_reason == "paused by you"


def test_a_paused_run_is_resumed_by_name_or_as_the_newest(
    ledger: Ledger, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["pause", planned.run_id, "--json"])
    paused = last_object(capsys.readouterr().out)
    assert (paused["state"], paused["pause_reason"]) == ("paused", "paused by you")

    code = execute(["resume", "--json"])

    assert (code, last_object(capsys.readouterr().out)["state"]) == (0, "active")


def test_cancel_asks_and_a_no_changes_nothing(
    ledger: Ledger,
    planned: RunInfo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    send(ledger, planned, take=False)

    code = execute(["cancel", planned.run_id])

    out, err = capsys.readouterr()
    assert code == 1
    assert "150 rows of run" in err and "were not sent" in err
    assert "1 batch is with Openmart, cannot be recalled" in err
    assert "This cannot be undone" in err
    assert f"Nothing was changed: run {planned.run_id} goes on." in out
    assert run_info(ledger, planned.run_id).cancelled_at is None


def test_cancel_stops_what_was_not_sent_and_says_what_is_still_collected(
    ledger: Ledger,
    planned: RunInfo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    send(ledger, planned)

    code = execute(["cancel", planned.run_id, "--json"])

    out, err = capsys.readouterr()
    assert code == 0
    assert "2 batches will never be sent and cost nothing." in err
    assert "1 batch is with Openmart, cannot be recalled, may be charged, and will be collected." in err
    values = last_object(out)
    assert (values["state"], values["outcomes"]["cancelled"]) == ("cancelled", 150)
    assert values["batches"]["accepted"] == 1


def test_where_nobody_can_be_asked_cancel_wants_to_be_told(
    ledger: Ledger, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["cancel", planned.run_id]) == 2
    assert "--yes" in capsys.readouterr().err
    assert run_info(ledger, planned.run_id).cancelled_at is None

    assert execute(["cancel", planned.run_id, "--yes"]) == 0
    assert "Nothing is with Openmart." in capsys.readouterr().out
    assert run_info(ledger, planned.run_id).batches[BatchState.CANCELLED] == 3


@pytest.mark.parametrize("command", [["pause"], ["cancel", "--yes"]])
def test_a_run_that_is_over_is_left_as_it_is(
    ledger: Ledger, planned: RunInfo, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["cancel", planned.run_id, "--yes"])
    capsys.readouterr()

    code = execute([*command, planned.run_id])

    assert code == 2
    assert "is cancelled already, so there is nothing to" in capsys.readouterr().err
    assert execute([command[0], "nosuchrun", *command[1:]]) == 2


def test_resuming_a_held_run_says_which_others_go_on_too(
    ledger: Ledger, settings: Settings, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    other = plan(ledger, settings, ["acme.com"])
    hold(ledger, planned, Hold.CREDIT_LIMIT)

    code = execute(["resume", planned.run_id])

    said = capsys.readouterr().out
    assert code == 0
    assert f"The hold ends for all runs of this key; {other} will go on too." in said
    assert run_info(ledger, other).hold is None


def test_status_tells_a_held_account_in_words(
    ledger: Ledger, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    hold(ledger, planned, Hold.CREDIT_LIMIT)
    assert execute(["status", planned.run_id]) == 4
    at_rest = capsys.readouterr().out
    accounts_free(ledger)
    send(ledger, planned)
    hold(ledger, planned, Hold.CREDIT_LIMIT)

    execute(["status", planned.run_id])

    collecting = capsys.readouterr().out
    assert "Held: credit limit reached (402). All runs of this key wait." in at_rest
    assert "What was not sent has cost nothing." in at_rest
    assert f"go on with `openmart resume {planned.run_id}`" in at_rest
    assert "Nothing more is sent: credit limit reached (402)." in collecting
    assert "1 batch with Openmart cannot be recalled and will be collected." in collecting


def test_status_tells_unknown_and_stalled_batches_also_while_others_move(
    ledger: Ledger, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    submissions.lose(ledger, send(ledger, planned, take=False), seen="timeout")
    accounts_free(ledger)
    stalled = send(ledger, planned)
    with ledger.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE batch SET changed_at = 1000, asked_at = 99000 WHERE id = {stalled}"
        )

    code = execute(["status", planned.run_id])

    said = capsys.readouterr().out
    assert code == 0, "the third batch is still to be sent"
    assert "For 100 rows we do not know whether Openmart took their batch" in said
    assert "1 batch at Openmart has not changed for a long time." in said
    assert "Open the run in Monitor and decide there." in said


def accounts_free(ledger: Ledger) -> None:
    """End whatever holds the accounts."""
    with ledger.write() as connection:
        connection.exec_driver_sql(
            "UPDATE account SET hold = NULL, hold_until = NULL, needs_read = 0, cautious = 0"
        )


def test_a_backup_that_is_not_there_is_wrong_use(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["restore", str(tmp_path / "nofile.zip")]) == 2

    said = capsys.readouterr().err
    assert "nofile.zip cannot be read (No such file or directory)" in said and "Nothing was changed" in said


def test_a_run_that_takes_up_the_present_key_does_not_end_a_hold_of_that_key_unsaid(
    ledger: Ledger, settings: Settings, planned: RunInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hold keeps other runs back; ending it takes a second word, which names them, as on the page."""
    theirs = plan(ledger, replace(settings, api_key=Secret("a-key-of-some-length")), ["shop-of-theirs.com"])
    hold(ledger, planned, Hold.CREDIT_LIMIT)

    first = execute(["resume", theirs])
    said = capsys.readouterr().out
    assert run_info(ledger, planned.run_id).hold is Hold.CREDIT_LIMIT
    second = execute(["resume", theirs])

    assert (first, second) == (4, 0)
    assert "Held: credit limit reached (402). All runs of this key wait." in said
    assert (
        f"The hold ends for all runs of this key; {planned.run_id} will go on too" in capsys.readouterr().out
    )
    assert run_info(ledger, theirs).account_id == planned.account_id
