"""Which sheet of a workbook is read when nobody says so: the one with the list, and it is said."""

from __future__ import annotations

from typing import Any

import pytest
from intake_made_files import read, workbook

from openmart_lib.intake.first_rows import preview

COVER: list[list[Any]] = [
    ["Acme Research"],
    [],
    ["Leads for spring"],
    ["Prepared by", "jane@acme.com"],
    ["Web", "www.acme.com"],
    ["Date", "2026-01-01"],
]
PIVOT: list[list[Any]] = [["Country", "City", "Leads"], *(["DE", f"City {n}", n] for n in range(30))]
NAMES: list[list[Any]] = [["Company", "City"], ["Acme", "Rome"]]


def rows(number: int) -> list[list[Any]]:
    return [["Company", "Website"], *([f"Company {n}", f"company{n}.com"] for n in range(number))]


def plain(number: int) -> list[list[Any]]:
    return [[f"company{n}.com"] for n in range(number)]


@pytest.mark.parametrize(
    ("sheets", "taken"),
    [
        ({"Cover": COVER, "List": rows(3)}, "List"),
        ({"Cover": COVER, "Names": NAMES}, "Names"),
        ({"Summary": PIVOT, "List": rows(3)}, "List"),
        ({"Example": rows(3), "Data": rows(60)}, "Data"),
        ({"US": rows(5), "EU": rows(9)}, "US"),
        ({"US": rows(25), "EU": rows(90)}, "US"),
        ({"All": plain(40), "Do not contact": rows(3)}, "All"),
        ({"List": rows(3), "Cover": COVER}, "List"),
        ({"Notes": [["call them"]], "More": [["x"]]}, "Notes"),
    ],
)
def test_the_sheet_with_the_list_is_read_wherever_it_stands(sheets: dict[str, Any], taken: str) -> None:
    assert read(workbook(sheets)).format.sheet == taken


def test_what_stands_before_the_list_is_named_and_can_be_chosen_all_the_same() -> None:
    data = workbook({"Cover": COVER, "Summary": PIVOT, "List": rows(3)})

    upload = read(data)

    assert upload.problems[0].message == (
        "The list was found on the sheet “List”; “Cover” and “Summary” stand before it and do not look like "
        "one. If another sheet is meant, choose it."
    )
    assert read(data, sheet="Summary").frame.height == 30
    assert not any("sheet" in one.message for one in read(data, sheet="List").problems)


def test_a_hidden_list_is_not_taken_before_one_that_is_seen() -> None:
    data = workbook({"Old": rows(60), "Cover": COVER}, hidden=("Old",))

    assert read(data).format.sheet == "Cover"


def test_the_first_rows_are_shown_of_the_sheet_that_is_read() -> None:
    """The guess counts rows; of a preview only the first ones are read."""
    data = workbook({"Example": rows(3), "Data": rows(300)})

    assert preview(data, "list.xlsx", rows=5).format.sheet == read(data).format.sheet == "Data"
