"""Submit, step 1: how a file was read is said in one line, can be changed, and nothing chosen is lost."""

from __future__ import annotations

import gzip
import io

import polars as pl
from streamlit.testing.v1 import AppTest

from openmart_lib.api.wire import Kind
from openmart_lib.intake.overrides import Overrides
from openmart_lib.results.workbook import write_workbook
from tests.pages.conftest import Desk, button, texts
from tests.pages.submit_kit import brought, decide, draft_of, opened_folds, selectbox, table, uploaded

SITES = ["adyen.com", "tableau.com", "sap.com", "oracle.com", "siemens.com", "bosch.com"]
TITLED = "My export\n\nId;Company;Website;City\n" + "".join(
    f"{number};{site.split('.')[0]};{site};Berlin\n" for number, site in enumerate(SITES)
)
LEGACY = "Company;Website\nM\xfcller;acme,com\nK\xf6nig;adyen.com\n".encode("cp1252")


def line(page: AppTest) -> str:
    """The line that says how the file was read."""
    return (
        next(one.label for one in page.expander if "Change" in one.label)
        .replace("\\", "")
        .replace("\u2060", "")
    )


def raw_lines(page: AppTest) -> str:
    """The lines as they stand in the file, "" while the fold is closed."""
    return next((one.value for one in page.code if one.language != "json"), "")


def test_the_guess_is_one_line_with_rows_separator_encoding_and_header(desk: Desk) -> None:
    page = brought(desk, TITLED)

    assert "spring.csv · 6 rows · semicolon, UTF-8, header on line 3" in line(page)


def test_a_clean_file_keeps_its_fold_closed_and_an_unsure_one_opens_it(desk: Desk) -> None:
    clean = uploaded(desk, TITLED)
    unsure = uploaded(desk, "Company;Website\n\xe9;adyen.com\n".encode("cp1252"))

    assert raw_lines(clean) == ""
    assert "is not UTF-8" in texts(unsure)
    assert "Website" in raw_lines(unsure)


def test_the_fold_shows_the_first_rows_and_the_lines_as_they_stand(desk: Desk) -> None:
    page = opened_folds(uploaded(desk, TITLED), "file")

    assert table(page, "u2")["u2"].tolist() == SITES
    assert "   1  My export" in raw_lines(page)
    assert "   3  Id;Company;Website" in raw_lines(page)


def test_another_header_row_is_applied_at_once(desk: Desk) -> None:
    page = opened_folds(uploaded(desk, TITLED), "file")

    selectbox(page, "Header row").set_value(0).run()

    assert not page.exception
    assert "no header row" in line(page)
    assert draft_of(page).upload_format["header_row"] is None
    assert draft_of(page).choices["how"] == {"header_row": 0}

    button(page, "Find out again by itself").click()
    page.run()

    assert "header on line 3" in line(page)


def test_another_separator_makes_other_columns(desk: Desk) -> None:
    page = opened_folds(uploaded(desk, TITLED), "file")

    selectbox(page, "Separator").set_value("").run()

    assert not page.exception
    assert draft_of(page).upload_format["delimiter"] is None


def two_sheets(first: pl.DataFrame, second: pl.DataFrame) -> bytes:
    """A workbook of the sheets "results" and "summary", the second read as the list where it is one."""
    sheets = io.BytesIO()
    write_workbook(first, sheets, summary=second)
    return sheets.getvalue()


def test_another_sheet_is_another_list(desk: Desk) -> None:
    notes = pl.DataFrame({"Website": ["adyen.com"], "Note": ["call"]})
    data = two_sheets(notes, pl.DataFrame({"Website": SITES, "City": ["Rome"] * len(SITES)}))
    page = opened_folds(uploaded(desk, data, name="two.xlsx"), "file")
    assert "sheet results (1 of 2)" in line(page)

    selectbox(page, "Sheet").set_value("summary").run()

    assert not page.exception
    assert "sheet summary (2 of 2)" in line(page)
    assert draft_of(page).upload_format["sheet"] == "summary"
    assert "**6 companies** to look up" in texts(page)


def test_a_header_row_chosen_for_one_sheet_is_not_that_of_another(desk: Desk) -> None:
    rows = pl.DataFrame({"Website": SITES, "City": ["Rome"] * len(SITES)})
    page = opened_folds(uploaded(desk, two_sheets(rows, rows), name="two.xlsx"), "file")
    selectbox(page, "Header row").set_value(4).run()
    opened_folds(page, "file")

    selectbox(page, "Sheet").set_value("summary").run()

    assert not page.exception
    assert draft_of(page).choices["how"] == {"sheet": "summary"}
    assert "**6 companies** to look up" in texts(page)


def test_a_cover_is_passed_over_and_that_is_said(desk: Desk) -> None:
    cover = pl.DataFrame({"Spring campaign": ["Made by Jane", "For sales"]})
    data = two_sheets(cover, pl.DataFrame({"Website": SITES}))

    page = opened_folds(uploaded(desk, data, name="two.xlsx"), "file")

    assert "sheet summary (2 of 2)" in line(page)
    assert "“results” stands before it and does not look like one" in texts(page)


def test_the_goal_is_guessed_anew_for_another_sheet_unless_it_was_chosen(desk: Desk) -> None:
    people = pl.DataFrame({"First name": ["Ana", "Bob"], "Last name": ["Silva", "Ray"], "Website": SITES[:2]})
    data = two_sheets(pl.DataFrame({"Website": SITES}), people)
    page = opened_folds(uploaded(desk, data, name="two.xlsx"), "file")
    assert page.radio[0].value is Kind.FIND_PEOPLE

    selectbox(page, "Sheet").set_value("summary").run()
    assert page.radio[0].value is Kind.LOOKUP_PEOPLE

    page.radio[0].set_value(Kind.FIND_TECH).run()
    opened_folds(page, "file")
    selectbox(page, "Sheet").set_value("results").run()
    assert page.radio[0].value is Kind.FIND_TECH


def test_a_choice_that_does_not_fit_is_said_and_changes_nothing(desk: Desk) -> None:
    page = opened_folds(uploaded(desk, "Website\nadyen.com\n"), "file")

    selectbox(page, "Header row").set_value(2).run()

    assert not page.exception
    assert "holds no rows" in texts(page)
    assert "**1 company** to look up" in texts(page)


def test_what_is_chosen_about_rows_stays_where_the_rows_stay(desk: Desk) -> None:
    """Another encoding changes letters, not rows: decisions about rows hold."""
    page = decide(uploaded(desk, LEGACY), Overrides().with_edit(1, "domain", "sap.com"))
    opened_folds(page, "file")
    encodings = selectbox(page, "Encoding")

    encodings.select(encodings.options[1]).run()

    assert not page.exception
    assert draft_of(page).revision == 1
    assert draft_of(page).choices["overrides"]["edits"] == {"1": {"domain": "sap.com"}}
    opened_folds(page, "file")
    selectbox(page, "Header row").set_value(0).run()
    assert "overrides" not in draft_of(page).choices, "row 1 is another row now"


def test_packed_files_and_parquet_are_lists_too(desk: Desk) -> None:
    rows = pl.DataFrame({"Website": ["adyen.com", "tableau.com"]})
    parquet = io.BytesIO()
    rows.write_parquet(parquet)

    zipped = uploaded(desk, gzip.compress(rows.write_csv().encode()), name="list.csv.gz")
    columnar = uploaded(desk, parquet.getvalue(), name="list.parquet")

    assert "**2 companies** to look up" in texts(zipped)
    assert "gzipped" in line(zipped)
    assert "**2 companies** to look up" in texts(columnar)


def test_a_broken_spreadsheet_is_refused_in_plain_words(desk: Desk) -> None:
    page = desk.open()

    page.file_uploader[0].upload("list.xlsx", b"PK\x03\x04" + bytes(200)).run()

    assert not page.exception
    assert page.error
    assert "draft" not in page.query_params
