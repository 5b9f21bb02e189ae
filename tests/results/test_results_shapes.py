"""One line per row with all its contacts, one line per company with its best record, several runs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from results_story import Story, companies, person

from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.options import RunOptions
from openmart_lib.results import columns, join
from openmart_lib.results.companies import OUTCOMES_BEST_FIRST, best_of_companies
from openmart_lib.results.quality import RANKING, Criterion, parse_ranking, ranking_sentence

QUICK = examples(30)
PHONE = "+15550100"


def test_a_row_with_several_contacts_shows_them_side_by_side_the_best_first(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com", "gamma.com"))
    found = [person("Phone", phone=PHONE), person("Mail", email="m@acme.com"), person("None")]
    story.send_all({1: found, 2: [person("Only", email="o@beta.com")], 3: []})

    frame = join.results(story.ledger, story.run_id)

    assert frame.height == 3
    numbers = [f"contact_{nth}_first_name" for nth in (1, 2, 3)]
    assert frame.select(numbers).rows() == [
        ("Mail", "Phone", "None"),
        ("Only", None, None),
        (None, None, None),
    ]
    assert frame["found_first_name"].to_list() == ["Mail", "Only", None]
    assert frame["contact_2_phone"].to_list() == [PHONE, None, None]
    assert "contact_4_first_name" not in frame.columns


def test_numbered_contacts_stand_between_what_was_found_and_the_ids(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))
    story.send_all({1: [person("Ana"), person("Bo")]})

    frame = join.results(story.ledger, story.run_id)

    place = columns.OWN_COLUMNS.index("record_no")
    numbered = columns.contact_columns([Kind.FIND_PEOPLE], 2)
    expected = [*columns.OWN_COLUMNS[:place], *numbered, *columns.OWN_COLUMNS[place:]]
    assert frame.columns == ["website", *expected]
    assert numbered[0] == "contact_1_first_name" and numbered[-1] == "contact_2_linkedin_url"


def test_no_contact_is_numbered_where_no_row_has_two_or_none_is_wanted(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "beta.com"))
    story.send_all({1: [person("Ana")], 2: [person("Bo"), person("Cy")]})

    plain = join.results(story.ledger, story.run_id, contacts=False)
    one = Story(tmp_path / "one", companies("acme.com"))
    one.send_all({1: [person("Ana")]})

    assert plain.columns == ["website", *columns.OWN_COLUMNS]
    assert join.results(one.ledger, one.run_id).columns == ["website", *columns.OWN_COLUMNS]


def test_more_than_eight_contacts_are_all_in_the_shape_long_and_eight_of_them_in_one_line(
    tmp_path: Path,
) -> None:
    mapping = {"domain": ["website"], "company_name": ["name"]}
    story = Story(tmp_path, companies("acme.com", name=["A"]), Kind.LOOKUP_BUSINESS_EMAIL, mapping=mapping)
    story.send_all({1: [{"email": f"m{nth}@acme.com", "status": "VALID"} for nth in range(10)]})

    rows = join.results(story.ledger, story.run_id)

    assert rows["contact_8_email"].to_list() == ["m7@acme.com"]
    assert not [name for name in rows.columns if name.startswith("contact_9")]
    assert rows["record_count"].to_list() == [10]
    assert join.results(story.ledger, story.run_id, "long").height == 10


def test_an_uploaded_column_that_is_called_like_a_numbered_contact_steps_aside() -> None:
    names = columns.uploaded_names(["contact_1_email", "company_rows", "contact_9_email"])

    assert list(names.values()) == [
        "contact_1_email (uploaded)",
        "company_rows (uploaded)",
        "contact_9_email",
    ]


def test_duplicates_carry_all_contacts_of_the_row_they_repeat(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com", "www.acme.com"))
    story.send_all({1: [person("Ana", email="a@acme.com"), person("Bo")]})

    frame = join.results(story.ledger, story.run_id)

    assert frame.select("contact_1_first_name", "contact_2_first_name").rows() == [("Ana", "Bo")] * 2


def test_a_company_is_shown_once_with_its_best_record_whichever_row_it_was_found_for(tmp_path: Path) -> None:
    names = {"first": ["Ana", "Bo", "Cy", "Di"], "last": ["Silva", "Li", "Young", "Ek"]}
    story = Story(
        tmp_path,
        companies("beta.com", "acme.com", "acme.com", "", **names),
        Kind.LOOKUP_PEOPLE,
        mapping={"domain": ["website"], "first_name": ["first"], "last_name": ["last"]},
        options=RunOptions(),
    )
    story.send_all(
        {1: [], 2: [person("Ana", phone=PHONE)], 3: [person("Bo", email="b@acme.com", verified=True)]}
    )

    frame = join.results(story.ledger, story.run_id, "companies")

    assert frame.select("domain", "found_first_name", "row", "company_rows").rows() == [
        ("beta.com", None, 1, 1),
        ("acme.com", "Bo", 3, 2),
        (None, None, 4, 1),
    ]


@pytest.mark.parametrize(
    ("ranking", "best"),
    [
        (RANKING, "Verified"),
        ((Criterion.TITLE_FIT, Criterion.VERIFIED_EMAIL), "Fitting"),
        ((Criterion.PHONE,), "Phone"),
        ((), "First"),
    ],
)
def test_the_ranking_can_be_chosen(tmp_path: Path, ranking: tuple[Criterion, ...], best: str) -> None:
    story = Story(tmp_path, companies("acme.com"))
    found = [
        person("First", title="Clerk"),
        person("Fitting", title="Owner"),
        person("Phone", title="Clerk", phone=PHONE),
        person("Verified", title="Clerk", email="v@acme.com", verified=True),
    ]
    story.send_all({1: found})

    frame = join.results(story.ledger, story.run_id, "companies", ranking=ranking)

    assert frame["found_first_name"].to_list() == [best]


def test_the_ranking_is_said_in_words_and_a_wrong_word_is_refused() -> None:
    assert parse_ranking(["title fit", "phone", "title fit"]) == (Criterion.TITLE_FIT, Criterion.PHONE)
    assert ranking_sentence(RANKING) == (
        "Best first: verified email, then email, then title fit, then phone, then the outcome, "
        "then the order of your list."
    )
    assert ranking_sentence(()) == "Best first: the outcome, then the order of your list."
    with pytest.raises(InputError, match="'salary'"):
        parse_ranking(["salary"])


record_lines = st.fixed_dictionaries(
    {
        "domain": st.sampled_from([None, "acme.com", "beta.com", "gamma.com"]),
        "result": st.sampled_from([str(one) for one in OUTCOMES_BEST_FIRST]),
        "found_email": st.sampled_from([None, "a@acme.com"]),
        "found_email_verified": st.sampled_from([None, True, False]),
        "found_email_status": st.sampled_from([None, "VALID", "INVALID"]),
        "found_phone": st.sampled_from([None, PHONE]),
        "title_fit": st.sampled_from([None, "exact", "same seniority", "other"]),
    }
)


@QUICK
@given(
    lines=st.lists(record_lines, max_size=12),
    ranking=st.permutations(list(Criterion)),
    used=st.integers(0, 4),
)
def test_no_record_of_a_company_is_better_than_the_one_that_is_shown(
    lines: list[dict[str, Any]], ranking: list[Criterion], used: int
) -> None:
    frame = pl.DataFrame(
        [line | {"row": nth, "run_name": "r", "kind": "find_people"} for nth, line in enumerate(lines, 1)],
        schema={
            **dict.fromkeys(("domain", "result", "found_email", "found_email_status"), pl.String),
            "found_email_verified": pl.Boolean,
            "found_phone": pl.String,
            "title_fit": pl.String,
            "row": pl.Int64,
            "run_name": pl.String,
            "kind": pl.String,
        },
    )

    best = best_of_companies(frame, ranking[:used])

    fits = ["exact", "same seniority", "other", None]

    def place(line: dict[str, Any]) -> tuple[int, ...]:
        email = line["found_email"] is not None and line["found_email_status"] != "INVALID"
        verified = email and line["found_email_verified"] is True
        told = {
            Criterion.VERIFIED_EMAIL: int(not verified),
            Criterion.EMAIL: int(not email),
            Criterion.TITLE_FIT: fits.index(line["title_fit"]),
            Criterion.PHONE: int(line["found_phone"] is None),
        }
        outcome = [str(one) for one in OUTCOMES_BEST_FIRST].index(line["result"])
        return (*(told[one] for one in ranking[:used]), outcome, line["row"])

    of_company: dict[Any, list[dict[str, Any]]] = {}
    for line in frame.iter_rows(named=True):
        of_company.setdefault(line["domain"] or line["row"], []).append(line)
    assert best["row"].to_list() == [min(group, key=place)["row"] for group in of_company.values()]
    assert best["company_rows"].to_list() == [len(group) for group in of_company.values()]


def test_several_runs_stand_one_after_the_other_with_equal_columns_shared(tmp_path: Path) -> None:
    first = Story(tmp_path, companies("acme.com", "beta.com", land=["DE", "US"]), name="First")
    first.send_all({1: [person("Ana"), person("Bo")]})
    again = Story(tmp_path, companies("gamma.com", row=["7"], land=["FR"]), name="Second", content="second")
    again.send_all({1: [person("Cy")]})

    frame = join.results(first.ledger, [first.run_id, again.run_id, first.run_id])

    assert frame.columns[:3] == ["website", "land", "row (uploaded)"]
    assert frame.select("run_name", "row", "website", "land", "row (uploaded)").rows() == [
        ("First", 1, "acme.com", "DE", None),
        ("First", 2, "beta.com", "US", None),
        ("Second", 1, "gamma.com", "FR", "7"),
    ]
    assert frame["contact_2_first_name"].to_list() == ["Bo", None, None]
    assert join.results(first.ledger, [first.run_id, again.run_id], "companies").height == 3


def test_no_run_at_all_is_refused(tmp_path: Path) -> None:
    story = Story(tmp_path, companies("acme.com"))

    with pytest.raises(InputError, match="No run was named"):
        join.results(story.ledger, [])
