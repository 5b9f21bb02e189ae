"""The command line as a process of its own, new or forked: exit codes, files, interruptions, and what it never shows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from forked import SERVER, Forked
from small_runs import SPEED, opened, sandbox_settings

from openmart_lib.errors import RunNotFoundError
from openmart_lib.ledger import BatchState
from openmart_lib.ledger.queries import newest_run_id, run_info
from openmart_lib.sandbox import Sandbox, read_journal
from openmart_lib.sandbox.folder import open_lock, prepare_dir, wait_for_lock
from openmart_lib.settings import Settings

ROOT = Path(__file__).parents[1]
PATIENCE = 90.0  # seconds; each command takes one to four
LIST = (
    "Website,Company\neverything.example,A\npeople3.example,B\nnobody.example,C\nwww.everything.example,D\n"
    "not a website,E\n"
)
KEY = "CANARY-command-line-key"


class Shell:
    """Runs ``openmart`` in a folder of its own, with a data folder of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENMART", "LANCE"))
        }
        self.environ = kept | {
            "PYTHONPATH": str(ROOT),
            "OPENMART_DATA_DIR": str(self.data_dir),
            "OPENMART_SANDBOX_SPEED": f"{SPEED:g}",
            **environ,
        }
        (folder / "list.csv").write_text(LIST)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command as people do: Python begins, and imports what it needs."""
        return subprocess.Popen(
            self._command(*arguments),
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end, forked; return exit code, standard output, standard error."""
        said = self.folder / "said.out", self.folder / "said.err"
        with said[0].open("wb") as out, said[1].open("wb") as err:
            process = Forked(
                self._command(*arguments),
                cwd=self.folder,
                env=self.environ | {SERVER: os.environ[SERVER]},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            code = process.wait(PATIENCE)
        return code, *_without_traceback(said[0].read_text(), said[1].read_text())

    def run_new(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end, as a new process that starts its own; return the same."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, *_without_traceback(out, err)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "openmart_lib", *arguments]


def _without_traceback(out: str, err: str) -> tuple[str, str]:
    assert "Traceback" not in out + err
    return out, err


@pytest.fixture
def shell(tmp_path: Path, forking: None) -> Shell:
    return Shell(tmp_path)


@contextmanager
def sandbox_of(settings: Settings, *, speed: float = SPEED) -> Iterator[Sandbox]:
    """Serve the data folder's sandbox from here, so that the test can make things go wrong."""
    prepare_dir(settings.sandbox_dir)
    lock = open_lock(settings.sandbox_dir)
    wait_for_lock(lock)
    try:
        with Sandbox(settings.sandbox_dir, speed=speed) as server:
            yield server
    finally:
        os.close(lock)


def last_object(out: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(out.splitlines()[-1])
    return values


def test_a_list_becomes_a_result_file_and_an_object_that_adds_up(shell: Shell) -> None:
    code, out, err = shell.run_new(
        *(
            "run",
            "list.csv",
            "--kind",
            "find_people",
            "--title",
            "Owner",
            "--max-k",
            "3",
            "--name",
            "My list",
        ),
        *("--wait", "--out", "out.csv", "--rejects", "rejects.csv", "--json"),
    )

    assert code == 0, err
    values = last_object(out)
    assert (values["state"], values["rows"], values["pause_reason"]) == ("done", 5, None)
    assert {name: n for name, n in values["outcomes"].items() if n} == {
        "matched": 2,
        "no match": 1,
        "duplicate": 1,
        "rejected": 1,
    }
    assert values["batches"]["collected"] == 1
    long = pl.read_csv(shell.folder / "out.csv")
    assert long["row"].unique().sort().to_list() == [1, 2, 3, 4, 5]
    assert long.filter(pl.col("Website") == "people3.example").height == 3
    assert pl.read_csv(shell.folder / "rejects.csv")["Website"].to_list() == ["not a website"]
    (batch,) = read_journal(sandbox_settings(shell.data_dir).sandbox_dir)
    assert len(set(batch.tracking_ids)) == 3
    assert "\x1b" not in out + err, "a pipe gets no progress bar"

    code, out, err = shell("export", values["run_id"], "--out", "rows.parquet", "--shape", "rows")

    assert (code, err) == (0, "")
    assert pl.read_parquet(shell.folder / "rows.parquet")["Website"].to_list() == [
        line.split(",")[0] for line in LIST.splitlines()[1:]
    ]


def test_without_waiting_it_plans_and_says_that_nobody_sends_then_resume_finishes_it(shell: Shell) -> None:
    code, out, err = shell("run", "list.csv", "--kind", "find_people", "--title", "Owner", "--json")

    planned = last_object(out)
    assert (code, planned["state"], planned["worker_alive"]) == (0, "active", False)
    assert "No worker is alive" in err

    code, out, _ = shell("resume", "--wait", "--out", "out.xlsx", "--json")

    assert (code, last_object(out)["run_id"], last_object(out)["standing"]) == (0, planned["run_id"], "final")
    assert (shell.folder / "out.xlsx").stat().st_size > 0


@pytest.mark.slow
def test_a_backup_is_restored_and_its_unfinished_run_waits_for_a_person(shell: Shell) -> None:
    shell("run", "list.csv", "--kind", "find_people", "--title", "Owner")

    made, _, _ = shell("backup", "monday.zip")
    restored, said, _ = shell("restore", "monday.zip")
    held, out, _ = shell("status", "--json")

    assert (made, restored, held) == (0, 0, 4)
    assert "Unfinished runs, now paused: 1" in said
    assert last_object(out)["pause_reason"].startswith("restored from ")


def test_a_batch_without_a_clear_answer_exits_3_and_is_not_sent_again(shell: Shell) -> None:
    settings = sandbox_settings(shell.data_dir)
    with sandbox_of(settings) as server:
        server.faults.add("answer_lost", on="submit", times=1)

        code, out, err = shell(
            "run", "list.csv", "--kind", "find_people", "--title", "Owner", "--wait", "--json"
        )
        again, _, _ = shell("resume", "--wait")

        assert (code, again) == (3, 3)
        assert last_object(out)["outcomes"]["unknown"] == 3
        assert "may have been charged" in err
        assert len(server.journal()) == 1


def test_no_credits_exit_4_and_resume_goes_on_once_there_are_some(shell: Shell) -> None:
    with sandbox_of(sandbox_settings(shell.data_dir)) as server:
        fault = server.faults.add("credits_limit", limit=0)

        code, out, err = shell(
            "run", "list.csv", "--kind", "find_people", "--title", "Owner", "--wait", "--json"
        )

        assert (code, last_object(out)["state"]) == (4, "paused")
        assert "credit limit reached (402)" in last_object(out)["pause_reason"]
        assert "openmart resume" in err
        assert server.journal() == []

        server.faults.remove(fault.number)
        code, out, _ = shell("resume", "--wait", "--json")

        assert (code, last_object(out)["standing"]) == (0, "final")
        assert len(server.journal()) == 1


def test_ctrl_c_leaves_the_unsent_planned_and_lets_what_is_on_its_way_finish(tmp_path: Path) -> None:
    shell = Shell(tmp_path, OPENMART_SUBMIT_CONCURRENCY="1", OPENMART_SANDBOX_SPEED="20")
    (tmp_path / "list.csv").write_text("Website\n" + "".join(f"company{n}.example\n" for n in range(300)))
    settings = sandbox_settings(shell.data_dir)
    with shell.start("run", "list.csv", "--kind", "find_people", "--title", "Owner", "--wait") as process:
        wait_until_sending(settings)

        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the children too
        _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "openmart resume" in err
    assert "Traceback" not in err
    with opened(settings) as ledger:
        batches = run_info(ledger, newest_run_id(ledger)).batches
    assert batches[BatchState.SENDING] == batches[BatchState.UNKNOWN] == 0
    assert batches[BatchState.ACCEPTED] + batches[BatchState.COLLECTED] == 1
    assert batches[BatchState.PLANNED] == 2


@pytest.mark.slow
def test_a_worker_sends_what_was_planned_until_it_is_told_to_end(shell: Shell) -> None:
    shell("run", "list.csv", "--kind", "find_people", "--title", "Owner")
    settings = sandbox_settings(shell.data_dir)
    with shell.start("worker") as process:
        end = time.monotonic() + PATIENCE
        with opened(settings) as ledger:
            run_id = newest_run_id(ledger)
            while run_info(ledger, run_id).final_rows < 5 and time.monotonic() < end:
                time.sleep(0.1)
            info = run_info(ledger, run_id)

        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)

    assert info.final_rows == 5
    assert (process.returncode, "Traceback" in err) == (0, False)
    assert "Working for sandbox" in out


def test_the_sandbox_serves_until_it_is_told_to_end(shell: Shell) -> None:
    with shell.start("sandbox", "--fault", "answer_lost") as process:
        assert process.stderr is not None
        said = process.stderr.readline()

        process.terminate()
        process.communicate(timeout=PATIENCE)

    assert "http://127.0.0.1:" in said
    assert process.returncode == 0


def test_a_key_is_shown_nowhere_even_when_it_is_refused(tmp_path: Path, forking: None) -> None:
    with Sandbox(tmp_path / "elsewhere", speed=SPEED) as server:
        server.faults.add("status", status=401, detail="Invalid API Key", times=None)
        shell = Shell(tmp_path, OPENMART_API_KEY=KEY, OPENMART_BASE_URL=server.url)
        (tmp_path / "list.csv").write_text("Website\nacme.com\n")

        code, out, err = shell(
            "run", "list.csv", "--kind", "find_people", "--title", "Owner", "--wait", "--json"
        )

    assert (code, last_object(out)["state"]) == (4, "paused")
    assert "does not accept the key (401)" in err
    assert KEY not in out + err
    files = [path for path in shell.data_dir.rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []


def wait_until_sending(settings: Settings) -> None:
    """Wait until the worker has claimed a batch of the newest run."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(RunNotFoundError), opened(settings) as ledger:
            if run_info(ledger, newest_run_id(ledger)).batches[BatchState.SENDING]:
                return
        time.sleep(0.05)
    raise AssertionError("nothing was sent")
