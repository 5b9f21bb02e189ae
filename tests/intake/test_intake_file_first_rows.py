"""The preview: the first rows as the whole file would be read, and what may be chosen instead."""

from __future__ import annotations

import gzip
import time

import pytest
from intake_made_files import read, workbook

from openmart_lib.errors import InputError
from openmart_lib.intake.first_rows import preview

MESSY = "# exported\nWebsite;Company;City\nacme.pl;Żabka;Łódź\n;;\nbeta.de;Beta\n" + "".join(
    f"c{number}.com;Company {number};Kraków\n" for number in range(3_000)
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1250", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(
    "choices", [{}, {"header_row": 3}, {"header_row": 0}, {"delimiter": ","}, {"delimiter": ""}]
)
def test_the_first_rows_and_the_format_are_those_of_the_whole_file(encoding, choices):
    data = MESSY.encode(encoding)

    shown, upload = preview(data, "list.csv", **choices), read(data, **choices)

    width = shown.frame.width  # a surplus cell far below may make more columns
    assert shown.frame.rows() == upload.frame[:20, :width].rows()
    for name in ("kind", "encoding", "encoding_sure", "delimiter", "header_row", "wrapping"):
        assert getattr(shown.format, name) == getattr(upload.format, name)
    assert not shown.whole


def test_the_lines_are_shown_as_they_stand_to_choose_the_header_from():
    shown = preview(MESSY.encode(), "list.csv", rows=2)

    assert shown.lines[:5] == (
        (1, "# exported"),
        (2, "Website;Company;City"),
        (3, "acme.pl;Żabka;Łódź"),
        (4, ";;"),
        (5, "beta.de;Beta"),
    )
    assert len(shown.lines) == 30 and shown.frame.height == 2


def test_only_what_concerns_the_rows_shown_is_said():
    text = MESSY + "ragged\n" * 5

    assert [problem.file_line for problem in preview(text.encode(), "x", rows=2).problems] == [1, 4, 5]


def test_a_short_file_is_shown_whole():
    assert preview(b"Website\nacme.com\nbeta.de\n", "x").whole
    assert not preview(b"Website\nacme.com\nbeta.de\n", "x", rows=1).whole


def test_the_encodings_offered_show_how_the_first_foreign_line_reads_in_each():
    data = ("Website;Company\nacme.com;Acme\n" + "żabka.pl;Spółdzielnia Łódź\n" * 3).encode("cp1250")

    offered = preview(data, "x").encodings

    assert (offered[0].encoding, offered[0].line) == ("cp1250", "żabka.pl;Spółdzielnia Łódź")
    lines = {one.encoding: one.line for one in offered}
    assert lines["cp1252"] == "¿abka.pl;Spó³dzielnia £ódŸ"
    assert len(set(lines.values())) == len(lines)


def test_for_utf_8_only_its_usual_mistake_is_offered_and_for_ascii_nothing_else():
    foreign, plain = preview("Company\nMüller\n".encode(), "x"), preview(b"Company\nAcme\n", "x")

    assert [(one.encoding, one.line) for one in foreign.encodings] == [
        ("utf-8", "Müller"),
        ("cp1252", "MÃ¼ller"),
    ]
    assert [one.encoding for one in plain.encodings] == ["utf-8"]


def test_the_encoding_of_a_text_whose_foreign_letters_come_late_is_found_in_all_of_it():
    data = (
        b"Website,Company\n" + b"acme.com,Acme and Sons\n" * 100_000 + "x.com,Söhne Müller\n".encode("cp1252")
    )

    shown = preview(data, "x")

    assert shown.format.encoding == "cp1252"
    assert shown.encodings[0].line == "x.com,Söhne Müller"


def test_the_separators_offered_say_how_many_columns_they_make():
    offered = preview(b"Website;Company;City\nacme.com;Acme, Inc;Rom\nb.de;Beta, Inc;Wien\n", "x").delimiters

    assert [(one.delimiter, one.columns) for one in offered] == [
        (";", 3),
        (",", 2),
        ("\t", 1),
        ("|", 1),
        ("", 1),
    ]


def test_a_wrong_choice_is_refused_as_it_would_be_for_the_whole_file():
    data = "Company\nMüller\nSöhne\n".encode("cp1252")

    for choice in ({"encoding": "utf-8"}, {"delimiter": "::"}, {"header_row": 99}):
        with pytest.raises(InputError, match="Nothing was read"):
            preview(data, "x", **choice)


def test_a_sheet_is_shown_with_the_other_sheets_and_its_rows_above_the_header():
    rows: list[list[object]] = [
        ["Our customers"],
        ["Website", "Name"],
        *([f"c{n}.com", n] for n in range(500)),
    ]

    shown = preview(workbook({"Notes": [], "List": rows, "Old": [["x"]]}), "list.xlsx")

    assert (shown.format.sheet, shown.format.sheets) == ("List", ("Notes", "List", "Old"))
    assert shown.lines[:2] == ((1, "Our customers\t"), (2, "Website\tName"))
    assert shown.frame.height == 20 and not shown.whole
    assert shown.encodings == () and shown.delimiters == ()


def test_a_compressed_list_is_shown_like_the_list_inside():
    shown = preview(gzip.compress(MESSY.encode()), "list.csv.gz")

    assert shown.format.wrapping == "gzip" and shown.frame.height == 20


def test_a_large_text_is_shown_without_being_parsed():
    """Ten times the text takes about the same time: only its beginning is looked at closely."""
    line = b"acme-and-sons.com,Acme and Sons Limited,Berlin,Germany\n"
    small, large = (
        b"Website,Company,City,Country\n" + line * 20_000,
        b"Website,Company,City,Country\n" + line * 1_000_000,
    )

    began = time.process_time()
    preview(small, "x")
    first = time.process_time() - began
    preview(large, "x")
    second = time.process_time() - began - first

    assert second < 5 * first + 0.5  # 50 times the bytes
