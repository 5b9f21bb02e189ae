"""Lists that come compressed, and Parquet: read as if they were not, within limits."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile

import polars as pl
import pytest
from intake_made_files import cells, read, workbook, zip_of

from openmart_lib.errors import InputError
from openmart_lib.intake import limits, wrapping
from openmart_lib.intake.files import read_upload

LIST = b"Website,Company\nacme.com,Acme\nbeta.de,Beta\n"
MB = 1024**2
ROWS = [("acme.com", "Acme"), ("beta.de", "Beta")]


def parquet(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def test_a_gzip_file_is_read_like_the_list_inside():
    upload = read_upload(gzip.compress(LIST), "list.csv.gz")

    assert cells(upload) == ROWS
    assert (upload.format.kind, upload.format.wrapping, upload.name) == ("csv", "gzip", "list.csv.gz")


def test_a_gzip_file_of_several_parts_is_read_whole():
    data = gzip.compress(LIST[:20]) + gzip.compress(LIST[20:]) + bytes(100)

    assert cells(read(data)) == ROWS


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(LIST)[:-6],
        gzip.compress(LIST)[:20],
        gzip.compress(LIST) + b"rubbish",
        b"\x1f\x8b\x08\x00",
    ],
    ids=["cut in its end", "cut in its middle", "rubbish after it", "only its first bytes"],
)
def test_a_damaged_gzip_file_is_refused(data):
    with pytest.raises(InputError, match="damaged or cut off"):
        read(data)


@pytest.fixture
def a_list_may_have_three_mb(monkeypatch):
    """A bomb need not be large to be one."""
    for module in (wrapping, limits):
        monkeypatch.setattr(module, "MAX_UPLOAD_BYTES", 3 * MB)


@pytest.mark.usefixtures("a_list_may_have_three_mb")
def test_a_gzip_bomb_is_stopped_when_it_has_grown_too_large():
    with pytest.raises(InputError, match="Unpacked, the file has 4 MB, and a list may have 3 MB"):
        read(gzip.compress(bytes(MB), 9) * 250)


def test_what_is_inside_is_looked_at_as_any_other_file():
    with pytest.raises(InputError, match="a PDF"):
        read(gzip.compress(b"%PDF-1.7"))
    with pytest.raises(InputError, match="compressed more than once"):
        read(gzip.compress(gzip.compress(LIST)))
    with pytest.raises(InputError, match="empty"):
        read(gzip.compress(b""))


@pytest.mark.parametrize("name", ["list.csv", "export/2026/list.txt"])
def test_a_zip_archive_with_one_list_is_read_like_that_list(name):
    upload = read(zip_of({name: LIST, "__MACOSX/._list.csv": b"x", "export/.DS_Store": b"x"}))

    assert cells(upload) == ROWS and upload.format.wrapping == "zip"


def test_a_spreadsheet_in_an_archive_is_read_as_one():
    upload = read(zip_of({"list.xlsx": workbook({"S": [["Website"], ["acme.com"]]})}))

    assert (upload.format.kind, upload.format.wrapping, cells(upload)) == ("xlsx", "zip", [("acme.com",)])


def test_an_archive_of_several_files_names_them_and_is_refused():
    with pytest.raises(InputError, match=r"holds 7 files \(0.csv, 1.csv, 2.csv, 3.csv, 4.csv, …\)"):
        read(zip_of({f"{number}.csv": LIST for number in range(7)}))
    with pytest.raises(InputError, match="holds no file"):
        read(zip_of({"folder/": b""}))
    with pytest.raises(InputError, match="a Word document"):
        read(zip_of({"word/document.xml": b"<x/>"}))


def test_an_archive_with_a_password_is_refused():
    data = bytearray(zip_of({"list.csv": LIST}))
    data[6] |= 1  # the flag "encrypted" of the member, and again in the archive's directory
    data[data.rindex(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(InputError, match="password"):
        read(bytes(data))


@pytest.mark.usefixtures("a_list_may_have_three_mb")
def test_a_zip_bomb_is_stopped_when_it_has_grown_too_large():
    with pytest.raises(InputError, match="Unpacked, the file has 4 MB, and a list may have 3 MB"):
        read(zip_of({"list.csv": bytes(50 * MB)}))


def test_an_archive_of_thousands_of_files_is_refused_before_they_are_counted():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(2_001):
            archive.writestr(f"{number}.csv", b"x")
    many = target.getvalue()
    end = many.rindex(b"PK\x05\x06")
    claimed = many[: end + 12] + (2**31).to_bytes(4, "little") + many[end + 16 :]

    for data in (many, claimed):
        with pytest.raises(InputError, match="more than 2,000 files"):
            read(data)


def test_parquet_values_are_written_as_an_analyst_expects_them():
    zone = dt.timezone(dt.timedelta(hours=2))
    frame = pl.DataFrame(
        {
            "Website": ["acme.com", None],
            "id": [7, None],
            "rank": [1.0, None],
            "share": [0.25, None],
            "active": [True, None],
            "day": [dt.date(2026, 1, 2), None],
            "seen": [dt.datetime(2026, 1, 2, 3, 4, 5), None],
            "at": [dt.datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=zone), None],
            "tags": [["Zürich", "b"], None],
            "place": [{"city": "Köln", "since": dt.date(2020, 5, 6)}, None],
            "bytes": [b"Acme", None],
        }
    )

    upload = read_upload(parquet(frame), "list.parquet")

    assert upload.format.kind == "parquet" and upload.format.header_row is None
    assert upload.frame.columns[2:] == frame.columns
    assert cells(upload) == [
        (
            *("acme.com", "7", "1", "0.25", "true", "2026-01-02", "2026-01-02 03:04:05"),
            *(
                "2026-01-02 01:04:05.500+00:00",
                '["Zürich", "b"]',
                '{"city": "Köln", "since": "2020-05-06"}',
                "Acme",
            ),
        )
    ]
    assert upload.format.blank_rows == 1


def test_decimals_and_categories_of_parquet_are_text():
    frame = pl.DataFrame(
        {"price": pl.Series(["1.50"]).cast(pl.Decimal(10, 2)), "kind": pl.Series(["a"], dtype=pl.Categorical)}
    )

    assert cells(read(parquet(frame))) == [("1.50", "a")]


def test_a_damaged_or_empty_parquet_file_is_refused():
    whole = parquet(pl.DataFrame({"Website": ["acme.com"]}))

    for data in (whole[:-10], b"PAR1" + bytes(50) + b"PAR1", whole[:4] + bytes(len(whole) - 12) + whole[-8:]):
        with pytest.raises(InputError, match="cannot be opened"):
            read(data)
    with pytest.raises(InputError, match="no rows"):
        read(parquet(pl.DataFrame({"Website": []}, schema={"Website": pl.String})))


def test_a_parquet_file_of_too_many_columns_is_refused_before_it_is_read():
    with pytest.raises(InputError, match="3,000 columns"):
        read(parquet(pl.DataFrame({f"c{number}": [1] for number in range(3_000)})))


def test_a_small_parquet_file_of_millions_of_rows_is_refused_before_it_is_read():
    data = parquet(pl.select(pl.repeat(1, 5_000_001).alias("x")))

    assert len(data) < 1024**2
    with pytest.raises(InputError, match="5,000,001 rows"):
        read(data)
