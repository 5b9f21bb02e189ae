"""Planning: every row gets an outcome, every task is asked once, every request is what the wire takes."""

from __future__ import annotations

import json

import polars as pl
import pytest
from plan_kit import OWNER, frame, outcomes, person, plan, requests

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.tasks import RunOptions, plan_tasks, rejects_frame


def test_a_company_becomes_a_find_people_task_with_what_is_known_of_it():
    planned = plan(
        Kind.FIND_PEOPLE,
        {
            "domain": "https://www.acme.com/x",
            "company_name": " Acme\n Inc ",
            "city": "Berlin",
            "country": "DE",
        },
        options=RunOptions(title="VP Sales", max_k=3, info_access=("PHONE", "EMAIL"), version=1),
    )

    assert requests(planned) == [
        {
            "domain": "acme.com",
            "title": "VP Sales",
            "max_k": 3,
            "info_access": ["EMAIL", "PHONE"],
            "company_name": "Acme Inc",
            "city": "Berlin",
            "country": "DE",
            "version": 1,
        }
    ]
    assert planned.rows.rows() == [(1, 1, "accepted", None, None, "acme.com", "VP Sales", None)]
    assert planned.links.rows() == [(1, 1, 0)]


def test_the_frames_of_a_plan_have_fixed_columns():
    planned = plan(Kind.FIND_PEOPLE, {"domain": "acme.com"})

    assert planned.rows.schema == pl.Schema(
        {
            "seq": pl.UInt32, "file_line": pl.UInt32, "intake": pl.String, "code": pl.String, "reason": pl.String,
            "domain": pl.String, "asked_title": pl.String, "duplicate_of": pl.UInt32,
        }
    )  # fmt: skip
    assert planned.tasks.schema == pl.Schema(
        {"task_no": pl.UInt32, "request": pl.String, "domain": pl.String}
    )
    assert planned.links.schema == pl.Schema({"seq": pl.UInt32, "task_no": pl.UInt32, "person_no": pl.UInt32})


def test_requests_are_compact_json_and_hold_any_character():
    planned = plan(Kind.FIND_PEOPLE, {"domain": "acme.com", "company_name": 'Ünï "quoted" \\ 中 \u2028x'})

    text = planned.tasks["request"].item()

    assert ": " not in text and ", " not in text
    assert json.loads(text)["company_name"] == 'Ünï "quoted" \\ 中 x'


def test_the_other_kinds_send_their_own_fields():
    mailbox = plan(Kind.LOOKUP_BUSINESS_EMAIL, {"domain": "acme.com", "company_name": "Acme", "state": "CA"})
    tech = plan(Kind.FIND_TECH, {"domain": "acme.com", "tech_type": "Shopify", "company_name": "Acme"})
    people = plan(Kind.LOOKUP_PEOPLE, person("Ana", "Silva", linkedin_url="http://linkedin.com/in/Ana/"))

    assert requests(mailbox) == [{"domain": "acme.com", "company_name": "Acme", "state": "CA"}]
    assert requests(tech) == [{"domain": "acme.com", "tech_type": "shopify", "company_name": "Acme"}]
    assert requests(people) == [
        {
            "domain": "acme.com",
            "people": [
                {"first_name": "Ana", "last_name": "Silva", "linkedin_url": "https://www.linkedin.com/in/ana"}
            ],
            "info_access": ["EMAIL"],
        }
    ]


def test_a_notification_address_goes_with_every_task_that_takes_one():
    options = RunOptions(title="Owner", tech_type="shopify", notify_url="https://hooks.acme.com/x")

    assert requests(plan(Kind.FIND_PEOPLE, {"domain": "a.com"}, options=options))[0]["notify_url"]
    assert "notify_url" not in requests(plan(Kind.FIND_TECH, {"domain": "a.com"}, options=options))[0]


def test_the_first_filled_column_counts_and_placeholders_are_not_filled():
    upload = frame(
        {"web": "acme.com", "mail": "x@other.com"},
        {"web": "n/a", "mail": "x@beta.de"},
        {"web": None, "mail": "x@gamma.fr"},
        {"web": "-", "mail": " "},
    )

    planned = plan_tasks(upload, {"domain": ["web", "mail"]}, Kind.FIND_PEOPLE, OWNER)

    assert planned.rows["domain"].to_list() == ["acme.com", "beta.de", "gamma.fr", None]
    assert planned.rows["code"].to_list() == [None, None, None, "placeholder"]


def test_a_mapped_cell_wins_over_what_is_the_same_for_all():
    planned = plan(
        Kind.FIND_PEOPLE,
        {"domain": "acme.com", "title": "CTO", "country": "DE"},
        {"domain": "beta.de", "title": None, "country": "N/A"},
        options=RunOptions(title="Owner", country="US"),
    )

    assert [(task["title"], task["country"]) for task in requests(planned)] == [
        ("CTO", "DE"),
        ("Owner", "US"),
    ]
    assert planned.rows["asked_title"].to_list() == ["CTO", "Owner"]


def test_rows_that_mean_the_same_task_are_asked_once():
    planned = plan(
        Kind.FIND_PEOPLE,
        {"domain": "acme.com", "company_name": "Acme"},
        {"domain": "jane@ACME.com", "company_name": "Acme Inc."},
        {"domain": "beta.de", "company_name": None},
        {"domain": "https://acme.com/about", "company_name": None},
    )

    assert outcomes(planned) == ["accepted", "duplicate", "accepted", "duplicate"]
    assert planned.rows["duplicate_of"].to_list() == [None, 1, None, 1]
    assert "row 1" in planned.rows["reason"][1]
    assert planned.tasks.select("task_no", "domain").rows() == [(1, "acme.com"), (2, "beta.de")]
    assert planned.links.rows() == [(1, 1, 0), (3, 2, 0)]


def test_another_role_place_or_technology_is_another_task():
    companies = plan(
        Kind.FIND_PEOPLE,
        {"domain": "acme.com", "title": "CTO", "country": "DE"},
        {"domain": "acme.com", "title": "cto", "country": "de"},
        {"domain": "acme.com", "title": "CEO", "country": "DE"},
        {"domain": "acme.com", "title": "CTO", "country": "FR"},
        {"domain": "acme.com", "title": "CTO", "country": None},
    )
    tech = plan(
        Kind.FIND_TECH, *({"domain": "acme.com", "tech_type": tech} for tech in ("Shopify", "shopify", "wix"))
    )

    assert outcomes(companies) == ["accepted", "duplicate", "accepted", "accepted", "accepted"]
    assert outcomes(tech) == ["accepted", "duplicate", "accepted"]


def test_known_people_are_sent_one_a_task_by_default():
    planned = plan(
        Kind.LOOKUP_PEOPLE,
        person("Ana", "Silva"),
        person("Joe", "Doe"),
        person("ANA", " silva "),
        person("Ana", "Silva", "beta.de"),
    )

    assert outcomes(planned) == ["accepted", "accepted", "duplicate", "accepted"]
    assert planned.links.rows() == [(1, 1, 1), (2, 2, 1), (4, 3, 1)]
    assert all(len(task["people"]) == 1 for task in requests(planned))


def test_groups_hold_people_of_one_company_and_place_only_and_never_two_of_one_name():
    planned = plan(
        Kind.LOOKUP_PEOPLE,
        person("Ana", "Silva", linkedin_url="linkedin.com/in/ana1"),
        person("Joe", "Doe", "beta.de"),
        person("Bob", "Ray"),
        person("Aná", "Silva", linkedin_url="linkedin.com/in/ana2"),
        person("Cal", "Lee"),
        person("Dan", "Kim", city="Rom"),
        options=RunOptions(people_per_task=2),
    )

    assert planned.links.rows() == [(1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 3, 1), (5, 4, 1), (6, 5, 1)]
    tasks = requests(planned)
    for task in tasks:
        names = [f"{one['first_name']} {one['last_name']}".replace("á", "a") for one in task["people"]]
        assert len(names) == len(set(names)) <= 2
    assert [task["domain"] for task in tasks] == planned.tasks["domain"].to_list()
    sent = {(link[1], link[2]): link[0] for link in planned.links.rows()}
    for number, task in enumerate(tasks, start=1):
        for place, one in enumerate(task["people"], start=1):
            assert one["first_name"] in ("Ana", "Joe", "Bob", "Aná", "Cal", "Dan")[sent[number, place] - 1]


def test_a_person_listed_with_and_without_a_linkedin_link_is_one_person():
    planned = plan(
        Kind.LOOKUP_PEOPLE,
        person("Ana", "Silva"),
        person("Ana", "Silva", linkedin_url="https://de.linkedin.com/in/ana/"),
    )

    assert outcomes(planned) == ["accepted", "duplicate"]
    assert requests(planned)[0]["people"][0]["linkedin_url"] == "https://www.linkedin.com/in/ana"


def test_namesakes_with_two_links_are_two_people_and_one_without_is_a_third():
    planned = plan(
        Kind.LOOKUP_PEOPLE,
        person("Ana", "Silva", linkedin_url="linkedin.com/in/ana1"),
        person("Ana", "Silva", linkedin_url="linkedin.com/in/ana2"),
        person("Ana", "Silva"),
    )

    assert outcomes(planned) == ["accepted"] * 3


@pytest.mark.parametrize(
    ("kind", "row", "options", "code"),
    [
        (Kind.FIND_PEOPLE, {"domain": "n/a"}, OWNER, "placeholder"),
        (Kind.FIND_PEOPLE, {"domain": "x@gmail.com"}, OWNER, "free_mail"),
        (Kind.FIND_PEOPLE, {"domain": "acme.com"}, RunOptions(), "missing_title"),
        (Kind.FIND_PEOPLE, {"domain": "acme.com", "title": " - "}, RunOptions(), "missing_title"),
        (Kind.LOOKUP_PEOPLE, person("", "Silva"), RunOptions(), "missing_name"),
        (Kind.LOOKUP_PEOPLE, person("Ana", "N/A"), RunOptions(), "missing_name"),
        (Kind.LOOKUP_BUSINESS_EMAIL, {"domain": "acme.com"}, RunOptions(), "missing_company_name"),
        (Kind.FIND_TECH, {"domain": "acme.com"}, RunOptions(), "missing_tech"),
        (Kind.FIND_PEOPLE, {"domain": "acme.com", "city": "x" * 301}, OWNER, "too_long"),
        (Kind.FIND_PEOPLE, {"domain": "roastery.example"}, OWNER, "internal"),
    ],
)
def test_a_row_that_cannot_be_asked_is_rejected_with_its_reason(kind, row, options, code):
    planned = plan(kind, row, options=options)

    assert (planned.rows["intake"].item(), planned.rows["code"].item()) == ("rejected", code)
    assert planned.rows["reason"].item().endswith(".")
    assert planned.tasks.is_empty() and planned.links.is_empty()


def test_people_called_null_or_na_are_people():
    planned = plan(Kind.LOOKUP_PEOPLE, person("Jennifer", "Null"), person("Ha", "Na"), person("Will", "No"))

    assert outcomes(planned) == ["accepted"] * 3


def test_demo_domains_are_planned_where_they_are_allowed():
    upload = frame({"domain": "roastery.example"})

    planned = plan_tasks(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER, allow_example=True)

    assert requests(planned)[0]["domain"] == "roastery.example"


def test_a_company_without_a_name_is_called_after_its_domain_when_asked_to():
    planned = plan(
        Kind.LOOKUP_BUSINESS_EMAIL,
        {"domain": "acme.com", "company_name": None},
        {"domain": "blue-bottle.co.uk", "company_name": "N/A"},
        {"domain": "bücher.de", "company_name": None},
        {"domain": "beta.de", "company_name": "Beta GmbH"},
        options=RunOptions(company_name_from_domain=True),
    )

    assert [task["company_name"] for task in requests(planned)] == [
        "Acme",
        "Blue Bottle",
        "Bücher",
        "Beta GmbH",
    ]


def test_only_the_first_rows_or_only_rows_without_a_value_can_be_asked_for():
    rows = [
        {"domain": f"acme{number}.com", "email": "x@y.com" if number == 1 else "-"} for number in range(4)
    ]
    upload = frame(*rows)
    options = RunOptions(title="Owner", first_rows=3, only_where_empty="email")

    planned = plan_tasks(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, options)

    assert outcomes(planned) == ["accepted", "skipped", "accepted", "skipped"]
    assert planned.rows["code"].to_list() == [None, "already_filled", None, "beyond_first_rows"]
    assert planned.rows["reason"].drop_nulls().str.ends_with(".").all()


def test_a_skipped_row_is_nobodys_duplicate_and_nobody_is_its():
    upload = frame({"domain": "acme.com", "email": "x@y.com"}, {"domain": "acme.com", "email": None})

    planned = plan_tasks(
        upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, RunOptions(title="Owner", only_where_empty="email")
    )

    assert outcomes(planned) == ["skipped", "accepted"]


def test_a_column_that_is_not_in_the_file_is_refused():
    with pytest.raises(InputError, match="no column 'mail'"):
        plan(Kind.FIND_PEOPLE, {"domain": "acme.com"}, options=RunOptions(only_where_empty="mail"))
    with pytest.raises(InputError, match="first name"):
        plan(Kind.LOOKUP_PEOPLE, {"domain": "acme.com"})


def test_rejected_rows_come_back_with_their_columns_and_reasons():
    upload = frame(
        {"row": "A", "domain": "acme.com"}, {"row": "B", "domain": "n/a"}, {"row": "C", "domain": "1-Mar"}
    )
    planned = plan_tasks(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER)

    rejects = rejects_frame(upload, planned.rows)

    assert rejects.columns == ["row (uploaded)", "domain", "row", "file_line", "intake_code", "intake_reason"]
    assert rejects.drop("intake_reason").rows() == [
        ("B", "n/a", 2, 2, "placeholder"),
        ("C", "1-Mar", 3, 3, "excel"),
    ]


def test_a_rejects_file_can_be_corrected_and_uploaded_again():
    upload = frame({"row": "A", "row (uploaded)": "x", "domain": "n/a"})
    planned = plan_tasks(upload, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER)

    text = rejects_frame(upload, planned.rows).write_csv().replace("n/a", "acme.com")
    again = read_upload(text.encode(), "rejects.csv").frame

    assert again.columns[2:6] == ["row (uploaded 2)", "row (uploaded)", "domain", "row"]
    assert outcomes(plan_tasks(again, {"domain": ["domain"]}, Kind.FIND_PEOPLE, OWNER)) == ["accepted"]
