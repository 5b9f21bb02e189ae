"""Real processes for the tests: worker programs that can be told where to die, page servers, terminals."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from engine_rig import Rig
from forked import Forked

from openmart_lib.api.wire import Kind
from openmart_lib.engine import worker_status
from openmart_lib.sandbox import Sandbox
from openmart_lib.sandbox.folder import open_lock, wait_for_lock

ROOT = Path(__file__).parents[2]
SPEED = 500.0
PATIENCE = 60.0  # seconds for what takes one or two where nothing else runs
# "module:name", "before" or "after", the how many-th call, and perhaps "module:name" in whose course it is.
Point = tuple[str, str, int] | tuple[str, str, int, str]


def wait_for(condition: Callable[[], object], timeout: float = PATIENCE) -> float:
    """Wait until a condition holds; return how long it took, in seconds."""
    began = time.monotonic()
    while not condition():
        passed = time.monotonic() - began
        assert passed < timeout, "it did not happen"
        time.sleep(min(0.025, max(0.005, passed / 20)))  # to look at a ledger takes 3 ms of a processor
    return time.monotonic() - began


def live_rig(rig: Rig, *, submit_seconds: float = 0.05, clock: Callable[[], float] = time.time) -> Rig:
    """Take the rig's own dispatcher away and let its sandbox live 500 times as fast."""
    rig.dispatcher.stop(grace=1.0)
    rig.sandbox.stop()
    rig.sandbox = Sandbox(rig.settings.sandbox_dir, speed=SPEED, submit_seconds=submit_seconds, clock=clock)
    rig.sandbox.start()
    return rig


def assert_posted_once(rig: Rig) -> None:
    """Check that the server never saw the same body twice: tracking ids make each batch's body its own."""
    bodies = [body for kind in Kind for body in rig.sandbox.bodies(kind)]
    assert len(set(bodies)) == len(bodies), "a batch was sent twice"


@contextmanager
def kept_sandbox(rig: Rig) -> Iterator[None]:
    """Keep the sandboxes that supervisors start standing by, so that the rig's own goes on serving."""
    lock = open_lock(rig.settings.sandbox_dir)
    wait_for_lock(lock)
    try:
        yield
    finally:
        os.close(lock)


def environment(rig: Rig, **more: str) -> dict[str, str]:
    """The environment variables of a program on the rig's data folder."""
    own = {"OPENMART_SANDBOX_SPEED": f"{SPEED:g}", "PYTHONPATH": str(ROOT)}
    return os.environ | rig.settings.to_environ() | own | more


def pid_of_worker(rig: Rig) -> int | None:
    """The process that works on the rig's data folder."""
    return worker_status(rig.settings).pid


class Program(Forked):
    """A forked program whose end is waited for as all else is."""

    @property
    def ended(self) -> bool:
        return self.poll() is not None

    def wait(self, timeout: float | None = PATIENCE) -> int:
        """Wait for its end; return its exit code, negative for the signal that killed it."""
        try:
            return super().wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("it did not end") from None

    def poll(self) -> int | None:
        with contextlib.suppress(AssertionError):
            self.wait(0)
        return self.returncode

    def kill(self) -> None:
        super().kill()
        self.wait()


@dataclass
class Programs:
    """The programs of one test on its rig's data folder; what is left of them is killed at the end."""

    rig: Rig
    _all: list[Program] = field(default_factory=list)

    def start(
        self,
        *die: Point,
        argv: Sequence[str] = (),
        clock: Path | None = None,
        kills: str = "",
        **environ: str,
    ) -> Program:
        """Start a worker, or a command line, that dies at these points, if it comes to them.

        ``kills``: a server that holds a worker, as a page server does; at the points the "server" or "both" die.
        """
        module = ["openmart_lib", *argv] if argv else ["openmart_lib.engine"]
        with self.said.open("ab") as said:
            program = Program(
                [sys.executable, "-m", *module],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environment(self.rig, **environ),
                cwd=ROOT,
                start_new_session=True,
                die=die,
                kills=kills,
                clock=clock,
            )
        self._all.append(program)
        return program

    @property
    def said(self) -> Path:
        """What the programs wrote."""
        return self.rig.settings.data_dir / "said"

    def end(self) -> None:
        for program in self._all:
            program.send_signal(signal.SIGCONT)
            program.kill()


class PageServer:
    """The dashboard's own server, as people start it, on a free port."""

    def __init__(self, rig: Rig, **environ: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.log = rig.settings.data_dir / f"server-{self.url.rpartition(':')[2]}.log"
        self.environ = environment(rig, **environ)
        self.command = [
            *(sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"),
            f"--server.port={self.url.rpartition(':')[2]}",
        ]

    def start(self) -> PageServer:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/_stcore/health", timeout=5).text == "ok"
        except (requests.ConnectionError, requests.Timeout):
            return False

    def end(self) -> None:
        """Kill the server and the children that it may still have."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


class Terminal:
    """A terminal window with one program in it, its session's leader; closing it hangs the program up."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], *, cwd: Path = ROOT) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LEAD, *command],
            cwd=cwd,
            env=environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        self.seen = ""

    def says(self, text: str) -> bool:
        """Whether the program has written this so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self.master, 65536):
                self.seen += data.decode(errors="replace")
        return text in self.seen

    @property
    def ended(self) -> bool:
        self.says("")  # what is not read would hold up the program that writes it
        return self.process.poll() is not None

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def end(self) -> None:
        self.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


# Makes the terminal the controlling one of the session it leads, as a shell's window does; hears of its end
# although the tests themselves may have been started with nohup.
_LEAD = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
