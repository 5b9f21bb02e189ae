"""Delimited text: every row arrives as text, and whatever is odd is named by its line."""

from __future__ import annotations

import polars as pl
import pytest
from intake_made_files import cells, read

from openmart_lib.errors import InputError
from openmart_lib.intake.guard import guard


def test_a_clean_file_gives_numbered_rows_of_text():
    upload = read("Website,Company\nacme.com,Acme\nbeta.de,Beta\n")

    assert upload.frame.schema == pl.Schema(
        {"seq": pl.UInt32, "file_line": pl.UInt32, "Website": pl.String, "Company": pl.String}
    )
    assert upload.frame.rows() == [(1, 2, "acme.com", "Acme"), (2, 3, "beta.de", "Beta")]
    assert (upload.format.kind, upload.format.encoding, upload.format.delimiter) == ("csv", "utf-8", ",")
    assert (upload.format.header_row, upload.problems) == (1, ())
    assert len(upload.sha256) == 64


def test_values_stay_as_they_are_written():
    upload = read("zip,word,phone,date\n00123,NA,+49 30 901820,1/2/2024\n0870,null, x ,\n")

    assert cells(upload) == [("00123", "NA", "+49 30 901820", "1/2/2024"), ("0870", "null", " x ", None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_usual_separators_are_recognised(delimiter):
    upload = read(
        f"Website{delimiter}City\nacme.com{delimiter}Berlin, Mitte\nbeta.de{delimiter}Paris\n".replace(
            ", ", "/"
        )
    )

    assert upload.format.delimiter == delimiter
    assert upload.frame["Website"].to_list() == ["acme.com", "beta.de"]


def test_excels_separator_line_is_obeyed_and_is_no_row():
    upload = read("sep=;\nWebsite;Company\nacme.com;Acme, Inc\n")

    assert upload.frame.rows() == [(1, 3, "acme.com", "Acme, Inc")]
    assert upload.format.delimiter == ";" and upload.problems == ()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_three_line_ends_are_read(end):
    upload = read(end.join(["Website,Company", "acme.com,Acme", "beta.de,Beta"]))

    assert upload.frame.rows() == [(1, 2, "acme.com", "Acme"), (2, 3, "beta.de", "Beta")]


def test_lines_stay_right_after_cells_with_line_breaks():
    upload = read('Website,Note\nacme.com,"two\nlines"\nbeta.de,"three\r\nmore\nlines"\ngamma.fr,x\n')

    assert upload.frame.select("seq", "file_line").rows() == [(1, 2), (2, 4), (3, 7)]
    assert upload.frame["Note"].to_list() == ["two\nlines", "three\r\nmore\nlines", "x"]


def test_ragged_rows_are_kept_whole_and_named_by_line():
    upload = read("Website,Company,City\nacme.com,Acme\nbeta.de,Beta, Inc,Paris,\ngamma.fr,Gamma,Rom\n")

    assert upload.frame.columns[2:] == ["Website", "Company", "City", "column_4", "column_5"]
    assert cells(upload) == [
        ("acme.com", "Acme", None, None, None),
        ("beta.de", "Beta", " Inc", "Paris", None),
        ("gamma.fr", "Gamma", "Rom", None, None),
    ]
    assert [problem.file_line for problem in upload.problems] == [2, 3]
    assert "2 of 3 cells" in upload.problems[0].message and "5 cells for 3" in upload.problems[1].message


def test_far_too_many_surplus_cells_stay_in_the_last_column():
    upload = read("Website,Company\nacme.com,Acme" + ",x" * 50 + "\nbeta.de,Beta\n")

    assert len(upload.frame.columns) == 2 + 2 + 20
    assert upload.frame.row(0)[-1] == ",".join(["x"] * 31)


def test_thousands_of_ragged_lines_are_named_up_to_a_limit_and_counted_beyond():
    upload = read("Website,Company\n" + "acme.com\n" * 1_000)

    assert upload.frame.height == 1_000
    assert len(upload.problems) == 201
    assert "800 more lines" in upload.problems[-1].message


def test_blank_rows_are_left_out_counted_and_keep_the_lines_right():
    upload = read("Website,Company\n\nacme.com,Acme\n , \n,\nbeta.de,Beta\n\n\n")

    assert upload.frame["file_line"].to_list() == [3, 6]
    assert [(problem.file_line, problem.message) for problem in upload.problems] == [
        (2, "3 blank rows were left out (the first on line 2).")
    ]


def test_repeated_header_rows_are_left_out_and_said():
    upload = read("Website,Company\nacme.com,Acme\nWebsite,Company\nbeta.de,Beta\n")

    assert upload.frame["file_line"].to_list() == [2, 4]
    assert "1 repeated header row was left out (line 3)" in upload.problems[0].message


def test_titles_and_comments_above_the_header_are_passed_over_and_said():
    upload = read(
        "# exported 2026-11-01\nOur best customers,,\n\nWebsite,Company,City\nacme.com,Acme,Berlin\nb.de,B,Rom\n"
    )

    assert upload.format.header_row == 4
    assert upload.frame.columns[2:] == ["Website", "Company", "City"]
    assert [problem.file_line for problem in upload.problems] == [1, 2]


@pytest.mark.parametrize("title", ["Report\n", "Report\n\n", "Report\nof 1 May\n\n", "Report,\n,\n"])
def test_a_title_above_a_list_of_two_columns_is_passed_over_whatever_stands_between(title):
    upload = read(f"{title}Website,Company\nacme.com,Acme\nbeta.de,Beta\n")

    assert upload.format.header_row == title.count("\n") + 1
    assert upload.frame.columns[2:] == ["Website", "Company"] and upload.frame.height == 2


@pytest.mark.parametrize(
    "text",
    [
        "acme.com\nbeta.de\ngamma.fr\n",
        "acme.com,Acme\nbeta.de,Beta\n",
        "jane@acme.com\njoe@beta.de\n",
        "1;acme.com\n2;beta.de\n",
        "acme.com",
        "Acme GmbH",
        "adyen.com\nacme,com\nN/A\n",
        "adyen.com\nn/a\nno website\n",
    ],
)
def test_a_first_row_that_is_data_is_not_taken_for_a_header(text):
    upload = read(text)

    assert upload.format.header_row is None
    assert upload.frame.columns[2] == "column_1"
    assert upload.frame.height == len(text.split("\n")) - text.endswith("\n")
    assert upload.frame["file_line"][0] == 1


@pytest.mark.parametrize("header", ["Domain", "Website", "Firmen-Webseite", "sites to check"])
def test_a_name_above_domains_is_their_header(header):
    upload = read(f"{header}\nacme.com\nbeta.de\n")

    assert upload.format.header_row == 1 and upload.frame.columns[2] == header


def test_the_analyst_may_say_where_the_header_is_or_that_there_is_none():
    text = "notes about this list\nWebsite,Company\nacme.com,Acme\n"

    assert read(text, header_row=2).frame.rows() == [(1, 3, "acme.com", "Acme")]
    assert read(text, header_row=0).frame.height == 3
    with pytest.raises(InputError, match="line 9"):
        read(text, header_row=9)


def test_the_analyst_may_name_the_separator():
    assert read("a;b,c\n1;2,3\n", delimiter=";").frame.columns[2:] == ["a", "b,c"]
    assert read("a;b,c\n1;2,3\n", delimiter="").frame.columns[2:] == ["a;b,c"]
    with pytest.raises(InputError, match="one character"):
        read("a;b\n1;2\n", delimiter=";;")


def test_one_column_with_commas_inside_names_stays_one_column():
    upload = read("Company\nAcme, Inc.\nBeta GmbH\nGamma\nDelta, S.A.\nEpsilon\n")

    assert upload.format.delimiter is None
    assert upload.frame["Company"].to_list() == ["Acme, Inc.", "Beta GmbH", "Gamma", "Delta, S.A.", "Epsilon"]


def test_blank_and_repeated_names_and_our_own_ones_become_unique():
    upload = read("name,,name,seq,file_line,name_2\na,b,c,d,e,f\n")

    assert upload.frame.columns == [
        "seq", "file_line", "name", "column_2", "name_2", "seq (uploaded)", "file_line (uploaded)", "name_2_2",
    ]  # fmt: skip


def test_a_quote_that_is_never_closed_costs_no_row():
    upload = read('Website,Note\nacme.com,"open\n' + "".join(f"b{number}.de,x\n" for number in range(300)))

    assert upload.frame.height == 301
    assert upload.frame.row(0) == (1, 2, "acme.com", '"open')
    assert [problem.file_line for problem in upload.problems] == [2]


def test_a_very_long_header_is_still_a_header():
    name = "x" * 300_000

    assert read(f"{name},b\n1,2\n").frame.columns[2:] == [name, "b"]


def test_a_line_with_thousands_of_cells_is_refused_at_once():
    with pytest.raises(InputError, match="100,001 columns"):
        read("a," * 100_000)


def test_quotes_inside_unquoted_cells_are_text():
    upload = read('Product,Site\n5" pipe,acme.com\n6" tube,beta.de\n')

    assert upload.frame["Product"].to_list() == ['5" pipe', '6" tube']


def test_blanks_between_separator_and_quote_belong_to_no_cell():
    upload = read('"Company", "Website"\n"Acme, Inc", "acme.com"\n')

    assert cells(upload) == [("Acme, Inc", "acme.com")]


def test_our_formula_guard_is_taken_off_again():
    values = ["=1+1", "@acme", "+49 30 901820", "-5", "'=x", "plain", "\t=1"]
    exported = pl.DataFrame({"Website": ["acme.com"] * 7, "Value": values}).with_columns(
        guard(pl.col("Value"))
    )

    upload = read(exported.write_csv())

    assert upload.frame["Value"].to_list() == values


def test_nul_characters_are_taken_out_and_said():
    upload = read("Website,Company\nacme.com,Ac\0me\n")

    assert cells(upload) == [("acme.com", "Acme")]
    assert "NUL" in upload.problems[0].message


def test_the_rows_of_a_file_are_those_of_the_frame_and_those_counted_as_left_out():
    lines = ["Website,Company", "acme.com,Acme", "", "Website,Company", " , ", "beta.de,Beta", ",,"]

    upload = read("\n".join(lines))

    assert upload.format.blank_rows == 3 and upload.format.repeated_headers == 1
    assert upload.frame.height + 3 + 1 == len(lines) - 1


@pytest.mark.parametrize("word", ["Total", "TOTALS:", "Grand total", "Summe", "Gesamt", "合計"])
def test_a_row_of_totals_is_kept_and_named(word):
    upload = read(f"Company,Website,Size\nAcme,acme.com,5\nBeta,beta.de,7\n{word},,12\n")

    assert upload.frame["Company"].to_list() == ["Acme", "Beta", word]
    assert [problem.file_line for problem in upload.problems] == [4]
    assert "totals" in upload.problems[0].message


def test_a_company_that_is_called_total_in_the_middle_of_a_list_is_no_row_of_totals():
    rows = "".join(f"Company {number},c{number}.com\n" for number in range(10))

    assert read(f"Company,Website\nTotal,total.com\n{rows}").problems == ()


def test_a_line_longer_than_any_row_is_refused_wherever_it_is():
    with pytest.raises(InputError, match="Line 1 has over 8 MB"):
        read(b"x" * (9 * 1024**2))
    with pytest.raises(InputError, match="Line 5,002 has over 8 MB"):
        read(b"Website,Company\n" + b"acme.com,Acme and Sons\n" * 5_000 + b"x" * (9 * 1024**2))


def test_more_cells_than_a_list_may_have_are_refused(monkeypatch):
    monkeypatch.setattr("openmart_lib.intake.limits.MAX_CELLS", 1_000)

    with pytest.raises(InputError, match="600 rows of 2 columns"):
        read("Website,Company\n" + "acme.com,Acme\n" * 600)


def test_more_rows_than_a_list_may_have_are_refused(monkeypatch):
    monkeypatch.setattr("openmart_lib.intake.limits.MAX_ROWS", 1_000)

    with pytest.raises(InputError, match="1,001 rows"):
        read("Website\n" + "acme.com\n" * 1_001)


@pytest.mark.parametrize(
    "choice", [{"header_row": 99}, {"header_row": -1}, {"delimiter": '"'}, {"delimiter": "£"}]
)
def test_a_choice_that_cannot_be_is_refused_in_plain_words(choice):
    with pytest.raises(InputError, match="Nothing was read"):
        read("Website,Company\nacme.com,Acme\n", **choice)


def test_one_odd_line_among_many_is_named_and_the_others_are_read_as_they_are():
    """Each kind of oddity in turn, so that every reader has its say."""
    rows = [f"c{number}.com,Company {number}" for number in range(3_000)]
    for odd, cell in (
        ('x.com,5" pipe', '5" pipe'),
        ("x.com", None),
        ('x.com,"two\nlines"', "two\nlines"),
        ('x.com,"open', '"open'),
    ):
        lines = [*rows[:1_500], odd, *rows[1_500:]]

        upload = read("Website,Company\n" + "\n".join(lines) + "\n")

        assert upload.frame.height == 3_001
        assert upload.frame.row(1_500) == (1_501, 1_502, "x.com", cell)
        assert upload.frame["Company"][3_000] == "Company 2999"
        assert upload.frame["file_line"][3_000] == 3_002 + odd.count("\n")
        assert [problem.file_line for problem in upload.problems] == (
            [] if cell in ('5" pipe', "two\nlines") else [1_502]
        )


@pytest.mark.parametrize("blank", [1, 30, 31, 200])
def test_blank_rows_are_left_out_however_many_they_are(blank):
    text = "Website\n" + "".join(f"a{number}.com\n\n" for number in range(blank)) + "last.com\n"

    upload = read(text, header_row=1)

    assert upload.frame["Website"].to_list() == [*(f"a{number}.com" for number in range(blank)), "last.com"]
    assert upload.frame["file_line"].to_list() == [*range(2, 2 * blank + 2, 2), 2 * blank + 2]
    assert upload.format.blank_rows == blank
