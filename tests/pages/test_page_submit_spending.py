"""Confirm: what the run may cost, what goes first, and the number that is typed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib.dashboard import resources
from openmart_lib.engine.clients import key_fingerprint
from openmart_lib.ledger import limits
from openmart_lib.ledger.money import money
from openmart_lib.ledger.pilots import pilot
from tests.pages.conftest import Desk, button, eventually, texts
from tests.pages.submit_kit import text_input, uploaded

MANY = "Company,Website\n" + "".join(f"Shop {n},shop{n}-of-many.com\n" for n in range(240))
FEW = "Company,Website\n" + "".join(f"Shop {n},shop{n}-of-few.com\n" for n in range(200))


def number(page: AppTest, label: str):
    return next(one for one in page.number_input if one.label.startswith(label))


def submit(page: AppTest, desk: Desk, label: str) -> str:
    button(page, label).click().run()
    eventually(lambda: bool(resources.overview.runs(desk.ledger)))
    return desk.newest


def test_the_limit_is_the_worst_case_unless_another_is_given(desk: Desk) -> None:
    page = uploaded(desk, FEW)
    assert number(page, "Spend at most").value == 600
    number(page, "Spend at most").set_value(90.0).run()

    run_id = submit(page, desk, "Submit 200 tasks in 2 batches")

    assert (money(desk.ledger, run_id).limit, money(desk.ledger, run_id).at_most) == (90.0, 600.0)


def test_a_pilot_is_offered_above_two_hundred_tasks_only_and_says_what_it_costs(desk: Desk) -> None:
    few = uploaded(desk, FEW)
    assert not [one for one in few.radio if one.label == "Send"]

    page = uploaded(desk, MANY, name="many.csv")
    send = next(one for one in page.radio if one.label == "Send")
    assert send.value == "all", "on the sandbox everything goes at once unless it is wanted"
    send.set_value("pilot").run()
    assert "At most about 75 credits" in texts(page)
    run_id = submit(page, desk, "Submit 25 rows, and let the rest wait")

    tried = pilot(desk.ledger, run_id)
    assert tried is not None and (tried.rows, tried.rest_rows) == (25, 215)


def test_what_may_cost_much_is_typed_and_a_pilot_or_a_limit_makes_it_less(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    much = replace(resources.settings(), confirm_above=700.0)
    monkeypatch.setattr(resources, "settings", lambda: much)
    page = uploaded(desk, MANY)
    go = "Submit 240 tasks in 3 batches"
    assert button(page, go).disabled
    text_input(page, "Type **720** to confirm").set_value("72").run()
    assert button(page, go).disabled

    text_input(page, "Type **720** to confirm").set_value("720").run()
    assert not button(page, go).disabled
    number(page, "Spend at most").set_value(650.0).run()

    assert not [one for one in page.text_input if one.label.startswith("Type")]
    assert not button(page, go).disabled


def test_what_the_team_keeps_is_set_by_its_own_button(desk: Desk) -> None:
    page = uploaded(desk, FEW)
    number(page, "Keep at least").set_value(500.0).run()
    assert limits.reserve(desk.ledger, key_fingerprint(desk.ledger, desk.settings)) == 0.0

    button(page, "Keep this many from now on").click().run()

    assert limits.reserve(desk.ledger, key_fingerprint(desk.ledger, desk.settings)) == 500.0
    assert "keep 500 for the team" in " ".join(one.label for one in page.expander)
