"""No accessibility violation on any page, in either theme (axe-core), bar one of Streamlit's own."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import PATIENCE_MS, DashboardServer, settled

pytestmark = pytest.mark.browser
STREAMLITS_OWN = {"presentation-role-conflict"}  # on its file uploader's drop zone
BACKGROUND = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"


@pytest.mark.parametrize("path", ["submit", "monitor", "results", "lance", "settings"])
def test_a_page_has_no_accessibility_violation_in_either_theme(
    browser: Browser, finished_run: DashboardServer, path: str
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{finished_run.url}/{path}")
    settled(page)
    found, backgrounds = {}, set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(800)  # charts and grids draw themselves after the script
        backgrounds.add(page.evaluate(BACKGROUND))
        violations = Axe().run(page).response["violations"]
        found[scheme] = [one["id"] for one in violations if one["id"] not in STREAMLITS_OWN]
    context.close()

    assert len(backgrounds) == 2, "the page did not change its theme"
    assert found == {"light": [], "dark": []}
