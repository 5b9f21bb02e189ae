"""The dashboard's pages on a data folder of the test's own, driven by Streamlit's AppTest."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, app_test, local_script_runner
from streamlit.testing.v1.element_tree import Button
from streamlit.testing.v1.local_script_runner import LocalScriptRunner
from streamlit.testing.v1.util import patch_config_options

from openmart_lib import submission
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard import resources
from openmart_lib.engine import Worker
from openmart_lib.intake.files import read_upload
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.ledger import Ledger, open_ledger
from openmart_lib.ledger.overview import RunInfo, newest_run_id, run_info
from openmart_lib.sandbox import Sandbox
from openmart_lib.settings import NAMES, Settings

REPOSITORY = Path(__file__).parents[2]
MAIN = REPOSITORY / "openmart_lib" / "dashboard" / "main.py"
SPEED = 1000.0  # a submission takes 26 ms, a task at most 130 ms
PATIENCE = 90.0  # seconds in which a page must be drawn or a run moved, however busy the machine is

LIST = (
    "Company,Website,Segment\n"
    "Everything,everything.example,A\n"
    "Nobody,nobody.example,A\n"
    "No contact,nocontact.example,B\n"
    "Errored,errored.example,B\n"
    "Everything again,https://www.everything.example/about,B\n"
    "Private,someone@gmail.com,B\n"
)


@pytest.fixture(autouse=True)
def own_main_module() -> Iterator[None]:
    """Put ``__main__`` back: AppTest leaves a page's script there, and a spawned process would run it."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@dataclass
class Desk:
    """A data folder with its sandbox and ledger, and the pages that look at it."""

    settings: Settings
    sandbox: Sandbox
    ledger: Ledger

    def open(self, page: str = "submit", **query: str) -> AppTest:
        """Open a page as a new tab does; fails when the page fails."""
        resources.runs.clear()  # kept for a second, which may or may not have passed
        resources.worker.clear()
        test = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
        if page != "submit":  # a page's file has the name of its address, so that it can come first
            test.switch_page(f"../../pages/{page}.py")
        for name, value in query.items():
            test.query_params[name] = value
        test.run()
        assert not test.exception, [one.message for one in test.exception]
        return test

    def plan(
        self,
        *,
        text: str = LIST,
        name: str = "Spring list",
        title: str = "Owner",
        max_k: int = 1,
        reuse: int = 0,
    ) -> str:
        """Write a run into the ledger; return its id. No worker sees it before ``working``."""
        upload = read_upload(text.encode(), "spring.csv")
        mapping = {"domain": ["Website"], "company_name": ["Company"]}
        options = RunOptions(title=title, max_k=max_k)
        prepared = submission.prepare(upload, mapping, Kind.FIND_PEOPLE, options, settings=self.settings)
        if reuse:
            prepared, _ = submission.with_reuse(self.ledger, self.settings, prepared, days=reuse)
        return submission.confirm(
            self.ledger, self.settings, prepared, name=name, confirm_token=f"{name} {title}"
        )

    @property
    def newest(self) -> str:
        return newest_run_id(self.ledger)

    def run(self, run_id: str) -> RunInfo:
        return run_info(self.ledger, run_id)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let a worker work."""
        worker = Worker(self.settings)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()

    def finish(self, run_id: str) -> None:
        """Work until the run does not move any more."""
        with self.working():
            eventually(lambda: not self.run(run_id).moving)


def eventually(happened: Callable[[], bool]) -> None:
    """Wait until something is so; fail when it does not come about."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def joined(runner: LocalScriptRunner, timeout: float) -> None:
    """Wait for a page's script to end; AppTest itself looks a thousand times a second."""
    assert runner._script_thread is not None
    runner._script_thread.join(timeout)
    if runner._script_thread.is_alive():
        runner.request_stop()
        raise RuntimeError(f"the page was not drawn within {timeout:g} s")


@pytest.fixture(scope="session", autouse=True)
def quick_tabs() -> Iterator[None]:
    """Do once what AppTest does for every tab or run: look through packages, compile scripts, mock a server."""
    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        patch.setattr(app_test, "ScriptCache", cache(app_test.ScriptCache))
        patch.setattr(app_test, "MagicMock", cache(app_test.MagicMock))
        patch.setattr(local_script_runner, "require_widgets_deltas", joined)
        # As .streamlit/config.toml has it, which is not read here: no account of every element is kept.
        with patch_config_options({"browser.gatherUsageStats": False}):
            yield


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No setting of this computer, a data folder of the test's own, and nothing cached."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENMART_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPENMART_SANDBOX_SPEED", f"{SPEED:g}")
    monkeypatch.chdir(tmp_path)  # where no secrets file is
    st.cache_resource.clear()
    st.cache_data.clear()
    yield tmp_path
    st.cache_resource.clear()
    st.cache_data.clear()


@contextmanager
def opened(settings: Settings) -> Iterator[Desk]:
    """A desk on the data folder of these settings, closed at the end."""
    with Sandbox(settings.sandbox_dir, speed=SPEED) as sandbox:
        ledger = open_ledger(settings)
        try:
            yield Desk(settings, sandbox, ledger)
        finally:
            ledger.close()


@pytest.fixture
def desk(clean_environment: Path) -> Iterator[Desk]:
    """An empty data folder."""
    with opened(resources.settings()) as desk:
        yield desk
        resources.ledger().close()


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one finished run of ``LIST``; made once, copied for each test."""
    folder = tmp_path_factory.mktemp("finished")
    with opened(Settings(data_dir=folder, sandbox_speed=SPEED)) as desk:
        desk.finish(desk.plan())
    return folder


@pytest.fixture
def finished_desk(clean_environment: Path, finished_folder: Path) -> Iterator[Desk]:
    """A data folder with one finished run: one row matched, one the same as it, three not, one rejected."""
    shutil.copytree(finished_folder, clean_environment, dirs_exist_ok=True)
    with opened(resources.settings()) as desk:
        yield desk
        resources.ledger().close()


def texts(test: AppTest) -> str:
    """Everything a page says, as a reader sees it: the escapes of Markdown taken off."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "text", "code")
    said = [str(one.value) for kind in kinds for one in getattr(test, kind)]
    for kind in ("info", "warning", "error", "success"):
        said += [f"{one.proto.title} {one.value}" for one in getattr(test, kind)]
    return "\n".join(said).replace("\\", "").replace("\u2060", "").replace("\u00a0", " ")


def labels(test: AppTest) -> list[str]:
    """The labels of all buttons."""
    return [button.label for button in test.button]


def button(test: AppTest, label: str) -> Button:
    """The button of this label."""
    return next(one for one in test.button if one.label == label)
