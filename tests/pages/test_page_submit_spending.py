"""Confirm: what the run may cost, what goes first, and the number that is typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import attachment
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources
from openmart_lib.engine.clients import key_fingerprint, openmart_client
from openmart_lib.ledger import BatchState, limits, open_ledger
from openmart_lib.ledger.money import money
from openmart_lib.ledger.pilots import pilot
from openmart_lib.sandbox import Sandbox
from tests.pages.conftest import SPEED, Desk, button, eventually, texts
from tests.pages.submit_kit import text_input, uploaded

MANY = "Company,Website\n" + "".join(f"Shop {n},shop{n}-of-many.com\n" for n in range(240))
FEW = "Company,Website\n" + "".join(f"Shop {n},shop{n}-of-few.com\n" for n in range(200))


def number(page: AppTest, label: str):
    return next(one for one in page.number_input if one.label.startswith(label))


@pytest.fixture
def real(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with a key and an address of its own: as far as the program can tell, Openmart's."""
    with Sandbox(clean_environment / "openmart", speed=SPEED) as openmart:
        monkeypatch.setenv("OPENMART_API_KEY", "key-of-a-customer")
        monkeypatch.setenv("OPENMART_BASE_URL", openmart.url)
        monkeypatch.setenv("OPENMART_READ_RATE", "0")
        settings = resources.settings()
        assert not settings.simulated
        ledger = open_ledger(settings)
        yield Desk(settings, openmart, ledger)
        ledger.close()
        resources.ledger().close()


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


def test_the_limit_offered_follows_the_worst_case_when_other_options_are_chosen(desk: Desk) -> None:
    page = uploaded(desk, FEW)
    number(page, "People per company").set_value(2).run()

    assert number(page, "Spend at most").value == 1200
    run_id = submit(page, desk, "Submit 200 tasks in 2 batches")

    assert money(desk.ledger, run_id).limit == money(desk.ledger, run_id).at_most == 1200.0


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


def test_the_first_run_on_a_real_key_is_a_pilot_unless_all_is_wanted(real: Desk) -> None:
    page = uploaded(real, MANY)

    send = next(one for one in page.radio if one.label == "Send")
    assert send.value == "pilot"
    assert "This is the first list on this key: 25 rows show how many are found" in texts(page)
    assert "that results come back under our tracking ids" in texts(page)
    run_id = submit(page, real, "Submit 25 rows, and let the rest wait")

    tried = pilot(real.ledger, run_id)
    assert tried is not None and (tried.rows, tried.rest_rows) == (25, 215)
    with real.working():
        eventually(lambda: real.run(run_id).batches[BatchState.ACCEPTED] == 1)
    assert [len(batch.tracking_ids) for batch in real.sandbox.journal()] == [25], "the rest waits"
    assert real.run(run_id).batches[BatchState.PLANNED] == 3


def test_the_first_run_on_a_real_key_may_go_as_a_whole_and_the_second_does_by_default(real: Desk) -> None:
    page = uploaded(real, MANY)
    next(one for one in page.radio if one.label == "Send").set_value("all").run()
    run_id = submit(page, real, "Submit 240 tasks in 3 batches")
    assert pilot(real.ledger, run_id) is None
    resources.forget_runs()

    page = uploaded(real, MANY.replace("of-many", "of-others"), name="others.csv")

    assert next(one for one in page.radio if one.label == "Send").value == "all"
    assert "first list on this key" not in texts(page)


def test_a_batch_of_another_tool_is_no_first_run_of_ours(real: Desk) -> None:
    """Nothing of what was sent from here came back yet."""
    sent = [{"domain": "shop.com", "title": "Owner", "max_k": 1, "info_access": ["EMAIL"]}]
    with openmart_client(real.settings) as other_tool:
        batch_id = other_tool.submit(Kind.FIND_PEOPLE, sent)["batch_id"]
        eventually(lambda: other_tool.batch_status(batch_id)["batch_ready"])
    attachment.attach(real.ledger, real.settings, batch_id, Kind.FIND_PEOPLE)

    page = uploaded(real, MANY)

    assert next(one for one in page.radio if one.label == "Send").value == "pilot"
