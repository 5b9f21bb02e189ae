"""No accessibility violation on any page, in either theme (axe-core), bar one of Streamlit's own."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import PATIENCE_MS, DashboardServer, settled

pytestmark = pytest.mark.browser
STREAMLITS_OWN = {"presentation-role-conflict"}  # on its file uploader's drop zone


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["submit", "monitor", "results", "lance", "settings"])
def test_a_page_has_no_accessibility_violation(
    browser: Browser, finished_run: DashboardServer, path: str, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{finished_run.url}/{path}")
    settled(page)
    page.wait_for_timeout(800)  # charts and grids draw themselves after the script

    found = Axe().run(page).response["violations"]
    context.close()

    assert [one["id"] for one in found if one["id"] not in STREAMLITS_OWN] == []
