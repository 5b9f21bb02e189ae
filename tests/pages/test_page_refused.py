"""Refused batches on Monitor: what was said, the search for the bad row, and what it found."""

from __future__ import annotations

import polars as pl
import pytest

from openmart_lib.dashboard import batch_table, refused_box
from openmart_lib.ledger import BatchState, Outcome, RunState, queries, submissions
from openmart_lib.ledger.runs import cancel_run, pause_run
from openmart_lib.ledger.searches import searches
from openmart_lib.ledger.searching import find_row, stop_search
from tests.pages.conftest import Desk, button, labels, texts

COMPANIES = "Company,Website\n" + "".join(
    f"Shop {row},{'row.bad.example' if row == 5 else f'shop{row}.example'}\n" for row in range(1, 9)
)
WORDS = "Domain is **required**"


@pytest.fixture
def refused_run(desk: Desk) -> str:
    """A run of eight companies, refused because of the fifth."""
    desk.sandbox.faults.add("bad_row", domain="bad.example", detail=WORDS)
    run_id = desk.plan(text=COMPANIES)
    desk.finish(run_id)
    return run_id


def root(desk: Desk, run_id: str) -> int:
    return int(queries.batches(desk.ledger, run_id)["pk"][0])


def test_a_refused_batch_says_what_was_said_and_what_a_search_takes_before_the_click(
    desk: Desk, refused_run: str
) -> None:
    page = desk.open("monitor", run=refused_run)

    said = texts(page)
    assert f"Openmart refused 1 batch (8 tasks): “{WORDS}”" in said
    assert "Nothing was created and nothing was spent" in said
    assert "about 6 submissions" in said
    assert "Only halves that Openmart accepts can cost" in said
    assert "a new run: not both" in said
    assert queries.batches(desk.ledger, refused_run).height == 1, "looking sends nothing"


def test_the_row_is_found_with_one_click_and_named_with_a_way_to_see_it(desk: Desk, refused_run: str) -> None:
    page = desk.open("monitor", run=refused_run)

    button(page, "Send the halves").click()
    page.run()
    going = texts(page)
    desk.finish(refused_run)
    page = desk.open("monitor", run=refused_run)

    assert "Looking for the bad row of batch 1" in going
    said = texts(page)
    assert "is over: Openmart refused row 5 (line 6 in your file) alone." in said
    assert f"Openmart refused this row alone: {WORDS}" in said
    assert "7 of 8 tasks were accepted" in said
    assert "Find the row…" not in labels(page) and "Send the halves" not in labels(page)
    assert desk.run(refused_run).outcomes[Outcome.REFUSED] == 1

    button(page, "Show the refused rows (1)").click()
    page.run()

    assert page.title[0].value == "Results"
    assert page.dataframe[0].value["row"].tolist() == [5]


def test_a_search_that_goes_on_says_how_far_it_is_and_can_be_stopped(desk: Desk, refused_run: str) -> None:
    find_row(desk.ledger, root(desk, refused_run))
    page = desk.open("monitor", run=refused_run)
    said = texts(page)

    button(page, "Stop searching").click()
    page.run()

    assert "0 parts sent, 2 waiting, 0 of 8 tasks accepted, no row refused alone yet" in said
    assert desk.run(refused_run).state is RunState.DONE
    assert desk.run(refused_run).outcomes[Outcome.CANCELLED] == 8
    assert "The search in batch 1 ended before a row was found." in texts(page)
    assert "Stop searching" not in labels(page)


def test_a_search_without_hope_names_the_likely_cause_and_can_go_on_in_a_part(desk: Desk) -> None:
    desk.sandbox.faults.add("status", status=422, detail="Title is invalid", times=None)
    shops = "Company,Website\n" + "".join(f"Shop {row},shop{row}.example\n" for row in range(40))
    run_id = desk.plan(text=shops)
    desk.finish(run_id)
    find_row(desk.ledger, root(desk, run_id))
    desk.finish(run_id)

    page = desk.open("monitor", run=run_id)

    said = texts(page)
    assert "Openmart refuses every part of batch 1, single rows too." in said
    assert "The cause is likely an option of the run" in said
    assert "Openmart refused 1 batch" not in said, "one box a cause"

    desk.sandbox.faults.clear()
    button(page, "Send the halves").click()
    page.run()
    desk.finish(run_id)

    assert len(searches(desk.ledger, run_id)) == 2
    assert desk.run(run_id).batches[BatchState.COLLECTED] >= 1


def test_several_refused_batches_of_the_same_words_hint_at_an_option(desk: Desk) -> None:
    desk.sandbox.faults.add("status", status=422, detail="Title is invalid", times=None)
    shops = "Company,Website\n" + "".join(f"Shop {row},shop{row}.example\n" for row in range(150))
    run_id = desk.plan(text=shops)
    desk.finish(run_id)

    page = desk.open("monitor", run=run_id)

    said = texts(page)
    assert "Openmart refused 2 batches (150 tasks): “Title is invalid”" in said
    assert "the cause is likely an option of the run" in said
    assert page.selectbox(key=f"refused_{run_id}_1").options == ["Batch 1: 100 tasks", "Batch 2: 50 tasks"]


def test_a_search_of_a_run_that_was_paused_meanwhile_says_that_it_waits(desk: Desk, refused_run: str) -> None:
    find_row(desk.ledger, root(desk, refused_run))
    pause_run(desk.ledger, refused_run)

    assert "waits while the run is paused or held" in texts(desk.open("monitor", run=refused_run))


def test_a_batch_of_one_task_is_the_row_itself(desk: Desk) -> None:
    desk.sandbox.faults.add("bad_row", detail=WORDS)
    run_id = desk.plan(text="Company,Website\nBad,bad.example\n")
    desk.finish(run_id)

    page = desk.open("monitor", run=run_id)

    assert "Openmart refused 1 batch (1 task)" in texts(page)
    assert "Correct what its words name" in texts(page)
    assert "Send the halves" not in labels(page)


def test_a_cancelled_run_offers_no_search(desk: Desk) -> None:
    desk.sandbox.faults.add("status", status=422, detail="no")
    shops = "Company,Website\n" + "".join(f"Shop {row},shop{row}.example\n" for row in range(8))
    run_id = desk.plan(text=shops)
    pk = root(desk, run_id)
    desk.finish(run_id)
    find_row(desk.ledger, pk)
    cancel_run(desk.ledger, run_id)

    page = desk.open("monitor", run=run_id)

    assert "Send the halves" not in labels(page)
    assert "The search in batch 1 ended before a row was found." in texts(page)


@pytest.mark.parametrize(("tasks", "sent"), [(1, 0), (2, 2), (3, 4), (8, 6), (100, 14)])
def test_about_two_submissions_are_promised_for_each_halving(tasks: int, sent: int) -> None:
    assert refused_box.submissions(tasks) == sent


def test_the_table_of_batches_says_what_is_part_of_what(desk: Desk, refused_run: str) -> None:
    find_row(desk.ledger, root(desk, refused_run))
    desk.finish(refused_run)

    table = batch_table.for_reading(queries.batches(desk.ledger, refused_run), now=0.0)

    states = dict(table.select("Batch", "State").rows())
    halved = [number for number, state in states.items() if state.startswith(batch_table.HALVED)]
    assert states[1] == "refused, halves sent again"
    assert f"{batch_table.HALVED} (part of batch 1)" in states.values()
    assert "done (part of batch 1)" in states.values()
    assert list(states.values()).count("refused, nothing spent (part of batch 1)") == 1
    assert table["Batch"][0] not in halved, "what was halved needs no look"
    assert table.height == queries.batches(desk.ledger, refused_run).height


def test_the_states_of_a_run_without_searches_are_as_before(desk: Desk, refused_run: str) -> None:
    table = batch_table.for_reading(queries.batches(desk.ledger, refused_run), now=0.0)

    assert table["State"].to_list() == ["refused, nothing spent"]
    assert table["State"].dtype == pl.String


def test_a_stopped_search_with_a_part_left_offers_that_part(desk: Desk, refused_run: str) -> None:
    pk = root(desk, refused_run)
    find_row(desk.ledger, pk)
    account = queries.accounts(desk.ledger)[0].id
    candidate = submissions.next_candidate(desk.ledger, account)
    assert candidate is not None
    claim = submissions.claim(desk.ledger, candidate, account_id=account, worker_id="w", slots=4)
    assert claim is not None
    stop_search(desk.ledger, pk)
    submissions.refuse(desk.ledger, claim.pk, status=400, detail=WORDS)

    page = desk.open("monitor", run=refused_run)

    assert "The search in batch 1 ended before a row was found." in texts(page)
    assert "The 4 tasks of batch 3 are sent again as two halves" in texts(page)
