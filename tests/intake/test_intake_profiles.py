"""Names as people write them in their profiles: what is no part of a name is not asked for, nor paid for."""

from __future__ import annotations

import json

import polars as pl
import pytest

from openmart_lib.api.wire import Kind
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.names import bare_halves
from openmart_lib.intake.tasks import RunOptions, plan_tasks

APART = {"domain": ["Website"], "first_name": ["First"], "last_name": ["Last"], "company_name": ["Company"]}
WHOLE = {"domain": ["Website"], "full_name": ["Full"]}


def asked(mapping: dict[str, list[str]], **cells: str) -> tuple[str, ...]:
    """The names that are sent for a row with these cells."""
    upload = upload_from_frame(pl.DataFrame({"Website": ["adyen.com"]} | {k: [v] for k, v in cells.items()}))
    plan = plan_tasks(upload.frame, mapping, Kind.LOOKUP_PEOPLE, RunOptions())
    body = json.loads(plan.tasks["request"].item())
    person = body["people"][0]
    return (person["first_name"], person["last_name"], *filter(None, [body.get("company_name")]))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("🚀 Ana", "Silva 📈"),
        ("Ana", "Silva, MBA"),
        ("Ana", "Silva, PhD, PMP 🎓"),
        ("Dr. Ana", "Silva"),
        ("Ana (she/her)", "Silva"),
        ("Ana ❤️🇩🇪", "Silva 👩🏽‍💻"),
        ("𝓐𝓷𝓪", "𝗦𝗶𝗹𝘃𝗮"),
        ("Ana\n", "  Silva\r\n"),
    ],
)
def test_what_a_profile_adds_to_a_name_is_not_sent(first: str, last: str) -> None:
    assert asked(APART, First=first, Last=last, Company="Acme 🏢 Inc") == ("Ana", "Silva", "Acme Inc")


@pytest.mark.parametrize("whole", ["🚀 Ana Silva, MBA 📈", "Ana Silva ✨", "𝓐𝓷𝓪 𝓢𝓲𝓵𝓿𝓪", "Ana ♥ Silva"])
def test_a_picture_is_no_part_of_a_full_name(whole: str) -> None:
    """ "Silva ✨" was split into a person called Silva with the last name ✨, without a doubt."""
    assert asked(WHOLE, Full=whole) == ("Ana", "Silva")


@pytest.mark.parametrize(
    "name",
    ["O'Brien", "St. John", "A.J.", "J. R.", "Müller-Lüdenscheidt", "Garcia, Lopez", "Ph.D.", "李", "Ng"],
)
def test_a_name_stays_as_it_is(name: str) -> None:
    assert bare_halves(pl.Series([name, None])).to_list() == [name, None]
