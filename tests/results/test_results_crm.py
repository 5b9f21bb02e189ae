"""Import files: each program's own column names, nobody twice, nobody without an email, nothing made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.options import RunOptions
from openmart_lib.ledger import queries
from openmart_lib.ledger.exports import exports_of
from openmart_lib.results import crm, export, join
from openmart_lib.results.crm import Split

# As each program's import documentation lists them; trailing ones are custom fields.
COLUMNS = {
    "hubspot": "First name, Last name, Email, Phone number, Mobile phone number, Job title, Company name, "
    "Website URL, City, State/Region, Country/Region",
    "salesforce": "First Name, Last Name, Company, Email, Phone, Mobile Phone, Title, Website, City, "
    "State/Province, Postal Code, Country, Lead Source, Lead Status, Rating, Description, Email Opt Out",
    "instantly": "email, first_name, last_name, company_name, job_title, phone, website, personalization",
    "smartlead": "email, first_name, last_name, phone_number, company_name, website, location, "
    "linkedin_profile, company_url, job_title",
    "lemlist": "email, firstName, lastName, companyName, phone, linkedinUrl, icebreaker, timezone, jobTitle",
    "companies": "Company name, Company domain name, Company email, status",
}
TRAILING = ["source", "batch_id", "task_id", "tracking_id", "fetched_at", "email_verified"]
MAPPING = {"domain": ["website"], "company_name": ["name", "brand"], "city": ["town"]}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Five rows: three people, a second company with one of them again, nothing, rejected, a duplicate."""
    story = Story(
        tmp_path_factory.mktemp("ledger"),
        companies(
            *("acme.com", "beta.com", "gamma.com", "", "acme.com"),
            name=["Acme", "", None, "x", "Acme"],
            brand=["A", "Beta Inc", " ", "x", "A"],
            town=["Berlin", None, "", "x", "Berlin"],
        ),
        mapping=MAPPING,
        options=RunOptions(title="Owner", max_k=3, info_access=("EMAIL", "PHONE"), country="Germany"),
    )
    story.send_all(
        {
            1: [
                person(email="ana@acme.com", phone="+49 30 901820"),
                person("Bo", email="bo@acme.com", verified=True, phone="+1 415 555 2671", last_name=None),
                person("Cy", phone="+491701234567"),
            ],
            2: [person(email="ANA@acme.com", linkedin_url="https://www.linkedin.com/in/ana")],
            3: [],
        }
    )
    return story


@pytest.fixture(scope="module")
def parts(story: Story) -> Callable[[str], Split]:
    """The two files of a preset."""
    run = queries.run_info(story.ledger, story.run_id)
    frame = join.results(story.ledger, story.run_id, "long")
    return lambda key: crm.split(frame, run, crm.PRESETS[key])


@pytest.mark.parametrize("key", crm.PRESETS)
def test_the_columns_are_those_that_the_program_lists_then_ours(
    parts: Callable[[str], Split], key: str
) -> None:
    expected = [*COLUMNS[key].split(", "), *TRAILING]

    both = parts(key)

    assert both.ready.columns == expected
    assert both.apart.columns == ["left_out_because", "row", *expected]
    assert set(both.ready.dtypes) == {pl.String}


@pytest.mark.parametrize("key", ["hubspot", "instantly", "smartlead", "lemlist", "salesforce"])
def test_every_line_is_in_one_file_or_a_repeat(story: Story, parts: Callable[[str], Split], key: str) -> None:
    lines = join.results(story.ledger, story.run_id, "long")
    repeated = lines.filter(pl.col("outcome") == "duplicate").height

    both = parts(key)

    assert both.ready.height + both.apart.height + repeated == lines.height
    assert both.repeats == 1


def test_a_row_whose_original_was_filtered_out_brings_its_people_itself(story: Story) -> None:
    run = queries.run_info(story.ledger, story.run_id)
    lines = join.results(story.ledger, story.run_id, "long")
    (repeat,) = lines.filter(pl.col("outcome") == "duplicate")["row"].unique()

    alone = crm.split(lines.filter(pl.col("row") == repeat), run, crm.PRESETS["instantly"])

    assert alone.ready["email"].to_list() == ["bo@acme.com", "ana@acme.com"]
    assert alone.repeats == 0


def test_verified_people_come_first_and_nobody_comes_twice(parts: Callable[[str], Split]) -> None:
    both = parts("instantly")

    assert both.ready["email"].to_list() == ["bo@acme.com", "ana@acme.com"]
    assert both.ready["email_verified"].to_list() == ["true", "false"]
    reasons = dict(both.apart.select("row", "left_out_because").rows())
    assert reasons[2] == "same email as row 1"


def test_whoever_cannot_be_imported_stands_apart_with_the_reason(parts: Callable[[str], Split]) -> None:
    apart = parts("lemlist").apart

    told = apart.select("row", "firstName", "left_out_because").rows()
    assert told[0] == (1, "Cy", "no email address")
    assert told[2][0] == 3 and "nothing" in told[2][2].lower()
    assert told[3][0] == 4 and told[3][2]


def test_a_last_name_is_never_made_up(parts: Callable[[str], Split]) -> None:
    both = parts("salesforce")

    assert both.ready["Last Name"].to_list() == ["Silva"]
    bo = both.apart.filter(pl.col("Email") == "bo@acme.com")
    assert bo["left_out_because"].to_list() == ["no last name, which Salesforce requires"]
    assert bo["Last Name"].to_list() == [None]
    assert parts("hubspot").ready["Last name"].to_list() == [None, "Silva"]


def test_values_are_what_the_list_and_the_answer_say(parts: Callable[[str], Split]) -> None:
    ana = parts("hubspot").ready.row(1, named=True)

    assert ana["Company name"] == "Acme"
    assert ana["Website URL"] == "acme.com"
    assert (ana["City"], ana["State/Region"], ana["Country/Region"]) == ("Berlin", None, "Germany")
    assert ana["source"] == "Openmart"
    assert ana["tracking_id"].endswith("-1") and ana["task_id"] and ana["batch_id"]
    assert ana["fetched_at"] == "2025-10-09T08:53:20Z"
    assert parts("smartlead").ready["location"].to_list() == ["Berlin, Germany"] * 2


def test_a_company_without_a_name_is_called_by_its_domain_only_where_one_is_required(
    story: Story,
) -> None:
    run = queries.run_info(story.ledger, story.run_id)
    unnamed = join.results(story.ledger, story.run_id, "long").with_columns(
        pl.lit(None, pl.String).alias("name"), pl.lit(" ").alias("brand")
    )

    assert crm.split(unnamed, run, crm.PRESETS["salesforce"]).ready["Company"].to_list() == ["acme.com"]
    assert crm.split(unnamed, run, crm.PRESETS["hubspot"]).ready["Company name"].to_list() == [None] * 2


@pytest.mark.parametrize(
    ("raw", "international", "kind", "landline", "mobile"),
    [
        ("+49 30 901820", "+49 30 901820", "fixed line", "+4930901820", None),
        ("+491701234567", "+49 170 1234567", "mobile", None, "+491701234567"),
        ("+1 415 555 2671 ext. 1340", "+1 415-555-2671 ext. 1340", "fixed line", "+14155552671 x1340", None),
        ("030/901820", None, None, "030/901820", None),
        (None, None, None, None, None),
    ],
)
def test_phones_are_dialled_from_anywhere_with_the_extension_apart(
    story: Story, raw: Any, international: Any, kind: Any, landline: Any, mobile: Any
) -> None:
    run = queries.run_info(story.ledger, story.run_id)
    frame = join.results(story.ledger, story.run_id, "long").head(1)
    told = {
        "found_phone": raw,
        "phone_international": international,
        "phone_type": kind,
        "found_phone_type": None,
    }
    frame = frame.with_columns(pl.lit(value, pl.String).alias(name) for name, value in told.items())

    ready = crm.split(frame, run, crm.PRESETS["hubspot"]).ready

    assert ready.select("Phone number", "Mobile phone number").row(0) == (landline, mobile)
    assert crm.split(frame, run, crm.PRESETS["instantly"]).ready["phone"][0] == (landline or mobile)


def test_shared_mailboxes_are_companies_and_dead_ones_stand_apart(tmp_path: Path) -> None:
    story = Story(
        tmp_path,
        companies("acme.com", "beta.com", name=["Acme", "Beta"]),
        Kind.LOOKUP_BUSINESS_EMAIL,
        mapping={"domain": ["website"], "company_name": ["name"]},
        options=RunOptions(),
    )
    story.send_all(
        {
            1: [{"email": "info@acme.com", "status": "VALID"}],
            2: [{"email": "info@beta.com", "status": "INVALID"}],
        }
    )

    info = export.export_preset(story.ledger, story.run_id, tmp_path / "out.csv", "companies")
    apart = export.export_preset(story.ledger, story.run_id, tmp_path / "apart.csv", "companies", apart=True)

    line = pl.read_csv(info.path, infer_schema=False)
    assert line.select("Company name", "Company domain name", "Company email", "status").rows() == [
        ("Acme", "acme.com", "info@acme.com", "VALID")
    ]
    assert line["email_verified"].to_list() == ["true"]
    assert "the mailbox is known not to work" in apart.path.read_text("utf-8-sig")
    assert list(crm.presets_for(Kind.LOOKUP_BUSINESS_EMAIL)) == ["companies"]
    assert crm.presets_for(Kind.FIND_TECH) == {}


def test_an_import_file_is_plain_utf8_and_noted(story: Story, tmp_path: Path) -> None:
    info = export.export_preset(story.ledger, story.run_id, tmp_path / "out.csv", "hubspot")

    assert info.path.read_bytes().startswith(b"First name,Last name,Email,")
    noted = exports_of(story.ledger, story.run_id)[-1]
    assert (noted.kind, noted.sha256, noted.lines) == ("hubspot", info.sha256, 2)


def test_a_preset_that_does_not_fit_the_kind_is_refused(story: Story, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no import file 'companies'.*Nothing was written.*hubspot"):
        export.export_preset(story.ledger, story.run_id, tmp_path / "out.csv", "companies")

    assert list(tmp_path.iterdir()) == []
