"""Monitor: where a run stands, what it needs, and what a person can do about it."""

from __future__ import annotations

import pytest

from openmart_lib.dashboard import resources
from openmart_lib.dashboard.monitor_view import tab_title
from openmart_lib.dashboard.run_picker import run_line
from openmart_lib.ledger import Hold, Outcome, RunState, accounts, open_ledger, queries, submissions
from openmart_lib.ledger.overview import run_info, runs
from openmart_lib.ledger.reused import standing_still
from openmart_lib.ledger.runs import pause_run, resume_run
from openmart_lib.report import look
from openmart_lib.results import join
from openmart_lib.settings import load_settings
from tests.pages.conftest import LIST, Desk, button, eventually, labels, texts


def test_an_empty_monitor_says_what_it_will_show_and_where_to_begin(desk: Desk) -> None:
    page = desk.open("monitor")

    assert "Here you watch your runs" in texts(page)
    assert page.page_link[0].value == "Submit a first list"


def test_a_run_that_waits_shows_where_its_rows_are_and_that_no_engine_runs(desk: Desk) -> None:
    desk.plan()

    page = desk.open("monitor")

    said = texts(page)
    assert "2 of 6 rows final" in said  # one rejected, one the same as another
    assert "4 rows without an answer yet: 4 waiting to be sent" in said
    assert "= 6 rows" in said
    assert "The engine is not running, so nothing moves" in said
    assert "Sending: keep this computer awake" in said


def test_a_finished_run_adds_up_and_leads_to_its_results(finished_desk: Desk) -> None:
    run_id = finished_desk.newest

    page = finished_desk.open("monitor", run=run_id)

    said = texts(page)
    assert "6 of 6 rows final · done after" in said
    parts = ["found **1**", "not found **3**", "not sent or cancelled **1**", "same as another row **1**"]
    assert all(part in said for part in parts)
    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["Rows with email"] == ("1", "of 4 looked up")
    assert figures["Credits so far"] == ("about 3", "of at most 12")
    assert tab_title(finished_desk.run(run_id)) == "Done · Spring list"

    button(page, "Open results").click()
    page.run()

    assert page.title[0].value == "Results"


def test_a_run_named_in_the_address_is_shown_and_an_unknown_one_is_said(desk: Desk) -> None:
    first = desk.plan(name="First")
    desk.plan(name="Second", title="CEO")

    assert desk.open("monitor", run=first).header[0].value == "First"
    page = desk.open("monitor", run="nowhere222")

    assert page.header[0].value == "Second"
    assert "There is no run nowhere222 here" in texts(page)


def test_pause_and_resume_are_one_click_each(desk: Desk) -> None:
    run_id = desk.plan()
    page = desk.open("monitor", run=run_id)

    button(page, "Pause").click()
    page.run()
    assert desk.run(run_id).state is RunState.PAUSED
    assert "paused by you" in texts(page)

    button(page, "Resume").click()
    page.run()
    assert desk.run(run_id).state is RunState.ACTIVE


def test_cancel_says_what_it_can_stop_before_it_does(desk: Desk) -> None:
    run_id = desk.plan()
    page = desk.open("monitor", run=run_id)
    assert "1 batch not yet sent will never be sent and cost nothing. Nothing is with Openmart." in texts(
        page
    )

    button(page, "Cancel the rest").click()
    page.run()

    assert desk.run(run_id).outcomes[Outcome.CANCELLED] == 4
    assert "cancelled" in texts(page)


def test_a_refused_batch_shows_the_servers_words_as_text(desk: Desk) -> None:
    words = "**title** is [too](javascript:alert(1)) long"
    desk.sandbox.faults.add("status", status=422, detail=words)
    run_id = desk.plan()
    desk.finish(run_id)

    page = desk.open("monitor", run=run_id)

    assert words in texts(page)
    assert words not in page.error[0].proto.title


def test_the_batches_carry_openmarts_own_counters(finished_desk: Desk) -> None:
    run_id = finished_desk.newest

    page = finished_desk.open("monitor", run=run_id)

    (batch,) = queries.batches(finished_desk.ledger, run_id).iter_rows(named=True)
    line = page.dataframe[0].value.iloc[0]
    assert line["State"] == "done"
    assert (line["Completed"], line["Errored"]) == (batch["completed"], batch["errored"])
    assert line["Completed"] + line["Errored"] + line["Processing"] + line["Not reported"] == batch["total"]


def test_several_runs_are_listed_newest_first(desk: Desk) -> None:
    desk.plan(name="First")
    desk.plan(name="Second", title="CEO")

    page = desk.open("monitor")

    assert page.dataframe[-1].value["Run"].tolist() == ["Second", "First"]
    assert len(runs(desk.ledger)) == 2
    assert "Pause" in labels(page)


@pytest.mark.parametrize("held", [None, Hold.UNAUTHORIZED])
def test_a_run_of_another_key_waits_until_a_person_lets_it_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, held: Hold | None
) -> None:
    """One box, also where the other key was given up because Openmart did not accept it any more."""
    monkeypatch.setenv("OPENMART_BASE_URL", desk.sandbox.url)
    monkeypatch.setenv("OPENMART_API_KEY", "the-first-key-of-this-team-1111")
    with_first = load_settings()
    monkeypatch.setenv("OPENMART_API_KEY", "the-second-key-of-this-team-2222")
    resources.settings.clear()
    ledger = open_ledger(with_first)
    first = Desk(with_first, desk.sandbox, ledger)
    run_id = first.plan(text="Website,Company\nadyen.com,Adyen\n")
    if held is not None:
        with ledger.write() as connection:
            account = run_info(ledger, run_id).account_id
            accounts.hold(connection, account, held, now=ledger.now(), detail="Invalid API Key")

    page = first.open("monitor", run=run_id)
    assert "planned with another key (it ends in 1111)" in texts(page)
    assert "Go on with the present key (…2222)" in texts(page)
    assert ("That key is held: Openmart does not accept the key (401)." in texts(page)) is (held is not None)
    assert "Resume" not in labels(page) and "Correct OPENMART_API_KEY" not in texts(page)
    button(page, "Go on with the present key").click()
    page.run()

    assert "another key" not in texts(page) and "401" not in texts(page)
    assert run_info(ledger, run_id).key_last4 == "2222"
    ledger.close()


def test_a_large_finished_run_is_joined_while_it_is_looked_at(
    finished_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = finished_desk.newest
    kept = finished_desk.ledger.results_dir / f"{run_id}.rows.parquet"
    finished_desk.open("monitor", run=run_id)
    assert not kept.exists(), "a small one is joined in a moment"

    monkeypatch.setattr(join, "KEEP_FROM", 1)
    finished_desk.open("monitor", run=run_id)

    eventually(kept.exists)
    assert finished_desk.open("results", run=run_id).dataframe[0].value["row"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_run_in_doubt_is_not_listed_as_done(desk: Desk) -> None:
    run_id = desk.plan()
    candidate = submissions.next_candidate(desk.ledger, 1)
    assert candidate is not None
    claim = submissions.claim(desk.ledger, candidate, account_id=1, worker_id="w", slots=4)
    assert claim is not None
    submissions.lose(desk.ledger, claim.pk, seen="timeout")

    assert desk.run(run_id).state is RunState.DONE
    assert "Spring list · 1 batch in doubt · 6 rows" in run_line(desk.run(run_id))
    desk.plan(name="Second list", text=LIST.replace("Segment", "Part"))
    page = desk.open("monitor", run=run_id)
    assert "2 of 6 rows final · 4 in doubt, waiting for your decision" in texts(page)
    assert page.dataframe(key="all_runs").value["Rows final"].tolist() == [2, 2], "as the card says"
    assert "2 of 6 rows final" in look(desk.ledger, desk.settings, run_id).sentence()


def test_rows_that_wait_for_a_run_that_stands_still_say_which_and_what_to_do(desk: Desk) -> None:
    source = desk.plan()
    pause_run(desk.ledger, source)
    reader = desk.plan(name="Second list", text=LIST.replace("Segment", "Part"), reuse=90)

    page = desk.open("monitor", run=reader)

    said = texts(page)
    assert "4 rows without an answer yet: 4 waited for in another run" in said
    assert f"4 rows wait for run {source} (Spring list), which is paused: paused by you." in said
    resume_run(desk.ledger, source)
    assert standing_still(desk.ledger, reader) == []
