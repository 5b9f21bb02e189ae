"""What people type, as values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import companies

from openmart_lib.api.wire import Kind
from openmart_lib.choices import full_mapping, parse_info, parse_kind, parse_mapping, read_list
from openmart_lib.errors import InputError
from openmart_lib.intake.files import upload_from_frame


@pytest.mark.parametrize("text", ["find_people", " FIND_PEOPLE ", Kind.FIND_PEOPLE])
def test_a_kind_is_found_by_its_name(text: str) -> None:
    assert parse_kind(text) is Kind.FIND_PEOPLE


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError) as error:
        parse_kind("find_cats")

    assert all(kind in str(error.value) for kind in Kind)


def test_contact_fields_are_read_in_any_case_and_spacing() -> None:
    assert parse_info("email, Phone") == ("EMAIL", "PHONE")
    assert parse_info("") == ()


def test_a_field_named_twice_has_two_columns_and_a_column_may_hold_an_equals_sign() -> None:
    assert parse_mapping(["domain=Website", "Domain=E=mail"]) == {"domain": ["Website", "E=mail"]}


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text(min_size=1).map(str.strip), max_size=4
    )
)
def test_whatever_a_column_is_called_it_can_be_mapped(columns: dict[str, str]) -> None:
    parsed = parse_mapping([f"{field}={column}" for field, column in columns.items()])

    assert parsed == {field: [column] for field, column in columns.items()}


def test_a_mapping_without_an_equals_sign_says_how_to_write_it() -> None:
    with pytest.raises(InputError, match="domain=Website"):
        parse_mapping(["Website"])


def test_columns_that_are_not_named_are_guessed_and_an_empty_name_takes_a_guess_away() -> None:
    upload = upload_from_frame(companies("acme.com").rename({"Company": "Company name"}))

    guessed = full_mapping(upload, Kind.FIND_PEOPLE, {})
    without = full_mapping(upload, Kind.FIND_PEOPLE, {"company_name": [""]})

    assert guessed == {"domain": ["Website"], "company_name": ["Company name"]}
    assert without == {"domain": ["Website"]}


def test_a_list_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Website\nacme.com\n")

    upload = read_list(path)

    assert (upload.name, upload.frame["Website"].to_list()) == ("list.csv", ["acme.com"])


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*Nothing was sent"):
        read_list(tmp_path / name)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(201 * 1024**2)

    with pytest.raises(InputError, match="201 MB"):
        read_list(path)
