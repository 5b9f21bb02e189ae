"""Whatever a list holds and in whatever parts it is read, its plan adds up and can be sent."""

from __future__ import annotations

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from plan_kit import frame, requests

from openmart_lib.api.validation import validate_tasks
from openmart_lib.api.wire import Kind
from openmart_lib.intake import tasks
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions, plan_tasks

DOMAINS = st.sampled_from(
    ["acme.com", "www.acme.com", "a@acme.com", "beta.de", "gamma.co.uk", "n/a", "x@gmail.com", None]
)


NAMES = st.one_of(st.sampled_from(["Ana", "ana", "Aná", "Joe", "", "N/A"]), st.text(max_size=6), st.none())


PLACES = st.sampled_from(["Rom", "rom ", "Berlin", None, "-"])


LINKS = st.sampled_from(["linkedin.com/in/a", "https://www.linkedin.com/in/b/", "elsewhere", None])


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "domain": DOMAINS, "company_name": NAMES, "title": NAMES, "tech_type": NAMES, "city": PLACES,
            "first_name": NAMES, "last_name": NAMES, "linkedin_url": LINKS,
        }
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


OPTIONS = st.builds(
    RunOptions,
    title=st.sampled_from([None, "Owner"]),
    tech_type=st.sampled_from([None, "Wix"]),
    people_per_task=st.integers(1, 8),
    max_k=st.integers(1, 8),
    company_name_from_domain=st.booleans(),
    first_rows=st.sampled_from([None, 5]),
    only_where_empty=st.sampled_from([None, "city"]),
)


OWN_FIELDS = {
    Kind.FIND_PEOPLE: ("domain", "title", "company_name", "city"),
    Kind.LOOKUP_PEOPLE: ("domain", "first_name", "last_name", "company_name", "city", "linkedin_url"),
    Kind.LOOKUP_BUSINESS_EMAIL: ("domain", "company_name", "city"),
    Kind.FIND_TECH: ("domain", "tech_type", "company_name"),
}


@pytest.mark.parametrize("kind", list(Kind))
@examples(6)
@given(rows=ROWS, options=OPTIONS)
def test_every_plan_adds_up_and_every_request_is_one_the_wire_takes(kind, rows, options):
    upload = frame(*rows)

    planned = plan_tasks(upload, {name: [name] for name in OWN_FIELDS[kind]}, kind, options)

    assert planned.rows["seq"].to_list() == list(range(1, len(rows) + 1))
    accepted = planned.rows.filter(pl.col("intake") == "accepted")
    assert planned.links["seq"].to_list() == accepted["seq"].to_list()
    assert planned.tasks["task_no"].to_list() == list(range(1, planned.tasks.height + 1))
    assert set(planned.links["task_no"]) == set(planned.tasks["task_no"])
    leads = set(planned.rows["duplicate_of"].drop_nulls())
    assert leads <= set(accepted["seq"])
    assert planned.rows.filter(pl.col("intake") != "accepted")["reason"].null_count() == 0
    tasks = requests(planned)
    for start in range(0, len(tasks), 100):
        validate_tasks(kind, tasks[start : start + 100])


@examples(6)
@given(rows=ROWS, people_per_task=st.integers(1, 8))
def test_every_accepted_person_stands_where_the_link_says_and_is_asked_for_once(rows, people_per_task):
    upload = frame(*rows)
    mapping = {name: [name] for name in OWN_FIELDS[Kind.LOOKUP_PEOPLE]}

    planned = plan_tasks(upload, mapping, Kind.LOOKUP_PEOPLE, RunOptions(people_per_task=people_per_task))

    tasks = requests(planned)
    asked = {
        (number, place) for number, task in enumerate(tasks, 1) for place in range(1, len(task["people"]) + 1)
    }
    linked = planned.links.select("task_no", "person_no").rows()
    assert len(linked) == len(set(linked)) and set(linked) == asked
    for seq, task_no, person_no in planned.links.rows():
        one = tasks[task_no - 1]["people"][person_no - 1]
        assert tasks[task_no - 1]["domain"] == planned.rows["domain"][seq - 1]
        assert one["first_name"].split()[0] in rows[seq - 1]["first_name"]
    assert all(len(task["people"]) <= people_per_task for task in tasks)


def test_a_watched_plan_is_the_same_and_says_how_many_rows_are_done(monkeypatch):
    """Where somebody watches, a list is read in parts: no row may depend on where a part ends."""
    monkeypatch.setattr(tasks, "_PART", 3)
    cells = ["acme.com", "n/a", "a.com b.com", None, "gmail.com", "acme.com", "www.beta.de", "x.con"] * 3
    watched_frame = upload_from_frame(pl.DataFrame({"web": cells, "city": ["Rom", None] * 12})).frame
    options = RunOptions(title="Owner", first_rows=20, only_where_empty="city")
    columns = {"domain": ["web"], "city": ["city"]}
    told: list[tuple[int, int]] = []

    watched = plan_tasks(
        watched_frame, columns, Kind.FIND_PEOPLE, options, progress=lambda done, of: told.append((done, of))
    )

    alone = plan_tasks(watched_frame, columns, Kind.FIND_PEOPLE, options)
    for name in ("rows", "tasks", "links", "cells"):
        assert getattr(watched, name).equals(getattr(alone, name))
    done = [rows for rows, _ in told]
    assert len(done) > 4 and done == sorted(done) and done[0] > 0 and done[-1] < len(cells)
    assert {of for _, of in told} == {len(cells)}
