"""The box of unknown batches: what is known of each, what it may cost, and the three ways out."""

from __future__ import annotations

import re

import pytest

from openmart_lib.dashboard.unknown_box import is_confirmed, resend_phrase, support_message
from openmart_lib.ledger import BatchState, Outcome, queries
from openmart_lib.ledger.balances import note_balance
from openmart_lib.ledger.runs import cancel_run
from tests.pages.conftest import LIST, Desk, button, eventually, labels, texts


@pytest.fixture
def lost(desk: Desk) -> str:
    """A run whose only batch was created while its answer was lost; its id."""
    desk.sandbox.faults.add("answer_lost")
    run_id = desk.plan()
    with desk.working():
        eventually(lambda: desk.run(run_id).batches[BatchState.UNKNOWN] == 1)
    return run_id


def test_it_says_what_was_seen_when_and_what_it_may_have_cost(desk: Desk, lost: str) -> None:
    said = texts(desk.open("monitor", run=lost))

    assert "We don't know whether Openmart took 1 batch (4 rows)." in said
    assert "It may have been charged: at most about 12 credits, an estimate." in said
    assert "Nothing sends it again by itself." in said
    assert f"Tracking ids: {lost}-1 to {lost}-4" in said
    assert "Tasks: 4, for 4 rows" in said
    assert "What was seen: " in said
    assert re.search(r"Sent: \d+ \w+ \d{4}, \d\d:\d\d UTC", said)
    assert "May have cost: at most about 12 credits (4 x 1 person x email 3), an estimate" in said


def test_the_card_names_what_is_at_stake_and_does_not_call_the_run_done(desk: Desk, lost: str) -> None:
    page = desk.open("monitor", run=lost)

    said = texts(page)
    assert "2 of 6 rows final · 4 in doubt, waiting for your decision · nothing else is sent" in said
    assert "done after" not in said
    figures = {one.label: (one.value, one.delta) for one in page.metric}
    assert figures["Credits for sure"] == ("about 0", "of at most 12")
    assert figures["Credits in doubt"] == ("up to 12", "may be charged")

    button(page, "Give this batch up").click()
    page = page.run()
    said = texts(page)
    assert "6 of 6 rows final · done after" in said, "nobody is waited for any more"
    assert [one.value for one in page.metric if one.label == "Credits in doubt"] == ["up to 12"]


def test_the_balance_before_and_after_is_a_hint_because_the_team_shares_it(desk: Desk, lost: str) -> None:
    account = desk.run(lost).account_id
    (row,) = queries.batches(desk.ledger, lost).iter_rows(named=True)
    with desk.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM balance")
    note_balance(desk.ledger, account, 1000.0, "start", at=row["sent_at"] - 1)
    note_balance(desk.ledger, account, 988.0, "unknown", at=row["answered_at"] + 1)

    said = texts(desk.open("monitor", run=lost))

    assert re.search(r"Balance: 1,000 credits before \(.*\), 988 credits after \(.*\): 12 fewer\.", said)
    assert "Your team shares the balance" in said
    assert "a hint, not a proof" in said


@pytest.mark.parametrize(
    ("credits", "words"), [(None, "your plan is not metered"), ("unread", "it was not read around that time")]
)
def test_without_a_balance_to_compare_it_says_so(
    desk: Desk, lost: str, credits: str | None, words: str
) -> None:
    with desk.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM balance")
    if credits is None:
        note_balance(desk.ledger, desk.run(lost).account_id, None, "unknown")

    assert f"Balance: {words}" in texts(desk.open("monitor", run=lost)).replace("so it tells nothing.", "")


def test_it_is_sent_again_only_after_word_and_cost_were_typed(desk: Desk, lost: str) -> None:
    page = desk.open("monitor", run=lost)
    said = texts(page)
    assert "paid twice" in said.replace("**", "")
    assert "at most about **12 credits more**" in said
    assert button(page, "Send this batch again").disabled
    (word,) = [box for box in page.text_input if box.label == "Type **resend 12** to confirm"]

    page = word.set_value("resend").run()
    assert button(page, "Send this batch again").disabled
    (word,) = [box for box in page.text_input if box.label == "Type **resend 12** to confirm"]
    page = word.set_value(" Resend  12 ").run()
    button(page, "Send this batch again").click()
    page.run()

    assert desk.run(lost).batches[BatchState.RESENT] == 1


def test_the_typed_word_holds_the_credits_without_fuss_about_their_spelling() -> None:
    phrase = resend_phrase(1199.2)

    assert phrase == "resend 1200"
    assert is_confirmed(" Resend 1,200 ", phrase)
    assert not any(is_confirmed(typed, phrase) for typed in ("resend", "1200", "resend 120", "", None))


def test_its_id_is_looked_at_before_the_batch_is_collected_under_it(desk: Desk, lost: str) -> None:
    page = desk.open("monitor", run=lost)

    page = _batch_id(page).set_value("no-such-batch").run()
    button(page, "Collect it").click()
    page.run()
    assert page.error[0].value
    assert desk.run(lost).batches[BatchState.UNKNOWN] == 1

    page = _batch_id(page).set_value(desk.sandbox.journal()[0].batch_id).run()
    button(page, "Collect it").click()
    page.run()
    desk.finish(lost)

    assert desk.run(lost).outcomes[Outcome.MATCHED] == 1
    assert len(desk.sandbox.journal()) == 1


def test_giving_it_up_keeps_its_rows_unknown(desk: Desk, lost: str) -> None:
    page = desk.open("monitor", run=lost)

    button(page, "Give this batch up").click()
    page.run()

    assert desk.run(lost).batches[BatchState.DROPPED] == 1
    assert desk.run(lost).outcomes[Outcome.UNKNOWN] == 4


def test_nothing_of_a_cancelled_run_is_offered_to_be_sent_again(desk: Desk) -> None:
    desk.sandbox.faults.add("answer_lost")
    run_id = desk.plan(text=many(120))
    with desk.working():
        eventually(lambda: desk.run(run_id).batches[BatchState.UNKNOWN] == 1)
    cancel_run(desk.ledger, run_id)

    page = desk.open("monitor", run=run_id)

    assert "Give this batch up" in labels(page)
    assert "Send this batch again" not in labels(page)


def test_several_batches_are_decided_one_by_one_and_asked_about_in_one_message(desk: Desk) -> None:
    desk.sandbox.faults.add("answer_lost", times=2)
    run_id = desk.plan(text=many(120))
    with desk.working():
        eventually(lambda: desk.run(run_id).batches[BatchState.UNKNOWN] == 2)

    page = desk.open("monitor", run=run_id)

    said = texts(page)
    assert "We don't know whether Openmart took 2 batches (120 rows)." in said
    assert "They may have been charged: at most about 360 credits, an estimate." in said
    (choice,) = [box for box in page.selectbox if box.label == "Batch"]
    assert [option.split(",")[0] for option in choice.options] == ["Batch 1: 100 tasks", "Batch 2: 20 tasks"]
    assert page.code[0].value.count("First tracking_id: ") == 2
    assert not any("all" in one.lower() for one in labels(page) if "give" in one.lower())


def test_the_message_for_support_names_what_they_need_and_nobody(desk: Desk, lost: str) -> None:
    run = desk.run(lost)

    message = support_message(run, queries.batches(desk.ledger, lost))

    assert "Route: POST /api/v1/task/batch/find_people" in message
    assert re.search(r"^Sent \(UTC\): \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", message, re.M)
    assert "Tasks: 4" in message
    assert f"First tracking_id: {lost}-1" in message
    assert f"Last tracking_id: {lost}-4" in message
    assert "API key ends in: " in message
    assert "What we saw: " in message
    uploaded = [cell for line in LIST.splitlines()[1:] for cell in line.split(",")[:2]]
    assert not any(cell.lower() in message.lower() for cell in uploaded)
    assert texts(desk.open("monitor", run=lost)).count(message) == 1


def many(rows: int) -> str:
    """A list of so many companies."""
    lines = "".join(f"shop{n}-of-many.com,Shop {n}\n" for n in range(rows))
    return f"Website,Company\n{lines}"


def _batch_id(page):  # type: ignore[no-untyped-def] # Streamlit's test elements have no public types
    return next(box for box in page.text_input if box.label == "Batch id")
