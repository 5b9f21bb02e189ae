"""A ledger that is damaged, and one on a network file system: a message on every page, never a traceback."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from openmart_lib.dashboard import resources, settings_checks
from openmart_lib.engine import WorkerStatus
from openmart_lib.ledger import open_ledger, place
from openmart_lib.ledger.backup import backup
from openmart_lib.settings import Settings
from tests.pages.conftest import MAIN, PATIENCE, Desk, texts

PAGES = ["submit", "monitor", "results", "lance", "settings"]


def opened(name: str) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    if name != "submit":
        page.switch_page(f"../../pages/{name}.py").run()
    return page


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_what_happened_and_the_way_back(clean_environment: Path, name: str) -> None:
    settings = resources.settings()
    with closing(open_ledger(settings)) as ledger:
        file = backup(ledger, clean_environment / "backup.zip")
    database = settings.environment_dir / "ledger.db"
    database.write_bytes(database.read_bytes()[:9_000])

    page = opened(name)

    said = texts(page)
    assert not page.exception
    assert "is damaged" in said and "What is with Openmart goes on there" in said
    assert "openmart restore" in said and file.name in said


@pytest.mark.parametrize("name", PAGES)
def test_damage_that_comes_while_the_pages_are_open_is_a_message_too(desk: Desk, name: str) -> None:
    desk.plan()
    desk.open(name)
    database = desk.settings.environment_dir / "ledger.db"
    resources.ledger().close()
    desk.ledger.close()
    content = database.read_bytes()
    database.write_bytes(content[:4_096] + b"\xff" * (len(content) - 4_096))
    resources.runs.clear()

    page = opened(name)

    assert not page.exception
    assert "is damaged" in texts(page)


def test_a_disk_that_is_nearly_full_is_said_above_the_page_because_nothing_is_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "free_bytes", lambda folder: 34_567_890)

    said = texts(desk.open("settings"))

    assert "The disk is nearly full (34 MB left in" in said and "Nothing more is sent" in said


def test_a_network_file_system_is_named_in_the_checklist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.environment_dir.mkdir()
    worker = WorkerStatus(alive=False, responding=False)
    names = [check.name for check in settings_checks.checks(settings, worker)]
    monkeypatch.setattr(place, "network_file_system", lambda folder: "nfs4")

    (warning,) = [check for check in settings_checks.checks(settings, worker) if check.name not in names]

    assert warning.level == "mend" and "network file system (nfs4)" in warning.state
    assert "move the folder to a disk of this computer" in warning.todo
