"""Programs of the library as processes of their own, forked from one that has imported them already.

Starting Python and importing the command line takes a second of a processor's time, a fork some
milliseconds. What is proven about the start of a real process keeps starting one with ``subprocess``.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
SERVER = "OPENMART_TEST_FORK_SERVER"  # the path of its socket, for this process and those forked
PATIENCE = 60.0  # seconds for what takes one


class Forked:
    """A forked program; made and used as ``subprocess.Popen`` is, in as far as our programs do."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: Any = None,
        stderr: Any = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        process_group: int | None = None,
        start_new_session: bool = False,
        die: Sequence[Sequence[Any]] = (),
        kills: str = "",
        clock: Path | None = None,
    ) -> None:
        """Start ``[sys.executable, "-m", module, ...]``.

        ``die``, ``kills`` and ``clock`` are told in ``fork_server``. A stream is a file, ``subprocess.DEVNULL``, or
        this process's own; ``stdin`` may be a ``subprocess.PIPE``.
        """
        assert list(command[:2]) == [sys.executable, "-m"], command
        assert process_group in (None, 0)
        order = {
            "module": command[2],
            "argv": list(command[3:]),
            "environ": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
            "session": start_new_session,
            "die": list(die),
            "kills": kills,
            "clock": str(clock) if clock else None,
        }
        self.args = command
        self.returncode: int | None = None
        self.stdin: Any = None
        self._answers = socket.socket(socket.AF_UNIX)
        weakref.finalize(self, self._answers.close)
        self._answers.connect(os.environ[SERVER])
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened:
            nothing = opened.enter_context(Path(os.devnull).open("r+b"))
            ours = nothing.fileno()
            if stdin == subprocess.PIPE:
                theirs, mine = os.pipe()
                opened.callback(os.close, theirs)
                self.stdin = os.fdopen(mine, "wb", buffering=0)
                ours = theirs
            streams = [ours if stdin is not None else 0]
            for number, stream in ((1, stdout), (2, stderr)):
                if stream is None:
                    streams.append(number)
                else:
                    streams.append(nothing.fileno() if stream == subprocess.DEVNULL else stream.fileno())
            text = (json.dumps(order) + "\n").encode()
            sent = socket.send_fds(self._answers, [text], streams)
            self._answers.sendall(text[sent:])
            self.pid = self._answered()

    def poll(self) -> int | None:
        """Return its exit code, negative for the signal that killed it; None while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit code.

        Raises:
            subprocess.TimeoutExpired: If it still lives.
        """
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            with self._lock:  # a supervisor waits for it in two threads
                if self.returncode is None:
                    self.returncode = self._answered()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _answered(self) -> int:
        """Return the number in the server's next line."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self._answers.recv(1)
            assert byte, "the process that waits for the program was killed"
            line += byte
        return int(line)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@contextmanager
def fork_server() -> Iterator[None]:
    """Run the process that forks; the environment variable ``SERVER`` names its socket meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="omfork-"))  # pytest's own folders are too long for a socket's name
    path = str(folder / "socket")
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py")), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,  # a Ctrl-C in the terminal of the tests is not for it
    ) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == b"ready\n"
            os.environ[SERVER] = path
            yield
        finally:
            os.environ.pop(SERVER, None)
            assert server.stdin is not None
            server.stdin.close()
            server.wait(PATIENCE)
            shutil.rmtree(folder)


def subprocess_for_supervisors() -> SimpleNamespace:
    """Return what ``supervisor.subprocess`` may be, so that its children are forked."""
    return SimpleNamespace(
        Popen=Forked,
        PIPE=subprocess.PIPE,
        DEVNULL=subprocess.DEVNULL,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
