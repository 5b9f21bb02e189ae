"""Batches made by another tool, collected from the command line and from a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests
from small_runs import SPEED, opened, sandbox_settings

import openmart_lib
from openmart_lib import InputError, Outcome
from openmart_lib.api.wire import TASK_BATCH_PATH
from openmart_lib.cli import execute
from openmart_lib.engine.clients import SANDBOX_KEY
from openmart_lib.ledger import queries
from openmart_lib.sandbox import Sandbox, read_journal
from openmart_lib.settings import NAMES, Settings

PATIENCE = 60.0  # seconds; a run takes about one
pytestmark = pytest.mark.usefixtures("forked_children")
LIST = "Shop,Ref\nOne,row-1\nTwo,row-2\nThree,row-3\n"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A data folder of the test's own, and a list in the present folder."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENMART_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENMART_SANDBOX_SPEED", f"{SPEED:g}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text(LIST)
    return sandbox_settings(tmp_path / "data")


@pytest.fixture
def sandbox(settings: Settings) -> Iterator[Sandbox]:
    """The data folder's sandbox, running."""
    with Sandbox(settings.sandbox_dir, speed=SPEED) as server:
        yield server


def submit(server: Sandbox, *tracking_ids: str) -> str:
    """Submit a batch as any other tool would; return its id."""
    tasks = [
        {"domain": "everything.example", "title": "Owner", "max_k": 1, "tracking_id": text}
        for text in tracking_ids
    ]
    headers = {"X-API-Key": SANDBOX_KEY.reveal()}
    answer = requests.post(
        f"{server.url}{TASK_BATCH_PATH}/find_people", json=tasks, headers=headers, timeout=10
    )
    return str(answer.json()["batch_id"])


def made_before(settings: Settings, *tracking_ids: str) -> str:
    """Submit a batch to a sandbox that has ended since; return its id."""
    with Sandbox(settings.sandbox_dir, speed=SPEED) as server:
        return submit(server, *tracking_ids)


def command(*arguments: str) -> int:
    return execute(["attach", *arguments])


def last_object(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return values


def test_the_command_joins_waits_and_writes_every_row(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    batch_id = made_before(settings, "row-1", "row-2", "row-9")

    code = command(
        *(batch_id, "--kind", "find_people", "--list", "list.csv", "--column", "Ref"),
        *("--wait", "--out", "out.csv", "--json"),
    )

    values = last_object(capsys)
    assert code == 0, values
    assert {name: n for name, n in values["outcomes"].items() if n} == {"matched": 2, "skipped": 1}
    assert (values["rows"], values["state"], values["credits_at_most"]) == (3, "done", 0.0)
    written = pl.read_csv("out.csv")
    assert written.select("Shop", "outcome", "tracking_id").rows() == [
        ("One", "matched", "row-1"),
        ("Two", "matched", "row-2"),
        ("Three", "skipped", None),
    ]
    assert len(read_journal(settings.sandbox_dir)) == 1, "nothing was submitted from here"


def test_without_wait_it_is_told_and_attached_again_it_is_the_same_run(
    settings: Settings, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    batch_id = submit(sandbox, "row-1", "row-2")

    assert command(batch_id, "--kind", "find_people") == 0
    first = capsys.readouterr().out
    assert command(batch_id, "--kind", "find_people", "--list", "list.csv", "--json") == 0
    out, err = capsys.readouterr()

    assert "The batch of 2 tasks is now run" in first and "Nothing was submitted" in first
    assert "This batch is attached already, as run" in err
    with opened(settings) as ledger:
        assert [run.run_id for run in queries.runs(ledger)] == [json.loads(out.splitlines()[-1])["run_id"]]
    assert sandbox.requests("submit") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("no-such-batch", "--kind", "find_people"), 2, "does not know a batch of this id"),
        (("BATCH", "--kind", "people"), 2, "There is no kind 'people'"),
        (("BATCH",), 2, "--kind"),
        (("BATCH", "--kind", "find_people", "--column", "Ref"), 2, "--column needs --list"),
        (("BATCH", "--kind", "find_people", "--out", "out.csv"), 2, "--out needs --wait"),
        (("BATCH", "--kind", "find_people", "--list", "gone.csv"), 2, "gone.csv cannot be read"),
        (
            ("BATCH", "--kind", "find_people", "--list", "list.csv", "--column", "Shop"),
            2,
            "No row of the list",
        ),
        (("BATCH", "--kind", "find_people", "--list", "list.csv", "--column", "No"), 2, "has no column 'No'"),
    ],
)
def test_what_cannot_be_attached_is_said_in_one_sentence_and_changes_nothing(
    settings: Settings,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    batch_id = submit(sandbox, "row-1")

    got = command(*(batch_id if text == "BATCH" else text for text in arguments))

    assert (got, said in capsys.readouterr().err) == (code, True)
    with opened(settings) as ledger:
        assert queries.runs(ledger) == []


def test_what_is_not_complete_yet_ends_with_the_code_for_try_again(
    settings: Settings, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    batch_id = submit(sandbox, "row-1")
    sandbox.faults.add("ids_late", on="task_ids", times=None)

    assert command(batch_id, "--kind", "find_people") == 1
    assert "lists no task of this batch yet. Nothing was changed. Try again" in capsys.readouterr().err


def test_a_notebook_gets_the_run_and_its_results(settings: Settings) -> None:
    batch_id = made_before(settings, "row-1", "row-2")

    with openmart_lib.open(settings=settings) as desk:
        run = desk.attach(batch_id, "find_people", pl.DataFrame({"Ref": ["row-2", "row-1", "none"]}))
        rows = run.wait(PATIENCE, progress=False).results("rows")
        again = desk.attach(batch_id, "find_people")
        with pytest.raises(InputError, match="no kind"):
            desk.attach(batch_id, "anything")

    assert rows.select("Ref", "outcome", "tracking_id").rows() == [
        ("row-2", "matched", "row-2"),
        ("row-1", "matched", "row-1"),
        ("none", "skipped", None),
    ]
    assert again.id == run.id
    assert set(rows["outcome"]) <= set(map(str, Outcome))
