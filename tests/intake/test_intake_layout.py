"""Lines and quotes found in a text's bytes: what the fast reader's proof rests on, held against naive ways."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.errors import InputError
from openmart_lib.intake import layout
from openmart_lib.intake.dialects import Dialect
from openmart_lib.intake.layout import find_lines, find_quotes, may_begin_with
from openmart_lib.intake.limits import MAX_LINE_BYTES
from openmart_lib.intake.lines import quotes_of

PIECES = ["a", "é", " ", ",", ",", '"', '"', '""', "\n", "\n", "\r\n", '"a,b"', '"a\nb"', '"a""b"', "'", ",'"]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join)
many = examples(120)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Let every text be looked at in several pieces, so that lines and quotes lie across their borders."""
    monkeypatch.setattr(layout, "_PIECE", 7)


def naive_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if text.endswith("\n") else lines)]


@many
@given(TEXTS, st.integers(0, 3))
def test_lines_are_those_between_line_ends(text, above):
    lines = find_lines(text.encode(), 1, 3, above)

    assert lines is not None
    assert [lines.line(number) for number in range(len(lines))] == naive_lines(text)[above:]
    assert lines.has_cr == ("\r" in text)


@pytest.mark.parametrize("text", ["a\rb\nc", "a\r\r\nb", "a\nb\r", "a\rb\r\nc\n", "a\n\rb"])
@pytest.mark.parametrize("above", [0, 1])
def test_a_cr_alone_is_left_to_a_reader_that_knows_it(text, above):
    assert find_lines(text.encode(), 1, 2, above) is None


@many
@given(TEXTS)
def test_quotes_are_counted_on_every_line_and_before_it(text):
    lines = find_lines(text.encode(), 1, 3)
    assert lines is not None

    quotes = find_quotes(lines, ",")

    counts = [line.count('"') for line in naive_lines(text)]
    assert quotes.counts.tolist() == counts
    assert quotes.before.tolist() == [sum(counts[:number]) for number in range(len(counts))]


@many
@given(TEXTS)
def test_a_line_that_is_clear_is_a_row_by_itself_with_quotes_around_whole_cells_only(text):
    lines = find_lines(text.encode(), 1, 3)
    assert lines is not None

    quotes = find_quotes(lines, ",")

    alone = quotes_of(pl.Series(naive_lines(text)), Dialect(","))
    clear = [number for number in range(len(lines)) if number not in quotes.unclear]
    for number in clear:
        if quotes.before[number] % 2 == 0:
            assert alone.plain[number]
            assert not alone.doubled[number]


def test_usual_quoted_rows_are_all_clear():
    rows = ['a,"b, c",d', '"a","b","c"', '"",x,""', "O'Brien,y,z", "", 'a,b,"c"']
    lines = find_lines("\r\n".join(rows).encode(), 1, 3)
    assert lines is not None

    assert find_quotes(lines, ",").unclear.tolist() == []


@many
@given(TEXTS)
def test_no_cell_that_begins_with_a_sign_is_overlooked(text):
    cells = [cell for line in naive_lines(text) for cell in line.split(",")]
    begins = any(cell.lstrip('"').startswith("'") for cell in cells)

    found = may_begin_with("'", text.encode(), ",")

    assert found or not begins
    assert "'" in text or not found


def test_a_sign_inside_cells_only_is_no_beginning():
    assert not may_begin_with("'", b"name,city\nO'Brien,L'Aquila\n", ",")


def test_a_line_too_long_is_refused_by_its_number_in_the_file(monkeypatch):
    monkeypatch.setattr(layout, "_PIECE", 1024**2)
    text = b"name\nacme\n" + b"x" * (MAX_LINE_BYTES + 1)

    with pytest.raises(InputError, match="Line 7 has over"):
        find_lines(text, 5, 1, 1)
