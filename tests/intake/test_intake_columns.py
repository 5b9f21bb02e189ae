"""Which column means what: by name in many languages, by content, and checked before planning."""

from __future__ import annotations

import polars as pl
import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import (
    FIELD_WORDS,
    FIELDS_BY_KIND,
    STRONG,
    Field,
    check_mapping,
    guess_mapping,
    suggest_kind,
    uploaded_columns,
)
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.synonyms import names_by_meaning

SITES = ["acme.com", "https://www.beta.de/x", "gamma.co.uk", "delta.fr", "eps.io", "zeta.it"]
MAILS = ["a@acme.com", "b@beta.de", "c@gamma.co.uk", "d@delta.fr", "e@eps.io", "f@zeta.it"]
WORDS = ["one", "two", "three", "four", "five", "six"]
PEOPLE = [f"https://www.linkedin.com/in/p{number}" for number in range(6)]
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(6)]


def frame(**columns: list[str]) -> pl.DataFrame:
    return upload_from_frame(pl.DataFrame(columns)).frame


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Website", "domain"),
        ("COMPANY_DOMAIN", "domain"),
        ("companyWebsiteUrl", "domain"),
        ("Websit", "domain"),
        ("Domian", "domain"),
        ("Webseite der Firma", "domain"),
        ("Site web", "domain"),
        ("Página web", "domain"),
        ("Sito", "domain"),
        ("Strona WWW", "domain"),
        ("Сайт", "domain"),
        ("ウェブサイト", "domain"),
        ("公司网站", "domain"),
        ("Company Name", "company_name"),
        ("organisation", "company_name"),
        ("Firmenname", "company_name"),
        ("Raison sociale", "company_name"),
        ("会社名", "company_name"),
        ("Job Title", "title"),
        ("FIRST NAME", "first_name"),
        ("first_name", "first_name"),
        ("Vorname", "first_name"),
        ("Prénom", "first_name"),
        ("Surname", "last_name"),
        ("Apellidos", "last_name"),
        ("HQ City", "city"),
        ("Ort", "city"),
        ("State/Province", "state"),
        ("Bundesland", "state"),
        ("Country (HQ)", "country"),
        ("País", "country"),
        ("LinkedIn Profile URL", "linkedin_url"),
        ("Tech stack", "tech_type"),
    ],
)
def test_names_are_understood_whatever_their_spelling_and_language(name, field):
    content = {"domain": SITES, "linkedin_url": PEOPLE}.get(field, WORDS)

    guess = guess_mapping(frame(**{name: content}), None)

    assert guess.mapping == {field: [name]}
    assert guess.confidence[field] >= 0.7


@pytest.mark.parametrize(
    "name",
    [
        "Phone",
        "Company Size",
        "Company LinkedIn URL",
        "Street",
        "PLZ",
        "Notes",
        "Revenue (EUR)",
        "Contact",
        "Status",
    ],
)
def test_other_columns_are_left_alone(name):
    assert guess_mapping(frame(**{name: WORDS}), None).mapping == {}


def test_a_clear_file_is_mapped_surely_and_e_mail_hosts_stand_in_for_missing_websites():
    upload = frame(Company=WORDS, Website=SITES, Email=MAILS, City=WORDS, Phone=WORDS)

    guess = guess_mapping(upload, Kind.FIND_PEOPLE)

    assert guess.mapping == {"domain": ["Website", "Email"], "company_name": ["Company"], "city": ["City"]}
    assert min(guess.confidence.values()) >= STRONG
    assert guess.samples["Website"] == SITES[:3]


def test_columns_without_a_telling_name_are_known_by_what_they_hold():
    upload = frame(column_1=SITES, column_2=MAILS, column_3=PEOPLE, column_4=IDS, column_5=WORDS)

    guess = guess_mapping(upload, None)

    assert guess.mapping == {
        "domain": ["column_1", "column_2"],
        "linkedin_url": ["column_3"],
        "entity_id": ["column_4"],
    }
    assert max(guess.confidence[field] for field in ("domain", "linkedin_url", "entity_id")) < STRONG


def test_a_website_column_that_holds_none_is_not_taken_for_one():
    assert guess_mapping(frame(Website=["yes", "no"] * 5), Kind.FIND_PEOPLE).mapping == {}


def test_only_the_kinds_own_fields_are_guessed():
    upload = frame(Website=SITES, **{"First name": WORDS, "Last name": WORDS, "Title": WORDS})

    assert set(guess_mapping(upload, Kind.LOOKUP_PEOPLE).mapping) == {"domain", "first_name", "last_name"}
    assert set(guess_mapping(upload, Kind.FIND_PEOPLE).mapping) == {"domain", "title"}


def test_the_companys_place_is_preferred_to_the_persons():
    upload = frame(Website=SITES, City=WORDS, **{"Company City": WORDS})

    assert guess_mapping(upload, Kind.FIND_PEOPLE).mapping["city"] == ["Company City"]


def test_name_alone_is_the_companys_in_a_list_of_companies_only():
    assert guess_mapping(frame(Name=WORDS, Website=SITES), Kind.FIND_PEOPLE).mapping["company_name"] == [
        "Name"
    ]
    assert "company_name" not in guess_mapping(frame(Name=WORDS, Website=SITES), Kind.LOOKUP_PEOPLE).mapping


def test_the_goal_follows_from_the_columns():
    assert suggest_kind(frame(Website=SITES, Vorname=WORDS, Nachname=WORDS)) is Kind.LOOKUP_PEOPLE
    assert suggest_kind(frame(Website=SITES, Vorname=WORDS)) is Kind.FIND_PEOPLE
    assert suggest_kind(frame(Website=SITES)) is Kind.FIND_PEOPLE


@pytest.mark.parametrize(
    ("mapping", "kind", "field"),
    [
        ({}, Kind.FIND_PEOPLE, "domain"),
        ({"domain": []}, Kind.FIND_PEOPLE, "domain"),
        ({"domain": ["Web"]}, Kind.LOOKUP_PEOPLE, "first_name"),
        ({"domain": ["Web"], "first_name": ["First"]}, Kind.LOOKUP_PEOPLE, "last_name"),
        ({"domain": ["Elsewhere"]}, Kind.FIND_PEOPLE, "domain"),
        ({"domain": ["seq"]}, Kind.FIND_PEOPLE, "domain"),
        ({"domain": ["Web"], "title": ["First"]}, Kind.FIND_TECH, "title"),
        ({"domain": ["Web"], "shoe_size": ["First"]}, Kind.FIND_PEOPLE, "shoe_size"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_and_names_the_field(mapping, kind, field):
    with pytest.raises(InputError, match="Nothing was planned") as refusal:
        check_mapping(frame(Web=SITES, First=WORDS), mapping, kind)

    assert refusal.value.column == field


def test_what_an_option_can_give_needs_no_column():
    for kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL, Kind.FIND_TECH):
        check_mapping(frame(Web=SITES), {"domain": ["Web"]}, kind)


def test_every_field_has_words_and_names_and_every_kind_its_fields():
    assert set(FIELD_WORDS) == set(Field)
    assert set(names_by_meaning()) == {*Field, "email", "other"}
    assert set(FIELDS_BY_KIND) == set(Kind)


def test_uploaded_columns_are_those_of_the_file():
    assert uploaded_columns(frame(a=["x"], seq=["y"])) == ["a", "seq (uploaded)"]
