"""README.md tells the truth: its commands, tables and example are compared with the code."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main
from small_runs import opened, plan, sandbox_settings

from openmart_lib import cli
from openmart_lib.api.wire import Kind
from openmart_lib.dashboard.lifespan import BEHIND_PROXY
from openmart_lib.ledger.states import SENTENCES
from openmart_lib.report import look
from openmart_lib.settings import NAMES, Prices, Settings

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "openmart_lib"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)


def section(title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    match = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#+ |\Z)", README, flags=re.DOTALL | re.MULTILINE)
    assert match, f"README.md has no section {title!r}"
    return match[1]


def block(title: str) -> str:
    """The first code block of a section."""
    match = re.search(r"```\w*\n(.*?)```", section(title), flags=re.DOTALL)
    assert match
    return match[1].strip()


def table(title: str) -> list[list[str]]:
    """The rows of a section's first table, without its header."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def plain(cell: str) -> str:
    return cell.strip("`")


def test_it_is_run_and_tested_by_one_line_each() -> None:
    run, test = block("Run"), block("Test")

    assert len(run.splitlines()) == len(test.splitlines()) == 1
    assert run.startswith("python3 -m venv .venv && ") and run.endswith("streamlit run app.py")
    assert test.startswith("python3 -m venv .venv && ") and ".venv/bin/pytest" in test


def test_the_checks_run_the_very_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    function = re.search(r"readme_test_command\(\) \{.*?^\}", script, flags=re.DOTALL | re.MULTILINE)
    assert function

    done = subprocess.run(
        ["bash", "-c", f"{function[0]}\nreadme_test_command"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == block("Test")


def test_every_setting_is_explained_and_no_other() -> None:
    names = [plain(row[0]) for row in table("Settings")]

    assert sorted(names) == sorted([*NAMES, BEHIND_PROXY])


def test_the_defaults_of_the_settings_are_the_real_ones() -> None:
    defaults, real = {plain(row[0]): plain(row[1]) for row in table("Settings")}, Settings()
    prices = Prices()

    assert defaults["OPENMART_BASE_URL"] == real.base_url
    assert defaults["LANCE_BASE_URL"] == real.lance_base_url
    assert defaults["OPENMART_AUTH"] == real.auth
    assert defaults["OPENMART_SUBMIT_CONCURRENCY"] == str(real.submit_concurrency)
    assert defaults["OPENMART_READ_CONCURRENCY"] == str(real.read_concurrency)
    assert defaults["OPENMART_STALL_AFTER"] == f"{real.stall_after:g}"
    assert defaults["OPENMART_SANDBOX_SPEED"] == f"{real.sandbox_speed:g}"
    assert defaults["OPENMART_READ_RATE"] == "15`, none on the sandbox"
    assert defaults["OPENMART_PRICES"] == (
        f"email={prices.email:g},phone={prices.phone:g},mailbox={prices.mailbox:g},technology={prices.technology:g}"
    )


def test_the_outcomes_are_told_with_the_sentences_of_the_pages() -> None:
    assert table("Outcomes") == [[str(outcome), sentence] for outcome, sentence in SENTENCES.items()]


def test_every_kind_is_explained() -> None:
    assert [plain(row[1]) for row in table("What you do")] == list(Kind)


def test_every_example_of_the_command_line_can_be_typed() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined] # it is a group
    examples = [shlex.split(line) for line in block("Command line").splitlines()]

    assert {words[1] for words in examples} == set(commands)
    for words in examples:
        known = {option for param in commands[words[1]].params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_every_exit_code_is_explained() -> None:
    codes = {int(row[0]) for row in table("Command line") if row[0].isdigit()}

    assert codes == {*cli.EXIT_CODES.values(), cli.USAGE, 1, 130}


def test_every_member_of_the_json_object_is_named(tmp_path: Path) -> None:
    settings = sandbox_settings(tmp_path)
    with opened(settings) as ledger:
        values = look(ledger, settings, plan(ledger, settings)).as_json()

    assert [name for name in values if f"`{name}`" not in section("Command line")] == []


def test_the_library_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENMART_API_KEY", raising=False)
    monkeypatch.setenv("OPENMART_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPENMART_SANDBOX_SPEED", "200")

    exec(compile(block("Library"), "README.md", "exec"), {})

    shown = capsys.readouterr().out
    assert all(f"┆ {outcome} " in shown for outcome in ("matched", "no match", "duplicate")), shown


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)", README))
def test_what_it_links_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_there_is_one_sentence_per_line() -> None:
    prose = [line for line in PROSE.splitlines() if not line.startswith("|")]

    # A bold lead-in ("**Prices are estimates.** ...") belongs to the sentence it opens.
    assert [line for line in prose if re.search(r"[.!?] [A-Z`]", line)] == []


def test_the_tour_of_the_code_leads_to_files_that_are_there() -> None:
    tour = section("The code, in reading order")
    paths = re.findall(r"`([a-z_/]+(?:\.py|/))`", tour)

    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists() and not (LIBRARY / path).exists()] == []
