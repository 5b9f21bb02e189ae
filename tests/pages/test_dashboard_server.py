"""The server around the pages: addresses, prepared downloads, work in the background, the shipped settings."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from streamlit import config

from openmart_lib.dashboard import background, lifespan
from openmart_lib.errors import InputError
from openmart_lib.intake.limits import MAX_UPLOAD_BYTES
from tests.pages.conftest import REPOSITORY

CONFIG = REPOSITORY / ".streamlit" / "config.toml"


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_this_computers_own_addresses_are_served(address: str) -> None:
    assert lifespan.address_refusal(address, behind_proxy=False) is None


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::", "192.168.1.4", "desk.example.com", ""])
def test_other_addresses_are_refused_unless_a_proxy_stands_in_front(address: str | None) -> None:
    refusal = lifespan.address_refusal(address, behind_proxy=False)

    assert refusal is not None
    assert "OPENMART_BEHIND_PROXY=1" in refusal
    assert lifespan.address_refusal(address, behind_proxy=True) is None


def test_the_server_ends_with_the_reason_and_without_a_traceback(clean_environment: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "app.py")]
    options = ["--server.address=0.0.0.0", "--server.headless=true", "--server.port=0"]

    ended = subprocess.run(
        [*command, *options], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 2
    assert "has no sign-in of its own" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (clean_environment / "sandbox").exists()


def test_work_is_done_once_per_key_however_often_it_is_asked_for() -> None:
    calls: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def work(progress: background.Progress) -> str:
        calls.append(1)
        progress(1, 4)
        begun.set()
        gate.wait(60)
        return "done"

    jobs = [background.start("test-once", work) for _ in range(20)]
    assert begun.wait(60)
    assert not jobs[0].wait(0.05)
    assert jobs[0].share == 0.25
    gate.set()

    assert {job.result() for job in jobs} == {"done"}
    assert len(calls) == 1
    background.forget("test-once")
    assert background.find("test-once") is None


def test_an_error_in_the_background_reaches_who_asks() -> None:
    def work(_: background.Progress) -> str:
        raise InputError("not usable")

    job = background.start("test-error", work)
    job.wait(60)

    with pytest.raises(InputError, match="not usable"):
        job.result()
    background.forget("test-error")


def test_every_key_of_the_shipped_settings_is_one_that_streamlit_knows() -> None:
    def flat(table: dict[str, object], before: str = "") -> list[str]:
        names: list[str] = []
        for name, value in table.items():
            names += flat(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]
        return names

    known = set(config.get_config_options())

    assert [name for name in flat(tomllib.loads(CONFIG.read_text())) if name not in known] == []


def test_the_shipped_settings_let_nobody_else_in() -> None:
    shipped = tomllib.loads(CONFIG.read_text())

    assert shipped["server"]["address"] == "127.0.0.1"
    assert shipped["server"]["allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert shipped["server"]["enableXsrfProtection"] is True
    assert shipped["server"]["enableCORS"] is True
    assert shipped["server"]["enableStaticServing"] is False
    assert shipped["server"]["enableAgentApi"] is False
    assert shipped["server"]["maxUploadSize"] == MAX_UPLOAD_BYTES // 1024**2
    assert shipped["client"]["showErrorDetails"] == "none"
    assert shipped["browser"]["gatherUsageStats"] is False


def test_no_pages_folder_lies_beside_the_script_that_streamlit_runs() -> None:
    """Streamlit would build a navigation of its own and skip the script when a page's address comes first."""
    script = REPOSITORY / "openmart_lib" / "dashboard" / "main.py"

    assert script.exists()
    assert not (script.parent / "pages").exists()
    assert '"main.py"' in (REPOSITORY / "app.py").read_text()
