"""The boxes of batches that stand still and of rows that were never given back: looking is always free."""

from __future__ import annotations

import pytest

from openmart_lib.dashboard import resources
from openmart_lib.ledger import BatchState, Outcome, RunState, queries
from openmart_lib.ledger.decisions import close_batch
from tests.pages.conftest import Desk, button, eventually, labels, texts

STUCK = "Website,Company\nstuck.example,Stuck\neverything.example,Everything\n"


@pytest.fixture
def stalled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose batch has not changed for long: one row is back, one never comes; its id."""
    monkeypatch.setenv("OPENMART_STALL_AFTER", "1")
    resources.settings.clear()
    desk.settings = resources.settings()
    run_id = desk.plan(text=STUCK)
    with desk.working():
        eventually(lambda: desk.run(run_id).outcomes[Outcome.MATCHED] == 1)
        eventually(lambda: resources.run(run_id).stalled_batches == 1)
    return run_id


def test_a_batch_that_stands_still_is_shown_with_its_age_and_can_be_closed(desk: Desk, stalled: str) -> None:
    page = desk.open("monitor", run=stalled)
    said = texts(page)
    assert "1 batch has not changed for" in said
    assert "Finished rows are collected; 1 row is still asked for." in said
    assert "1 row without an answer becomes *missing*" in said
    assert "unchanged since" in page.selectbox[0].options[0]

    button(page, "Close this batch").click()
    page.run()

    assert desk.run(stalled).outcomes[Outcome.MISSING] == 1
    assert desk.run(stalled).outcomes[Outcome.MATCHED] == 1


def test_looking_again_asks_at_once_and_makes_the_batch_due(desk: Desk, stalled: str) -> None:
    (before,) = queries.batches(desk.ledger, stalled)["next_poll_at"]
    asked = desk.sandbox.requests("status")
    page = desk.open("monitor", run=stalled)

    button(page, "Look again (free)").click()
    page.run()

    assert desk.sandbox.requests("status") == asked + 1
    assert "completed 1" in page.toast[0].value
    (after,) = queries.batches(desk.ledger, stalled)["next_poll_at"]
    assert after != before and after <= desk.ledger.now()


def test_rows_of_a_closed_batch_are_looked_for_again_and_the_batch_is_polled(
    desk: Desk, stalled: str
) -> None:
    close_batch(desk.ledger, queries.batches(desk.ledger, stalled)["pk"].item())
    page = desk.open("monitor", run=stalled)
    said = texts(page)
    assert "1 row is missing: Openmart took its batch and never gave it back." in said
    assert "Batch 1: 1 of 2 tasks missing, closed by you" in page.selectbox[0].options[0]
    assert desk.run(stalled).state is RunState.DONE

    button(page, "Look again (free)").click()
    page.run()

    assert desk.run(stalled).batches[BatchState.ACCEPTED] == 1
    assert desk.run(stalled).outcomes[Outcome.PENDING] == 1
    polls = queries.batches(desk.ledger, stalled)["polls"].item()
    with desk.working():
        eventually(lambda: queries.batches(desk.ledger, stalled)["polls"].item() > polls)
    assert "Look again (free)" in labels(desk.open("monitor", run=stalled)), "it stands still as before"


def test_a_finished_run_without_missing_rows_has_no_such_box(finished_desk: Desk) -> None:
    page = finished_desk.open("monitor", run=finished_desk.newest)

    assert "Look again (free)" not in labels(page)


def test_all_closed_batches_can_be_looked_at_again_with_one_click(desk: Desk) -> None:
    desk.sandbox.faults.add("stuck", times=None)
    run_id = desk.plan(text="Website,Company\n" + "".join(f"shop{n}-closed.com,{n}\n" for n in range(120)))
    with desk.working():
        eventually(lambda: desk.run(run_id).batches[BatchState.ACCEPTED] == 2)
    for pk in queries.batches(desk.ledger, run_id)["pk"]:
        close_batch(desk.ledger, pk)
    page = desk.open("monitor", run=run_id)
    assert "120 rows are missing: Openmart took their batches and never gave them back." in texts(page)
    assert page.selectbox[0].options == [
        "All 2 batches",
        "Batch 1: 100 of 100 tasks missing, closed by you",
        "Batch 2: 20 of 20 tasks missing, closed by you",
    ]

    button(page, "Look again (free)").click()
    page.run()

    assert desk.run(run_id).batches[BatchState.ACCEPTED] == 2
    assert desk.run(run_id).outcomes[Outcome.PENDING] == 120
