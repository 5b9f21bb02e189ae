"""Settings: a checklist with what to mend, no key on screen, and settings that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib import engine
from openmart_lib.dashboard import resources, strip
from openmart_lib.settings import Settings
from tests.pages.conftest import MAIN, PATIENCE, Desk, button, eventually, labels, texts

KEY = "CANARY-4fd1b2c39a77"


def test_the_sandbox_is_named_with_the_line_that_replaces_it(desk: Desk) -> None:
    page = desk.open("settings")

    said = texts(page)
    assert "Openmart**: simulated on this computer" in said
    assert 'OPENMART_API_KEY = "your key"' in said
    assert str(Path(".streamlit/secrets.toml").absolute()) in said
    assert "streamlit run app.py" in said
    assert f"Data folder**: {desk.settings.environment_dir}" in said
    assert "Engine**: not running" in said
    assert "Test the key" not in labels(page)


def test_the_engine_is_ticked_while_it_works(desk: Desk) -> None:
    with desk.working():
        eventually(lambda: engine.worker_status(desk.settings).responding)
        page = desk.open("settings")

    assert ":green[:material/check_circle:] **Engine**: running" in texts(page)


def test_all_settings_are_listed_and_no_key_is_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMART_API_KEY", KEY)
    monkeypatch.setenv("OPENMART_BASE_URL", desk.sandbox.url)
    resources.settings.clear()
    resources.ledger.clear()

    page = desk.open("settings")
    button(page, "Test the key").click()
    page.run()

    table = page.dataframe[0].value.set_index("Setting")
    assert table.loc["OPENMART_API_KEY", "Value"] == "set (hidden)"
    assert table.loc["OPENMART_API_KEY", "Set by"] == "environment variable"
    assert "The key works." in texts(page)
    assert KEY not in repr(page)
    assert KEY not in texts(page)
    assert "key ending in 9a77" in texts(page)
    resources.ledger().close()


def test_a_key_that_is_not_accepted_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMART_API_KEY", KEY)
    monkeypatch.setenv("OPENMART_BASE_URL", desk.sandbox.url)
    desk.sandbox.faults.add("status", on="balance", status=401, detail="Invalid API Key", times=None)
    resources.settings.clear()
    resources.ledger.clear()

    page = desk.open("settings")
    button(page, "Test the key").click()
    page.run()

    assert "401" in texts(page) or "key" in page.error[0].value
    assert len(page.error) == 1
    resources.ledger().close()


@pytest.mark.parametrize("name", ["submit", "monitor", "results", "lance", "settings"])
def test_a_setting_that_cannot_be_used_is_a_message_on_every_page(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OPENMART_API_KEY", f"{KEY} with a blank")
    page = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    if name != "submit":
        page.switch_page(f"../../pages/{name}.py").run()

    assert not page.exception
    assert "OPENMART_API_KEY holds a blank" in texts(page)
    assert "start it again" in texts(page)
    assert KEY not in texts(page)


def test_a_ledger_that_cannot_be_opened_is_a_message(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean_environment / "sandbox").write_text("a file where the folder should be")

    page = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()

    assert not page.exception
    assert "Nothing was sent" in texts(page)


def test_the_strip_names_only_what_is_simulated() -> None:
    from openmart_lib.settings import Secret

    assert strip.simulated_names(Settings()) == ["Openmart", "Lance"]
    assert strip.simulated_names(Settings(api_key=Secret("k" * 20))) == ["Lance"]
    assert strip.simulated_names(Settings(api_key=Secret("k"), lance_token=Secret("t"))) == []
