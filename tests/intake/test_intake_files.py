"""Files as a whole: what is no list is refused in plain words; pasted rows and frames are lists, too."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_made_files import cells, read, zip_of

from openmart_lib.errors import InputError
from openmart_lib.intake.files import MAX_UPLOAD_BYTES, read_pasted, upload_from_frame


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
        (b"BZh91AY&SY", "bzip2"),
        (b"<!DOCTYPE html><html><table>", "a web page"),
        (bytes(range(256)) * 20, "binary data"),
        (zip_of({"a.csv": "x", "b.csv": "y"}), "2 files"),
        (zip_of({"xl/workbook.xml": "x"}), "damaged"),
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


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_break_the_reader(data):
    try:
        upload = read(data)
    except InputError as refusal:
        assert "Nothing was read" in str(refusal)
    else:
        assert upload.frame.height > 0
        assert upload.frame["seq"].to_list() == list(range(1, upload.frame.height + 1))


def test_whole_numbers_of_a_frame_are_written_without_a_point():
    """A column of whole numbers with a gap is one of floats in pandas."""
    upload = upload_from_frame(pl.DataFrame({"id": [1.0, None, 12345678901.0], "share": [0.5, 2.0, 1e300]}))

    assert upload.frame["id"].to_list() == ["1", None, "12345678901"]
    assert upload.frame["share"].to_list() == ["0.5", "2", "1e+300"]
