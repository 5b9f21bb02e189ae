"""Which column means what: by name in many languages, by content, and checked before planning."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake import contents
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
NAMES = ["Ana Silva", "Bob Ray", "Carla Bruni", "Dan Kim", "Eva Meier", "Felix Roth"]
COMPANIES = ["Blue Bottle", "Acme Inc", "Red Bull", "Blue Origin", "Big Lots", "Best Buy"]
LINKED_COMPANIES = [f"https://www.linkedin.com/company/c{number}" for number in range(6)]
PHONES = [f"+1 (415) 555-01{number:02}" for number in range(6)]
COUNTRIES = ["Germany", "US", "Frankreich", "España", "UK", "日本"]
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
        ("Full Name", "full_name"),
        ("contact_name", "full_name"),
        ("Ansprechpartner", "full_name"),
        ("Nom et prénom", "full_name"),
        ("ФИО", "full_name"),
        ("Website (URL)", "domain"),
        ("E-Mail [work]", "domain"),
    ],
)
def test_names_are_understood_whatever_their_spelling_and_language(name, field):
    content = {"domain": SITES, "linkedin_url": PEOPLE, "full_name": NAMES}.get(field, WORDS)
    content = MAILS if name.startswith("E-Mail") else content

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


def test_a_website_column_that_holds_few_is_asked_about_and_says_what_it_holds():
    guess = guess_mapping(frame(Website=NAMES * 2 + ["acme.com", "beta.de"]), Kind.FIND_PEOPLE)

    assert guess.mapping == {"domain": ["Website"]}
    assert guess.doubtful == {"domain"} and guess.confidence["domain"] < STRONG
    assert guess.reasons["domain"] == (
        "“Website”: named like a website or domain, but only 14 % of its cells look like domains; "
        "86 % of its cells look like people's names."
    )


def test_a_name_that_its_cells_contradict_is_not_taken_and_says_why():
    guess = guess_mapping(frame(Website=NAMES), Kind.FIND_PEOPLE)

    assert guess.mapping == {}
    assert "only 0 % of its cells look like domains" in guess.reasons["domain"]
    assert "people's names" in guess.reasons["domain"]


def test_sure_guesses_say_why_and_are_not_doubtful():
    guess = guess_mapping(frame(**{"Company URL": SITES}, Email=MAILS), Kind.FIND_PEOPLE)

    assert guess.doubtful == frozenset()
    assert guess.reasons["domain"] == (
        "“Company URL”: named like a website or domain, 100 % of its cells look like domains. "
        "Then “Email”: named like an e-mail address, 100 % of its cells look like e-mail addresses, whose domain counts."
    )


@pytest.mark.parametrize(
    ("cells", "kind", "field"),
    [
        (SITES, Kind.FIND_PEOPLE, "domain"),
        (MAILS, Kind.FIND_PEOPLE, "domain"),
        (PEOPLE, Kind.LOOKUP_PEOPLE, "linkedin_url"),
        (NAMES, Kind.LOOKUP_PEOPLE, "full_name"),
        (COUNTRIES, Kind.FIND_PEOPLE, "country"),
        (IDS, None, "entity_id"),
        (
            ["Acme Inc", "Beta GmbH", "Gamma Ltd.", "Delta", "Eps S.p.A.", "Zeta LLC"],
            Kind.FIND_PEOPLE,
            "company_name",
        ),
    ],
)
def test_a_column_without_a_name_is_found_by_its_cells_and_asked_about(cells, kind, field):
    guess = guess_mapping(frame(column_1=cells, column_2=[str(number) for number in range(6)]), kind)

    assert guess.mapping == {field: ["column_1"]}
    assert guess.doubtful == {field}
    assert guess.reasons[field].startswith("“column_1”: it has no name, ")


@pytest.mark.parametrize(
    "cells",
    [PHONES, LINKED_COMPANIES, WORDS, ["1", "2", "3", "4", "5", "6"], ["CA", "NY", "TX", "WA", "FL", "OH"]],
)
def test_cells_that_are_none_of_ours_are_left_alone_without_a_name(cells):
    assert guess_mapping(frame(column_1=cells), None).mapping == {}


def test_first_and_last_names_without_a_header_stand_beside_each_other():
    first, last = zip(*(name.split() for name in NAMES), strict=True)

    guess = guess_mapping(
        frame(column_1=SITES, column_2=list(first), column_3=list(last)), Kind.LOOKUP_PEOPLE
    )

    assert guess.mapping == {"domain": ["column_1"], "first_name": ["column_2"], "last_name": ["column_3"]}
    assert guess.doubtful == {"domain", "first_name", "last_name"}


def test_a_company_column_of_domains_gives_the_domain():
    guess = guess_mapping(frame(Company=SITES), Kind.FIND_PEOPLE)

    assert guess.mapping == {"domain": ["Company"]} and guess.doubtful == {"domain"}
    assert (
        guess.reasons["domain"]
        == "“Company”: named like a company name, but 100 % of its cells look like domains."
    )


def test_links_to_company_pages_are_nobodys_linkedin_link():
    assert "linkedin_url" not in guess_mapping(frame(LinkedIn=LINKED_COMPANIES), Kind.LOOKUP_PEOPLE).mapping


def test_a_first_name_column_of_full_names_is_a_full_name():
    guess = guess_mapping(frame(Nombre=NAMES, Web=SITES), Kind.LOOKUP_PEOPLE)

    assert guess.mapping == {"domain": ["Web"], "full_name": ["Nombre"]}
    assert guess.doubtful == {"full_name"}


def test_a_full_name_is_not_asked_for_where_first_and_last_are_known():
    upload = frame(**{"Full name": NAMES, "First name": WORDS, "Last name": WORDS})

    assert set(guess_mapping(upload, Kind.LOOKUP_PEOPLE).mapping) == {"first_name", "last_name"}


def test_name_is_a_persons_where_the_cells_are_people_and_a_companys_where_they_are_not():
    people, companies = frame(Name=NAMES, Website=SITES), frame(Name=COMPANIES, Website=SITES)

    assert guess_mapping(people, Kind.LOOKUP_PEOPLE).mapping["full_name"] == ["Name"]
    assert "company_name" not in guess_mapping(people, Kind.FIND_PEOPLE).mapping
    assert guess_mapping(companies, Kind.FIND_PEOPLE).mapping["company_name"] == ["Name"]
    assert "full_name" not in guess_mapping(companies, Kind.LOOKUP_PEOPLE).mapping


def test_blank_cells_and_placeholders_do_not_speak_against_a_name():
    guess = guess_mapping(frame(Website=["n/a", "", "-", "none"] * 5 + SITES), Kind.FIND_PEOPLE)

    assert guess.confidence["domain"] >= STRONG
    assert guess.samples["Website"] == ["n/a", "-", "none"]


def test_an_empty_column_is_asked_about():
    guess = guess_mapping(frame(Website=SITES, Country=[""] * 6), Kind.FIND_PEOPLE)

    assert guess.doubtful == {"country"} and "it is empty" in guess.reasons["country"]


def test_a_column_filled_only_far_down_is_seen():
    upload = frame(Web=SITES * 2_000, Late=[""] * 11_980 + ["x@acme.com"] * 20)

    guess = guess_mapping(upload, Kind.FIND_PEOPLE)

    assert guess.mapping["domain"] == ["Web", "Late"] and guess.samples["Late"] == ["x@acme.com"]


def test_of_a_long_list_a_sample_is_looked_at(monkeypatch):
    rows = pl.DataFrame({"seq": pl.int_range(200_000, eager=True, dtype=pl.UInt32)}).with_columns(
        file_line="seq", Website=pl.lit("acme.com"), other=pl.lit("some text"), blank=pl.lit("")
    )
    looked_at: list[int] = []
    look = contents._trimmed
    monkeypatch.setattr(contents, "_trimmed", lambda cells: looked_at.append(len(cells)) or look(cells))

    guess = guess_mapping(rows, None)

    assert guess.mapping == {"domain": ["Website"]}
    assert max(looked_at) <= 50_000


HEADERS = st.sampled_from(
    ["Website", "Name", "E-Mail", "Vorname", "Nom", "Country", "LinkedIn", "x", "", "Contact", "id"]
)
CELLS = st.one_of(
    st.sampled_from([*SITES, *MAILS, *PEOPLE, *NAMES, *PHONES, *COUNTRIES, "n/a", ""]), st.text(max_size=12)
)


@examples(8)
@given(
    columns=st.lists(st.tuples(HEADERS, st.lists(CELLS, min_size=7, max_size=7)), min_size=1, max_size=5),
    kind=st.sampled_from([*Kind, None]),
)
def test_whatever_a_list_holds_a_guess_names_its_columns_once_and_says_why(columns, kind):
    table = pl.DataFrame(
        [pl.Series(f"{name}{place}" if place else name, cells) for place, (name, cells) in enumerate(columns)]
    )
    upload = upload_from_frame(table).frame

    guess = guess_mapping(upload, kind)

    used = [column for field, names in guess.mapping.items() for column in names]
    assert set(used) <= set(uploaded_columns(upload)) and len(used) == len(set(used))
    assert guess.confidence.keys() == guess.mapping.keys() <= guess.reasons.keys()
    assert all(0.7 <= score <= 1 for score in guess.confidence.values())
    assert guess.doubtful == {field for field, score in guess.confidence.items() if score < STRONG}


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
    assert suggest_kind(frame(Website=SITES, **{"Contact name": NAMES})) is Kind.LOOKUP_PEOPLE
    assert suggest_kind(frame(Website=SITES, Name=COMPANIES)) is Kind.FIND_PEOPLE


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


def test_a_full_name_stands_in_for_first_and_last():
    check_mapping(frame(Web=SITES, Who=NAMES), {"domain": ["Web"], "full_name": ["Who"]}, Kind.LOOKUP_PEOPLE)


def test_what_an_option_can_give_needs_no_column():
    for kind in (Kind.FIND_PEOPLE, Kind.LOOKUP_BUSINESS_EMAIL, Kind.FIND_TECH):
        check_mapping(frame(Web=SITES), {"domain": ["Web"]}, kind)


def test_every_field_has_words_and_names_and_every_kind_its_fields():
    assert set(FIELD_WORDS) == set(Field)
    assert set(names_by_meaning()) == {*Field, "email", "phone", "other"}
    assert set(FIELDS_BY_KIND) == set(Kind)


def test_uploaded_columns_are_those_of_the_file():
    assert uploaded_columns(frame(a=["x"], seq=["y"])) == ["a", "seq (uploaded)"]
