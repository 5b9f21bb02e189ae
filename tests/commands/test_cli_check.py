"""``openmart check``: the same understanding as ``run`` without submitting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from openmart_lib.cli import execute
from openmart_lib.intake.files import read_upload
from openmart_lib.results.workbook import write_workbook
from openmart_lib.settings import Settings

LIST = (
    "Company;Website;City;domain\n"
    "Acme;https://www.acme.com/x;Rom;1\n"
    "Acme 2;acme.com;Rom;2\n"
    "Acme 3;acme.com;Oslo;3\n"
    "Müller;bücher.de;;4\n"
    "Nobody;n/a;;5\n"
    "Jane;jane@gmail.com;;6\n"
    "Typo;acme,com;;7\n"
)


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    return tmp_path


def last_object(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text.splitlines()[-1])
    return values


def test_the_object_has_counts_by_outcome_and_code_and_how_the_file_was_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute(["check", str(folder / "list.csv"), "--json"])

    values = last_object(capsys.readouterr().out)
    assert code == 0
    assert values["outcomes"] == {"accepted": 3, "duplicate": 1, "rejected": 3, "skipped": 0, "reused": 0}
    assert values["rows"] == sum(values["outcomes"].values()) == 7
    assert values["codes"] == {"free_mail": 1, "invalid": 1, "placeholder": 1}
    assert [values[name] for name in ("encoding", "delimiter", "sheet", "header_row", "kind", "tasks")] == [
        *("utf-8", ";", None, 1, "find_people", 3)
    ]
    assert values["mapping"]["domain"] == ["Website"]
    assert values["suffix_list"] >= "2026-01-01"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_uploaded_row_is_written_with_what_was_understood(folder: Path, ending: str) -> None:
    out = folder / f"out.{ending}"

    execute(["check", str(folder / "list.csv"), "--out", str(out)])

    written = pl.read_csv(out, infer_schema=False) if ending == "csv" else pl.read_parquet(out)
    assert written.columns[:9] == [
        *("Company", "Website", "City", "domain (uploaded)"),
        *("row", "domain", "intake_outcome", "intake_code", "intake_reason"),
    ]
    assert written["row"].cast(pl.Int64).to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert written["domain"].to_list() == [
        "acme.com",
        "acme.com",
        "acme.com",
        "xn--bcher-kva.de",
        None,
        None,
        None,
    ]
    assert written["intake_outcome"].to_list() == [
        *("accepted", "duplicate", "accepted", "accepted", "rejected", "rejected", "rejected")
    ]
    assert written["intake_code"].to_list() == [None, None, None, None, "placeholder", "free_mail", "invalid"]


def test_the_rejects_can_be_corrected_and_checked_again(folder: Path) -> None:
    rejects = folder / "rejected.csv"

    execute(["check", str(folder / "list.csv"), "--rejects", str(rejects)])

    written = read_upload(rejects.read_bytes(), "rejected.csv").frame
    assert written.columns[2:] == [
        *("Company", "Website", "City", "domain", "row", "file_line (uploaded)"),
        *("intake_code", "intake_reason", "intake_suggestion", "intake_list"),
    ]
    assert written.select("row", "intake_suggestion").rows() == [("5", None), ("6", None), ("7", "acme.com")]
    assert execute(["check", str(rejects), "--map", "domain=Website"]) == 0


def test_people_say_what_was_understood_in_plain_lines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["check", str(folder / "list.csv")])

    said = capsys.readouterr().out
    assert "Read as csv, utf-8, cells divided by semicolons, header in row 1." in said
    assert "7 rows = 3 accepted + 1 duplicate + 3 rejected: 3 tasks." in said
    assert "1 invalid, such as: A comma stands where a dot belongs." in said
    assert "Nothing was sent." in said
    assert not (folder / "data" / "sandbox" / "ledger.db").exists()


def test_rows_whose_columns_name_two_companies_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.csv").write_text("Website,Email\nacme.com,jane@acme.com\nacme.com,joe@beta.de\n")

    execute(["check", str(folder / "two.csv"), "--json"])

    printed = capsys.readouterr()
    assert last_object(printed.out)["naming_two_companies"] == 1
    assert (
        "1 row names two companies, such as row 2: Website says acme.com, Email says beta.de" in printed.err
    )


def test_columns_and_goal_can_be_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "people.csv").write_text("a,b,c\nJane,Doe,acme.com\nJoe,Ray,acme.com\n")
    columns = ("--map", "first_name=a", "--map", "last_name=b", "--map", "domain=c", "--json")

    execute(["check", str(folder / "people.csv"), "--kind", "lookup_people", *columns])

    assert last_object(capsys.readouterr().out)["outcomes"]["accepted"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "cannot be read"),
        (["list.csv", "--kind", "find_gold"], "no kind"),
        (["list.csv", "--out", "out.xlsx"], "--out must end in"),
        (["list.csv", "--map", "domain=Nope"], "not in this file"),
    ],
)
def test_wrong_use_is_said_and_exits_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code = execute(["check", str(folder / arguments[0]), *arguments[1:], "--json"])

    printed = capsys.readouterr()
    assert code == 2 and words in printed.err
    assert words in last_object(printed.out)["error"]


@pytest.mark.parametrize(
    ("several", "outcomes", "tasks"),
    [
        ("reject", {"accepted": 1, "duplicate": 0, "rejected": 1}, 1),
        ("first", {"accepted": 2, "duplicate": 0, "rejected": 0}, 2),
        ("each", {"accepted": 3, "duplicate": 1, "rejected": 0}, 3),
    ],
)
def test_cells_with_several_websites_are_dealt_with_as_said(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    several: str,
    outcomes: dict[str, int],
    tasks: int,
) -> None:
    (folder / "several.csv").write_text("Website\nacme.com; beta.de; gamma.fr\nbeta.de\n")

    assert execute(["check", str(folder / "several.csv"), "--several", several, "--json"]) == 0

    told = last_object(capsys.readouterr().out)
    assert told["tasks"] == tasks
    assert told["rows"] == sum(told["outcomes"].values())
    assert {name: told["outcomes"][name] for name in outcomes} == outcomes


def test_a_run_deals_with_them_in_the_same_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "several.csv").write_text("Website\nacme.com; beta.de\n")
    wanted = ("--kind", "find_people", "--title", "Owner", "--several", "each", "--dry-run", "--json")

    assert execute(["run", str(folder / "several.csv"), *wanted]) == 0

    assert last_object(capsys.readouterr().out)["tasks"] == 2


def test_an_only_column_is_the_website_whatever_is_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "accounts.txt").write_text(
        "Target accounts:\n\n1. adyen.com\n- sap.com\nSAP SE\n", encoding="utf-8"
    )

    code = execute(["check", str(folder / "accounts.txt"), "--json"])

    values = last_object(capsys.readouterr().out)
    assert code == 0
    assert values["mapping"] == {"domain": ["Target accounts:"]}
    assert values["outcomes"]["accepted"] == 2
    assert values["codes"] == {"company_name": 1}


def test_another_sheet_can_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pl.DataFrame({"Website": ["adyen.com", "sap.com"]})
    with (folder / "two.xlsx").open("wb") as file:
        write_workbook(rows, file, summary=rows.head(1))

    assert execute(["check", str(folder / "two.xlsx"), "--sheet", "summary", "--json"]) == 0

    values = last_object(capsys.readouterr().out)
    assert (values["sheet"], values["rows"]) == ("summary", 1)


def test_a_remark_says_its_line_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "titled.csv").write_text("My export\n\nCompany,Website\nSAP,sap.com\n", encoding="utf-8")

    execute(["check", str(folder / "titled.csv")])

    assert "\nLine 1 stands above the columns' names and was left out.\n" in f"\n{capsys.readouterr().out}"
