"""A mapping is remembered by its header, fits only what it fitted then, and says where columns disagree."""

from __future__ import annotations

import json

import polars as pl
import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.agreement import disagreements
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.mappings import KnownMapping, fits, header_key, know_mapping

SITES = ["acme.com", "https://www.beta.de/x", "gamma.co.uk", "delta.fr", "eps.io", "zeta.it"]
MAILS = [f"a@{site.removeprefix('https://www.').removesuffix('/x')}" for site in SITES]
WORDS = ["one", "two", "three", "four", "five", "six"]
MAPPING = {"domain": ["Website", "E-Mail"], "company_name": ["Company"]}


def frame(**columns: list[str | None]) -> pl.DataFrame:
    return upload_from_frame(pl.DataFrame(columns)).frame


def first_list() -> pl.DataFrame:
    return frame(**{"Company": WORDS, "Website": SITES, "E-Mail": MAILS})


def test_a_header_has_one_key_whatever_its_order_case_and_punctuation():
    key = header_key(["Company Name", "E-Mail", "Website"])

    assert key == header_key(["website", "company_name", "e mail"])
    assert key != header_key(["Company Name", "E-Mail"])
    assert key != header_key(["Company Name", "E-Mail", "Website", "website"])
    assert header_key(["★"]) != header_key(["☆"])


def test_a_key_can_be_one_goals_own():
    keys = {header_key(["a"]), header_key(["a"], Kind.FIND_PEOPLE), header_key(["a"], Kind.FIND_TECH)}

    assert len(keys) == 3


def test_a_known_mapping_survives_json_with_how_the_file_was_read():
    known = know_mapping(first_list(), MAPPING, {"header_row": 3, "sheet": "Leads"})

    assert known.looks == {"Website": "site", "E-Mail": "mail", "Company": ""}
    assert KnownMapping.from_dict(json.loads(json.dumps(known.to_dict()))) == known


@pytest.mark.parametrize(
    "value", [None, 5, {}, {"mapping": {"shoe_size": ["a"]}}, {"mapping": {"domain": 5}}, "x"]
)
def test_what_cannot_be_read_is_refused_in_plain_words(value):
    with pytest.raises(InputError, match="Choose them again"):
        KnownMapping.from_dict(value)


def test_the_same_header_with_the_same_kind_of_cells_is_applied():
    known = know_mapping(first_list(), MAPPING)
    next_list = frame(**{"Company": ["x"] * 8, "Website": ["other.org"] * 8, "E-Mail": ["z@other.org"] * 8})

    fit = fits(next_list, known)

    assert fit.fits and fit.mapping == MAPPING and fit.misfits == {}


def test_columns_are_found_again_under_another_spelling():
    known = know_mapping(first_list(), MAPPING)

    fit = fits(frame(e_mail=MAILS, WEBSITE=SITES, company=WORDS), known)

    assert fit.mapping == {"domain": ["WEBSITE", "e_mail"], "company_name": ["company"]}


def test_a_column_that_holds_something_else_now_is_asked_about_and_says_why():
    known = know_mapping(first_list(), MAPPING)

    fit = fits(frame(**{"Company": WORDS, "Website": WORDS, "E-Mail": MAILS}), known)

    assert not fit.fits and fit.mapping == {"company_name": ["Company"]}
    assert fit.misfits == {
        "domain": "“Website” held domains when this was remembered; now 0 % of its cells do, and most are other text."
    }


def test_a_text_column_that_became_addresses_is_asked_about():
    known = know_mapping(first_list(), MAPPING)

    fit = fits(frame(**{"Company": MAILS, "Website": SITES, "E-Mail": MAILS}), known)

    assert fit.misfits == {
        "company_name": "“Company” held other text when this was remembered; now most look like e-mail addresses."
    }


def test_a_missing_column_is_asked_about():
    fit = fits(frame(Website=SITES, Company=WORDS), know_mapping(first_list(), MAPPING))

    assert fit.misfits == {"domain": "“E-Mail” is not in this file."}


def test_a_list_too_short_to_tell_and_a_mapping_without_looks_are_trusted():
    known = know_mapping(first_list(), MAPPING)
    short = frame(**{"Company": ["x"], "Website": ["Acme"], "E-Mail": [None]})

    assert fits(short, known).fits
    assert fits(first_list(), KnownMapping({"domain": ["Company"]})).fits


def test_fields_of_another_goal_are_left_out():
    known = KnownMapping({"domain": ["Website"], "title": ["Company"]})

    assert fits(first_list(), known, Kind.FIND_TECH).mapping == {"domain": ["Website"]}


def test_rows_whose_columns_name_two_companies_are_told():
    upload = frame(
        web=["acme.com", "https://www.Beta.de/x", "gamma.fr", "shop.delta.io", None, "eps.com", "a.com; b.com", "zeta.it"],
        mail=["x@other.com", "y@beta.de", "z@gmail.com", "Q@mail.Delta.io", "n@one.de", "n/a", "c@c.com", "d@ZETA.com"],
    )  # fmt: skip

    found = disagreements(upload, {"domain": ["web", "mail"]})

    assert found.columns == ["seq", "first", "second", "first_column", "second_column"]
    assert found.rows() == [
        (1, "acme.com", "other.com", "web", "mail"),
        (8, "zeta.it", "zeta.com", "web", "mail"),
    ]


def test_each_pair_of_columns_is_compared():
    upload = frame(a=["acme.com", None], b=["acme.com", "beta.de"], c=["other.org", "gamma.fr"])

    found = disagreements(upload, {"domain": ["a", "b", "c"]})

    assert found.select("seq", "first_column", "second_column").rows() == [
        (1, "a", "c"),
        (1, "b", "c"),
        (2, "b", "c"),
    ]


@pytest.mark.parametrize("mapping", [{}, {"domain": []}, {"domain": ["web"]}, {"domain": ["web", "web"]}])
def test_one_column_cannot_disagree(mapping):
    found = disagreements(frame(web=SITES), mapping)

    assert found.is_empty() and found.schema["seq"] == pl.UInt32


def test_a_path_that_ends_like_the_other_domain_is_no_agreement():
    found = disagreements(
        frame(web=["https://acme.com/beta.de"], mail=["x@beta.de"]), {"domain": ["web", "mail"]}
    )

    assert found.height == 1


def test_demo_domains_can_disagree_where_they_are_allowed():
    upload = frame(web=["acme.example"], mail=["x@beta.example"])

    assert disagreements(upload, {"domain": ["web", "mail"]}).is_empty()
    assert disagreements(upload, {"domain": ["web", "mail"]}, allow_example=True).height == 1


def test_many_rows_are_compared():
    """Each with each they would take hours."""
    number = pl.int_range(100_000, eager=True)
    upload = pl.DataFrame({"seq": (number + 1).cast(pl.UInt32)}).with_columns(
        web=pl.format("https://www.acme{}.com/", number % 25_000),
        mail=pl.format(
            "p{}@{}{}.com",
            number,
            pl.when(number % 50 == 0).then(pl.lit("other")).otherwise(pl.lit("acme")),
            number % 25_000,
        ),
    )

    found = disagreements(upload, {"domain": ["web", "mail"]})

    assert found.height == 2_000
