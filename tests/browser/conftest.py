"""A real server and a real browser. Both are started once for all browser tests of a process."""

from __future__ import annotations

import os
import re
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
from playwright.sync_api import Browser, Page, expect, sync_playwright

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
PATIENCE_MS = 40_000
expect.set_options(timeout=PATIENCE_MS)  # its own 5 s are short where three processes share two cores


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
            f"http://127.0.0.1:{port}/_sandbox/{path}", timeout=10
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
        "OPENMART_SANDBOX_SPEED": "60",
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
            process.wait(timeout=60)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "the dashboard ended by itself"
        try:
            if requests.get(f"{url}/_stcore/health", timeout=2).text == "ok":
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    raise AssertionError("the dashboard did not answer within 60 s")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, server: DashboardServer) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def settled(page: Page) -> None:
    """Wait until the page's script has run and the first heading is there."""
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.wait_for_selector("h1")


@pytest.fixture(scope="session")
def finished_run(browser: Browser, server: DashboardServer) -> DashboardServer:
    """Run the sample once, so that every page has something to show."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(server.url)
    settled(page)
    page.get_by_role("button", name="Try it with 50 sample companies").click()
    role = page.get_by_label(re.compile("Role of the people"))
    role.wait_for()
    if not role.input_value():
        role.fill("Owner")
        role.press("Enter")
    page.get_by_role("button", name=re.compile(r"Submit \d+ tasks")).click()
    page.get_by_text("50 of 50 rows final").wait_for()
    context.close()
    return server
