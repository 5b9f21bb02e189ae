"""Submit in a real browser: a cell of the table is corrected in place, and a reload finds it corrected."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DashboardServer, click_canvas, settled

pytestmark = pytest.mark.browser
LIST = b'Company,Website\nAdyen,adyen.com\nAcme,"acme,com"\nPrivate,someone@gmail.com\n'


def test_a_cell_is_corrected_in_place_and_a_reload_finds_it_so(page: Page, server: DashboardServer) -> None:
    page.set_viewport_size({"width": 1400, "height": 1600})
    page.goto(server.url)
    settled(page)
    page.locator("input[type=file]").first.set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": LIST}
    )
    expect(page.get_by_text("1 company to look up + 2 rejected = 3 rows")).to_be_visible()
    grid = page.get_by_test_id("stDataFrame").nth(1).get_by_test_id("data-grid-canvas")
    grid.wait_for()

    click_canvas(page, grid, 150, 52)  # the cell beside the number of the first row
    # Two clicks at once open no editor where the first one is not drawn yet: it is chosen, then opened.
    expect(grid.locator("[role=gridcell][aria-selected=true]")).to_have_text("acme,com")
    page.keyboard.press("Enter")
    cell = page.locator("#portal textarea")
    expect(cell).to_have_value("acme,com")
    cell.fill("sap.com")
    cell.press("Enter")
    expect(page.get_by_text("2 companies to look up + 1 rejected = 3 rows")).to_be_visible()
    page.reload()
    settled(page)

    expect(page.get_by_text("2 companies to look up + 1 rejected = 3 rows")).to_be_visible()
    expect(page.get_by_text(re.compile("1 change"))).to_be_visible()
