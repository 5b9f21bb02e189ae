"""Files: whole or not at all, private, safe in a spreadsheet, and the same when read back."""

from __future__ import annotations

import hashlib
import json
import resource
import secrets
import stat
from dataclasses import replace
from pathlib import Path

import fastexcel
import openpyxl
import polars as pl
import pytest
from openpyxl.utils.escape import unescape
from results_story import NOW, Story, companies, person

from openmart_lib.errors import InputError
from openmart_lib.intake.files import read_upload
from openmart_lib.ledger import Outcome, queries
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.states import SENTENCES
from openmart_lib.results import export, join, workbook
from openmart_lib.results.files import whole_file

SHARED = Path(__file__).parents[2].parent / "shared" / "testdata"
INJECTION = SHARED / "injection" / "expected.jsonl"
NAUGHTY = SHARED / "strings" / "blns.json"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Four uploaded rows: found twice, nothing found, rejected, duplicate of the first."""
    story = Story(
        tmp_path_factory.mktemp("ledger"),
        companies("acme.com", "beta.com", "", "acme.com", note=["=1+1", "ü", "", None]),
    )
    story.send_all({1: [person(email="a@a.invalid", phone="+49 30 1234-5"), person("Bo")], 2: []})
    return story


@pytest.fixture(scope="module")
def run(story: Story) -> RunInfo:
    return queries.run_info(story.ledger, story.run_id)


@pytest.mark.parametrize("ext", ["csv", "xlsx", "parquet", "jsonl"])
@pytest.mark.parametrize("shape", ["rows", "long"])
def test_a_file_holds_the_frame_and_its_info_is_true(
    story: Story, tmp_path: Path, ext: str, shape: join.Shape
) -> None:
    path = tmp_path / f"out.{ext}"

    info = export.export_run(story.ledger, story.run_id, path, shape=shape)

    expected = join.results(story.ledger, story.run_id, shape)
    read = _read(path)
    assert read.columns == expected.columns
    assert _texts(read) == _texts(expected)
    assert (info.path, info.lines, info.rows) == (path, expected.height, 4)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name]


def test_only_the_chosen_outcomes_are_written(story: Story, tmp_path: Path) -> None:
    info = export.export_run(
        story.ledger,
        story.run_id,
        tmp_path / "out.csv",
        shape="long",
        outcomes=[Outcome.MATCHED, Outcome.REJECTED],
    )

    assert (info.lines, info.rows) == (3, 2)
    assert _read(info.path)["outcome"].to_list() == ["matched", "matched", "rejected"]


def test_csv_for_excel_has_a_byte_order_mark_and_a_guard_and_plain_csv_has_neither(
    story: Story, tmp_path: Path
) -> None:
    excel, plain = tmp_path / "excel.csv", tmp_path / "plain.csv"
    export.export_run(story.ledger, story.run_id, excel, shape="rows")
    export.export_run(story.ledger, story.run_id, plain, shape="rows", csv="plain")

    assert excel.read_bytes().startswith(b"\xef\xbb\xbf")
    assert plain.read_bytes().startswith(b"website,note,")
    assert "'=1+1" in excel.read_text("utf-8-sig")
    assert "'=1+1" not in plain.read_text("utf-8")
    assert ",=1+1," in plain.read_text("utf-8")
    assert "+49 30 1234-5" in excel.read_text("utf-8-sig")
    assert "'+49" not in excel.read_text("utf-8-sig")


@pytest.mark.skipif(not INJECTION.exists(), reason="the shared test data is not here")
def test_no_cell_of_the_injection_list_is_a_formula_and_each_comes_back_unchanged(tmp_path: Path) -> None:
    cases = [json.loads(line) for line in INJECTION.read_text("utf-8").splitlines()]
    values = [case["value"] for case in cases]
    frame = pl.DataFrame({"company": values, "=cmd()": values})
    path = tmp_path / "out.csv"
    export.write_frame(frame, path)

    cells = pl.read_csv(path, infer_schema=False)
    assert cells.columns == ["company", "'=cmd()"]
    for case, cell in zip(cases, cells["company"], strict=True):
        if case["danger"] is True:
            assert cell == "'" + case["value"]
    back = read_upload(path.read_bytes(), path.name).frame
    returned = dict(zip(back["seq"], back["company"], strict=True))
    for number, value in enumerate(values, 1):
        if "\x00" not in value:  # the importer takes NUL out and says so
            assert returned[number] == value
    assert back.columns[-1] == "=cmd()"


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the shared test data is not here")
def test_workbooks_hold_every_text_as_text_whatever_it_looks_like(tmp_path: Path) -> None:
    values = json.loads(NAUGHTY.read_text("utf-8"))
    values += [json.loads(line)["value"] for line in INJECTION.read_text("utf-8").splitlines()]
    values += ["_x0041_", "00123", "+4930901820", "1e5", "a\r\nb"]
    path = tmp_path / "out.xlsx"
    export.write_frame(pl.DataFrame({"text": values, "=1+1": values}), path)

    sheet = openpyxl.load_workbook(path)["results"]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value is not None} == {"s"}
    assert sheet.cell(1, 2).value == "=1+1"
    assert [unescape(sheet.cell(row, 1).value or "") for row in range(2, len(values) + 2)] == values


def test_a_workbook_is_ready_to_read_and_its_second_sheet_explains_it(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"

    export.export_run(story.ledger, story.run_id, path, shape="rows")

    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["results", "summary"]
    sheet = book["results"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == sheet.dimensions
    assert sheet.column_dimensions["A"].width > 8
    facts = {row[0]: row[1:] for row in book["summary"].iter_rows(values_only=True) if row[0]}
    assert facts["run"][0] == "Spring list"
    assert facts["what was asked"][0] == "find_people"
    assert facts["created"][0] == "2025-10-09T08:53:20Z"
    assert facts["uploaded rows"][0] == "4"
    counts = {str(one): facts[str(one)] for one in Outcome if str(one) in facts}
    assert sum(int(count) for count, _ in counts.values()) == 4
    assert counts["matched"] == ("1", SENTENCES[Outcome.MATCHED])
    assert "Simulated" in facts["Openmart"][1]
    assert facts["uploaded file"] == ("list.csv", f"SHA-256 {'0' * 64}")
    assert facts["source of what was found"][0] == "Openmart, find_people"
    assert facts["fetched"][0] == "2025-10-09T08:53:20Z"


def test_a_cell_longer_than_excel_allows_is_cut_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    long = {"x": "a" * 32_768, "emoji": "\U0001f600" * 16_384, "fits": "b" * 32_767}

    export.write_frame(pl.DataFrame({"text": list(long.values()), "h" * 33_000: ["1", "2", "3"]}), path)

    cells = fastexcel.read_excel(path).load_sheet("results", dtypes="string").to_polars()
    for cell in cells["text"][:2]:
        assert len(cell.encode("utf-16-le")) // 2 <= workbook.MAX_CELL
        assert cell.endswith(workbook.CUT_NOTE)
    assert cells["text"][2] == long["fits"]
    assert cells.columns[1].startswith("hhh")


def test_more_lines_than_a_worksheet_holds_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"

    with pytest.raises(InputError, match=r"1,048,575 lines.*No file was written.*Choose CSV or Parquet"):
        export.write_frame(pl.DataFrame({"n": range(workbook.MAX_LINES + 1)}), path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.txt", "out", "out.xls", "out.csv.gz"])
def test_another_ending_is_refused_before_anything_is_read(story: Story, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"does not end in \.csv, .* or \.jsonl"):
        export.export_run(story.ledger, story.run_id, tmp_path / name, shape="rows")


def test_the_ending_may_be_in_capitals(story: Story, tmp_path: Path) -> None:
    export.export_run(story.ledger, story.run_id, tmp_path / "OUT.XLSX", shape="rows")

    assert openpyxl.load_workbook(tmp_path / "OUT.XLSX").sheetnames[0] == "results"


def test_a_folder_that_is_not_there_is_an_input_error_with_what_to_do(story: Story, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No result is lost"):
        export.export_run(story.ledger, story.run_id, tmp_path / "nowhere" / "out.csv", shape="rows")


@pytest.mark.parametrize("ext", ["csv", "xlsx", "parquet", "jsonl"])
def test_a_full_disk_is_an_input_error_and_leaves_the_older_file(tmp_path: Path, ext: str) -> None:
    path = tmp_path / f"out.{ext}"
    path.write_text("older")
    frame = pl.DataFrame({"n": [secrets.token_hex(50) for _ in range(2_000)]})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(InputError, match="No result is lost"):
            export.write_frame(frame, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_text() == "older"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_older_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("older")

    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError("the disk is gone")

    assert path.read_text() == "older"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("fmt", ["csv", "plain", "xlsx", "parquet", "jsonl"])
def test_a_small_frame_as_bytes_is_what_the_file_would_be(tmp_path: Path, fmt: str) -> None:
    frame = pl.DataFrame({"a": ["=1+1", None, "x"], "n": [1, 2, None]})
    path = tmp_path / ("out.csv" if fmt == "plain" else f"out.{fmt}")

    path.write_bytes(export.frame_bytes(frame, fmt))

    assert _texts(_read(path)) == _texts(frame)


def test_bytes_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(InputError, match="'html'"):
        export.frame_bytes(pl.DataFrame({"a": [1]}), "html")


def test_a_file_name_says_what_is_inside_and_when(run: RunInfo) -> None:
    name = export.file_name(run, shape="rows", ext="csv", filter="matched-no match", partial=True, now=NOW)

    assert name == "SANDBOX-Spring-list_find_people_rows_matched-no-match_partial_20251009-0853Z.csv"


def test_a_live_runs_file_is_not_called_sandbox(run: RunInfo) -> None:
    live = replace(run, environment="https://api.openmart.ai", name="Q3")

    name = export.file_name(live, shape="long", ext=".xlsx", partial=False, now=NOW)

    assert name == "Q3_find_people_long_20251009-0853Z.xlsx"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("Müller & Söhne / 東京", "Müller-Söhne-東京"),
        ("", "run"),
        ("...", "run"),
        ("a_b", "a-b"),
        ("x" * 500, "x" * 80),
        ("東" * 500, "東" * 26),
        ("con\nline\u202ename", "con-line-name"),
    ],
)
def test_a_runs_name_is_made_safe_for_every_file_system(run: RunInfo, given: str, part: str) -> None:
    name = export.file_name(replace(run, name=given), shape="rows", ext="csv", partial=False, now=NOW)

    assert name == f"SANDBOX-{part}_find_people_rows_20251009-0853Z.csv"
    assert len(name.encode()) < 255


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".jsonl":
        read = pl.read_ndjson(path, infer_schema_length=None)  # in an order of its own
        return read.select(list(json.loads(path.read_text("utf-8").splitlines()[0])))
    if path.suffix == ".xlsx":
        return fastexcel.read_excel(path).load_sheet("results", dtypes="string").to_polars()
    frame = pl.read_csv(path, infer_schema=False)
    return frame.with_columns(pl.all().str.replace("^'=", "="))


def _texts(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return the cells as text: files of text know neither types nor a null apart from nothing."""
    return [tuple("" if cell is None else str(cell).lower() for cell in row) for row in frame.rows()]


def test_a_text_file_is_the_same_whether_it_is_written_in_slices_or_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"a": ["=1+1", 'x"y', None, "ü"] * 3, "n": range(12)})
    styles: list[tuple[str, export.Csv]] = [("g.csv", "excel"), ("p.csv", "plain"), ("j.jsonl", "plain")]
    for name, csv in styles:
        export.write_frame(frame, tmp_path / name, csv=csv)

    monkeypatch.setattr(export, "_SLICE", 5)

    for name, csv in styles:
        told: list[tuple[int, int]] = []
        path = tmp_path / f"sliced-{name}"
        export.write_frame(frame, path, csv=csv, progress=lambda done, of: told.append((done, of)))  # noqa: B023 - called at once
        assert path.read_bytes() == (tmp_path / name).read_bytes()
        assert told[:3] == [(5, 12), (10, 12), (12, 12)]
