"""What the analyst decides against the rules: cells edited in place, rows sent anyway or left out."""

from __future__ import annotations

import json

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.validation import validate_tasks
from openmart_lib.api.wire import Kind
from openmart_lib.errors import InputError
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.overrides import NO_OVERRIDES, SENDABLE, Choice, Overrides
from openmart_lib.intake.tasks import Plan, RunOptions, content_key, plan_tasks

OWNER = RunOptions(title="Owner")
COMPANIES = {"domain": ["web"], "city": ["town"], "title": ["role"]}
PEOPLE = {"domain": ["web"], "full_name": ["who"]}


def companies(*webs: str | None) -> pl.DataFrame:
    rows = len(webs)
    data = {"web": webs, "town": ["Rom"] * rows, "role": ["CTO"] * rows}
    return upload_from_frame(pl.DataFrame(data, schema=dict.fromkeys(data, pl.String))).frame


def people(*names: str) -> pl.DataFrame:
    return upload_from_frame(pl.DataFrame({"who": names, "web": ["acme.com"] * len(names)})).frame


def planned(frame: pl.DataFrame, overrides: Overrides, options: RunOptions = OWNER) -> Plan:
    return plan_tasks(frame, COMPANIES, Kind.FIND_PEOPLE, options, overrides=overrides)


def looked_up(frame: pl.DataFrame, overrides: Overrides = NO_OVERRIDES) -> Plan:
    return plan_tasks(frame, PEOPLE, Kind.LOOKUP_PEOPLE, RunOptions(), overrides=overrides)


def requests(plan: Plan) -> list[dict[str, object]]:
    return [json.loads(text) for text in plan.tasks["request"]]


def test_an_edited_cell_is_cleaned_and_judged_like_any_other():
    frame = companies("acme,com", "beta.de")
    overrides = Overrides(
        edits={1: {"domain": "https://www.acme.com/x"}, 2: {"domain": "still not one", "city": " Oslo "}}
    )

    plan = planned(frame, overrides)

    assert plan.rows["domain"].to_list() == ["acme.com", None]
    assert plan.rows["code"].to_list() == [None, "company_name"]
    assert requests(plan)[0]["city"] == "Rom"


def test_an_emptied_cell_is_empty_and_what_is_the_same_for_all_fills_it():
    overrides = Overrides(edits={1: {"title": "", "city": " "}, 2: {"domain": ""}})

    plan = planned(companies("acme.com", "beta.de"), overrides)

    assert plan.rows["asked_title"].to_list() == ["Owner", "CTO"]
    assert "city" not in requests(plan)[0]
    assert plan.rows["code"].to_list() == [None, "blank"]


def test_an_edit_of_a_field_that_the_goal_does_not_take_or_of_no_row_changes_nothing():
    frame = companies("acme.com")
    overrides = Overrides(edits={1: {"tech_type": "shopify"}, 99: {"domain": "beta.de"}})

    assert_equal(planned(frame, overrides), planned(frame, NO_OVERRIDES))


def test_two_rows_edited_to_one_company_are_one_task():
    plan = planned(companies("acme.com", "acme con"), Overrides(edits={2: {"domain": "acme.com"}}))

    assert plan.rows["duplicate_of"].to_list() == [None, 1]


def test_a_row_left_out_is_skipped_and_nobodys_duplicate():
    plan = planned(companies("acme.com", "acme.com"), Overrides(rows={1: Choice.DROP}))

    assert plan.rows.select("intake", "code", "reason").rows() == [
        ("skipped", "dropped", "You left this row out."),
        ("accepted", None, None),
    ]


@pytest.mark.parametrize(
    ("cell", "code", "domain"),
    [
        ("jane@gmail.com", "free_mail", "gmail.com"),
        ("https://www.facebook.com/acme", "social", "facebook.com"),
        ("https://acme.myshopify.com/about", "hosted", "acme.myshopify.com"),
    ],
)
def test_a_rejected_row_is_sent_anyway_where_there_is_something_to_send(cell, code, domain):
    frame = companies(cell, "beta.de")
    assert planned(frame, NO_OVERRIDES).rows["code"][0] == code

    for overrides in (Overrides(rows={1: Choice.SEND}), Overrides(classes={code: Choice.SEND})):
        plan = planned(frame, overrides)

        assert plan.rows["intake"].to_list() == ["accepted", "accepted"]
        assert [task["domain"] for task in requests(plan)] == [domain, "beta.de"]
        validate_tasks(Kind.FIND_PEOPLE, requests(plan))


@pytest.mark.parametrize("cell", [None, "n/a", "Acme Inc", "1-Mar", "10.0.0.1", "co.uk", "localhost", "www."])
def test_a_row_with_nothing_to_send_stays_rejected_however_much_it_is_wanted(cell):
    frame = companies(cell)
    before = planned(frame, NO_OVERRIDES)
    code = before.rows["code"][0]

    assert code not in SENDABLE
    assert_equal(planned(frame, Overrides(rows={1: Choice.SEND}, classes={code: Choice.SEND})), before)


def test_an_ending_behind_www_is_held_and_a_row_of_it_can_be_sent():
    frame = companies("www.de", "https://www.co.uk/")
    before = planned(frame, NO_OVERRIDES)

    assert before.rows["code"].to_list() == ["suffix_only", "suffix_only"]
    assert before.rows["reason"][0] == "Between “www.” and the ending of www.de the name is missing."
    assert [one["domain"] for one in requests(planned(frame, Overrides(rows={1: Choice.SEND})))] == ["www.de"]


def test_only_the_rows_that_were_corrected_since_are_sent_and_the_others_say_why():
    frame = companies("acme.com", "beta.de", "beta.de", None)

    plan = planned(frame, Overrides(only=[3]))

    assert plan.rows["intake"].to_list() == ["skipped", "skipped", "accepted", "skipped"]
    assert plan.rows["code"].to_list() == ["in_first_run", "in_first_run", None, "in_first_run"]
    assert "first run" in plan.rows["reason"][0]
    assert plan.reckoning.adds_up
    assert Overrides.from_dict(json.loads(json.dumps(Overrides(only=[3]).to_dict()))) == Overrides(only=[3])


def test_decisions_are_counted_by_sort_without_what_cells_hold():
    decided = (
        NO_OVERRIDES.with_edit(1, "domain", "jane@acme.com")
        .with_edit(1, "city", "Oslo")
        .with_rows([2, 3], Choice.DROP)
        .with_rows([4], Choice.SEND)
    )

    assert decided.counts() == {
        "city corrected": 1,
        "website or domain corrected": 1,
        "rows sent anyway": 1,
        "rows left out": 2,
    }


def test_a_row_sent_anyway_still_needs_its_role():
    frame = companies("jane@gmail.com")
    overrides = Overrides(rows={1: Choice.SEND}, edits={1: {"title": ""}})

    assert planned(frame, overrides, RunOptions()).rows["code"].to_list() == ["missing_title"]


def test_a_rows_own_choice_wins_over_its_classs():
    frame = companies("a@gmail.com", "b@gmail.com", "c@web.de")
    overrides = Overrides(rows={2: Choice.DROP}, classes={"free_mail": Choice.SEND})

    assert planned(frame, overrides).rows["intake"].to_list() == ["accepted", "skipped", "accepted"]


def test_a_class_can_be_left_out():
    plan = planned(companies("a@gmail.com", "acme.com"), Overrides(classes={"free_mail": Choice.DROP}))

    assert plan.rows["code"].to_list() == ["dropped", None]


def test_a_row_beyond_the_first_ones_is_not_sent_by_a_choice():
    plan = planned(
        companies("acme.com", "x@gmail.com"),
        Overrides(rows={2: Choice.SEND}),
        RunOptions(title="x", first_rows=1),
    )

    assert plan.rows["intake"].to_list() == ["accepted", "skipped"]


def test_a_full_name_feeds_both_names_and_a_doubtful_one_is_held():
    plan = looked_up(people("Jane Doe", "Dr. Max van Roe", "Nagy Gábor", "Madonna"))

    assert plan.rows["intake"].to_list() == ["accepted", "accepted", "rejected", "rejected"]
    assert plan.rows["code"].to_list() == [None, None, "name", "name"]
    assert plan.rows["reason"][2] == "Name in doubt: it may be written last name first."
    assert [task["people"][0] for task in requests(plan)] == [
        {"first_name": "Jane", "last_name": "Doe"},
        {"first_name": "Max", "last_name": "van Roe"},
    ]


def test_a_held_name_is_sent_as_proposed_as_corrected_or_not_at_all():
    frame = people("Nagy Gábor", "Nagy Gábor", "Nagy Gábor", "Madonna")
    overrides = Overrides(
        rows={1: Choice.SEND, 3: Choice.DROP, 4: Choice.SEND},
        edits={2: {"first_name": "Nagy", "last_name": "Gábor"}},
    )

    plan = looked_up(frame, overrides)

    assert plan.rows["intake"].to_list() == ["accepted", "accepted", "skipped", "rejected"]
    assert plan.rows["code"][3] == "missing_name"
    assert [task["people"][0]["first_name"] for task in requests(plan)] == ["Gábor", "Nagy"]


def test_first_and_last_columns_win_and_the_full_name_fills_what_they_lack():
    upload = upload_from_frame(
        pl.DataFrame(
            {
                "web": ["acme.com"] * 2,
                "who": ["Nagy Gábor", "Ana Silva"],
                "f": ["Gabor", None],
                "l": ["Nagy", "Silva"],
            }
        )
    ).frame

    plan = plan_tasks(
        upload, PEOPLE | {"first_name": ["f"], "last_name": ["l"]}, Kind.LOOKUP_PEOPLE, RunOptions()
    )

    assert [list(task["people"][0].values()) for task in requests(plan)] == [
        ["Gabor", "Nagy"],
        ["Ana", "Silva"],
    ]


def test_decisions_survive_json_and_each_change_makes_another():
    first = Overrides().with_edit(3, "domain", "acme.com").with_edit(3, "city", "Rom")
    second = first.with_rows([1, 2], Choice.DROP).with_class("free_mail", Choice.SEND)

    assert Overrides.from_dict(json.loads(json.dumps(second.to_dict()))) == second
    assert first.rows == {} and first.edits == {3: {"domain": "acme.com", "city": "Rom"}}
    assert second.without_rows([1, 2, 3]) == NO_OVERRIDES.with_class("free_mail", Choice.SEND)
    assert bool(second) and not NO_OVERRIDES
    assert Overrides.from_dict({}) == NO_OVERRIDES


@pytest.mark.parametrize(
    "values",
    [
        {"edits": {"1": {"shoe_size": "9"}}}, {"edits": {"x": {"city": "Rom"}}}, {"edits": {"1": {"city": 5}}},
        {"rows": {"0": "drop"}}, {"rows": {"1": "keep"}}, {"classes": {"free_mail": "maybe"}}, {"rows": {True: "drop"}},
    ],
)  # fmt: skip
def test_decisions_that_cannot_be_read_are_refused_in_plain_words(values):
    with pytest.raises(InputError, match="Make them again"):
        Overrides.from_dict(values)


def test_a_run_with_other_decisions_is_another_run():
    frame = companies("acme.com")
    key = content_key(frame, COMPANIES, Kind.FIND_PEOPLE, OWNER)
    dropped = Overrides(rows={1: Choice.DROP})

    assert content_key(frame, COMPANIES, Kind.FIND_PEOPLE, OWNER, overrides=NO_OVERRIDES) == key
    assert content_key(frame, COMPANIES, Kind.FIND_PEOPLE, OWNER, overrides=dropped) != key


def test_tens_of_thousands_of_decisions_are_applied():
    """One by one over the whole list they would take hours."""
    frame = companies(*(f"acme{number}.com" for number in range(40_000)))
    overrides = Overrides(
        edits={seq: {"domain": f"beta{seq}.com"} for seq in range(1, 40_001, 2)},
        rows=dict.fromkeys(range(2, 40_001, 2), Choice.DROP),
    )

    plan = planned(frame, overrides)

    assert plan.tasks.height == 20_000 and plan.tasks["domain"][1] == "beta3.com"


CELLS = st.sampled_from(
    ["acme.com", "beta.de", "x@gmail.com", "n/a", "Acme Inc", "facebook.com/x", "a.myshopify.com", None]
)
EDITS = st.dictionaries(
    st.integers(1, 9),
    st.dictionaries(
        st.sampled_from(["domain", "city", "title", "country"]), st.sampled_from(["acme.com", "Rom", "", "-"])
    ),
)
CHOICES = st.sampled_from(list(Choice))
DECISIONS = st.builds(
    Overrides,
    edits=EDITS,
    rows=st.dictionaries(st.integers(1, 9), CHOICES),
    classes=st.dictionaries(
        st.sampled_from(["free_mail", "social", "hosted", "company_name", "blank"]), CHOICES
    ),
)


@examples(6)
@given(st.lists(CELLS, min_size=1, max_size=8))
def test_no_decisions_change_nothing(cells):
    frame = companies(*cells)

    assert_equal(
        planned(frame, Overrides.from_dict({})), plan_tasks(frame, COMPANIES, Kind.FIND_PEOPLE, OWNER)
    )


@examples(10)
@given(cells=st.lists(CELLS, min_size=1, max_size=8), edits=EDITS)
def test_edits_touch_their_cells_only(cells, edits):
    texts = companies(*cells).select("seq", domain="web", city="town", title="role")

    edited = Overrides(edits=edits).edited(texts)

    for before, after in zip(texts.iter_rows(named=True), edited.iter_rows(named=True), strict=True):
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= edits.get(before["seq"], {}).keys()
    assert edited.schema == texts.schema


@examples(10)
@given(cells=st.lists(CELLS, min_size=1, max_size=8), decisions=DECISIONS)
def test_whatever_is_decided_the_plan_adds_up_and_its_requests_are_valid(cells, decisions):
    frame = companies(*cells)

    plan = planned(frame, decisions)

    assert plan.rows["seq"].to_list() == frame["seq"].to_list()
    assert plan.rows.filter(pl.col("intake") == "accepted").height == plan.links.height
    assert set(plan.rows.filter(pl.col("intake") != "accepted")["reason"].is_null()) <= {False}
    if plan.tasks.height:
        validate_tasks(Kind.FIND_PEOPLE, requests(plan))


def assert_equal(one: Plan, other: Plan) -> None:
    assert one.rows.equals(other.rows, null_equal=True)
    assert one.tasks.equals(other.tasks) and one.links.equals(other.links)
