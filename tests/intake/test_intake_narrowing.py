"""Rows taken out of a plan: their tasks go, all rows stay, and what others wait for is still bought."""

from __future__ import annotations

import json

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from openmart_lib.api.wire import Kind
from openmart_lib.intake.narrowing import Copies, take_out
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.tasks import Plan, plan_tasks

SITES = ["alpha.com", "beta.com", "gamma.com", "", "not a site"]
NAMES = ["Ana", "Bo", "Cy"]


def planned(rows: list[tuple[str, str]], kind: Kind, group: int = 3) -> Plan:
    frame = pl.DataFrame(
        {
            "seq": range(1, len(rows) + 1),
            "file_line": range(2, len(rows) + 2),
            "site": [site or None for site, _ in rows],
            "first": [name for _, name in rows],
            "last": ["Roe"] * len(rows),
        },
        schema_overrides={"seq": pl.UInt32, "file_line": pl.UInt32, "site": pl.String},
    )
    if kind is Kind.LOOKUP_PEOPLE:
        mapping = {"domain": ["site"], "first_name": ["first"], "last_name": ["last"]}
        return plan_tasks(frame, mapping, kind, RunOptions(people_per_task=group))
    return plan_tasks(frame, {"domain": ["site"]}, kind, RunOptions(title="Owner"))


def out(plan: Plan, seqs: list[int], copies: Copies) -> Plan:
    told = pl.DataFrame({"seq": seqs}, schema={"seq": pl.UInt32}).with_columns(reason=pl.lit("why"))
    return take_out(plan, told, intake="skipped", code="code", copies=copies)


def asked_for(plan: Plan) -> dict[int, tuple[str, str | None]]:
    """Return what each accepted row asks for: the domain and, where one is named, the person."""
    requests = dict(plan.tasks.select("task_no", "request").iter_rows())
    told = {}
    for seq, task_no, person_no in plan.links.iter_rows():
        request = json.loads(requests[task_no])
        person = request["people"][person_no - 1]["first_name"] if person_no else None
        told[seq] = (request["domain"], person)
    return told


@examples(10)
@given(
    rows=st.lists(st.tuples(st.sampled_from(SITES), st.sampled_from(NAMES)), min_size=1, max_size=12),
    kind=st.sampled_from([Kind.FIND_PEOPLE, Kind.LOOKUP_PEOPLE]),
    copies=st.sampled_from(["stay", "follow", "inherit"]),
    data=st.data(),
)
def test_whatever_is_taken_out_the_rest_is_asked_for_as_before(
    rows: list[tuple[str, str]], kind: Kind, copies: Copies, data: st.DataObject
) -> None:
    plan = planned(rows, kind)
    before = asked_for(plan)
    pool = sorted(before) if copies != "inherit" else plan.rows.filter(
        pl.col("intake").is_in(["accepted", "duplicate"]))["seq"].to_list()  # fmt: skip
    gone = data.draw(st.lists(st.sampled_from(pool), unique=True)) if pool else []

    left = out(plan, gone, copies)

    assert left.rows["seq"].to_list() == plan.rows["seq"].to_list()
    assert left.reckoning.adds_up and left.reckoning.uploaded == len(rows)
    accepted = left.rows.filter(pl.col("intake") == "accepted")["seq"].to_list()
    after = asked_for(left)
    assert sorted(after) == accepted and not set(accepted) & set(gone)
    owner = dict(plan.rows.select("seq", pl.coalesce("duplicate_of", "seq")).iter_rows())
    assert all(after[seq] == before[owner[seq]] for seq in accepted)
    assert left.tasks["task_no"].to_list() == list(range(1, left.tasks.height + 1))
    assert set(left.links["task_no"]) == set(left.tasks["task_no"])
    people = {
        task_no: len(json.loads(text).get("people", "x"))
        for task_no, text in left.tasks.select("task_no", "request").iter_rows()
    }
    assert {no: n for no, n in left.links["task_no"].value_counts().iter_rows()} == people  # noqa: C416 - pairs
    for seq, lead in left.rows.drop_nulls("duplicate_of").select("seq", "duplicate_of").iter_rows():
        assert (lead in accepted) or (copies == "stay" and lead in gone)
        assert owner[seq] == owner[lead]


@pytest.mark.parametrize(
    ("copies", "intake", "tasks"),
    [
        ("stay", ["skipped", "duplicate", "duplicate"], 0),
        ("follow", ["skipped", "skipped", "skipped"], 0),
        ("inherit", ["skipped", "accepted", "duplicate"], 1),
    ],
)
def test_what_becomes_of_duplicates_is_said(copies: Copies, intake: list[str], tasks: int) -> None:
    plan = planned([("alpha.com", "Ana")] * 3, Kind.FIND_PEOPLE)

    left = out(plan, [1], copies)

    assert left.rows["intake"].to_list() == intake and left.tasks.height == tasks


def test_nothing_taken_out_the_plan_is_the_same() -> None:
    plan = planned([("alpha.com", "Ana")], Kind.FIND_PEOPLE)

    assert out(plan, [], "follow") is plan
