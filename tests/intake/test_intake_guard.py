"""The formula guard: on every cell a spreadsheet could run, off again without a trace."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.intake.guard import guard, guard_name, unguard, unguard_name

SHARED = Path(__file__).parents[2].parent / "shared" / "testdata"
INJECTION = SHARED / "injection" / "expected.jsonl"
PHONES = SHARED / "phones" / "example_numbers.jsonl"

cells = st.text() | st.text("'=+-@\t\r\n\x00＝＋－＠ 0123456789().,/eE%aA", max_size=12)


@given(st.lists(st.none() | cells, max_size=20))
def test_taking_the_guard_off_gives_every_cell_back(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"cell": texts}, schema={"cell": pl.String})

    guarded = frame.with_columns(guard(pl.col("cell")))

    assert guarded.with_columns(unguard(pl.col("cell")))["cell"].to_list() == texts


@given(cells)
def test_what_is_not_plain_never_starts_like_a_formula(text: str) -> None:
    guarded = guard_name(text)

    if guarded[:1] in tuple("=@\t\r\n\x00＝＋－＠"):
        pytest.fail(f"{guarded!r} can be a formula")
    if guarded[:1] in ("+", "-"):
        assert not any(sign.isalpha() and sign not in "eE" for sign in guarded), (
            "a formula needs a name to do harm"
        )


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(1,1)", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1", "＋1", "－1", "＠A1"),
        *("=", "@acme", "+A1", "-A1", "--1", "+1+2", "+49 30 1234;=1", "+1\n", "-5\n", "-1-2"),
        *("'=1+1", "''=1+1", "+49 30 90=1820"),
    ],
)
def test_dangerous_cells_get_exactly_one_apostrophe(text: str) -> None:
    assert guard_name(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    [
        *("+49 30 1234-5", "+4930901820", "+1 (415) 555-2671", "+33.1.23.45.67.89", "+49 (0)30/901820"),
        *("-12.5", "+3", "-5", "-1,234.50", "-.5", "+1e5", "-2.5E-3", "-5%", "-", "--", "---"),
        *("", " =1+1", "a=b", "O'Neil", "'quoted'", "'", "'+3", "00123", "x@y.com", "N/A", "1-2"),
    ],
)
def test_phones_plain_numbers_and_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert guard_name(text) == text
    assert unguard_name(text) == text


def test_an_apostrophe_that_is_not_our_guard_stays() -> None:
    assert unguard_name("'tis") == "'tis"
    assert unguard_name("'+49 30 901820") == "'+49 30 901820"
    assert unguard_name("'=1+1") == "=1+1"


def test_null_stays_null_and_columns_keep_their_names() -> None:
    frame = pl.DataFrame({"a": ["=1", None], "b": ["x", "@y"]})

    guarded = frame.with_columns(guard(pl.all()))

    assert guarded.to_dict(as_series=False) == {"a": ["'=1", None], "b": ["x", "'@y"]}
    assert guarded.with_columns(unguard(pl.all())).equals(frame)


@pytest.mark.skipif(not INJECTION.exists(), reason="the shared test data is not here")
def test_the_public_list_of_injections_is_disarmed_and_survives_a_csv_file() -> None:
    cases = [json.loads(line) for line in INJECTION.read_text("utf-8").splitlines()]
    frame = pl.DataFrame({"cell": [case["value"] for case in cases]})

    written = frame.with_columns(guard(pl.col("cell"))).write_csv()
    read = pl.read_csv(io.BytesIO(written.encode()), infer_schema=False)

    triggers = tuple("=+-@\t\r\n\x00＝＋－＠")
    for case, cell in zip(cases, read["cell"], strict=True):
        if case["danger"] is True:
            assert not cell.startswith(triggers), case
    assert read.with_columns(unguard(pl.col("cell"))).equals(frame)


@pytest.mark.skipif(not PHONES.exists(), reason="the shared test data is not here")
@pytest.mark.parametrize("form", ["e164", "international"])
def test_a_phone_of_any_country_keeps_its_plus(form: str) -> None:
    numbers = pl.DataFrame([json.loads(line) for line in PHONES.read_text("utf-8").splitlines()])

    changed = numbers.filter(guard(pl.col(form)) != pl.col(form))

    assert changed[form].to_list() == []
