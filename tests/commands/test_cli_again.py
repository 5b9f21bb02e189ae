"""``openmart again``: which rows, counted and by reason; planned like any run, and never by accident."""

from __future__ import annotations

import json

import pytest
from small_runs import plan

from openmart_lib.cli import execute
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.ledger.submissions import claim, lose, next_candidate
from openmart_lib.results.chain import runs_of_chain
from openmart_lib.settings import Settings


@pytest.fixture
def cancelled(ledger: Ledger, settings: Settings) -> str:
    """A run that was cancelled before anything was sent: two companies, one of them twice, one unusable."""
    run_id = plan(ledger, settings, ("everything.example", "nobody.example", "www.nobody.example", "?"))
    cancel_run(ledger, run_id)
    return run_id


def test_a_dry_run_counts_rows_by_reason_and_writes_nothing(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["again", cancelled, "--dry-run", "--json"]) == 0

    told = capsys.readouterr()
    assert "3 rows, cancelled: tried again." in told.err
    assert "1 row, rejected: correct the row first: left as it is." in told.err
    values = json.loads(told.out)
    assert (values["rows"], values["tasks"]) == (2, 2)
    assert queries.newest_run_id(ledger) == cancelled


def test_the_rows_become_a_run_of_the_same_chain(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["again", cancelled, "--json"]) == 0

    run_id = json.loads(capsys.readouterr().out)["run_id"]
    run = queries.run_info(ledger, run_id)
    assert (run.name, run.row_count, run.options["title"]) == ("companies · try 2", 2, "Owner")
    assert runs_of_chain(ledger, run_id) == [cancelled, run_id]


def test_the_next_step_is_another_kind(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--kind", "lookup_business_email", "--only", "Cancelled,no-match"]
    assert execute(["again", cancelled, *chosen, "--json"]) == 0

    run = queries.run_info(ledger, json.loads(capsys.readouterr().out)["run_id"])
    assert (str(run.kind), run.task_count) == ("lookup_business_email", 2)


def test_the_same_rows_in_the_same_way_are_refused_unless_asked_for(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["again", cancelled])
    cancel_run(ledger, queries.newest_run_id(ledger))

    assert execute(["again", cancelled]) == 2
    assert execute(["again", cancelled, "--again"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "found"], "Rows cannot be tried again for 'found'"),
        (["--only", "errored"], "No row of this run has such a reason. Nothing was sent or spent."),
        (["--kind", "find_tech"], "cannot be tried as find_tech. Nothing was sent"),
        (["--out", "results.csv"], "--out needs --wait"),
    ],
    ids=["a reason that is none", "no such rows", "a step that cannot follow", "no wait"],
)
def test_what_cannot_be_done_is_said_and_nothing_is_planned(
    ledger: Ledger, cancelled: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["again", cancelled, *arguments]) == 2

    assert said in capsys.readouterr().err
    assert queries.newest_run_id(ledger) == cancelled


def test_rows_that_may_be_paid_twice_need_a_word_of_their_own(
    ledger: Ledger, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = plan(ledger, settings)
    candidate = next_candidate(ledger, 1)
    assert candidate is not None
    taken = claim(ledger, candidate, account_id=1, worker_id="worker", slots=4)
    assert taken is not None
    lose(ledger, taken.pk, seen="cut off")

    assert execute(["again", run_id, "--only", "unknown"]) == 2
    assert "so they may be paid twice. Nothing was sent." in capsys.readouterr().err
    assert execute(["again", run_id, "--only", "unknown", "--may-pay-twice"]) == 0
