"""Monitor's fold for a batch made by another tool: look, choose, collect; never a submission."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from streamlit.testing.v1 import AppTest

from openmart_lib.api.wire import TASK_BATCH_PATH, Kind
from openmart_lib.dashboard import words
from openmart_lib.engine.clients import SANDBOX_KEY
from openmart_lib.ledger import Outcome, RunState, queries
from openmart_lib.results import join
from openmart_lib.results.assembly import NO_ROW
from tests.pages.conftest import Desk, button, eventually, labels, texts

FOLD = "Collect a batch made by another tool"


def submit(desk: Desk, *tracking_ids: str | None, domain: str = "everything.example") -> str:
    """Submit a batch as any other tool would and wait until it is finished; return its id."""
    tasks: list[dict[str, Any]] = [
        {"domain": domain, "title": "Owner", "max_k": 1} | ({"tracking_id": text} if text else {})
        for text in tracking_ids
    ]
    headers = {"X-API-Key": SANDBOX_KEY.reveal()}
    base = f"{desk.sandbox.url}{TASK_BATCH_PATH}"
    batch_id = str(
        requests.post(f"{base}/find_people", json=tasks, headers=headers, timeout=60).json()["batch_id"]
    )

    def ready() -> bool:
        answer = requests.get(f"{base}/{batch_id}/status", headers=headers, timeout=60)
        return bool(answer.json()["batch_ready"])

    eventually(ready)
    return batch_id


def fill(page: AppTest, batch_id: str, kind: Kind | None = Kind.FIND_PEOPLE) -> AppTest:
    """Paste an id, say its kind and look."""
    page.text_input(key="foreign_0_id").set_value(batch_id).run()
    if kind is not None:
        page.selectbox(key="foreign_0_kind").set_value(kind).run()
    button(page, "Look").click()
    page.run()
    assert not page.exception, [one.message for one in page.exception]
    return page


def test_the_fold_is_there_before_the_first_run_and_asks_for_an_id_first(desk: Desk) -> None:
    page = desk.open("monitor")

    assert FOLD in [one.label for one in page.expander]
    assert "Looking and collecting are free, nothing is submitted" in texts(page)
    assert button(page, "Look").disabled
    assert "Collect it" not in labels(page)


def test_a_batch_without_a_list_is_looked_at_then_collected_as_a_run_of_its_tasks(desk: Desk) -> None:
    batch_id = submit(desk, "row-1", "row-2", None)
    posts = desk.sandbox.requests("submit")

    page = fill(desk.open("monitor"), f" {batch_id} ")

    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["Tasks"] == ("3", "")
    assert figures["Finished"] == ("3", "of 3 tasks")
    assert figures["With a tracking id"] == ("2", "of 3 tasks")
    assert page.dataframe[0].value["Tracking id"].to_list() == ["row-1", "row-2", "none"]
    assert queries.runs(desk.ledger) == []

    button(page, "Collect it").click()
    page.run()

    assert not page.exception
    run = desk.run(desk.newest)
    assert page.header[0].value == run.name
    assert "credits" not in " ".join(metric.value for metric in page.metric)
    assert {metric.label: metric.value for metric in page.metric}["Credits"] == "0 here"
    assert "is being collected" in page.toast[0].value
    assert desk.sandbox.requests("submit") == posts
    desk.finish(run.run_id)
    assert desk.run(run.run_id).outcomes[Outcome.MATCHED] == 3


def test_a_list_is_joined_by_the_column_that_is_guessed_and_can_be_changed(desk: Desk) -> None:
    batch_id = submit(desk, "row-1", "row-2", "row-7")
    page = fill(desk.open("monitor"), batch_id)
    text = "Shop,Ref\nOne,row-1\nTwo,row-2\nThree,row-3\nOne again,row-1\n"

    page.file_uploader[0].upload("shops.csv", text.encode()).run()

    assert not page.exception
    column = next(one for one in page.selectbox if one.label == "Column with the tracking ids")
    assert column.value == "Ref"
    said = texts(page)
    assert "**3 of 4 rows** name a task of this batch; 1 other row will be *skipped*" in said
    assert "2 of 3 tasks are named by a row; what the others found is kept as *unmatched records*" in said
    assert page.dataframe[0].value["Row of your list"].to_list() == ["line 2", "line 3", "none"]

    column.set_value("Shop").run()
    assert "No row of this column names a task of this batch" in texts(page)
    assert button(page, "Collect it").disabled

    next(one for one in page.selectbox if one.label == "Column with the tracking ids").set_value("Ref").run()
    button(page, "Collect it").click()
    page.run()
    run_id = desk.newest
    desk.finish(run_id)

    frame = join.results(desk.ledger, run_id, "rows")
    assert frame.select("Shop", "outcome").rows() == [
        ("One", "matched"),
        ("Two", "matched"),
        ("Three", "skipped"),
        ("One again", "duplicate"),
    ]
    page = desk.open("results", run=run_id)
    assert {metric.label: metric.value for metric in page.metric}["Credits"] == "0 here"
    _, stray = desk.open("results", run=run_id).dataframe
    assert "1 record belongs to no row" in [one.label for one in page.expander]
    assert stray.value["why"].to_list() == [NO_ROW] and stray.value["tracking_id"].to_list() == ["row-7"]
    story = desk.open("results", run=run_id, row="1")
    assert "Task row-1 in batch 1, done" in texts(story)
    assert "what it asked for is not known here" in texts(story)


def test_nothing_is_collected_before_it_is_said_what_was_asked(desk: Desk) -> None:
    page = fill(desk.open("monitor"), submit(desk, "row-1"), kind=None)

    assert button(page, "Collect it").disabled
    assert "Choose what it was submitted as" in texts(page)


def test_an_id_that_openmart_does_not_know_is_said_and_nothing_changes(desk: Desk) -> None:
    page = fill(desk.open("monitor"), "no-such-batch")

    assert "Openmart does not know a batch of this id" in texts(page)
    assert "Collect it" not in labels(page) and queries.runs(desk.ledger) == []


def test_a_batch_that_is_not_complete_yet_can_be_looked_at_again(desk: Desk) -> None:
    batch_id = submit(desk, "row-1", "row-2")
    desk.sandbox.faults.add("ids_late", on="task_ids", times=None)
    page = fill(desk.open("monitor"), batch_id)
    assert "Openmart lists no task of this batch yet. Nothing was changed." in texts(page)

    desk.sandbox.faults.clear()
    button(page, "Look").click()
    page.run()

    assert "lists no task" not in texts(page) and "Collect it" in labels(page)


def test_a_batch_that_is_here_already_leads_to_its_run(desk: Desk) -> None:
    run_id = desk.plan(name="First")
    desk.finish(run_id)
    desk.plan(name="Second", title="CEO")
    batch_id = queries.batches(desk.ledger, run_id)["batch_id"][0]
    page = desk.open("monitor")
    assert page.header[0].value == "Second"

    page.text_input(key="foreign_0_id").set_value(batch_id).run()
    assert f"it is batch 1 of run {run_id} (First)" in texts(page)
    button(page, "Open that run").click()
    page.run()

    assert page.header[0].value == "First"


@pytest.mark.parametrize("kind", [None, Kind.FIND_TECH])
def test_a_lost_batch_of_ours_goes_where_it_belongs_whatever_kind_is_said(
    desk: Desk, kind: Kind | None
) -> None:
    desk.sandbox.faults.add("answer_lost", on="submit", times=1)
    run_id = desk.plan(name="Lost")
    with desk.working():
        eventually(lambda: desk.run(run_id).needs_person)
    page = fill(desk.open("monitor"), desk.sandbox.journal()[-1].batch_id, kind)

    assert f"This is our own batch 1 of run {run_id} (Lost), whose answer had been lost" in texts(page)
    page.button(key="foreign_0_go").click()
    page.run()
    desk.finish(run_id)

    assert desk.run(run_id).state is RunState.DONE and len(queries.runs(desk.ledger)) == 1
    assert desk.run(run_id).kind is Kind.FIND_PEOPLE


def test_a_file_that_is_no_list_is_said_in_plain_words(desk: Desk) -> None:
    page = desk.open("monitor")

    page.file_uploader[0].upload("list.csv", b"%PDF-1.7 and so on").run()

    assert not page.exception
    assert "a PDF, not a list" in texts(page)


def test_kinds_are_offered_in_plain_words(desk: Desk) -> None:
    page = desk.open("monitor")

    offered = next(one for one in page.selectbox if one.label == "What was it submitted as?")
    assert offered.options == list(words.KIND_NAMES.values()) and offered.value is None
