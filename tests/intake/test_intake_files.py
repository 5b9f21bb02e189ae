"""Reading files: whatever the format, every row arrives as text, and whatever is odd is named by its line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmart_lib.errors import InputError
from openmart_lib.intake.careful import read_careful
from openmart_lib.intake.dialects import Dialect
from openmart_lib.intake.fast import read_fast
from openmart_lib.intake.files import MAX_UPLOAD_BYTES, Upload, read_pasted, read_upload, upload_from_frame
from openmart_lib.intake.guard import guard


def read(text: str | bytes, **options: object) -> Upload:
    data = text.encode() if isinstance(text, str) else text
    return read_upload(data, "list.csv", **options)  # type: ignore[arg-type]  # passed on as given


def cells(upload: Upload) -> list[tuple[str | None, ...]]:
    return upload.frame.drop("seq", "file_line").rows()


def workbook(sheets: dict[str, list[list[object]]], hidden: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


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


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings_are_recognised_and_a_byte_order_mark_is_no_part_of_the_first_name(encoding, named):
    text = "Website,Company\nacme.com,Müller & Söhne GmbH – Café\nbeta.de,Beta\n"

    upload = read(text.encode(encoding))

    assert upload.format.encoding == named
    assert upload.frame.rows()[0] == (1, 2, "acme.com", "Müller & Söhne GmbH – Café")


@pytest.mark.parametrize(
    ("encoding", "company"),
    [
        ("cp1250", "Żabka Polska, Łódź"),
        ("cp1254", "Türkiye İş Bankası, Ağrı"),
        ("cp1251", "Сбербанк России, Москва"),
        ("cp1253", "Εθνική Τράπεζα, Αθήνα"),
        ("cp932", "トヨタ自動車株式会社"),
        ("gb18030", "阿里巴巴集团控股有限公司"),
        ("cp949", "삼성전자 주식회사"),
        ("mac_roman", "Müller & Söhne, Zürich"),
    ],
)
def test_legacy_encodings_are_guessed_by_how_they_read_and_the_guess_is_said(encoding, company):
    rows = "".join(f"acme{number}.com;{company}\n" for number in range(20))

    upload = read(("Website;Company\n" + rows).encode(encoding))

    assert upload.frame["Company"].to_list() == [company] * 20
    assert upload.problems[0].file_line == 2 and "guess" in upload.problems[0].message


def test_a_named_encoding_is_used_and_a_wrong_one_is_refused():
    data = "Website,Company\nacme.com,Müller\n".encode("cp1250")

    assert read(data, encoding="cp1250").frame["Company"].item() == "Müller"
    with pytest.raises(InputError, match="not written in utf-8"):
        read(data, encoding="utf-8")
    with pytest.raises(InputError, match="no encoding called"):
        read(data, encoding="klingon")


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


@pytest.mark.parametrize(
    "text",
    [
        "acme.com\nbeta.de\ngamma.fr\n",
        "acme.com,Acme\nbeta.de,Beta\n",
        "jane@acme.com\njoe@beta.de\n",
        "1;acme.com\n2;beta.de\n",
        "acme.com",
        "Acme GmbH",
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


def zip_of(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, "x")
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b",,,\n,,\n", "no rows"),
        (b"Website,Company\n", "no rows below its header"),
        (b"Website,Company\n,\n\n", "no rows below its header"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\x89PNG\r\n\x1a\n....", "a picture"),
        (b"\x1f\x8b\x08\x00\x00\x00", "gzip"),
        (b"<!DOCTYPE html><html><table>", "a web page"),
        (bytes(range(256)) * 20, "binary data"),
        (zip_of("list.csv"), "a zip archive"),
        (zip_of("xl/workbook.xml"), "damaged"),
        (b"PK\x03\x04 cut off", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 locked", "password"),
        (bytes(MAX_UPLOAD_BYTES + 1), "200 MB"),
    ],
    ids=range(16),
)
def test_what_is_no_list_is_refused_in_plain_words(data, said):
    with pytest.raises(InputError, match=said) as refusal:
        read(data)

    assert str(refusal.value).count(". ") == 2 and "Nothing was read" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("acme.com\nbeta.de\n", [("acme.com",), ("beta.de",)]),
        ("acme.com, beta.de; gamma.fr", [("acme.com",), ("beta.de",), ("gamma.fr",)]),
        ("acme.com beta.de", [("acme.com",), ("beta.de",)]),
        ("acme.com\tAcme\nbeta.de\tBeta", [("acme.com", "Acme"), ("beta.de", "Beta")]),
        ("acme.com, Acme\nbeta.de, Beta", [("acme.com", " Acme"), ("beta.de", " Beta")]),
        ("Website\tCompany\r\nacme.com\tAcme\r\n", [("acme.com", "Acme")]),
        ("acme.com", [("acme.com",)]),
    ],
)
def test_pasted_rows_are_read_one_a_line_or_by_separators(text, rows):
    upload = read_pasted(text)

    assert cells(upload) == rows and upload.format.kind == "paste"


def test_nothing_pasted_is_refused():
    with pytest.raises(InputError, match="empty"):
        read_pasted("  \n ")


def test_a_frame_of_any_dtypes_becomes_text_and_keeps_every_row():
    frame = pl.DataFrame(
        {
            "domain": ["acme.com", None, ""],
            "size": [1, None, 3],
            "share": [0.5, float("nan"), None],
            "day": [dt.date(2024, 1, 2), None, None],
            "tags": [["a", "b"], None, []],
            "row": [{"x": 1}, None, {"x": None}],
            "took": [dt.timedelta(hours=2), None, None],
            "raw": [b"\xff", None, None],
            "seq": ["mine", None, None],
        }
    )

    upload = upload_from_frame(frame, "my frame")

    assert upload.frame.schema.dtypes()[2:] == [pl.String] * 9
    assert upload.frame.row(0) == (
        1,
        1,
        "acme.com",
        "1",
        "0.5",
        "2024-01-02",
        '["a", "b"]',
        '{"x": 1}',
        "PT2H",
        "ff",
        "mine",
    )
    assert upload.frame.row(1)[2:] == (None,) * 9
    assert upload.frame.columns[-1] == "seq (uploaded)"
    assert upload.sha256 == upload_from_frame(frame).sha256
    with pytest.raises(InputError, match="no rows"):
        upload_from_frame(pl.DataFrame({"domain": []}))


TEXT = st.text(alphabet='ab1 é中",;\t|\n.@=-', max_size=8)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_csv_writer_wrote_comes_back_cell_by_cell(rows, delimiter, end, quoting):
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(["Website", "Company", "City"])
    writer.writerows(["x" + row[0], *row[1:]] for row in rows)

    upload = read_upload(target.getvalue().encode(), "list.csv", delimiter=delimiter, header_row=1)

    assert cells(upload) == [("x" + row[0], row[1] or None, row[2] or None) for row in rows]
    assert upload.problems == ()


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet='ab,"\n\r ', min_size=1, max_size=40))
def test_the_fast_reader_and_the_careful_one_agree_on_every_text(text):
    """The fast one may decline; where it reads, it reads what the careful one reads."""
    body = text.rstrip("\r\n")
    if not body.strip(' ,"\r\n'):
        return

    fast = read_fast(body, Dialect(","), 2, 1)
    careful, _ = read_careful(body, Dialect(","), 2, 1)

    if fast is not None:
        assert fast.with_columns(pl.all().fill_null("")).equals(careful.with_columns(pl.all().fill_null("")))


@pytest.mark.parametrize(
    "text",
    [
        "a,b\nc,d",
        'a,"b, c"\n"d ""e""",f',
        'a,"two\nlines"\nb,"x"',
        'a,b\r\n"c\r\nd",e',
        ",\na,b",
        '"",""\na,b',
    ],
)
def test_the_fast_reader_reads_every_clean_text(text):
    fast = read_fast(text, Dialect(","), 2, 1)
    careful, problems = read_careful(text, Dialect(","), 2, 1)

    assert fast is not None and problems == []
    assert fast.with_columns(pl.all().fill_null("")).equals(careful.with_columns(pl.all().fill_null("")))


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="abcdef,;\"\n\r\t '", min_size=1, max_size=80))
def test_no_letter_of_any_text_is_lost(text):
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return

    upload = read(text, header_row=0)

    read_back = "".join("".join(cell or "" for cell in row) for row in cells(upload))
    assert [char for char in read_back if char.isalpha()] == letters


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_break_the_reader(data):
    try:
        upload = read(data)
    except InputError as refusal:
        assert "Nothing was read" in str(refusal)
    else:
        assert upload.frame.height > 0
        assert upload.frame["seq"].to_list() == list(range(1, upload.frame.height + 1))
