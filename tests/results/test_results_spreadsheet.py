"""Our files in a real spreadsheet program: nothing becomes a formula, and harmless values stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest

from openmart_lib.results import export

INJECTION = Path(__file__).parents[2].parent / "shared" / "testdata" / "injection" / "expected.jsonl"
PROGRAM = shutil.which("soffice")
# Comma, quote, UTF-8, from line 1; special numbers seen, formulas run: the most careless way to open a file.
CARELESS = "CSV:44,34,76,1,,0,false,true,false,false,false,0,true"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="LibreOffice is not installed (libreoffice-calc)"),
    pytest.mark.skipif(not INJECTION.exists(), reason="the shared test data is not here"),
]


def cases() -> list[dict[str, object]]:
    return [json.loads(line) for line in INJECTION.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's own settings: making them takes most of its first start."""
    return tmp_path_factory.mktemp("profile")


def opened(files: list[Path], place: Path, profile: Path) -> list[tuple[int, list[str]]]:
    """Open files in the program; return each one's number of formula cells and the texts of its column B."""
    command = [str(PROGRAM), "--headless", f"-env:UserInstallation={profile.as_uri()}"]
    if files[0].suffix == ".csv":
        command.append(f"--infilter={CARELESS}")
    command += ["--convert-to", "fods", "--outdir", str(place), *map(str, files)]
    environment = os.environ | {"HOME": str(profile)}
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment)
    return [_read(place / f"{file.stem}.fods") for file in files]


def _read(path: Path) -> tuple[int, list[str]]:
    sheet = next(ET.parse(path).getroot().iter(f"{TABLE}table"))
    formulas, texts = 0, []
    for row in sheet.iter(f"{TABLE}table-row"):
        cells = list(row.iter(f"{TABLE}table-cell"))
        formulas += sum(f"{TABLE}formula" in cell.attrib for cell in cells)
        if len(cells) > 1:
            texts.append("\n".join("".join(part.itertext()) for part in cells[1].iter(f"{TEXT}p")))
    return formulas, texts[1:]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    values = [str(case["value"]) for case in cases()]
    return pl.DataFrame({"no": [f"n{no}" for no in range(len(values))], "=1+1": values})


def test_no_cell_of_a_csv_file_is_a_formula_and_harmless_ones_read_as_they_are(
    frame: pl.DataFrame, tmp_path: Path, profile: Path
) -> None:
    # A NUL ends the cell for this program; ours is about what it would run.
    frame = frame.filter(~pl.col("=1+1").str.contains("\x00", literal=True))
    guarded, bare = tmp_path / "guarded.csv", tmp_path / "bare.csv"
    export.write_frame(frame, guarded)
    export.write_frame(frame, bare, csv="plain")

    (formulas, texts), (formulas_without_guard, _) = opened([guarded, bare], tmp_path, profile)

    assert formulas_without_guard > 5  # else this test would prove nothing
    assert formulas == 0
    shown = dict(zip(frame["=1+1"], texts, strict=True))
    for case in cases():
        if case["danger"] is None:
            value = str(case["value"])
            # A plain number may be read as one; a handle may show the guard, which our importer takes off.
            number = {"+1": "1", "1e5": "1.00E+05", "00123": "123"}.get(value)
            assert shown[value] in (value, f"'{value}", number), value
    for phone in ("+49 30 901820", "+1 (415) 555-2671"):
        assert shown[phone] == phone


def test_no_cell_of_a_workbook_is_a_formula_and_every_harmless_one_is_kept(
    frame: pl.DataFrame, tmp_path: Path, profile: Path
) -> None:
    path = tmp_path / "book.xlsx"
    export.write_frame(frame, path)

    [(formulas, texts)] = opened([path], tmp_path, profile)

    assert formulas == 0
    shown = dict(zip(frame["=1+1"], texts, strict=True))
    for case in cases():
        if case["danger"] is None:
            assert shown[str(case["value"])] == case["value"]
