"""Verdicts: what an answer means for the rows it answers for, line by line of the outcome table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_kit import EMAIL, NAME_ONLY, PHONE

from openmart_lib.api.payload import Record, read_records
from openmart_lib.api.wire import Kind, TaskStatus
from openmart_lib.ledger import Outcome
from openmart_lib.ledger.verdicts import Flag, Verdict, assign, judge

ADA = {"first_name": "Ada", "last_name": "Roe"}
BO = {"first_name": "Bo", "last_name": "Poe"}


def find_people(data: Any, *, asked: tuple[str, ...] = ("EMAIL",), status: str = "COMPLETED") -> Verdict:
    (verdict,) = judge(Kind.FIND_PEOPLE, {"domain": "x.example", "info_access": list(asked)}, status, data)
    return verdict


def lookup(data: Any, *people: dict[str, Any], asked: tuple[str, ...] = ("EMAIL",)) -> list[Verdict]:
    request = {"domain": "x.example", "people": list(people), "info_access": list(asked)}
    return judge(Kind.LOOKUP_PEOPLE, request, "COMPLETED", data)


def mailboxes(data: Any) -> Verdict:
    (verdict,) = judge(Kind.LOOKUP_BUSINESS_EMAIL, {"domain": "x.example"}, "COMPLETED", data)
    return verdict


def technology(data: Any) -> Verdict:
    (verdict,) = judge(Kind.FIND_TECH, {"domain": "x.example", "tech_type": "shopify"}, "COMPLETED", data)
    return verdict


class TestMatched:
    """A record holds something that was asked for."""

    def test_an_email_where_emails_were_asked_for(self):
        assert find_people([EMAIL]).outcome == Outcome.MATCHED
        assert find_people([EMAIL]).reason == "1 person, verified email"

    def test_a_phone_where_phones_were_asked_for(self):
        assert find_people([PHONE], asked=("PHONE",)).outcome == Outcome.MATCHED

    def test_either_where_both_were_asked_for(self):
        both = ("EMAIL", "PHONE")
        assert find_people([EMAIL], asked=both).outcome == Outcome.MATCHED
        assert find_people([PHONE], asked=both).outcome == Outcome.MATCHED

    def test_one_of_several_people_is_enough(self):
        verdict = find_people([NAME_ONLY, EMAIL])

        assert (verdict.outcome, verdict.record_nos) == (Outcome.MATCHED, (1, 2))

    def test_a_task_that_did_not_say_what_it_wants_asked_for_both(self):
        (verdict,) = judge(Kind.FIND_PEOPLE, {"domain": "x.example"}, "COMPLETED", [PHONE])

        assert verdict.outcome == Outcome.MATCHED

    @pytest.mark.parametrize(
        "data",
        [[{"email": "info@x.invalid", "status": "VALID"}], ["info@x.invalid"], {"email": "info@x.invalid"}],
    )
    def test_a_mailbox(self, data):
        assert mailboxes(data).outcome == Outcome.MATCHED

    @pytest.mark.parametrize(
        "data", [[{"technology": "shopify"}], ["shopify"], {"found": True}, True, [{"any": {"thing": [1]}}]]
    )
    def test_a_technology_in_whatever_form(self, data):
        assert technology(data).outcome == Outcome.MATCHED


class TestPartial:
    """A person was found, but none of the contact fields asked for."""

    def test_a_name_without_contact_data(self):
        assert find_people([NAME_ONLY]).outcome == Outcome.PARTIAL

    def test_an_email_where_a_phone_was_asked_for_is_kept_and_shown(self):
        verdict = find_people([EMAIL], asked=("PHONE",))

        assert (verdict.outcome, verdict.flags) == (Outcome.PARTIAL, Flag.EMAIL | Flag.VERIFIED_EMAIL)

    def test_a_known_person_of_whom_something_new_came_back(self):
        (verdict,) = lookup([ADA | {"title": "Owner"}], ADA)

        assert verdict.outcome == Outcome.PARTIAL


class TestNoMatch:
    """COMPLETED with nothing, or with somebody else."""

    @pytest.mark.parametrize("data", [None, [], {}, "", [None], [{}], ["", None], "not found", 0, False])
    def test_a_search_for_people_that_brought_nobody(self, data):
        assert find_people(data).outcome == Outcome.NO_MATCH

    @pytest.mark.parametrize(
        "data", [None, [], {}, [None], [{}], [{"email": None, "status": "NOT_FOUND"}], [7.5, []]]
    )
    def test_a_mailbox_that_is_none(self, data):
        assert mailboxes(data).outcome == Outcome.NO_MATCH

    def test_a_mailbox_that_the_server_calls_invalid(self):
        verdict = mailboxes([{"email": "gone@x.invalid", "status": "invalid"}])

        assert (verdict.outcome, verdict.flags) == (Outcome.NO_MATCH, 0)

    @pytest.mark.parametrize(
        "data", [None, [], {}, "", False, [False], {"found": False}, [{"detected": False}]]
    )
    def test_a_technology_that_is_not_used(self, data):
        assert technology(data).outcome == Outcome.NO_MATCH

    def test_a_known_person_given_back_as_asked_for(self):
        (verdict,) = lookup([ADA | {"email": None, "phones": None, "linkedin_url": None}], ADA)

        assert (verdict.outcome, verdict.reason) == (Outcome.NO_MATCH, "nothing was found for this person")

    def test_somebody_else_in_a_group(self):
        ada, bo = lookup([{"first_name": "Zed", "last_name": "Zoe", "email": "zed@x.invalid"}], ADA, BO)

        assert (ada.outcome, bo.outcome) == (Outcome.NO_MATCH, Outcome.NO_MATCH)
        assert "another person came back" in ada.reason


class TestTheServersWordOnTheTask:
    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [(TaskStatus.ERRORED, Outcome.ERRORED), (TaskStatus.CANCELLED, Outcome.CANCELLED)],
    )
    def test_errored_and_cancelled_are_what_the_server_said_whatever_came_with_it(
        self, kind, status, outcome
    ):
        request = {"domain": "x.example", "people": [ADA, BO]}

        verdicts = judge(kind, request, status, [EMAIL])

        assert {verdict.outcome for verdict in verdicts} == {outcome}
        assert len(verdicts) == (2 if kind is Kind.LOOKUP_PEOPLE else 1)

    @pytest.mark.parametrize("status", ["PROCESSING", "PENDING", "", "completed", "SOMETHING_NEW"])
    def test_any_other_status_is_no_last_word(self, status):
        assert judge(Kind.FIND_PEOPLE, {}, status, [EMAIL]) == []


class TestGroupsOfPeople:
    """Records go to rows by LinkedIn profile, else by normalised name, never by position."""

    def owners(self, people: list[dict[str, Any]], *records: dict[str, Any]) -> dict[int, list[int]]:
        return assign(people, read_records(Kind.LOOKUP_PEOPLE, list(records)))

    def test_the_order_of_the_answer_does_not_matter(self):
        assert self.owners([ADA, BO], BO, ADA) == {1: [2], 2: [1]}

    def test_accents_case_and_white_space_do_not_matter(self):
        people = [
            {"first_name": "José", "last_name": "Núñez"},
            {"first_name": "Łukasz", "last_name": "Ødegård"},
            {"first_name": "Ana Lu", "last_name": "d'Ávila-Sá"},
        ]

        owned = self.owners(
            people,
            {"first_name": " JOSE ", "last_name": "NUN\u0303EZ"},
            {"first_name": "lukasz", "last_name": "odegard"},
            {"first_name": "Ana", "last_name": "Lu D’Avila Sa"},
        )

        assert owned == {1: [1], 2: [2], 3: [3]}

    def test_a_linkedin_profile_decides_before_a_name(self):
        people = [
            ADA | {"linkedin_url": "https://www.linkedin.com/in/ada-roe-1/"},
            {"first_name": "Adele", "last_name": "Roe", "linkedin_url": "linkedin.com/in/adele"},
        ]

        owned = self.owners(people, ADA | {"linkedin_url": "http://uk.linkedin.com/in/ADELE?trk=x"})

        assert owned == {2: [1]}

    def test_a_profile_in_another_spelling_is_the_same_profile(self):
        people = [ADA | {"linkedin_url": "https://linkedin.com/in/ad%C3%A1-roe"}, BO]

        assert self.owners(people, {"linkedin_url": "https://de.linkedin.com/in/ad\u00e1-roe/"}) == {1: [1]}

    def test_a_name_decides_where_the_profile_is_not_one_asked_for(self):
        assert self.owners([ADA, BO], ADA | {"linkedin_url": "https://linkedin.com/in/somebody"}) == {1: [1]}

    def test_one_person_may_own_several_records(self):
        assert self.owners([ADA, BO], ADA, BO, ADA) == {1: [1, 3], 2: [2]}

    def test_a_record_that_fits_nobody_belongs_to_nobody(self):
        assert self.owners([ADA, BO], {"first_name": "Zed"}, {}, {"email": "x@x.invalid"}) == {}

    def test_a_name_or_profile_that_two_share_tells_neither_of_them(self):
        twins = [ADA, {"first_name": "ada", "last_name": "ROE"}, BO]

        assert self.owners(twins, ADA, BO) == {3: [2]}

    def test_a_record_without_a_name_is_not_given_to_a_person_whose_name_has_no_letters(self):
        assert self.owners([{"first_name": "…", "last_name": "!"}, BO], {"email": "x@x.invalid"}) == {}

    def test_somebody_asked_for_alone_owns_every_record(self):
        assert self.owners([ADA], {"first_name": "Zed"}, BO) == {1: [1, 2]}

    def test_each_row_of_a_group_gets_its_own_outcome(self):
        first, second, third = lookup(
            [BO | {"email": "bo@x.invalid"}, ADA | {"title": "CEO"}],
            ADA,
            BO,
            {"first_name": "C", "last_name": "D"},
        )

        assert (first.person_no, first.outcome, first.record_nos) == (1, Outcome.PARTIAL, (2,))
        assert (second.person_no, second.outcome, second.record_nos) == (2, Outcome.MATCHED, (1,))
        assert (third.person_no, third.outcome, third.record_nos) == (3, Outcome.NO_MATCH, ())

    @given(st.permutations(range(4)), st.integers(0, 3))
    def test_shuffling_the_answer_never_changes_who_gets_what(self, order, missing):
        people = [{"first_name": f"First{no}", "last_name": "Last"} for no in range(4)]
        records = [
            Record(raw=None, first_name=f"first{no}", last_name="LAST", email=f"{no}@x.invalid")
            for no in order
            if no != missing
        ]

        owned = assign(people, records)

        assert {no - 1: records[mine[0] - 1].email for no, mine in owned.items()} == {
            no: f"{no}@x.invalid" for no in range(4) if no != missing
        }


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "email",
                    "phones",
                    "first_name",
                    "last_name",
                    "linkedin_url",
                    "status",
                    "verified",
                    "phone_number",
                    "found",
                    "technology",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(list(Kind)),
    st.sampled_from(["COMPLETED", "ERRORED", "CANCELLED", "PROCESSING", "?"]),
    JUNK,
    st.integers(1, 3),
)
def test_no_answer_however_odd_raises_or_leaves_a_row_without_a_verdict(kind, status, data, people):
    request = {
        "people": [{"first_name": f"First{no}", "last_name": "Last"} for no in range(people)],
        "info_access": ["EMAIL", "PHONE"],
    }

    verdicts = judge(kind, request, status, data)

    final = status in ("COMPLETED", "ERRORED", "CANCELLED")
    rows = (list(range(1, people + 1)) if kind is Kind.LOOKUP_PEOPLE else [0]) if final else []
    assert [verdict.person_no for verdict in verdicts] == rows
    number_of_records = len(read_records(kind, data))
    for verdict in verdicts:
        assert verdict.outcome in (
            Outcome.MATCHED,
            Outcome.PARTIAL,
            Outcome.NO_MATCH,
            Outcome.ERRORED,
            Outcome.CANCELLED,
        )
        assert verdict.reason
        assert all(1 <= number <= number_of_records for number in verdict.record_nos)
        if verdict.outcome == Outcome.MATCHED and kind is not Kind.FIND_TECH:
            assert verdict.flags & (Flag.EMAIL | Flag.PHONE)


@given(JUNK, st.integers(2, 4))
def test_no_record_of_a_group_goes_to_two_people(data, people):
    asked = [{"first_name": f"First{no}", "last_name": "Last"} for no in range(people)]

    owned = assign(asked, read_records(Kind.LOOKUP_PEOPLE, data))

    numbers = [number for mine in owned.values() for number in mine]
    assert len(numbers) == len(set(numbers))
    assert set(owned) <= set(range(1, people + 1))
