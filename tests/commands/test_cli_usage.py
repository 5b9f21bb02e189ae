"""The command line inside this process: what it says before anything is sent."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from small_runs import opened

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.choices import full_mapping, read_list
from openmart_lib.cli import execute
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger.queries import newest_run_id
from openmart_lib.settings import Settings

LIST = "Website,Company\nacme.com,A\nwww.acme.com,B\nn/a,C\n"
RUN = ("run", "list.csv", "--kind", "find_people", "--title", "Owner")


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder to work in, with a list, and no settings from outside."""
    (tmp_path / "list.csv").write_text(LIST)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "unusable.csv").write_text("Website\nn/a\nnone\n")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return tmp_path


def test_a_dry_run_shows_counts_cost_and_the_first_task_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())

    code = execute([*RUN, "--dry-run", "--wait", "--out", "out.csv", "--rejects", "rejects.csv", "--json"])

    out, err = capsys.readouterr()
    values = json.loads(out)
    assert code == 0
    assert "3 rows (1 accepted, 1 duplicate, 1 rejected): 1 task in 1 batch." in err
    assert "At most about 3 credits (1 x 1 person x email 3)" in err
    assert values["first_task"] == {
        "domain": "acme.com",
        "title": "Owner",
        "max_k": 1,
        "info_access": ["EMAIL"],
        "company_name": "A",
    }
    assert sum(values["outcomes"].values()) == values["rows"] == 3
    assert sorted(folder.iterdir()) == before


def test_columns_can_be_named_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute([*RUN, "--map", "domain=Website", "--map", "company_name=", "--dry-run", "--json"])

    assert (code, json.loads(capsys.readouterr().out)["mapping"]) == (0, {"domain": ["Website"]})


def test_both_contact_fields_can_be_bought(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute([*RUN, "--info", "phone,EMAIL", "--dry-run", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["credits_at_most"] == 3 + 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "command"),
        (["fly"], "fly"),
        (["run"], "FILE"),
        (["run", "list.csv"], "--kind"),
        ([*RUN, "--max-k", "many"], "--max-k"),
        ([*RUN, "--max-k", "9"], "max_k"),
        ([*RUN, "--info", "FAX"], "EMAIL"),
        ([*RUN, "--map", "Website"], "FIELD=COLUMN"),
        ([*RUN, "--map", "domain=Nowhere"], "Nowhere"),
        ([*RUN, "--map", "colour=Website"], "colour"),
        ([*RUN, "--out", "out.csv"], "--wait"),
        ([*RUN, "--wait", "--out", "out.doc"], ".xlsx"),
        ([*RUN, "--wait", "--out", "nowhere/out.csv"], "cannot be written"),
        ([*RUN, "--rejects", "rejects"], "--rejects"),
        (["run", "list.csv", "--kind", "find_cats"], "find_people"),
        (["run", "list.csv", "--kind", "find_tech"], "No technology is given"),
        (["run", "absent.csv", "--kind", "find_people"], "absent.csv"),
        (["run", "empty.csv", "--kind", "find_people"], "empty"),
        (["run", "picture.csv", "--kind", "find_people"], "picture"),
        (["run", "unusable.csv", "--kind", "find_people", "--title", "Owner"], "None of the 2 rows"),
        (["resume"], "no run yet"),
        (["resume", "nosuchrun"], "nosuchrun"),
        (["resume", "--out", "out.csv"], "--wait"),
        (["status", "nosuchrun"], "nosuchrun"),
        (["export", "nosuchrun", "--out", "out.csv"], "nosuchrun"),
        (["export", "nosuchrun"], "--out"),
        (["export", "nosuchrun", "--out", "out.csv", "--shape", "square"], "--shape"),
    ],
)
def test_wrong_use_exits_2_with_one_line_that_says_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute(arguments)

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("openmart: ")]
    assert (code, len(lines)) == (2, 1)
    assert said in lines[0]


def test_with_json_an_error_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["run", "absent.csv", "--kind", "find_people", "--json"])

    values = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, values["run_id"]) == (2, None)
    assert "absent.csv" in values["error"]


def test_the_same_content_again_exits_2_and_names_the_earlier_run_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    execute([*RUN, "--name", "First try", "--json"])
    first = json.loads(capsys.readouterr().out)["run_id"]

    same = execute([*RUN, "--json"])
    out, err = capsys.readouterr()
    again = execute([*RUN, "--again", "--json"])
    second = json.loads(capsys.readouterr().out)["run_id"]

    assert (same, again) == (2, 0)
    assert json.loads(out)["run_id"] == first
    assert "'First try'" in err
    assert second != first


def test_a_run_whose_writing_was_cut_off_is_finished_by_submitting_it_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off = plan_half_of_a_list(folder)

    resumed = execute(["resume", "--wait"])
    said = capsys.readouterr().err
    again = execute([*RUN, "--json"])

    assert (resumed, again) == (2, 0)
    assert "submitting the same list again finishes it" in said
    assert json.loads(capsys.readouterr().out)["run_id"] == cut_off


def test_rejected_rows_are_written_even_when_none_can_be_sent(folder: Path) -> None:
    code = execute(
        ["run", "unusable.csv", "--kind", "find_people", "--title", "Owner", "--rejects", "bad.csv"]
    )

    assert code == 2
    assert (folder / "bad.csv").read_text(encoding="utf-8-sig").count("\n") == 3


def test_status_tells_about_no_run_one_run_and_all_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] is None

    execute(RUN)
    execute([*RUN, "--again", "--json"])
    newest = json.loads(capsys.readouterr().out.splitlines()[-1])["run_id"]

    assert execute(["status"]) == 0
    assert capsys.readouterr().out.count("(list): 2 of 3 rows final; 1 pending") == 2
    assert execute(["status", newest, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == newest


@pytest.mark.parametrize("name", ["OPENMART_SANDBOX_SPEED", "OPENMART_AUTH", "OPENMART_DATABASE_URL"])
def test_a_setting_that_cannot_be_used_exits_1_and_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "nonsense")

    code = execute([*RUN])

    assert code == 1
    assert name in capsys.readouterr().err


def test_an_unusable_data_folder_exits_1_with_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENMART_DATA_DIR", str(folder / "list.csv"))

    code = execute([*RUN])

    assert code == 1
    assert "OPENMART_DATA_DIR" in capsys.readouterr().err


def test_a_mistake_of_ours_is_told_by_its_place_without_the_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("jane.doe@acme.com")

    monkeypatch.setattr("openmart_lib.submission.prepare", broken)

    code = execute([*RUN])

    err = capsys.readouterr().err
    assert code == 1
    assert "KeyError in test_cli_usage.py, line" in err
    assert "jane" not in err


def test_help_explains_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(command in shown for command in ("run", "resume", "status", "export", "worker", "sandbox"))


def plan_half_of_a_list(folder: Path) -> str:
    """Begin to plan the list that RUN names, stop half-way as a kill would; return the run's id."""
    settings = Settings(data_dir=folder / "data")
    upload = read_list(folder / "list.csv")
    columns = full_mapping(upload, Kind.FIND_PEOPLE, {})
    ready = submission.prepare(
        upload, columns, Kind.FIND_PEOPLE, RunOptions(title="Owner"), settings=settings
    )

    def stop(done: int, rows: int) -> None:
        raise InterruptedError

    with opened(settings) as ledger:
        with suppress(InterruptedError):
            submission.confirm(ledger, settings, ready, name="", confirm_token="cut off", progress=stop)
        return newest_run_id(ledger)
