"""`openmart suppress`: take up a never-contact list, show those there are, remove one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openmart_lib.cli import execute

pytestmark = pytest.mark.usefixtures("settings")


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "opt-outs.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_is_taken_up_and_counted_without_naming_anybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "who\nana@acme.com\nbeta.com\nBo Lee, acme.com\nnonsense\n")

    code = execute(["suppress", file, "--name", "opt-outs", "--json"])

    out, told = capsys.readouterr()
    assert code == 0
    assert json.loads(out) == {"lists": [{"name": "opt-outs", "emails": 1, "domains": 1, "people": 1}]}
    assert "3 entries" in told and "1 could not be read (lines 5)" in told
    assert not any(word in out + told for word in ("ana@", "beta", "Lee"))


def test_an_export_with_several_columns_says_which_one_was_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "Email,Name\nana@acme.com,Ana Silva\n")

    assert execute(["suppress", file]) == 0

    assert "1 entry was read from the column 'Email'" in capsys.readouterr().out


def test_a_list_is_removed_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(["suppress", written(tmp_path, "who\nana@acme.com\n"), "--name", "opt-outs"])

    code = execute(["suppress", "--name", "opt-outs", "--remove"])

    assert code == 0
    assert "1 entry may be contacted again" in capsys.readouterr().out


def test_without_a_file_the_lists_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["suppress"]) == 0

    assert "There is no never-contact list." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--remove", "--name", "other"], "no never-contact list 'other'"),
        (["gone.csv"], "cannot be read"),
        (["gone.csv", "--remove"], "takes a name and no file"),
        (["--name", " "], "has no name"),
    ],
    ids=["no such list", "no such file", "both", "no name"],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["suppress", *arguments]) == 2

    said = capsys.readouterr().err
    assert words in said and "Nothing was" in said
