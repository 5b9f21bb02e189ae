"""``openmart export``: how many lines were written, and of how many rows something was left out."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from small_runs import opened, plan

import openmart_lib
from openmart_lib import suppression
from openmart_lib.cli import execute
from openmart_lib.commands.waiting import wait_or_tell
from openmart_lib.console import Console
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.queries import accounts
from openmart_lib.ledger.submissions import accept, claim, next_candidate
from openmart_lib.settings import Settings

ANA = {"first_name": "Ana", "last_name": "Silva", "email": {"email": "ana@shop.example", "verified": True}}


def answered(ledger: Ledger, settings: Settings) -> str:
    """A run of two rows that both came back with a contact; its id."""
    run_id = plan(ledger, settings, ["one.example", "two.example"])
    (account,) = accounts(ledger)
    candidate = next_candidate(ledger, account.id)
    assert candidate is not None
    taken = claim(ledger, candidate, account_id=account.id, worker_id="worker", slots=1)
    assert taken is not None
    accept(ledger, taken.pk, "batch", None, poll_after=1.0)
    raw = '{"status": "COMPLETED", "data": [{"first_name": "Ana", "last_name": "Silva", ' + (
        '"email": {"email": "ana@shop.example", "verified": true}}]}'
    )
    store_answers(
        ledger,
        taken.pk,
        [
            {
                "task_id": f"task-{no}",
                "status": "COMPLETED",
                "tracking_id": f"{run_id}-{no}",
                "data": [ANA],
                "raw": raw,
            }
            for no in (1, 2)
        ],
    )
    return run_id


def test_it_says_what_was_written_and_what_was_left_out(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(settings) as ledger:
        run_id = answered(ledger, settings)
        out = tmp_path / "out.csv"
        assert execute(["export", run_id, "--out", str(out)]) == 0
        assert capsys.readouterr().err == "" and "ana@shop.example" in out.read_text("utf-8-sig")

        listed = upload_from_frame(pl.DataFrame({"who": ["ana@shop.example"]}))
        suppression.add_list(ledger, listed, name="opt-outs")
        assert execute(["export", run_id, "--out", str(out)]) == 0

    told = capsys.readouterr()
    assert f"{out} is written: 2 lines." in told.out + told.err
    assert "2 rows have something left out: on your never-contact list." in told.out + told.err
    assert "ana@shop.example" not in out.read_text("utf-8-sig") + told.out + told.err


def test_a_run_that_is_waited_for_says_what_its_file_leaves_out(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with openmart_lib.open(settings=settings) as desk:
        run = desk.run(answered(desk.ledger, settings))
        listed = upload_from_frame(pl.DataFrame({"who": ["ana@shop.example"]}))
        suppression.add_list(desk.ledger, listed, name="opt-outs")
        run.wait = lambda *_, **__: run  # type: ignore[method-assign]  # it is over: no worker is needed

        wait_or_tell(Console(as_json=True), run, settings, wait=True, out=tmp_path / "out.csv")

    told = capsys.readouterr()
    assert "2 rows have something left out: on your never-contact list." in told.err
    assert json.loads(told.out)["rows_withheld"] == 2


def test_several_runs_are_written_one_after_the_other(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "both.csv"
    with opened(settings) as ledger:
        ids = [
            plan(ledger, settings, ["one.example"]),
            plan(ledger, settings, ["two.example", "three.example"]),
        ]

    assert execute(["export", *ids, "--out", str(out), "--shape", "rows"]) == 0

    read = pl.read_csv(out)
    assert read["Website"].to_list() == ["one.example", "two.example", "three.example"]
    assert read["run_name"].to_list() == [f"companies ({ids[nth]})" for nth in (0, 1, 1)]


def test_the_best_of_a_company_is_chosen_by_the_order_given_and_said(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(settings) as ledger:
        run_id = answered(ledger, settings)
    told = ["export", run_id, "--out", str(tmp_path / "best.csv"), "--shape", "companies"]

    assert execute([*told, "--ranking", "phone,verified_email"]) == 0

    said = capsys.readouterr()
    assert "Best first: phone, then verified email, then the outcome" in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--shape", "companies", "--ranking", "salary"], "A ranking cannot use 'salary'"),
        (["--ranking", "phone"], "--ranking goes with --shape companies"),
    ],
    ids=["no criterion", "another shape"],
)
def test_a_ranking_that_cannot_be_used_writes_nothing(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    with opened(settings) as ledger:
        run_id = plan(ledger, settings)

    assert execute(["export", run_id, "--out", str(tmp_path / "out.csv"), *arguments]) == 2

    said = capsys.readouterr()
    assert told in said.err and "Traceback" not in said.err
    assert not (tmp_path / "out.csv").exists()
