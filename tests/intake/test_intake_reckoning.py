"""The reckoning: uploaded = accepted + duplicates + rejected + skipped + reused, whatever was uploaded and decided."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.intake.checked import OURS, checked_frame
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.overrides import NO_OVERRIDES, Choice, Overrides
from openmart_lib.intake.rules import ANYWAY, EMAIL, LINK, SUBDOMAIN
from openmart_lib.intake.tasks import Plan, RunOptions, plan_tasks

Cells = list[str | None]


def listed(**columns: Cells) -> pl.DataFrame:
    return upload_from_frame(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))).frame


def planned(frame: pl.DataFrame, mapping: dict[str, list[str]] | None = None, *, kind: Kind = Kind.FIND_PEOPLE,
            overrides: Overrides = NO_OVERRIDES, **options: int | str) -> Plan:  # fmt: skip
    asked = RunOptions(title="Owner", **options)  # type: ignore[arg-type]  # checked by RunOptions
    return plan_tasks(frame, mapping or {"domain": ["web"]}, kind, asked, overrides=overrides)


def test_the_reckoning_counts_rows_by_outcome_and_code_and_says_the_sum() -> None:
    frame = listed(web=["acme.com", "www.acme.com", "n/a", "-", "x@gmail.com", "beta.de", "gamma.fr"])

    reckoning = planned(frame, overrides=Overrides(rows={6: Choice.DROP}), first_rows=6).reckoning

    assert reckoning.outcomes == {"accepted": 1, "duplicate": 1, "rejected": 3, "skipped": 2, "reused": 0}
    assert list(reckoning.codes.items()) == [
        ("placeholder", 2), ("beyond_first_rows", 1), ("dropped", 1), ("free_mail", 1),
    ]  # fmt: skip
    assert reckoning.adds_up and reckoning.uploaded == 7
    assert reckoning.sentence == "7 rows = 1 accepted + 1 duplicate + 3 rejected + 2 skipped"


WEBS = st.sampled_from(
    ["acme.com", "www.acme.com", "a@acme.com", "shop.acme.com", "x@gmail.com", "n/a", "a.com b.com", None]
)
CHOICES = st.dictionaries(st.integers(1, 12), st.sampled_from(list(Choice)), max_size=6)
CLASSES = st.dictionaries(
    st.sampled_from(["free_mail", "placeholder", "blank"]), st.sampled_from(list(Choice))
)
EDITS = st.dictionaries(
    st.integers(1, 12), st.fixed_dictionaries({"domain": WEBS.map(lambda web: web or "")}), max_size=4
)


@pytest.mark.parametrize("kind", [Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE])
@examples(8)
@given(webs=st.lists(WEBS, min_size=1, max_size=12), rows=CHOICES, classes=CLASSES, edits=EDITS)
def test_every_row_is_counted_once_whatever_is_decided(
    kind: Kind,
    webs: Cells,
    rows: dict[int, Choice],
    classes: dict[str, Choice],
    edits: dict[int, dict[str, str]],
) -> None:
    frame = listed(web=webs, first=["Ana"] * len(webs), last=["Silva"] * len(webs))
    mapping = {"domain": ["web"]}
    if kind is Kind.LOOKUP_PEOPLE:
        mapping |= {"first_name": ["first"], "last_name": ["last"]}

    plan = planned(frame, mapping, kind=kind, overrides=Overrides(edits=edits, rows=rows, classes=classes))

    assert plan.reckoning.adds_up and plan.reckoning.uploaded == len(webs)
    assert plan.cells["seq"].to_list() == plan.rows["seq"].to_list() == list(range(1, len(webs) + 1))
    assert plan.cells["cell"].to_list() == webs
    accepted = plan.rows.filter(pl.col("intake") == "accepted")
    assert accepted["domain"].null_count() == 0 and accepted.height == plan.links.height
    assert plan.tasks.height == accepted.height, "paid once, and nothing else is paid"
    duplicates = plan.rows.filter(pl.col("intake") == "duplicate")
    assert set(duplicates["duplicate_of"]) <= set(accepted["seq"])


def test_each_row_shows_what_was_read_and_by_which_rule_with_both_forms_of_a_name() -> None:
    cells = planned(
        listed(web=["https://acme.com/x", "a@mail.bücher.de", "gmial.com", "linkedin.com/in/ana", None])
    ).cells

    assert cells.drop("seq", "cell").rows() == [
        ("acme.com", "acme.com", LINK, None, None),
        (
            "xn--bcher-kva.de",
            "bücher.de",
            f"{EMAIL}; wrote an international name in ASCII; {SUBDOMAIN}",
            None,
            None,
        ),
        (None, None, None, "gmail.com", None),
        (None, None, None, None, "https://www.linkedin.com/in/ana"),
        (None, None, None, None, None),
    ]


def test_a_subdomain_is_kept_where_the_analyst_sends_the_row_as_it_stands() -> None:
    frame = listed(web=["https://eu.acme.com/x", "eu.acme.com", "acme.com", "https://eu.acme.com/y"])

    plan = planned(frame, overrides=Overrides(rows={1: Choice.SEND, 4: Choice.SEND}))

    assert plan.rows["domain"].to_list() == ["eu.acme.com", "acme.com", "acme.com", "eu.acme.com"]
    assert plan.rows["duplicate_of"].to_list() == [None, None, 2, 1]
    assert plan.cells["rule"].to_list() == [ANYWAY, SUBDOMAIN, None, ANYWAY]


def test_a_linkedin_link_in_the_websites_column_makes_way_for_the_next_column() -> None:
    frame = listed(
        web=["linkedin.com/company/acme", "linkedin.com/in/x", "https://beta.de", "n/a"],
        mail=["jane@acme.com", None, "jane@gamma.fr", "joe@delta.it"],
    )

    plan = planned(frame, {"domain": ["web", "mail"]})

    assert plan.rows["domain"].to_list() == ["acme.com", None, "beta.de", "delta.it"]
    assert plan.rows["code"].to_list() == [None, "social", None, None]


def test_a_persons_link_in_the_websites_column_helps_to_look_that_person_up() -> None:
    frame = listed(
        web=["https://de.linkedin.com/in/Ana/", "linkedin.com/company/acme", "linkedin.com/in/other"],
        mail=["a@acme.com", "b@acme.com", "c@acme.com"],
        first=["Ana", "Bob", "Cal"], last=["Silva", "Ray", "Lee"], link=[None, None, "linkedin.com/in/cal"],
    )  # fmt: skip
    mapping = {
        "domain": ["web", "mail"], "first_name": ["first"], "last_name": ["last"], "linkedin_url": ["link"],
    }  # fmt: skip

    plan = planned(frame, mapping, kind=Kind.LOOKUP_PEOPLE)

    links = plan.tasks["request"].str.json_path_match("$.people[0].linkedin_url").to_list()
    assert links == ["https://www.linkedin.com/in/ana", None, "https://www.linkedin.com/in/cal"]


def test_a_linkedin_link_in_the_websites_column_has_its_own_in_the_checked_list() -> None:
    frame = listed(
        site=["linkedin.com/company/Acme?x=1", "https://de.linkedin.com/in/ana/", "beta.de"],
        mail=["jane@acme.com", None, "x@beta.de"],
    )

    checked = checked_frame(frame, planned(frame, {"domain": ["site", "mail"]}))

    assert checked.select("domain", "intake_code", "intake_linkedin").rows() == [
        ("acme.com", None, "https://www.linkedin.com/company/acme"),
        (None, "social", "https://www.linkedin.com/in/ana"),
        ("beta.de", None, None),
    ]


def test_the_checked_list_has_every_row_with_its_columns_and_what_was_understood() -> None:
    frame = listed(domain=["acme.com", "www.acme.com", "n/a"], row=["a", "b", "c"])

    checked = checked_frame(frame, planned(frame, {"domain": ["domain"]}))

    assert checked.columns == ["domain (uploaded)", "row (uploaded)", *OURS]
    assert checked.select("row", "domain", "intake_outcome", "intake_code", "duplicate_of").rows() == [
        (1, "acme.com", "accepted", None, None),
        (2, "acme.com", "duplicate", None, 1),
        (3, None, "rejected", "placeholder", None),
    ]
    assert checked["intake_reason"].is_null().to_list() == [True, False, False]
