"""Reading files against collections that nobody here wrote; every difference is listed with its reason."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import pytest
from intake_corpora import TESTDATA, needs_testdata, read_jsonl

from openmart_lib.errors import InputError
from openmart_lib.intake.files import Upload, read_upload

pytestmark = needs_testdata

CSV_CASES = read_jsonl("csv/expected.jsonl")
SHEET_CASES = read_jsonl("xlsx/expected.jsonl")

# Refused: there is a header at most, and no row that could be looked up.
WITHOUT_ROWS = {
    "csvkit/empty.csv",
    "frictionless/without-rows.csv",
}
# Read otherwise than the expectation file says, on purpose: (columns, rows) as we read them.
READ_BETTER: dict[str, tuple[list[str], int, str]] = {
    "csvkit/Datagov_FY10_EDU_recp_by_State.csv": (
        ["State Name", "State Abbreviate"], 55, "the line above the header is a title; it is reported",
    ),
    "csvkit/no_header_row.csv": (["column_1", "column_2", "column_3"], 1, "1,2,3 is data, not a header"),
    "csvkit/no_header_row3.csv": (["column_1", "column_2", "column_3"], 2, "1,2,3 is data, not a header"),
    "frictionless/without-headers.csv": (["column_1", "column_2"], 3, "1,english stands above 2,... and 3,..."),
    "frictionless/without-headers-extra.csv": (
        ["column_1", "column_2", "column_3"], 3, "as above, and one line has a surplus cell",
    ),
    "frictionless/accent.csv": (["n_amenageur", "n_operateur"], 2, "it is UTF-8, expected as Latin-1"),
    "frictionless/escaping.csv": (["ID", "Test"], 3, 'the blank in ", " belongs to no cell'),
    "frictionless/issue-1109.csv": (["int", "number", "string"], 3, 'the blank in ", " belongs to no cell'),
    "frictionless/issue-1138.csv": (["Zeit [MEZ]", "Wasserstand", "Status", "column_4"], 7, "semicolons separate"),
    "frictionless/issue-1232.csv": (["comune", "codice_regione"], 5, "semicolons separate"),
}  # fmt: skip
# A sheet with one row of names, or nothing but error cells: no row that could be looked up.
SHEETS_WITHOUT_ROWS = {
    "xlsx/calamine/empty_sheet.xlsx",
    "xlsx/fastexcel/empty.xlsx",
    "xlsx/calamine/errors.xlsx",
}
LOCKED = {"xlsx/calamine/pass_protected.xlsx"}


def name_of(case: dict[str, Any]) -> str:
    return str(case["file"])


def expected_columns(header: list[str]) -> list[str]:
    names: list[str] = []
    for position, cell in enumerate(header, start=1):
        name, number = cell if cell.strip() else f"column_{position}", 2
        unique = name
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names


def columns(upload: Upload) -> list[str]:
    return upload.frame.columns[2:]


@pytest.mark.parametrize("case", CSV_CASES, ids=name_of)
def test_delimited_files_give_the_expected_columns_and_every_row(case):
    name = case["file"]
    data = (TESTDATA / "csv" / name).read_bytes()

    if name in WITHOUT_ROWS:
        with pytest.raises(InputError, match="Nothing was read"):
            read_upload(data, name)
        return
    upload = read_upload(data, name)

    if name in READ_BETTER:
        wanted, rows, _ = READ_BETTER[name]
    else:
        wanted, rows = expected_columns(case["header"]), case["records"]
        assert upload.format.delimiter == (case["delimiter"] if len(wanted) > 1 else None)
    assert columns(upload)[: len(wanted)] == wanted
    assert upload.frame.height == rows


@pytest.mark.parametrize("case", CSV_CASES, ids=name_of)
def test_every_odd_line_of_a_delimited_file_is_named(case):
    """Rows of several widths, and lines before the header, do not pass without a word."""
    name = case["file"]
    odd = len(case["widths"]) > 1 or case["skip_lines"] > 0
    if not odd or name in WITHOUT_ROWS or name == "csvkit/test_skip_lines.csv":  # its lines above are blank
        return

    upload = read_upload((TESTDATA / "csv" / name).read_bytes(), name)

    assert upload.problems


@pytest.mark.parametrize("case", SHEET_CASES, ids=name_of)
def test_spreadsheets_give_their_sheets_and_first_rows_or_a_clear_refusal(case):
    name = case["file"]
    data = (TESTDATA / name).read_bytes()

    if name in SHEETS_WITHOUT_ROWS | LOCKED:
        with pytest.raises(InputError, match="password" if name in LOCKED else "Nothing was read"):
            read_upload(data, name)
        return
    first_rows = case.get("first_rows", [])
    upload = read_upload(data, name, sheet=case["sheets"][0] if first_rows else None, header_row=0)

    assert list(upload.format.sheets) == case["sheets"]
    for row, expected in zip(upload.frame.rows(), filled(first_rows), strict=False):
        assert [shown(cell) for cell in row[2 : 2 + len(expected)]] == [plain(cell) for cell in expected]


# The expectation of location_coordinates is of another file (another number, no list of rows).
SPECTRUM = [
    path
    for path in sorted((TESTDATA / "csv" / "csv-spectrum").glob("*.csv"))
    if path.stem != "location_coordinates"
]


@pytest.mark.parametrize("path", SPECTRUM, ids=lambda path: path.stem)
def test_every_cell_of_the_csv_spectrum_is_as_its_authors_expect(path):
    expected = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))

    upload = read_upload(path.read_bytes(), path.name, header_row=1)

    rows = upload.frame.drop("seq", "file_line").fill_null("").to_dicts()
    # Some expectations have LF where their file has CR LF inside a cell; we keep what is written.
    assert [{name: cell.replace("\r\n", "\n") for name, cell in row.items()} for row in rows] == [
        {name: cell.replace("\r\n", "\n") for name, cell in row.items()} for row in expected
    ]


def test_scores_of_every_set():
    """Printed with ``-s``: files read as their authors expect, on purpose otherwise, or refused."""
    table: Counter[tuple[str, str]] = Counter()
    for case in CSV_CASES + SHEET_CASES:
        name = case["file"]
        corpus = (
            name.removeprefix("xlsx/").split("/")[0] if case in CSV_CASES else f"sheets {name.split('/')[1]}"
        )
        table[corpus, fate_of(case)] += 1

    for (corpus, fate), count in sorted(table.items()):
        sys.stdout.write(f"  {corpus:<20}{fate:<26}{count:>4}\n")
    assert {fate for _, fate in table} <= {
        "as expected",
        "better, and why is said",
        "refused: no rows",
        "refused: locked",
    }
    assert table.total() == len(CSV_CASES) + len(SHEET_CASES)


def fate_of(case: dict[str, Any]) -> str:
    """Return how a file was read, by the expectations that the tests above check one by one."""
    name = case["file"]
    path = TESTDATA / name if (TESTDATA / name).exists() else TESTDATA / "csv" / name
    try:
        upload = read_upload(path.read_bytes(), name)
    except InputError as refusal:
        return "refused: locked" if "password" in str(refusal) else "refused: no rows"
    if "header" not in case:
        return "as expected" if list(upload.format.sheets) == case["sheets"] else "other sheets"
    if name in READ_BETTER:
        return "better, and why is said"
    wanted = expected_columns(case["header"])
    same = columns(upload)[: len(wanted)] == wanted and upload.frame.height == case["records"]
    return "as expected" if same else "otherwise"


def filled(rows: list[list[str | None]]) -> list[list[str | None]]:
    return [row for row in rows if any(row)]


def shown(cell: str | None) -> str:
    """The expectations hold the first 40 characters of a cell."""
    return (cell or "")[:40]


def plain(cell: str | None) -> str:
    """The expectations typed some whole numbers as floats ("1.0"); sheets show and we read "1"."""
    text = cell or ""
    return text.removesuffix(".0") if text.replace(".", "").isdigit() else text
