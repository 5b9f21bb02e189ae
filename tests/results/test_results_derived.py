"""What follows from what was found: titles that fit, emails of the company's own, phones to dial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import phonenumbers
import polars as pl
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.intake.options import RunOptions
from openmart_lib.results import join, phones
from openmart_lib.results.phones import read_phone, read_phones
from openmart_lib.results.titles import FITS, title_fit


def fit(asked: str | None, found: str | None) -> str | None:
    text = pl.String
    return title_fit(pl.Series([asked], dtype=text), pl.Series([found], dtype=text)).item()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Owner", "owner"),
        ("VP Sales", "VP of Sales, EMEA"),
        ("Vice President Sales", "VP Sales"),
        ("Geschäftsführer", "GESCHAFTSFUHRER"),
        ("Owner, CEO", "Founder & CEO"),
        ("Owner / Founder", "Founder"),
        ("Head of Sales, EMEA", "Head of Sales"),
        ("plumber; electrician", "Master electrician"),
        ("Assistant to the CEO", "Assistant to the CEO"),
    ],
)
def test_a_found_title_that_has_every_word_of_the_one_asked_for_is_exact(asked: str, found: str) -> None:
    assert fit(asked, found) == "exact"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("CEO", "Managing Director"),
        ("CEO", "Geschäftsführerin"),
        ("Owner", "Inhaber"),
        ("Founder", "Fondatrice"),
        ("VP Sales", "Vice President Marketing"),
        ("Director of Sales", "Directeur commercial"),
        ("Head of Marketing", "Vertriebsleiter"),
        ("Sales Manager", "Gerente de tienda"),
        ("Marketing Director", "Marketingdirektorin"),
    ],
)
def test_another_title_of_the_same_level_is_of_the_same_seniority_in_whatever_language(
    asked: str, found: str
) -> None:
    assert fit(asked, found) == "same seniority"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("VP Sales", "Owner"),
        ("Owner", "Product Owner"),
        ("Owner", "Assistant to the Owner"),
        ("Owner", "Former owner"),
        ("CEO", "ex-CEO"),
        ("President", "Vice President"),
        ("Head of Sales, EMEA", "Accountant EMEA"),
        ("Engineer", "Accountant"),
    ],
)
def test_everyone_else_is_somebody_else(asked: str, found: str) -> None:
    assert fit(asked, found) == "other"


@pytest.mark.parametrize(
    ("asked", "found"), [(None, "Owner"), ("Owner", None), ("", "Owner"), ("!?", "Owner")]
)
def test_without_a_title_on_either_side_nothing_is_said(asked: str | None, found: str | None) -> None:
    assert fit(asked, found) is None


@examples(30)
@given(st.lists(st.tuples(st.none() | st.text(max_size=12), st.none() | st.text(max_size=12)), max_size=8))
def test_every_pair_gets_its_own_verdict_in_its_own_place(pairs: list[tuple[str | None, str | None]]) -> None:
    asked = pl.Series([one for one, _ in pairs], dtype=pl.String)
    found = pl.Series([one for _, one in pairs], dtype=pl.String)

    told = title_fit(asked, found).to_list()

    assert told == [fit(*pair) for pair in pairs]
    assert all(one is None or one in FITS for one in told)


def test_the_highest_level_that_a_title_names_counts() -> None:
    assert fit("Founder & Head of Sales", "Owner") == "same seniority"
    assert fit("Senior Vice President", "VP Sales") == "same seniority"
    assert fit("Barista", "Waiter") == "other"


@pytest.mark.parametrize(
    ("number", "shown", "line"),
    [
        ("+442079460958", "+44 20 7946 0958", "fixed line"),
        ("+4915112345678", "+49 1511 2345678", "mobile"),
        ("+1 (212) 555-2368", "+1 212-555-2368", "fixed line or mobile"),
        ("+18002345678", "+1 800-234-5678", "toll free"),
        ("+390612345678", "+39 06 1234 5678", "fixed line"),  # keeps its zero
    ],
)
def test_a_valid_number_is_shown_as_it_is_dialled_from_abroad(number: str, shown: str, line: str) -> None:
    assert read_phone(number) == (shown, line)


@pytest.mark.parametrize(
    "number", ["2079460958", "+44 12", "+999123456789", "call me", "", "+1 000 000 0000"]
)
def test_a_number_without_country_code_or_of_no_plan_says_nothing(number: str) -> None:
    assert read_phone(number) == (None, None)


def test_phones_stay_beside_their_numbers() -> None:
    numbers = pl.Series(["+442079460958", None, "x", "+18002345678", "+442079460958"])

    told = read_phones(numbers)

    assert told["phone_international"].to_list() == [
        *("+44 20 7946 0958", None, None),
        *("+1 800-234-5678", "+44 20 7946 0958"),
    ]


def one_row(folder: Path, domain: str, **found: Any) -> dict[str, Any]:
    story = Story(
        folder, companies(domain), options=RunOptions(title="Owner", info_access=("EMAIL", "PHONE"))
    )
    story.send_all({1: [person(**found)]})
    return join.results(story.ledger, story.run_id).row(0, named=True)


@pytest.mark.parametrize(
    ("domain", "email", "agrees", "free"),
    [
        ("acme.com", "ana@acme.com", True, False),
        ("shop.acme.co.uk", "ana@mail.ACME.co.uk", True, False),
        ("acme.com", "ana@parent.com", False, False),
        ("acme.com", "ana@gmail.com", False, True),
        ("acme.com", "ana@acme.com.invalid", True, False),  # as the sandbox writes them
        ("acme.com", "ana@acme.invalid", False, False),
        ("acme.com", "no email at all", None, None),
        ("acme.com", None, None, None),
    ],
)
def test_an_email_agrees_when_both_belong_to_the_same_registrable_domain(
    tmp_path: Path, domain: str, email: str | None, agrees: bool | None, free: bool | None
) -> None:
    row = one_row(tmp_path, domain, email=email)

    assert (row["email_domain_agrees"], row["email_free_mail"]) == (agrees, free)


def test_what_was_worked_out_stands_beside_what_was_found(tmp_path: Path) -> None:
    row = one_row(tmp_path, "acme.com", phone="+442079460958", title="Proprietor")

    assert (row["found_phone"], row["phone_international"], row["phone_type"]) == (
        *("+442079460958", "+44 20 7946 0958"),
        "fixed line",
    )
    assert row["found_phone_type"] == "MOBILE"  # the server's own word stays
    assert (row["asked_title"], row["found_title"], row["title_fit"]) == (
        "Owner",
        "Proprietor",
        "same seniority",
    )


def test_a_row_without_answer_has_nothing_worked_out(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", ""))

    frame = join.results(story.ledger, story.run_id)

    derived = ["title_fit", "email_domain_agrees", "email_free_mail", "phone_international", "phone_type"]
    assert frame.select(derived).null_count().sum_horizontal().item() == 2 * len(derived)


@settings(max_examples=200)
@given(st.from_regex(r"\+1[0-9]{10}", fullmatch=True) | st.from_regex(r"\+[0-9]{9,12}", fullmatch=True))
def test_a_number_is_taken_apart_as_the_library_itself_does(number: str) -> None:
    try:
        expected = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        assert read_phone(number) == (None, None)
        return

    assert phones._parsed(number) == expected
