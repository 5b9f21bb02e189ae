"""Hostile files: read by another process or refused, with bounded memory and time, and nothing left behind."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path

import polars as pl
import pytest
from intake_made_files import SHEET, cell_xml, read, sheet_xml, workbook, workbook_with

from openmart_lib.errors import InputError
from openmart_lib.intake import guarded
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.first_rows import preview
from openmart_lib.intake.guarded import Allowance, is_quick, preview_guarded, read_upload_guarded

SPARSE = workbook_with(  # one cell in the last corner: 17 billion cells once unpacked
    {
        SHEET: sheet_xml(
            f'<row r="1">{cell_xml("A1", "Website")}</row><row r="1048576">{cell_xml("XFD1048576", "x")}</row>'
        )
    }
)
MB = 1024**2


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_another_process_reads_what_this_one_would():
    data = workbook(
        {"Notes": [], "List": [["x"], ["Website", "Zip"], ["acme.com", "00123"], [], ["beta.de", None]]}
    )

    upload, here = (
        read_upload_guarded(data, "list.xlsx", header_row=2),
        read_upload(data, "list.xlsx", header_row=2),
    )

    assert upload.frame.equals(here.frame) and upload.frame.schema == here.frame.schema
    assert (upload.format, upload.problems, upload.sha256, upload.name) == (
        here.format,
        here.problems,
        here.sha256,
        "list.xlsx",
    )


def test_another_process_shows_what_this_one_would(place):
    data = workbook({"List": [["Website"], ["acme.com"]]})
    path = place / "list.xlsx"
    path.write_bytes(data)

    shown, here = preview_guarded(path, "list.xlsx", rows=5), preview(data, "list.xlsx", rows=5)

    assert shown.frame.equals(here.frame)
    assert (shown.lines, shown.format, shown.whole) == (here.lines, here.format, here.whole)


def test_its_refusals_are_ours():
    with pytest.raises(InputError, match="no sheet called 'Old'"):
        read_upload_guarded(workbook({"List": [["Website"], ["acme.com"]]}), "x", sheet="Old")


def test_small_texts_are_read_here_and_whatever_has_to_be_unpacked_elsewhere():
    target = io.BytesIO()
    pl.DataFrame({"Website": ["acme.com"]}).write_parquet(target)

    assert is_quick(b"Website\nacme.com\n")
    assert not is_quick(b"x" * (guarded.QUICK_BYTES + 1))
    for data in (
        SPARSE,
        target.getvalue(),
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ):
        assert not is_quick(data)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not keep to the limit")
def test_a_sheet_that_would_fill_the_memory_is_refused(caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="more memory"):
        read_upload_guarded(SPARSE, "list.xlsx")

    assert "ended with code" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not keep to the limit")
def test_a_text_of_ten_million_rows_is_refused_and_costs_this_process_nothing():
    data = b"a\n" * (10 * MB)

    with pytest.raises(InputError, match=r"more memory|10,485,7.. rows"):
        read_upload_guarded(data, "list.csv", allowance=Allowance(memory=128 * MB, per_byte=3))


def test_reading_that_takes_too_long_is_stopped():
    with pytest.raises(InputError, match="more than 0 seconds"):
        read_upload_guarded(
            workbook({"List": [["Website"], ["acme.com"]]}), "x", allowance=Allowance(seconds=0)
        )


def test_a_reader_that_breaks_is_told_in_plain_words(monkeypatch):
    monkeypatch.setattr(guarded, "_PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    with pytest.raises(InputError, match="broke the program that reads it"):
        read_upload_guarded(workbook({"List": [["Website"], ["acme.com"]]}), "x")


def test_nothing_of_the_file_is_left_behind_whatever_happens(place):
    read_upload_guarded(workbook({"List": [["Website"], ["acme.com"]]}), "x")
    for data in (SPARSE, b"PK\x03\x04 cut off"):
        with pytest.raises(InputError):
            read_upload_guarded(data, "x", allowance=Allowance(memory=256 * MB))

    assert list(place.iterdir()) == []


def test_the_reader_knows_no_key_and_its_folder_is_nobody_elses(place, monkeypatch):
    report = place / "report"
    monkeypatch.setenv("OPENMART_API_KEY", "om-secret")
    monkeypatch.setattr(
        guarded,
        "_PROGRAM",
        f"import os, sys, pathlib; pathlib.Path({str(report)!r}).write_text("
        "repr(sorted(os.environ)) + oct(os.stat(sys.argv[1]).st_mode)); sys.exit(1)",
    )

    with pytest.raises(InputError, match="broke"):
        read_upload_guarded(SPARSE, "x")

    assert "OPENMART" not in report.read_text() and report.read_text().endswith("0o40700")


def test_no_more_than_two_files_are_read_at_a_time(place, monkeypatch):
    monkeypatch.setattr(guarded, "_PROGRAM", "import sys, time, pathlib; time.sleep(0.2); sys.exit(1)")
    most = 0

    def count() -> None:
        nonlocal most
        while any(thread.is_alive() for thread in threads):
            most = max(most, len(list(place.glob("openmart-read-*"))))

    def attempt() -> None:
        with pytest.raises(InputError):
            read_upload_guarded(SPARSE, "x")

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    count()

    assert 1 <= most <= 2


def test_a_file_that_is_not_there_or_too_large_is_said_before_it_is_read(place):
    path = place / "large.csv"
    with path.open("wb") as file:
        file.truncate(201 * MB)

    with pytest.raises(InputError, match="201 MB"):
        read_upload_guarded(path, "large.csv")
    with pytest.raises(OSError, match="No such file"):
        read_upload_guarded(Path(os.devnull).with_name("no-such-list.csv"), "x")


def test_a_text_with_zeros_in_it_is_read_or_refused_at_once():
    assert read("Website,Name\nacme.com,A\0B\n").frame["Name"].item() == "AB"
    with pytest.raises(InputError, match="binary data"):
        read(b"a" + bytes(50 * MB))
    with pytest.raises(InputError, match="empty"):
        read(bytes(50 * MB))


@pytest.mark.parametrize(
    "data", [b"a," * (2 * MB), b"a\t" * (3 * MB) + b"\n1\n", b"," * (7 * MB)], ids=range(3)
)
def test_a_line_of_millions_of_cells_is_refused(data):
    with pytest.raises(InputError, match=r"columns|no rows"):
        read(data)
