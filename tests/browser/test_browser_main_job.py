"""The main job as an analyst does it: upload, submit, watch, download; compared with the sandbox's truth."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import REPOSITORY, DashboardServer, settled

pytestmark = pytest.mark.browser
DOMAINS = REPOSITORY.parent / "shared" / "testdata" / "domains" / "base_domains.tsv.gz"


@pytest.fixture
def domain_list(tmp_path: Path) -> Path:
    """120 companies, 5 of them twice, and 4 rows that cannot be sent."""
    if not DOMAINS.exists():
        pytest.skip("the folder shared/testdata is not beside the repository")
    with gzip.open(DOMAINS, "rt", encoding="utf-8") as lines:
        named = [line.split("\t") for line in list(lines)[1:] if line.split("\t")[1]]
    companies = [(f"https://www.{row[0]}/about", row[1]) for row in named[::80][:120]]
    rows = [
        *companies,
        *companies[:5],
        ("n/a", "Nobody"),
        ("gmail.com", "Mail"),
        ("", "Empty"),
        ("10.0.0.1", "IP"),
    ]
    path = tmp_path / "companies.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Website", "Company"])
        writer.writerows(rows)
    return path


def test_a_list_goes_in_and_every_row_comes_out_with_an_outcome(
    page: Page, server: DashboardServer, domain_list: Path, tmp_path: Path
) -> None:
    created_before = server.sandbox("journal")["tasks"]
    page.goto(server.url)
    settled(page)

    page.locator("input[type=file]").set_input_files(domain_list)
    role = page.get_by_label(re.compile("Role of the people"))
    role.fill("Owner")
    role.press("Enter")
    confirm = page.get_by_role("button", name="Submit 120 tasks in 2 batches")
    confirm.wait_for()
    settled(page)  # the button is drawn anew until then
    confirm.click()
    page.get_by_text("129 of 129 rows final").wait_for()
    page.get_by_role("button", name="Open results", exact=True).click()
    page.locator("[data-testid=stPopover] button").filter(has_text="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV for Excel").click()
    saved = tmp_path / "results.csv"
    download.value.save_as(saved)

    assert re.match(
        r"SANDBOX-companies.*_find_people_rows_\d{8}-\d{4}Z\.csv", download.value.suggested_filename
    )
    with saved.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    with domain_list.open(encoding="utf-8", newline="") as file:
        uploaded = list(csv.DictReader(file, delimiter=";"))
    assert [line["Website"] for line in lines] == [row["Website"] for row in uploaded]
    assert all(line["outcome"] for line in lines)
    outcomes = [line["outcome"] for line in lines]
    assert outcomes.count("rejected") == 4
    assert outcomes.count("duplicate") == 5
    assert "pending" not in outcomes
    assert all(line["found_email"].endswith(".invalid") for line in lines if line["found_email"])
    journal = server.sandbox("journal?full=1")
    sent = [tracking for batch in journal["created"] for tracking in batch["tracking_ids"]]  # type: ignore[union-attr, attr-defined]
    assert len(sent) == len(set(sent)), "a task was created twice"
    assert journal["tasks"] - created_before == 120  # type: ignore[operator]


def test_one_visit_to_confirm_makes_one_run_however_often_it_is_clicked(
    page: Page, server: DashboardServer
) -> None:
    created_before = server.sandbox("journal")["batches"]
    page.goto(server.url)
    settled(page)
    page.get_by_role("tab", name="Paste rows").click()
    page.get_by_label("Rows, one a line").fill("quickclicks.com\nquickclicks.org\nquickclicks.net")
    page.get_by_role("button", name="Use these rows").click()
    role = page.get_by_label(re.compile("Role of the people"))
    role.fill("Owner")
    role.press("Enter")
    button = page.get_by_role("button", name="Submit 3 tasks in 1 batch")
    button.wait_for()
    settled(page)
    draft_url = page.url

    button.evaluate("button => { for (let i = 0; i < 20; i++) button.click() }")
    page.get_by_text("3 of 3 rows final").wait_for()
    page.goto(draft_url)
    settled(page)

    expect(page.get_by_text("This list was submitted")).to_be_visible()
    assert server.sandbox("journal")["batches"] - created_before == 1  # type: ignore[operator]
