"""The command `openmart lance`: a list goes in, every row comes out with its states, nothing is spent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lance_kit import entity_ids

from openmart_lib.cli import execute
from openmart_lib.intake.files import read_upload
from openmart_lib.ledger import open_ledger, watched
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import Settings, load_settings

pytestmark = pytest.mark.usefixtures("forked_children")


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no settings from outside."""
    monkeypatch.setenv("OPENMART_SANDBOX_SPEED", "400")
    return tmp_path


@pytest.fixture
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """The sandbox that the command's worker finds, with its faults and counters in the test's hands."""
    with Sandbox(load_settings().sandbox_dir, speed=400) as server:
        yield server


def write_list(path: Path, ids: list[str]) -> None:
    lines = [f"Person {number},{one}" for number, one in enumerate(ids, start=1)]
    path.write_text("\n".join(["Name,Lance ID", *lines]) + "\n")


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    code = execute(["lance", *arguments, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_five_thousand_rows_come_out_by_state_although_lance_fails_now_and_then(
    folder: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """4,900 entities x 2 fields are 49 calls; each of the five lost answers costs one call more."""
    good = entity_ids(4_900)
    write_list(folder / "list.csv", [*good, *(one.upper() for one in good[:60]), *["x"] * 40])
    sandbox.faults.add("answer_lost", on="lance", times=5)

    code, said, err = ask(capsys, "list.csv", "--out", "states.csv")

    written = read_upload((folder / "states.csv").read_bytes(), "states.csv").frame
    assert (code, said["ended_why"], said["error"]) == (0, "one pass", None)
    assert said["intake"] == {"accepted": 4_900, "duplicate": 60, "rejected": 40}
    assert sum(said["states"].values()) == said["questions"] == 9_800
    assert {"found", "nothing found", "never requested"} <= set(said["states"])
    assert not {"not asked", "not seen yet"} & set(said["states"])
    assert sandbox.requests("lance") == 49 + 5
    assert sandbox.credits_spent() == 0 and sandbox.requests("submit") == 0
    assert written.height == said["rows"] == 5_000
    assert written["emails_state"].null_count() == 40 == (written["intake"] == "rejected").sum()
    assert "9,800 questions in 49 calls a round, free and simulated" in err
    assert 'Line 4,962: column "Lance ID": not a UUID: it has 1 character' in err


def test_waiting_goes_on_until_all_is_final_and_the_list_stays_for_the_page(
    folder: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(folder / "list.csv", entity_ids(200))

    code, said, _ = ask(
        capsys, "list.csv", "--wait", "--field", "emails", "--type", "company", "--name", "spring"
    )

    ledger = open_ledger(load_settings())
    (card,) = watched.watch_cards(ledger)
    ledger.close()
    assert (card.list_id, card.name, card.environment) == (said["list_id"], "spring", "sandbox")
    assert (code, said["ended_why"]) == (0, "final")
    assert said["rounds"] > 1
    assert set(said["states"]) <= {"found", "nothing found", "timed out", "failed", "never requested"}
    assert said["calls_avoided"] == said["states"]["found"] + said["states"]["nothing found"]
    assert list(said["by_field"]) == ["emails"]


def test_a_token_without_organisation_is_said_and_a_person_has_to_act(
    folder: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(folder / "list.csv", entity_ids(10))
    sandbox.faults.add("status", on="lance", status=400, detail="Organization ID is missing")

    code, said, err = ask(capsys, "list.csv")

    assert (code, said["standing"]) == (4, "held")
    assert "belongs to no organisation" in said["error"] and "belongs to no organisation" in err
    assert said["advice"]["wait"] == 20, "what was not asked is not called safe"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list.csv", "--field", "fax"], "--field must be phones or emails or summary"),
        (["list.csv", "--type", "dog"], "--type must be person or company"),
        (["list.csv", "--column", "Id"], "no column 'Id'"),
        (["list.csv", "--column", "Name"], "None of the 1 rows holds an entity id"),
        (["names.csv"], "No column of this list holds entity ids"),
        (["list.csv", "--out", "states.doc"], "--out must end in"),
        (["nothing.csv"], "cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(folder / "list.csv", entity_ids(1))
    (folder / "names.csv").write_text("Name\nAnn\nBo\n")

    code = execute(["lance", *arguments])

    assert (code, said in capsys.readouterr().err) == (2, True)
