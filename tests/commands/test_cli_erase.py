"""``openmart erase``: named, typed or --yes, and plain about what stays and what cannot be reached."""

from __future__ import annotations

import json

import pytest
from small_runs import plan
from terminal import Terminal

from openmart_lib.cli import execute
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.erased import erased_at
from openmart_lib.ledger.runs import cancel_run
from openmart_lib.settings import Settings


@pytest.fixture
def cancelled(ledger: Ledger, settings: Settings) -> str:
    """A run that does not move any more."""
    run_id = plan(ledger, settings)
    cancel_run(ledger, run_id)
    return run_id


def test_yes_deletes_and_says_what_stays(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["erase", cancelled, "--yes", "--json"]) == 0

    told = capsys.readouterr()
    assert "Its counts, batch ids and receipt stay." in told.err
    assert json.loads(told.out)["rows"] == 1
    assert erased_at(ledger, cancelled) is not None


def test_nobody_at_the_terminal_and_no_yes_deletes_nothing(
    ledger: Ledger, cancelled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["erase", cancelled]) == 2

    assert "Nothing was deleted. Say --yes if it is." in capsys.readouterr().err
    assert erased_at(ledger, cancelled) is None


@pytest.mark.parametrize(("typed", "code"), [("yes", 1), ("", 1), (None, 0)])
def test_only_the_runs_id_typed_deletes(
    ledger: Ledger, cancelled: str, monkeypatch: pytest.MonkeyPatch, typed: str | None, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{cancelled if typed is None else typed}\n"))

    assert execute(["erase", cancelled]) == code

    assert (erased_at(ledger, cancelled) is not None) == (code == 0)


def test_a_run_that_moves_is_refused_with_what_to_do(
    ledger: Ledger, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = plan(ledger, settings)

    assert execute(["erase", run_id, "--yes"]) == 2

    assert f"openmart cancel {run_id}" in capsys.readouterr().err
    assert erased_at(ledger, run_id) is None
