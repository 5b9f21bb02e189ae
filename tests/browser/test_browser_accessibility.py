"""Every page by its address: it opens, and has no accessibility violation (axe-core) in either theme."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import DashboardServer, address, drawn

pytestmark = pytest.mark.browser
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}  # of all rules; what passed is not told element by element
STREAMLITS_OWN = {"presentation-role-conflict"}  # on its file uploader's drop zone
BACKGROUND = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"
THEME_CHANGED = f"before => ({BACKGROUND})() !== before"


@pytest.mark.parametrize("name", ["Submit", "Monitor", "Results", "Lance", "Settings"])
def test_a_page_opens_by_its_address_without_violation_in_either_theme(
    page: Page, finished_run: DashboardServer, name: str
) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{finished_run.url}/{address(name)}")
    drawn(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_text("Simulated: Openmart, Lance").first).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)  # "Page not found", over a page that is there

    light = violations(page)
    background = page.evaluate(BACKGROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(THEME_CHANGED, arg=background)
    drawn(page)
    dark = violations(page)

    assert {"light": light, "dark": dark} == {"light": [], "dark": []}


def violations(page: Page) -> list[str]:
    """The rules that the page breaks as it is shown now, bar one of Streamlit's own."""
    found = Axe().run(page, options=ONLY_VIOLATIONS).response["violations"]
    return [one["id"] for one in found if one["id"] not in STREAMLITS_OWN]
