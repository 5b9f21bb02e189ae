"""A run's card: the estimate, the balance before and after, and what no run of ours can explain."""

from __future__ import annotations

import re

import pytest

from openmart_lib.ledger.balances import note_balance
from tests.pages.conftest import Desk, texts


def read(desk: Desk, before: float | None, after: float | None) -> str:
    """Put these readings around the finished run, in place of the worker's; return what Monitor says."""
    run = desk.run(desk.newest)
    with desk.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM balance")
    assert run.finished_at is not None
    note_balance(desk.ledger, run.account_id, before, "start", at=run.created_at - 1)
    note_balance(desk.ledger, run.account_id, after, "end", at=run.finished_at + 1)
    return texts(desk.open("monitor", run=run.run_id))


def test_estimate_balance_and_difference_stand_below_the_figures(finished_desk: Desk) -> None:
    said = read(finished_desk, 1000.0, 997.0)

    assert "Estimate: about 7 credits expected, at most 12." in said
    assert re.search(r"Balance: 1,000 credits before \(.*\), 997 credits after \(.*\): 3 fewer\.", said)
    assert "By price list this run can have cost up to 12 in that time, so it adds up." in said
    assert "Your team shares this balance; charges can land late." in said
    assert "more than your runs can explain" not in said


def test_what_our_runs_cannot_explain_is_a_message_in_plain_words(finished_desk: Desk) -> None:
    said = read(finished_desk, 5000.0, 5000.0 - 12.0 - 1240.0)

    assert "The balance fell by 1,240 credits more than your runs can explain." in said
    assert "can have cost up to 12 in that time; your team may have spent the rest." in said
    assert "Your team shares this balance; charges can land late." in said


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, None, "Balance: not metered. Your plan is not metered, so the balance tells nothing."),
        (100.0, 900.0, "800 more. Credits came in between, so the difference does not tell what was spent."),
    ],
    ids=["not metered", "topped up"],
)
def test_where_the_balance_tells_nothing_the_card_says_so(
    finished_desk: Desk, before: float | None, after: float | None, words: str
) -> None:
    said = read(finished_desk, before, after)

    assert words in said
    assert "more than your runs can explain" not in said


def test_without_any_reading_the_estimate_stands_alone(finished_desk: Desk) -> None:
    with finished_desk.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM balance")

    said = texts(finished_desk.open("monitor", run=finished_desk.newest))

    assert "Estimate: about 7 credits expected, at most 12." in said
    assert "Balance:" not in said and "Your team shares" not in said
