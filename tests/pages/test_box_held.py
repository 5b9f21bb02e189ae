"""The box of a held account: what waits, what it cost, and the two ways on."""

from __future__ import annotations

import pytest

from openmart_lib.api.wire import CreditBalance
from openmart_lib.dashboard import balance_view
from openmart_lib.engine import ask
from openmart_lib.ledger import BatchState, Hold, Outcome, RunState, accounts, balances
from openmart_lib.ledger.balances import Balance
from openmart_lib.ledger.runs import pause_run
from openmart_lib.settings import Settings
from tests.pages.conftest import Desk, button, eventually, labels, texts


def held(desk: Desk, status: int = 402, detail: str = "credit limit reached") -> str:
    """Plan a run whose first submission is refused for the whole account; return its id."""
    desk.sandbox.faults.add("status", status=status, detail=detail)
    run_id = desk.plan()
    with desk.working():
        eventually(lambda: desk.run(run_id).hold is not None)
    return run_id


def test_a_held_account_is_named_with_what_to_do_and_a_click_resumes(desk: Desk) -> None:
    run_id = held(desk)

    page = desk.open("monitor", run=run_id)
    said = texts(page)
    assert "Openmart says the credit limit is reached." in said
    assert "“credit limit reached”" in said
    assert "Add credits at Openmart, then resume." in said
    assert "Every run of this key waits, not only this one." in said
    assert "1 needs you" in page.page_link[0].value

    button(page, "Resume").click()
    page.run()
    desk.finish(run_id)

    assert desk.run(run_id).state is RunState.DONE


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept the API key"),
        (403, "this user is banned"),
        (404, "does not behave like Openmart"),
    ],
)
def test_every_hold_that_needs_a_person_says_what_happened_and_that_nothing_was_spent(
    desk: Desk, status: int, words: str
) -> None:
    run_id = held(desk, status, "no")

    said = texts(desk.open("monitor", run=run_id))

    assert words in said
    assert "Nothing was spent on what waits" in said


def test_it_counts_what_is_with_openmart_and_what_was_not_sent(desk: Desk) -> None:
    run_id = held(desk)

    page = desk.open("monitor", run=run_id)

    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["With Openmart"] == ("0", "of 1 batch")
    assert figures["Not sent, not paid"] == ("4", "of 6 rows")


def test_all_runs_of_the_account_are_named_and_resumed_together_but_not_one_that_was_paused(
    desk: Desk,
) -> None:
    first = held(desk)
    second = desk.plan(name="Summer list", title="CEO")
    paused = desk.plan(name="Autumn list", title="CFO")
    pause_run(desk.ledger, paused)

    page = desk.open("monitor", run=first)
    assert "“Summer list” too" in texts(page)
    assert "“Autumn list”" not in texts(page)
    button(page, "Resume all 2 runs").click()
    page.run()
    desk.finish(second)
    desk.finish(first)

    assert desk.run(paused).state is RunState.PAUSED


def test_stopping_here_cancels_what_was_not_sent_and_opens_the_results(desk: Desk) -> None:
    run_id = held(desk)
    page = desk.open("monitor", run=run_id)
    assert "1 batch not yet sent will never be sent and cost nothing. Nothing is with Openmart." in texts(
        page
    )

    button(page, "Stop this run and open its results").click()
    page.run()

    assert desk.run(run_id).state is RunState.CANCELLED
    assert desk.run(run_id).outcomes[Outcome.CANCELLED] == 4
    assert page.title[0].value == "Results"
    assert len(desk.sandbox.journal()) == 0


def test_the_balance_is_asked_for_only_on_a_click_and_then_kept_with_its_time(desk: Desk) -> None:
    run_id = held(desk)
    account = desk.run(run_id).account_id
    with desk.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM balance")
    page = desk.open("monitor", run=run_id)
    assert [(m.value, m.delta) for m in page.metric if m.label == "Balance"] == [("not known", "never read")]

    button(page, "Ask for the balance (free)").click()
    page.run()

    (shown,) = [m for m in page.metric if m.label == "Balance"]
    assert shown.value == "100,000"
    assert shown.delta.endswith(" ago")
    stored = balances.newest_balance(desk.ledger, account)
    assert stored is not None and (stored.credits, stored.why) == (100_000, "person")


def test_an_answer_that_comes_in_while_the_balance_is_asked_for_counts_as_gone_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be no part of that balance, and a reserve must count it."""
    run_id = held(desk)
    mine = desk.run(run_id).account_id
    page = desk.open("monitor", run=run_id)
    real = ask.balance

    def slowly(settings: Settings) -> CreditBalance:
        with desk.ledger.write() as connection:
            connection.exec_driver_sql("UPDATE run SET credits_spent = credits_spent + 7")
        return real(settings)

    monkeypatch.setattr(ask, "balance", slowly)
    button(page, "Ask for the balance (free)").click()
    page.run()

    with desk.ledger.read() as connection:
        noted = connection.exec_driver_sql(
            "SELECT credits_spent FROM balance ORDER BY at DESC LIMIT 1"
        ).scalar()
    assert noted == balances.spent_so_far(desk.ledger, mine) - 7


def test_a_balance_that_cannot_be_read_is_said_and_changes_nothing(desk: Desk) -> None:
    run_id = held(desk)
    desk.sandbox.faults.add("status", on="balance", status=503, times=None)
    page = desk.open("monitor", run=run_id)

    button(page, "Ask for the balance (free)").click()
    page.run()

    assert page.warning[-1].value
    assert desk.run(run_id).hold is Hold.CREDIT_LIMIT


def test_a_wait_that_ends_by_itself_needs_nobody(desk: Desk) -> None:
    run_id = desk.plan()
    with desk.ledger.write() as connection:
        accounts.hold(
            connection,
            desk.run(run_id).account_id,
            Hold.RATE_LIMITED,
            now=desk.ledger.now(),
            detail="slow down",
            until=desk.ledger.now() + 3600,
        )

    page = desk.open("monitor", run=run_id)

    assert "1 batch waits. Nothing was spent on what waits. Seen: “slow down”." in texts(page)
    assert "Not before" in texts(page)
    assert "Resume" not in labels(page)
    assert desk.run(run_id).batches[BatchState.PLANNED] == 1


def test_a_balance_in_words_says_how_old_it_is_and_when_nothing_is_metered() -> None:
    assert balance_view.figure(None, now=100.0) == ("not known", "never read")
    assert balance_view.figure(Balance(40.0, 12.0, "hold"), now=100.0) == ("12", "60 s ago")
    assert balance_view.figure(Balance(40.0, None, "hold"), now=100.0)[0] == "not metered"
    assert [balance_view.difference(spent) for spent in (120.0, 0.0, -300.0)] == [
        "120 fewer",
        "the same",
        "300 more",
    ]
