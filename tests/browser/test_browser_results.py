"""Results in a real browser: what no other test can do: clicks on bars and cells, keys."""

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


def test_a_cell_is_copied_and_the_table_offers_no_file_of_its_own(
    page: Page, finished_run: DashboardServer
) -> None:
    """A table's own CSV would be of one page and without a formula guard; single emails are copied all day."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{finished_run.url}/results?show=-&email=verified")
    settled(page)
    table = page.get_by_test_id("stDataFrame").first
    canvas = table.get_by_test_id("data-grid-canvas")
    drawn(page)
    canvas.focus()
    page.keyboard.press("ArrowDown")
    copied = ""
    for _ in range(20):  # to the cell that holds an email
        if "@" not in copied:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Control+c")
            copied = page.evaluate("navigator.clipboard.readText()")

    assert re.fullmatch(r"[^\s@:]+@[^\s@]+\.invalid", copied), "an email is not copied as it is shown"
    table.hover()
    expect(page.get_by_role("button", name=re.compile("^Search"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Download as CSV"))).to_have_count(0)


def test_files_are_a_few_keys_away_and_the_table_lets_tab_pass(
    page: Page, finished_run: DashboardServer
) -> None:
    """Streamlit puts a box at the end of the document: it took 60 presses of Tab from its button to a file."""
    page.goto(f"{finished_run.url}/results")
    drawn(page)
    button = page.get_by_role("button", name="Download", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    box = page.get_by_test_id("stPopoverBody")
    expect(box.locator(":focus")).to_be_visible()
    excel = box.get_by_role("button", name="Excel workbook")
    for _ in range(3):
        if not excel.evaluate("one => one === document.activeElement"):
            page.keyboard.press("Tab")
    expect(excel).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(button).to_be_focused()

    table = page.get_by_test_id("stDataFrame").first
    table.get_by_test_id("data-grid-canvas").focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(table.locator("canvas:focus")).to_have_count(0)
