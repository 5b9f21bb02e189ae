"""Country names become codes when there is no doubt; all others stay as they are, and are told."""

from __future__ import annotations

import json

import polars as pl
import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.intake.countries import country_code, country_codes, is_country_text, review_countries
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions, plan_tasks

CERTAIN = {
    "DE": "DE", "de": "DE", "DEU": "DE", "Germany": "DE", "  germany ": "DE", "Deutschland": "DE",
    "Allemagne": "DE", "Alemania": "DE", "Германия": "DE", "ドイツ": "DE", "德国": "DE", "독일": "DE", "ألمانيا": "DE",
    "BRD": "DE", "Germany, Federal Republic of": "DE", "Germany (DE)": "DE",
    "US": "US", "U.S.": "US", "USA": "US", "U.S.A.": "US", "United States": "US", "US - United States": "US",
    "The United States of America": "US", "Estados Unidos": "US", "США": "US", "アメリカ合衆国": "US",
    "UK": "GB", "U.K.": "GB", "Great Britain": "GB", "England": "GB", "GBR": "GB", "Vereinigtes Königreich": "GB",
    "Österreich": "AT", "OSTERREICH": "AT", "Schweiz": "CH", "Suisse": "CH", "Svizzera": "CH", "España": "ES",
    "Espana": "ES", "Brasil": "BR", "Holland": "NL", "the Netherlands": "NL", "Nederland": "NL", "Polska": "PL",
    "Korea, Republic of": "KR", "South Korea": "KR", "대한민국": "KR", "Iran, Islamic Republic of": "IR",
    "Viet Nam": "VN", "Czechia": "CZ", "Czech Republic": "CZ", "Česko": "CZ", "Türkiye": "TR", "Turkey": "TR",
    "Côte d'Ivoire": "CI", "Ivory Coast": "CI", "Bosnia and Herzegovina": "BA", "Bosnia & Herzegovina": "BA",
    "St. Lucia": "LC", "Saint Lucia": "LC", "Russian Federation": "RU", "Hong Kong": "HK", "Niger": "NE",
    "Dominica": "DM", "Dominican Republic": "DO", "Guinea": "GN", "CA": "CA", "Congo-Kinshasa": "CD",
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), CERTAIN.items())
def test_a_country_is_known_by_its_name_in_many_languages_and_by_its_codes(text, code):
    assert country_code(text) == (code, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Georgia", "more than one"), ("Congo", "more than one"), ("Korea", "more than one"), ("EU", "more than one"),
        ("UK / Ireland", "several"), ("Germany, Austria", "several"), ("California", "no country name"),
        ("SU", "no country name"), ("Germany, Berlin", "no country name"), ("Atlantis", "no country name"),
        ("?", "no country name"), ("x" * 5_000, "no country name"), ("Spain, Georgia", "no country name"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_left_and_says_why(text, why):
    code, reason = country_code(text)

    assert code is None and why in reason and reason.endswith("it is sent as it is written.")


def test_every_country_of_iso_3166_is_known_and_nothing_else():
    codes = {
        country_code(f"{a}{b}")[0] for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    }

    assert len(codes - {None}) == 249
    assert not codes & {"EU", "UN", "UK", "EL", "XK", "ZZ", "SU"}


def test_a_column_keeps_its_order_its_blanks_and_what_is_not_certain():
    column = pl.Series(["Germany", None, "Georgia", "usa", "Germany"])

    assert country_codes(column).to_list() == ["DE", None, "Georgia", "US", "DE"]
    assert country_codes(pl.Series(["Atlantis"])).to_list() == ["Atlantis"]


def test_words_are_told_from_countries():
    assert is_country_text("Deutschland") and is_country_text("Georgia")
    assert not is_country_text("Berlin")


def test_the_review_counts_each_spelling_and_puts_what_is_left_first():
    upload = upload_from_frame(pl.DataFrame({"Land": ["USA", "US", "Georgia", "USA", None, "n/a"]})).frame

    review = review_countries(upload, {"country": ["Land"]})

    assert review.select("raw", "rows", "code").rows() == [
        ("Georgia", 1, None),
        ("USA", 2, "US"),
        ("US", 1, "US"),
    ]
    assert review["reason"].is_null().to_list() == [False, True, True]
    assert review_countries(upload, {}).schema == review.schema


def test_tasks_carry_the_code_rows_of_one_country_are_one_task_and_the_list_is_unchanged():
    upload = upload_from_frame(
        pl.DataFrame({"web": ["acme.com"] * 3, "land": ["Germany", "DE", "Georgia"]})
    ).frame
    mapping = {"domain": ["web"], "country": ["land"]}

    plan = plan_tasks(upload, mapping, Kind.FIND_PEOPLE, RunOptions(title="Owner"))

    assert [json.loads(text)["country"] for text in plan.tasks["request"]] == ["DE", "Georgia"]
    assert plan.rows["duplicate_of"].to_list() == [None, 1, None]
    assert upload["land"].to_list() == ["Germany", "DE", "Georgia"]


def test_the_country_of_all_rows_becomes_a_code_too():
    upload = upload_from_frame(pl.DataFrame({"web": ["acme.com"]})).frame

    plan = plan_tasks(
        upload, {"domain": ["web"]}, Kind.FIND_PEOPLE, RunOptions(title="Owner", country="Spain")
    )

    assert json.loads(plan.tasks["request"].item())["country"] == "ES"
