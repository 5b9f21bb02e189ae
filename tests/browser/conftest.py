"""A real server and a real browser. Both are started once for all browser tests of a process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard.submit_draft import SAMPLE
from openmart_lib.intake.columns import guess_mapping
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger.overview import run_info
from openmart_lib.settings import Settings
from tests.small_runs import opened

REPOSITORY = Path(__file__).parents[2]
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SPEED = 500.0  # a submission takes 52 ms, a task at most 0.26 s, an answer of Lance's at most 1.2 s
PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)  # its own 5 s are short where three processes share two cores
VIEWPORT = {"width": 1400, "height": 1000}
# Spinners and sliding boxes are drawn sixty times a second, for as long as something is waited for.
STILL = """
    const still = new CSSStyleSheet()
    still.replaceSync("*, *::before, *::after { animation: none !important; transition: none !important }")
    document.adoptedStyleSheets = [still]
"""
PAINTED = """([canvas, x, y]) => {
    const box = canvas.getBoundingClientRect()
    const across = canvas.width / box.width, down = canvas.height / box.height
    const [r, g, b] = canvas.getContext("2d").getImageData(x * across, y * down, 1, 1).data
    return r + g + b > 0
}"""
DRAWN = """() =>
    document.querySelector("[data-test-script-state=notRunning]") &&
    !document.querySelector("[data-testid=stSkeleton]") &&
    [...document.querySelectorAll("[data-testid=stVegaLiteChart], [data-testid=stDataFrame]")].every(
        one => one.querySelector("canvas, svg.marks"))
"""


@dataclass(frozen=True)
class DashboardServer:
    """A dashboard as README starts it, on the sandbox, with a data folder of its own."""

    url: str
    data_dir: Path
    log: Path

    def sandbox(self, path: str) -> dict[str, object]:
        """Ask the sandbox behind the dashboard for its own truth."""
        port = (self.data_dir / "sandbox" / "server" / "port").read_text().strip()
        answer: dict[str, object] = requests.get(
            f"http://127.0.0.1:{port}/_sandbox/{path}", timeout=60
        ).json()
        return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardServer]:
    with started_dashboard(tmp_path_factory.mktemp("dashboard"), {}) as dashboard:
        yield dashboard


@contextmanager
def started_dashboard(data_dir: Path, environ: dict[str, str]) -> Iterator[DashboardServer]:
    """Start the dashboard as README does, with its own data folder and these further settings."""
    log = data_dir / "server.log"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENMART_", "LANCE_"))
    }
    own = {
        "OPENMART_DATA_DIR": str(data_dir),
        "OPENMART_SANDBOX_SPEED": f"{SPEED:g}",
        "OPENMART_API_KEY": "",
        "LANCE_TOKEN": "",
    }
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        f"--server.port={port}",
        "--server.headless=true",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=inherited | own | environ, stdout=output, stderr=output
        )
        try:
            wait_until_healthy(url, process)
            yield DashboardServer(url, data_dir, log)
        finally:
            process.terminate()
            process.wait(timeout=120)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "the dashboard ended by itself"
        try:
            if requests.get(f"{url}/_stcore/health", timeout=10).text == "ok":
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    raise AssertionError("the dashboard did not answer within 120 s")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser: what a server's first page brought is in its cache for all others."""
    made = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")  # type: ignore[arg-type]  # a size
    made.set_default_timeout(PATIENCE_MS)
    made.add_init_script(STILL)
    yield made
    made.close()


@pytest.fixture(scope="session")
def tab(context: BrowserContext) -> Page:
    """One tab for all tests: its process has read the pages' megabytes of script, a new tab's would again."""
    return context.new_page()


@pytest.fixture
def page(tab: Page) -> Page:
    """The tab, as wide and as light as a new one. Going to an address begins a new session."""
    tab.set_viewport_size(VIEWPORT)  # type: ignore[arg-type]  # a size
    tab.emulate_media(color_scheme="light")
    return tab


def address(name: str) -> str:
    """The address of a page below the server's: Submit is the first one, at "/"."""
    return "" if name == "Submit" else name.lower()


def settled(page: Page) -> None:
    """Wait until the page's script has run and the first heading is there."""
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.wait_for_selector("h1")


def drawn(page: Page) -> None:
    """Wait until the page's charts and tables are there too: they draw themselves after the script."""
    settled(page)
    page.wait_for_function(DRAWN)


def click_canvas(page: Page, canvas: Locator, x: float, y: float, *, clicks: int = 1) -> None:
    """Click on a canvas, so far from its corner, as soon as something is painted there."""
    drawn(page)
    canvas.scroll_into_view_if_needed()
    page.wait_for_function(PAINTED, arg=[canvas.element_handle(), x, y])
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + y, click_count=clicks)


@pytest.fixture(scope="session")
def finished_run(server: DashboardServer) -> DashboardServer:
    """Let the dashboard's engine run the sample once, so that every page has something to show."""
    settings = Settings(data_dir=server.data_dir, sandbox_speed=SPEED)
    with opened(settings) as ledger:
        upload = read_upload(SAMPLE.read_bytes(), SAMPLE.name)
        mapping = guess_mapping(upload.frame, Kind.FIND_PEOPLE).mapping
        options = RunOptions(title="Owner")
        prepared = submission.prepare(upload, mapping, Kind.FIND_PEOPLE, options, settings=settings)
        run_id = submission.confirm(ledger, settings, prepared, name="Sample", confirm_token="the sample")
        end = time.monotonic() + PATIENCE_MS / 1000
        while run_info(ledger, run_id).moving:
            assert time.monotonic() < end, "the sample's run did not end"
            time.sleep(0.1)
    return server
