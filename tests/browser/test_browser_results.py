"""Results in a real browser: what no other test can do, a click on a bar and a tick beside a row."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DashboardServer, click_canvas, drawn, settled

pytestmark = pytest.mark.browser


def count(page: Page) -> str:
    """The line above the table that says how many rows are shown."""
    return page.get_by_text(re.compile("tick a row to read its story below")).inner_text()


def click_on_matched(page: Page) -> None:
    """Click on the matched part of the outcome bar, and wait until the address and the page are new."""
    drawn(page)
    before = page.url
    page.get_by_test_id("stVegaLiteChart").first.locator("path[aria-label*='outcome: matched']").click()
    page.wait_for_url(lambda url: url != before)
    settled(page)


def test_a_click_on_the_outcome_bar_filters_the_table_and_a_second_one_shows_all(
    page: Page, finished_run: DashboardServer
) -> None:
    page.goto(f"{finished_run.url}/results")
    settled(page)
    everything = count(page)

    click_on_matched(page)
    expect(page.get_by_role("button", name=re.compile("^Outcome: "))).to_be_visible()
    assert "outcome=" in page.url
    assert " of " in count(page)

    click_on_matched(page)
    expect(page.get_by_role("button", name=re.compile("^Outcome: "))).to_have_count(0)
    assert count(page) == everything


def test_ticking_a_row_opens_its_story_and_a_reload_shows_it_again(
    page: Page, finished_run: DashboardServer
) -> None:
    page.goto(f"{finished_run.url}/results")
    settled(page)
    grid = page.get_by_test_id("stDataFrame").first
    click_canvas(page, grid.get_by_test_id("data-grid-canvas"), 16, 38 + 35 + 17)

    story = page.get_by_role("heading", name=re.compile(r"^row 2 \(line \d+ in your file\)"))
    expect(story).to_be_visible()
    assert "row=2" in page.url
    page.reload()
    settled(page)
    expect(story).to_be_visible()
