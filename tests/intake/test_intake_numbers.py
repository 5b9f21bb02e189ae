"""Ids and phones that a spreadsheet program took for numbers: named by column and line, never changed."""

from __future__ import annotations

from typing import Any

import pytest
from intake_made_files import cells, read, workbook

TYPED = 12345678901234567  # 17 digits; Excel keeps 15
TEXT = "12345678901234567"


def said(content: Any) -> list[tuple[int, str]]:
    upload = read(workbook({"S": content}) if isinstance(content, list) else content)
    return [(one.file_line, one.message) for one in upload.problems]


def test_a_number_too_long_for_one_is_named_and_kept_as_the_file_has_it() -> None:
    sheet = [["Website", "Account"], ["a.com", TYPED], ["b.com", TEXT], ["c.com", 123456789012345]]

    ((line, message),) = said(sheet)

    assert line == 2
    assert message.startswith("Column “Account”, line 2: Excel has rounded this, such as 12345678901234570:")
    assert [row[1] for row in cells(read(workbook({"S": sheet})))][1:] == [TEXT, "123456789012345"]


def test_the_lines_are_the_sheets_own_below_titles_and_blank_rows() -> None:
    sheet = [["My export"], [], ["Website", "Account"], ["a.com", "x"], [], ["b.com", TYPED]]

    assert [line for line, message in said(sheet) if "rounded" in message] == [6]


def test_many_lines_are_counted_after_the_first_ones() -> None:
    sheet = [["Website", "Account"], *(["a.com", TYPED + row] for row in range(30))]

    ((_, message),) = said(sheet)

    assert "lines 2, 3, 4, 5, 6 and 25 more" in message


@pytest.mark.parametrize("shown", ["4.47E+11", "4,47E+11", "1.23457E+16", "-1E+20"])
def test_a_number_as_excel_shows_it_is_named_in_any_column_of_any_file(shown: str) -> None:
    ((line, message),) = said(f"Website;Ref\na.com;x\nb.com;{shown}\n")

    assert line == 3
    assert f"Column “Ref”, line 3: Excel has rounded this, such as {shown}:" in message


def test_a_text_with_such_a_number_in_it_is_none() -> None:
    assert said("Website,Note\na.com,Grade E+ and 4.47E+11 of them\nb.com,E+1\n") == []


@pytest.mark.parametrize("name", ["Phone", "Mobile phone", "Telefon", "電話番号", "Company Phone"])
def test_a_phone_without_plus_or_zero_is_named(name: str) -> None:
    sheet = [["Website", name], ["a.com", "+49 30 123456"], ["b.com", 491701234567], ["c.com", "030 12345"]]

    ((line, message),) = said(sheet)

    assert line == 3
    assert message.startswith(f"Column “{name}”, line 3: no plus and no leading zero, such as 491701234567;")


def test_north_american_numbers_never_had_a_zero_unless_others_show_that_it_is_lost() -> None:
    whole = "Website,Phone\na.com,4155550123\nb.com,14155550124\n"

    assert said(whole) == []
    ((_, message),) = said(f"{whole}c.com,301234567\n")
    assert "lines 2, 3 and 4" in message


def test_digits_in_other_columns_are_no_phones() -> None:
    assert said("Website,Revenue\na.com,491701234567\nb.com,30123456\n") == []


def test_a_phone_that_a_program_wrote_as_a_number_with_a_point_is_named() -> None:
    ((_, message),) = said("Website,Phone\na.com,491701234567.0\n")

    assert "491701234567.0" in message
