"""The boxes of a limit, a reserve and a pilot on Monitor, and the 402's first rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources
from openmart_lib.engine.clients import key_fingerprint
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Hold, RunState, balances, limits
from openmart_lib.ledger.money import money
from openmart_lib.ledger.queries import accounts
from openmart_lib.ledger.states import Pause
from tests.pages.conftest import Desk, button, eventually, labels, texts

ROWS = "Company,Website\n" + "".join(f"Shop {n},shop{n}-of-many.com\n" for n in range(30))


def plan(desk: Desk, **money_: float) -> str:
    """Plan a run of thirty rows, 90 credits at most."""
    upload = read_upload(ROWS.encode(), "shops.csv")
    mapping = {"domain": ["Website"], "company_name": ["Company"]}
    options = RunOptions(title="Owner")
    prepared = submission.prepare(upload, mapping, Kind.FIND_PEOPLE, options, settings=desk.settings)
    return submission.confirm(desk.ledger, desk.settings, prepared, name="Shops", confirm_token="t", **money_)


def paused(desk: Desk, run_id: str) -> None:
    with desk.working():
        eventually(lambda: desk.run(run_id).state is RunState.PAUSED)


def test_a_limit_is_named_with_its_sum_and_raised_by_a_click(desk: Desk) -> None:
    run_id = plan(desk, spend_at_most=50.0)
    paused(desk, run_id)

    page = desk.open("monitor", run=run_id)
    assert "The limit of 50 credits is reached." in texts(page)
    assert "The next batch could take it to 90. 30 rows wait and cost nothing." in texts(page)
    assert "Resume" not in labels(page)
    assert "1 needs you" in page.page_link[0].value
    button(page, "Raise the limit to 90").click().run()
    desk.finish(run_id)

    assert desk.run(run_id).state is RunState.DONE
    assert money(desk.ledger, run_id).spent == desk.sandbox.credits_spent()


def test_a_limit_that_is_too_small_cannot_be_set(desk: Desk) -> None:
    run_id = plan(desk, spend_at_most=50.0)
    paused(desk, run_id)
    page = desk.open("monitor", run=run_id)

    page.number_input(key=f"new_limit_{run_id}").set_value(89.0).run()

    assert button(page, "Raise the limit").disabled


def test_a_limit_raised_by_much_is_typed_as_on_confirm(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever confirmed a small limit has typed nothing yet: no click alone makes it a large one."""
    much = replace(resources.settings(), confirm_above=80.0)
    monkeypatch.setattr(resources, "settings", lambda: much)
    run_id = plan(desk, spend_at_most=50.0)
    paused(desk, run_id)

    page = desk.open("monitor", run=run_id)
    assert button(page, "Raise the limit to 90").disabled
    page.text_input(key=f"raise_agree_{run_id}").set_value("90").run()
    button(page, "Raise the limit to 90").click().run()

    assert desk.run(run_id).state is RunState.ACTIVE


def test_a_pilot_shows_its_rate_and_the_rest_is_sent_by_a_click(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    much = replace(resources.settings(), confirm_above=59.0)
    run_id = plan(desk, pilot_rows=10)
    before = desk.open("monitor", run=run_id)
    assert "Trying 10 random rows first: 0 of 10 are back. The other 20 rows wait" in texts(before)
    paused(desk, run_id)

    page = desk.open("monitor", run=run_id)
    figures = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert figures["Tried"][0] == "10"
    assert figures["Matched"][0].endswith("%") and "of all, likely" in (figures["Matched"][1] or "")
    assert figures["The rest, expected"][1] == "at most 60 credits"
    assert "came back under our tracking ids" in texts(page)
    monkeypatch.setattr(resources, "settings", lambda: much)
    page.run()
    assert button(page, "Send the other 20 rows").disabled, "the rest may cost 60"
    page.text_input(key=f"rest_agree_{run_id}").set_value("60").run()
    button(page, "Send the other 20 rows").click().run()
    desk.finish(run_id)

    assert desk.run(run_id).state is RunState.DONE


def test_a_pilot_whose_ids_do_not_come_back_warns_and_asks_for_support(desk: Desk) -> None:
    desk.sandbox.faults.add("foreign_tracking_id", on="task", times=None)
    run_id = plan(desk, pilot_rows=5)
    paused(desk, run_id)

    page = desk.open("monitor", run=run_id)

    assert Pause.of(desk.run(run_id).pause_reason) is Pause.NOT_OURS
    assert "The first rows did not come back under our tracking ids." in texts(page)
    assert "Ask Openmart's support before you send the rest" in texts(page)
    assert "Send the other 25 rows all the same" in labels(page)


def test_what_the_team_keeps_pauses_a_run_and_can_be_lowered(desk: Desk) -> None:
    key = key_fingerprint(desk.ledger, desk.settings)
    limits.set_reserve(desk.ledger, 99_950.0, key_fingerprint=key, key_last4="")
    run_id = plan(desk)
    paused(desk, run_id)

    page = desk.open("monitor", run=run_id)
    assert "Your team keeps 99,950 credits" in texts(page)
    page.number_input(key=f"keep_{run_id}").set_value(0.0).run()
    page.button(key=f"keep_set_{run_id}").click().run()
    desk.finish(run_id)

    assert desk.run(run_id).state is RunState.DONE


def test_after_a_402_the_rows_that_the_balance_covers_are_offered(desk: Desk) -> None:
    desk.sandbox.faults.add("credits_limit", on="submit", limit=0)
    run_id = plan(desk)
    with desk.working():
        eventually(lambda: desk.run(run_id).hold is Hold.CREDIT_LIMIT)
    balances.note_balance(desk.ledger, accounts(desk.ledger)[0].id, 40.0, balances.PERSON)
    desk.sandbox.faults.clear()

    page = desk.open("monitor", run=run_id)
    button(page, "Send only the first 13 rows the balance covers").click().run()
    paused(desk, run_id)

    info = desk.run(run_id)
    assert (info.pending.waiting, Pause.of(info.pause_reason)) == (17, Pause.LIMIT)
    assert desk.sandbox.credits_spent() <= 39
