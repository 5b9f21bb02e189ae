"""Payloads: a task's ``data`` in whatever shape it comes becomes records, and nothing is lost on the way."""

from __future__ import annotations

import pytest
from ledger_kit import EMAIL, PHONE

from openmart_lib.api.payload import Phone, Record, best_phone, read_records
from openmart_lib.api.wire import Kind


def person(**members: object) -> Record:
    (record,) = read_records(Kind.FIND_PEOPLE, [members])
    return record


def test_a_person_as_documented_is_read_whole():
    record = person(
        first_name=" Ada ",
        last_name="Roe",
        title="Owner",
        linkedin_url="https://linkedin.com/in/ada",
        email={"email": "ada@x.invalid", "verified": False},
        phones=[{"phone_number": "+15550100", "line_type": "MOBILE", "valid": True}],
    )

    assert (record.first_name, record.last_name, record.title) == ("Ada", "Roe", "Owner")
    assert (record.email, record.email_verified) == ("ada@x.invalid", False)
    assert record.phones == (Phone("+15550100", "MOBILE", True),)
    assert record.linkedin_url == "https://linkedin.com/in/ada"


@pytest.mark.parametrize(
    ("email", "read"),
    [
        ("ada@x.invalid", ("ada@x.invalid", None)),
        ({"email": "ada@x.invalid"}, ("ada@x.invalid", None)),
        ({"email": "ada@x.invalid", "verified": "yes"}, ("ada@x.invalid", None)),
        ({"email": None, "verified": True}, (None, True)),
        ("  ", (None, None)),
        (None, (None, None)),
        ([], (None, None)),
        (True, (None, None)),
    ],
)
def test_an_email_is_read_as_an_object_or_as_a_plain_text(email, read):
    record = person(email=email)

    assert (record.email, record.email_verified) == read


@pytest.mark.parametrize(
    ("phones", "numbers"),
    [
        (["+15550100", " +15550101 "], ["+15550100", "+15550101"]),
        ("+15550100", ["+15550100"]),
        ({"phone_number": "+15550100"}, ["+15550100"]),
        ([{"phone_number": 15550100}], ["15550100"]),
        ([{"line_type": "MOBILE"}, None, [], True, ""], []),
        (None, []),
    ],
)
def test_phones_are_read_from_a_list_or_one_alone(phones, numbers):
    assert [phone.number for phone in person(phones=phones).phones] == numbers


def test_what_cannot_be_read_is_kept_raw():
    records = read_records(Kind.FIND_PEOPLE, ["odd", 7, {"strange": 1}, None, EMAIL])

    assert [record.raw for record in records] == ["odd", 7, {"strange": 1}, EMAIL]
    assert records[3].email == "ada@one.invalid"


def test_one_record_that_is_not_in_a_list_is_a_list_of_one():
    assert len(read_records(Kind.LOOKUP_PEOPLE, PHONE)) == 1


def test_mailboxes_are_read_as_texts_or_objects():
    records = read_records(
        Kind.LOOKUP_BUSINESS_EMAIL, ["info@x.invalid", {"email": "help@x.invalid", "status": "VALID"}, 5]
    )

    assert [(record.email, record.email_status) for record in records] == [
        ("info@x.invalid", None),
        ("help@x.invalid", "VALID"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (["shopify", " "], ["shopify", None]),
        (
            [{"technology": "shopify"}, {"tech_type": "klaviyo"}, {"name": "wix"}, {"x": 1}],
            ["shopify", "klaviyo", "wix", None],
        ),
        ({"technology": "shopify", "found": True}, ["shopify"]),
        ({"technology": "shopify", "found": False}, []),
        (True, [None]),
        ([None, False, {}, [], ""], []),
    ],
)
def test_technologies_are_read_in_any_form(data, names):
    assert [record.technology for record in read_records(Kind.FIND_TECH, data)] == names


def test_the_best_phone_is_a_valid_mobile_else_a_valid_one_else_the_first():
    invalid_mobile = Phone("1", "MOBILE", False)
    valid_line, valid_mobile = Phone("2", "LANDLINE", True), Phone("3", "mobile", True)
    unjudged = Phone("4")

    assert best_phone((invalid_mobile, valid_line, valid_mobile)) == valid_mobile
    assert best_phone((unjudged, valid_line)) == valid_line
    assert best_phone((unjudged, invalid_mobile)) == unjudged
    assert best_phone(()) is None
