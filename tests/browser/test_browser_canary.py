"""A key of a known text is found in no page, no frame to the browser, no log and no file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from openmart_lib.sandbox import Sandbox
from tests.browser.conftest import address, settled, started_dashboard

pytestmark = pytest.mark.browser
KEY = "CANARY-openmart-key-5f1c9a77"
TOKEN = "CANARY-lance-token-0b2d8e31"


def test_the_key_is_found_nowhere(context: BrowserContext, tmp_path: Path) -> None:
    seen: list[str] = []
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with Sandbox(tmp_path / "openmart", speed=1000) as openmart:
        settings = {
            "OPENMART_API_KEY": KEY,
            "OPENMART_BASE_URL": openmart.url,
            "LANCE_TOKEN": TOKEN,
            "LANCE_BASE_URL": openmart.url,
            "OPENMART_READ_RATE": "0",
        }
        with started_dashboard(data_dir, settings) as dashboard:
            page = context.new_page()
            page.on(
                "websocket",
                lambda socket: socket.on("framereceived", lambda frame: seen.append(_text(frame))),
            )
            page.on("response", lambda response: seen.append(str(response.headers)))
            page.on("console", lambda message: seen.append(message.text))
            for name in ("Settings", "Lance", "Submit"):  # a new server's first page is not the one at "/"
                page.goto(f"{dashboard.url}/{address(name)}")
                settled(page)
                expect(page.get_by_role("heading", level=1)).to_have_text(name)
                seen.append(page.content())
            submit(page, "canary-one.com\ncanary-two.com")
            ask_until(page, "2 of 2 rows final")
            page.goto(f"{dashboard.url}/results")
            settled(page)
            seen.append(page.content())
            openmart.faults.add("status", status=401, detail=f"Invalid API Key {KEY}", times=None)
            page.goto(dashboard.url)
            settled(page)
            submit(page, "canary-three.com")
            page.get_by_text("Seen: “Invalid API Key").first.wait_for()
            seen.append(page.content())
            page.close()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        hits = [
            path.name
            for path in files
            if KEY.encode() in path.read_bytes() or TOKEN.encode() in path.read_bytes()
        ]

    assert len(seen) > 20
    assert any("canary-one.com" in text for text in seen), "the listener heard nothing of the page"
    assert [text[:200] for text in seen if KEY in text or TOKEN in text] == []
    assert hits == []


def submit(page: Page, rows: str) -> None:
    """Submit pasted rows; ends on Monitor."""
    page.get_by_role("tab", name="Paste rows").click()
    page.get_by_label("Rows, one a line").fill(rows)
    page.get_by_role("button", name="Use these rows").click()
    role = page.get_by_label(re.compile("Role of the people"))
    role.fill("Owner")
    role.press("Enter")
    confirm = page.get_by_role("button", name=re.compile(r"Submit \d+ task"))
    confirm.wait_for()
    settled(page)  # the button is drawn anew until then
    confirm.click()
    page.get_by_role("heading", name="Monitor").wait_for()


def ask_until(page: Page, words: str) -> None:
    """Click *Check now* until Monitor says so: with a key, the first poll of its own comes after 20 s."""
    said = page.get_by_text(words)
    check = page.get_by_role("button", name="Check now")
    said.or_(check).first.wait_for()
    if not said.is_visible():
        check.click()
    said.wait_for()


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", errors="replace")
