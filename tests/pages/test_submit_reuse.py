"""Confirm says what was bought before and what is on a never-contact list, and asks what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources, submit_reuse
from openmart_lib.intake.files import upload_from_frame
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.suppression import add_list
from tests.pages.conftest import PATIENCE, Desk, texts

BOUGHT = ["one.example", "two.example"]


def _script(domains: list[str], choices: dict[str, object]) -> None:
    from types import SimpleNamespace

    import streamlit as st

    from openmart_lib.dashboard import resources, submit_reuse
    from tests.pages.test_submit_reuse import prepared_of

    draft = SimpleNamespace(draft_id="draft", upload_format={})  # all of it that is read
    plan, reused = submit_reuse.show(draft, prepared_of(resources.settings(), domains), choices)  # type: ignore[arg-type]  # as above
    st.text(f"{plan.tasks.height} tasks, {0 if reused is None else reused.height} reused")
    st.text(f"sum: {plan.reckoning.sentence}")


def prepared_of(settings: Any, domains: list[str]) -> submission.Prepared:
    """A list of websites, ready to be confirmed."""
    upload = upload_from_frame(pl.DataFrame({"Website": domains}), "list.csv")
    return submission.prepare(
        upload, {"domain": ["Website"]}, Kind.FIND_PEOPLE, RunOptions(title="Owner"), settings=settings
    )


@pytest.fixture(autouse=True)
def bought_before(desk: Desk) -> None:
    """A first list is planned: nothing of it is answered."""
    submit_reuse._look.clear()
    submit_reuse._without_suppressed.clear()
    prepared = prepared_of(resources.settings(), BOUGHT)
    submission.confirm(
        resources.ledger(), resources.settings(), prepared, name="First list", confirm_token="first"
    )


def shown(*domains: str, choices: dict[str, Any] | None = None) -> AppTest:
    chosen = {} if choices is None else choices
    page = AppTest.from_function(_script, default_timeout=PATIENCE, args=(list(domains), chosen)).run()
    assert not page.exception
    return page


def test_what_was_bought_before_is_counted_and_reused_unless_said_otherwise() -> None:
    page = shown("one.example", "new.example")

    said = texts(page).replace("\\", "")
    assert "1 of 2 you already have (today), saves up to 3 credits." in said
    assert "it is waited for, not bought twice" in said
    assert "1 tasks, 1 reused" in said and "sum: 2 rows = 1 accepted + 1 reused" in said


@pytest.mark.parametrize(
    ("choice", "left"),
    [("buy again", "2 tasks, 0 reused"), ("skip", "1 tasks, 0 reused")],
)
def test_another_choice_is_taken_at_its_word(choice: str, left: str) -> None:
    page = shown("one.example", "new.example")

    page.radio[0].set_value(choice).run()

    assert left in texts(page)


def test_a_list_of_which_nothing_was_bought_asks_nothing() -> None:
    page = shown("new.example")

    assert not page.radio and "1 tasks, 0 reused" in texts(page)


def test_rows_on_a_never_contact_list_are_left_out_and_counted() -> None:
    never = upload_from_frame(pl.DataFrame({"who": ["new.example"]}))
    add_list(resources.ledger(), never, name="opt-outs")

    page = shown("new.example", "other.example")

    assert "1 row is left out: on your never-contact list." in texts(page)
    assert "1 tasks, 0 reused" in texts(page)


def test_how_far_back_is_looked_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = replace(resources.settings(), reuse_days=14)
    monkeypatch.setattr(resources, "settings", lambda: fewer)

    assert "Counted are the last 14 days, in all your lists." in texts(shown("one.example"))
