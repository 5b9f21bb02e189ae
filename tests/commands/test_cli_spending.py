"""The command line inside this process: the estimate, the limit, the pilot and the balance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openmart_lib.cli import execute
from openmart_lib.desk import Desk
from openmart_lib.engine.clients import key_fingerprint
from openmart_lib.errors import InputError
from openmart_lib.ledger import Ledger, RunState, answers, balances, submissions
from openmart_lib.ledger.money import money
from openmart_lib.ledger.overview import newest_run_id, run_info
from openmart_lib.ledger.pausing import pause_what_waits
from openmart_lib.ledger.pilots import pilot
from openmart_lib.ledger.queries import accounts
from openmart_lib.ledger.states import Pause
from openmart_lib.ledger.tracking import tracking_id
from openmart_lib.settings import Settings, load_settings

RUN = ("run", "list.csv", "--kind", "find_people", "--title", "Owner")
ROWS = 240


@pytest.fixture(autouse=True)
def many(settings: Settings, tmp_path: Path) -> None:
    """A list that costs much."""
    lines = "".join(f"shop{n}-of-many.com,Shop {n}\n" for n in range(ROWS))
    (tmp_path / "list.csv").write_text(f"Website,Company\n{lines}")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The object that the last command printed."""
    object_: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return object_


def answered(ledger: Ledger) -> None:
    """Send the next batch and have every task of it found, as a worker does."""
    account = accounts(ledger)[0].id
    wanted = submissions.next_candidate(ledger, account)
    assert wanted is not None
    claimed = submissions.claim(ledger, wanted, account_id=account, worker_id="w", slots=4)
    assert claimed is not None
    submissions.accept(ledger, claimed.pk, f"batch-{claimed.pk}", None, poll_after=0.0)
    found = [{"first_name": "Ada", "email": {"email": "ada@shop.invalid", "verified": True}}]
    said = []
    for task in json.loads(claimed.body):
        name = task["tracking_id"]
        raw = json.dumps({"task_id": name, "status": "COMPLETED", "tracking_id": name, "data": found})
        said.append({"task_id": name, "status": "COMPLETED", "tracking_id": name, "data": found, "raw": raw})
    answers.store_answers(ledger, claimed.pk, said)  # type: ignore[arg-type]  # TaskAnswers, built here
    answers.finish_if_complete(ledger, claimed.pk)
    pause_what_waits(ledger, account)


def test_a_dry_run_tells_all_that_confirm_would_show(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute([*RUN, "--dry-run", "--json", "--max-credits", "100", "--pilot", "25"])

    shown = told(capsys)
    assert code == 0
    assert (shown["credits_at_most"], shown["credits_expected"]) == (720, pytest.approx(432))
    assert (shown["credits_limit"], shown["pilot_rows"], shown["needs_max_credits"]) == (100, 25, False)
    assert shown["measured"] == {"runs": 0, "rows": 0, "found": {}}
    assert "nobody has measured it" in shown["expected_basis"]
    assert (shown["balance"], shown["balance_words"]) == (None, "Balance: not read yet.")
    assert "third-party" in shown["price_source"] and shown["send_seconds"] > 0
    assert shown["reusable"] is None, "there is no ledger yet, so nothing was ever bought"
    assert not settings.environment_dir.exists(), "nothing is written"


def test_a_dry_run_learns_from_earlier_runs_and_knows_the_balance(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    execute([*RUN])
    answered(ledger)
    balances.note_balance(ledger, accounts(ledger)[0].id, 4_321.0, balances.START)
    capsys.readouterr()

    execute([*RUN, "--dry-run", "--json"])

    shown = told(capsys)
    assert shown["measured"] == {
        "runs": 1,
        "rows": 100,
        "found": {"email": 1.0, "phone": 0.0, "mailbox": 0.0, "technology": 1.0},
    }
    assert shown["credits_expected"] == shown["credits_at_most"]
    assert shown["balance"] == 4_321.0


def test_what_was_bought_before_is_in_the_object_of_every_run_and_reused_only_when_asked_for(
    settings: Settings,
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    execute([*RUN])
    answered(ledger)
    known = {"rows": 240, "answered": 100, "waiting": 140, "may_have_been_bought": 0, "days": 90}
    capsys.readouterr()

    execute([*RUN, "--dry-run", "--json"])
    shown = told(capsys)
    assert shown["reusable"] == known | {"saves_credits_at_most": 720.0}
    assert (shown["tasks"], shown["credits_at_most"]) == (240, 720.0), "reuse is off unless it is said"

    monkeypatch.setenv("OPENMART_REUSE_DAYS", "14")
    execute([*RUN, "--dry-run", "--json"])
    assert told(capsys)["reusable"]["days"] == 14
    execute([*RUN, "--again", "--json"])
    assert told(capsys)["reusable"]["rows"] == 240
    execute([*RUN, "--reuse", "30", "--dry-run", "--json"])
    shown = told(capsys)
    assert (shown["reusable"]["rows"], shown["reusable"]["days"], shown["tasks"]) == (240, 30, 0)


def test_what_may_cost_much_needs_a_number_that_a_person_typed(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENMART_CONFIRM_ABOVE", "700")

    refused = execute([*RUN])
    said = capsys.readouterr().err
    agreed = execute([*RUN, "--max-credits", "720"])

    assert (refused, agreed) == (2, 0)
    assert "may cost 720 credits, more than 700" in said
    assert "Nothing was sent. Say --max-credits 720, or less" in said


@pytest.mark.parametrize("limit", ["-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(limit: str, settings: Settings) -> None:
    assert execute([*RUN, "--max-credits", limit]) == 2
    assert execute([*RUN, "--pilot", "-5"]) == 2
    assert not settings.environment_dir.exists()


def test_a_run_at_its_limit_says_so_and_goes_on_with_another_one_by_name(
    ledger: Ledger, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    execute([*RUN, "--max-credits", "310"])
    run_id = newest_run_id(ledger)
    answered(ledger)
    capsys.readouterr()

    held = execute(["status", run_id])
    said = capsys.readouterr().out
    nameless = execute(["resume", "--max-credits", "720"])
    execute(["resume", run_id, "--max-credits", "720", "--json"])

    assert (held, nameless) == (4, 2)
    assert f"Raise the limit with `openmart resume {run_id} --max-credits N`" in said
    shown = told(capsys)
    assert (shown["state"], shown["credits"]["limit"], shown["credits"]["spent"]) == ("active", 720.0, 300.0)
    assert shown["credits"]["out"] == 0.0


def test_a_pilot_of_no_rows_is_refused_and_not_taken_for_none(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*RUN, "--pilot", "0"]) == 2

    assert "Give 1 or more, or leave it out" in capsys.readouterr().err
    assert not settings.environment_dir.exists()


def test_a_pilot_is_told_and_the_rest_goes_only_by_name(
    ledger: Ledger, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    execute([*RUN, "--pilot", "25"])
    run_id = newest_run_id(ledger)
    answered(ledger)
    capsys.readouterr()

    held = execute(["status", run_id, "--json"])
    shown = told(capsys)
    execute(["resume"])  # the newest, without its name
    assert Pause.of(run_info(ledger, run_id).pause_reason) is Pause.PILOT_OVER
    execute(["resume", run_id])

    assert (held, shown["pause_reason"]) == (4, str(Pause.PILOT_OVER))
    tried = shown["pilot"]
    assert (tried["rows"], tried["matched"], tried["rest_rows"], tried["over"]) == (25, 25, 215, True)
    assert tried["rest_expected"] == pytest.approx(215 * 3) == tried["rest_at_most"]
    assert run_info(ledger, run_id).state is RunState.ACTIVE
    assert pilot(ledger, run_id) is None
    assert money(ledger, run_id).waiting == 215 * 3


def test_the_rest_of_a_pilot_that_may_cost_much_needs_the_number_that_the_page_asks_for(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned on a page only the pilot's own worst case was agreed to; the rest costs 645 more."""
    monkeypatch.setenv("OPENMART_CONFIRM_ABOVE", "644")
    execute([*RUN, "--pilot", "25", "--max-credits", "720"])
    run_id = newest_run_id(ledger)
    answered(ledger)
    capsys.readouterr()

    execute(["status", run_id])
    assert f"with `openmart resume {run_id} --max-credits 720`" in capsys.readouterr().out
    refused = execute(["resume", run_id])
    said = capsys.readouterr().err
    with pytest.raises(InputError, match=r"in a notebook: max_credits"):
        Desk(load_settings(), ledger).run(run_id).resume()
    assert Pause.of(run_info(ledger, run_id).pause_reason) is Pause.PILOT_OVER
    agreed = execute(["resume", run_id, "--max-credits", "700"])

    assert (refused, agreed) == (2, 0)
    assert "The other 215 rows may cost 645 credits, more than 644" in said
    assert "Nothing was sent. Say --max-credits 720, or less" in said
    assert (money(ledger, run_id).limit, pilot(ledger, run_id)) == (700.0, None)


def test_the_rest_of_a_pilot_under_a_small_limit_needs_no_number(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds: whatever the rest may cost, no more than what is left of it goes."""
    execute([*RUN, "--pilot", "25", "--max-credits", "300"])
    run_id = newest_run_id(ledger)
    answered(ledger)
    monkeypatch.setenv("OPENMART_CONFIRM_ABOVE", "225")

    assert execute(["resume", run_id]) == 0
    assert pilot(ledger, run_id) is None


def test_the_ids_of_a_pilot_are_those_that_the_list_gives(ledger: Ledger, settings: Settings) -> None:
    execute([*RUN, "--pilot", "25"])
    run_id = newest_run_id(ledger)

    wanted = submissions.next_candidate(ledger, accounts(ledger)[0].id)

    assert wanted is not None and key_fingerprint(ledger, settings)
    numbers = [int(task["company_name"].split()[1]) + 1 for task in json.loads(wanted.body)]
    ids = [task["tracking_id"] for task in json.loads(wanted.body)]
    assert ids == [tracking_id(run_id, number) for number in numbers]
