"""Spreadsheets: every cell as text, the sheet and header that the analyst means, bombs refused."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import pytest
from intake_made_files import SHEET, cell_xml, cells, read, sheet_xml, workbook, workbook_with, workbook_xml

from openmart_lib.errors import InputError


def test_a_sheet_is_read_as_text_with_its_own_row_numbers():
    data = workbook(
        {"List": [["Website", "Zip", "Founded", "Size"], [], ["acme.com", "00123", dt.date(2020, 1, 2), 12]]}
    )

    upload = read(data)

    assert (upload.format.kind, upload.format.sheet, upload.format.header_row) == ("xlsx", "List", 1)
    assert upload.frame.rows() == [(1, 3, "acme.com", "00123", "2020-01-02 00:00:00", "12")]
    assert upload.problems[0].file_line == 2


def test_the_first_visible_sheet_with_rows_is_taken_unless_another_is_named():
    rows = [["Website"], ["acme.com"]]
    data = workbook({"Old": [["Website"], ["old.com"]], "Empty": [], "New": rows}, hidden=("Old",))

    assert read(data).format.sheet == "New"
    assert read(data).format.sheets == ("Old", "Empty", "New")
    assert read(data, sheet="Old").frame["Website"].item() == "old.com"
    with pytest.raises(InputError, match="Choose one of: Old, Empty, New"):
        read(data, sheet="Newest")
    with pytest.raises(InputError, match="'Empty' is empty"):
        read(data, sheet="Empty")


def test_the_names_of_columns_are_those_below_titles_that_span_several_of_them():
    """Merged cells of a first header row are usual names themselves, and leave the others blank."""
    upload = read(
        workbook(
            {
                "S": [
                    ["Spring campaign"],
                    ["Company", None, "Contact", None],
                    ["Name", "Website", "First name", "Title"],
                    ["Acme", "acme.com", "Ana", "CEO"],
                ]
            }
        )
    )

    assert upload.format.header_row == 3
    assert cells(upload) == [("Acme", "acme.com", "Ana", "CEO")]


def test_a_full_row_below_a_header_with_a_gap_is_data():
    upload = read(workbook({"S": [["Company", "Website", None], ["Title", "acme.com", "x"]]}))

    assert cells(upload) == [("Title", "acme.com", "x")]


def test_the_analyst_may_say_which_row_of_a_sheet_is_the_header():
    data = workbook({"S": [["x", "y"], ["Website", "Name"], ["acme.com", "Acme"]]})

    assert read(data, header_row=2).frame.rows() == [(1, 3, "acme.com", "Acme")]
    assert read(data, header_row=0).frame.height == 3
    with pytest.raises(InputError, match="ends before row 99"):
        read(data, header_row=99)


def test_empty_columns_at_the_right_end_of_a_sheet_are_not_the_lists():
    upload = read(
        workbook({"S": [["Website", None, None], ["acme.com", None, " "], ["beta.de", None, None]]})
    )
    tidy = read(workbook({"S": [["Website", None, ""], ["acme.com", None, None]]}))

    assert upload.frame.columns[2:] == ["Website", "column_2", "column_3"]
    assert tidy.frame.columns[2:] == ["Website"]


def test_a_spreadsheet_bomb_is_refused_before_it_is_parsed():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(100 * 1024**2))

    with pytest.raises(InputError, match="far larger once unpacked"):
        read(target.getvalue())


def test_a_zip_header_that_lies_about_a_size_does_not_pass():
    data = bytearray(workbook_with({SHEET: sheet_xml(cell_xml("A1", "Website") + " " * (80 * 1024**2))}))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        true_size = archive.getinfo(SHEET).file_size.to_bytes(4, "little")
    lying = bytes(data).replace(true_size, (1_000).to_bytes(4, "little"))

    with pytest.raises(InputError, match=r"far larger once unpacked|damaged"):
        read(lying)


def test_entities_that_grow_a_thousandfold_are_not_expanded():
    entities = '<!ENTITY a "lol">' + "".join(
        f'<!ENTITY {chr(98 + step)} "{f"&{chr(97 + step)};" * 10}">' for step in range(9)
    )
    rows = f'<row r="1">{cell_xml("A1", "Website")}</row><row r="2">{cell_xml("A2", "&j;")}</row>'

    with pytest.raises(InputError, match="damaged"):
        read(workbook_with({SHEET: sheet_xml(rows, before=f"<!DOCTYPE x [{entities}]>")}))


def test_an_entity_that_names_a_file_of_this_computer_is_not_followed():
    rows = f'<row r="1">{cell_xml("A1", "Website")}</row><row r="2">{cell_xml("A2", "&x;")}</row>'

    with pytest.raises(InputError, match="damaged"):
        read(
            workbook_with(
                {SHEET: sheet_xml(rows, before='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>')}
            )
        )


def test_a_workbook_of_thousands_of_sheets_is_refused():
    sheets = "".join(
        f'<sheet name="s{number}" sheetId="{number}" r:id="rId1"/>' for number in range(1, 5_001)
    )

    with pytest.raises(InputError, match="5,000 sheets"):
        read(workbook_with({"xl/workbook.xml": workbook_xml(sheets)}))


def test_blank_and_repeated_rows_of_a_sheet_are_counted():
    upload = read(
        workbook(
            {"S": [["Website", "Name"], ["a.com", "A"], [None, " "], ["Website", "Name"], ["b.de", "B"]]}
        )
    )

    assert cells(upload) == [("a.com", "A"), ("b.de", "B")]
    assert (upload.format.blank_rows, upload.format.repeated_headers) == (1, 1)
    assert upload.frame["file_line"].to_list() == [2, 5]


def test_the_encoding_and_the_separator_mean_nothing_for_a_sheet():
    upload = read(workbook({"S": [["Website"], ["acme.com"]]}), encoding="utf-8", delimiter=";")

    assert cells(upload) == [("acme.com",)]
    assert (upload.format.encoding, upload.format.delimiter) == (None, None)
