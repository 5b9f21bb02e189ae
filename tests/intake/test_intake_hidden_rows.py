"""Rows that a sheet hides are read like the others, and that is said: they would be paid for unseen."""

from __future__ import annotations

import io

import openpyxl
import pytest
from intake_made_files import read, workbook

from openmart_lib.intake import hidden_rows
from openmart_lib.intake.files import Upload


def filtered(*hidden: int, rows: int = 6) -> Upload:
    """A workbook whose second sheet hides these rows; the first hides one of its own, which says nothing."""
    book = openpyxl.Workbook()
    book.active.append(["nothing here"])
    book.active.row_dimensions[1].hidden = True
    sheet = book.create_sheet("A & B")
    sheet.append(["Company", "Website"])
    for number in range(rows):
        sheet.append([f"Company {number}", f"company{number}.com"])
    for number in hidden:
        sheet.row_dimensions[number].hidden = True
    target = io.BytesIO()
    book.save(target)
    return read(target.getvalue(), sheet="A & B")


@pytest.mark.parametrize("piece", [40, 1024**2])
def test_hidden_rows_are_read_and_named(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(hidden_rows, "_CHUNK", piece)

    upload = filtered(3, 5, 6)

    assert (upload.frame.height, upload.format.hidden_rows) == (6, 3)
    assert [one.file_line for one in upload.problems] == [3]
    assert upload.problems[0].message == (
        "3 rows from row 3 on are hidden, by a filter or by hand. They were read like the others. To send only "
        "what you see, copy the visible rows to a new sheet."
    )


def test_one_hidden_row_is_named_by_its_number() -> None:
    assert filtered(4).problems[0].message.startswith("Row 4 is hidden, by a filter or by hand. It was read")


def test_a_hidden_header_or_column_or_another_sheet_hides_no_row_of_the_list() -> None:
    assert filtered(1).format.hidden_rows == 0
    assert read(workbook({"List": [["Website"], ["a.com"]]})).format.hidden_rows == 0
