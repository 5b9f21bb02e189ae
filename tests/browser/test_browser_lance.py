"""Watch lists in a real browser: one click to a list, back and open again, and nothing typed is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DashboardServer, settled

pytestmark = pytest.mark.browser


def test_a_list_is_made_opened_and_left_again(page: Page, server: DashboardServer) -> None:
    page.goto(f"{server.url}/lance")
    settled(page)
    if page.get_by_text("New watch list").count():  # another test made a list already
        page.get_by_text("New watch list").click()
    page.get_by_role("button", name="Try it with 200 sample leads").click()
    expect(page.get_by_role("heading", name="sample leads", level=2)).to_be_visible()
    expect(page.get_by_text("Everything was looked at once")).to_be_visible()

    page.get_by_role("button", name="All watch lists").click()
    expect(page.get_by_role("heading", name="Watch lists", level=2)).to_be_visible()
    settled(page)  # the list's button is drawn anew until then
    page.get_by_role("button", name="Open", exact=True).first.click()

    expect(page.get_by_role("heading", name="Before you pay")).to_be_visible()
    assert "list=" in page.url


def test_what_is_being_typed_and_its_focus_survive_the_refreshing(
    page: Page, server: DashboardServer
) -> None:
    page.goto(f"{server.url}/lance")
    settled(page)
    if not page.get_by_text("New watch list").count():
        page.get_by_role("button", name="Try it with 200 sample leads").click()
        page.get_by_role("button", name="All watch lists").click()
    page.get_by_text("New watch list").click()
    page.get_by_role("tab", name="Paste ids").click()
    page.get_by_role("button", name="Refresh now").first.click()
    box = page.get_by_role("textbox", name="Entity ids, one a line")
    box.click()
    page.keyboard.type("3f2b8c1e-5a77", delay=150)  # about two seconds, in which the list is asked again

    expect(box).to_be_focused()
    expect(box).to_have_value("3f2b8c1e-5a77")
