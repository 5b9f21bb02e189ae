"""The readers of delimited text: the fast ones read what the careful one reads, on every text."""

from __future__ import annotations

import csv
import io
import time

import polars as pl
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_made_files import cells, read

from openmart_lib.intake.careful import read_careful
from openmart_lib.intake.dialects import Dialect
from openmart_lib.intake.fast import read_fast
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.mixed import read_mixed
from openmart_lib.intake.tables import FileProblem

TEXT = st.text(alphabet='ab1 é中",;\t|\n.@=-', max_size=8)


@examples(20)
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


def as_read(
    result: tuple[pl.DataFrame, list[FileProblem]],
) -> tuple[list[str], list[tuple[str | None, ...]], list[FileProblem]]:
    frame, problems = result
    return (
        frame.columns,
        frame.with_columns(pl.col(pl.String).replace({"": None})).rows(),
        sorted(problems, key=lambda problem: (problem.file_line, problem.message)),
    )


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
    fast = read_fast(text.encode(), Dialect(","), 2, 1)

    assert fast is not None
    assert as_read(fast) == as_read(read_careful(text.encode(), Dialect(","), 2, 1))


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "é",
        " ",
        ",",
        ",",
        ",",
        '"',
        '"',
        '""',
        "\n",
        "\n",
        "\r\n",
        "\r",
        '"a,b"',
        '"a\nb"',
        '"a\r\nb"',
        '"a""b"',
    ]
)


@settings(max_examples=150)
@given(st.lists(PIECES, min_size=1, max_size=30).map("".join), st.integers(1, 4))
def test_all_readers_agree_on_every_text(text, width):
    """The fast one and the mixed one may decline; where they read, they read what the careful one reads."""
    body = text.rstrip("\r\n").encode()
    if not body.strip(b' ,"\r\n'):
        return
    wanted = as_read(read_careful(body, Dialect(","), width, 1))

    for reader in (read_fast, read_mixed):
        found = reader(body, Dialect(","), width, 1)
        assert found is None or as_read(found) == wanted


@settings(max_examples=60)
@given(st.text(alphabet="abcdef,;\"\n\r\t '", min_size=1, max_size=80))
def test_no_letter_of_any_text_is_lost(text):
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return

    upload = read(text, header_row=0)

    read_back = "".join("".join(cell or "" for cell in row) for row in cells(upload))
    assert [char for char in read_back if char.isalpha()] == letters


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n5" pipe,d\ne,f\ng,h\ni,j\nk,l',
        'a,"open\nb,c\nd,e\nf,g\nh,i\nj,k',
        'a,b\n"x" y,d\ne,f\ng,h\ni,j\n"k""l",m',
    ],
)
def test_a_text_with_a_few_odd_quotes_need_not_be_read_with_care_as_a_whole(text):
    mixed = read_mixed(text.encode(), Dialect(","), 2, 1)

    assert read_fast(text.encode(), Dialect(","), 2, 1) is None
    assert mixed is not None
    assert as_read(mixed) == as_read(read_careful(text.encode(), Dialect(","), 2, 1))


def test_quotes_that_are_never_closed_on_every_line_do_not_cost_the_square_of_the_lines():
    text = "Website,Company\n" + 'a","\n' * 20 + "acme.com,Acme\n" * 100 + 'b","\n' * 60_000

    began = time.process_time()
    upload = read(text, delimiter=",", header_row=1)

    assert upload.frame.height >= 60_000
    assert time.process_time() - began < 15  # it was minutes when every line was looked at 200 times


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(["a", "é", ",", ",", "\n", '"é, b"', "longer than twelve bytes"]), min_size=1),
    st.sampled_from([b"\xc3", b"\xa9", b"\xff", b"\xe2\x82"]),
    st.data(),
)
def test_the_fast_reader_accepts_no_byte_that_is_not_utf8_wherever_it_stands(pieces, odd, data):
    """In a cell, in a surplus one, or as one character cut in two by the line end between two cells."""
    whole = "".join(pieces).encode()
    place = data.draw(st.integers(0, len(whole)))
    text = (whole[:place] + odd + whole[place:]).strip(b"\n")
    try:
        text.decode()
    except UnicodeDecodeError:
        pass
    else:
        return

    try:
        read_back = read_fast(text, Dialect(","), 2, 1)
    except (UnicodeDecodeError, pl.exceptions.PolarsError):
        return

    assert read_back is None
