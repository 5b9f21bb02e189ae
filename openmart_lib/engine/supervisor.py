"""The supervisor: keeps the child processes alive for as long as their parent lives.

The children are the worker and, where an API is simulated, the sandbox. Each holds a lock, so any number
of parents may start them: one works, the others stand by. A child ends when the pipe to it closes, which
also happens when the parent is killed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Final, Self

from openmart_lib.engine.worker import GRACE
from openmart_lib.settings import Settings

MAX_RESTART_WAIT: Final = 60.0  # seconds; the waits are 1, 2, 4 .. 60
STEADY: Final = 60.0  # seconds a child must live for the waits to begin anew


class Supervisor:
    """Starts the children and restarts them when they exit; ``stop`` lets POSTs in flight finish."""

    def __init__(self, settings: Settings) -> None:
        environ = os.environ | settings.to_environ()
        self._children = [_Child("worker", _worker_command(), environ)]
        if settings.simulated or settings.lance_simulated:
            self._children.append(_Child("sandbox", _sandbox_command(settings), environ))

    def start(self) -> Self:
        """Start the children; returns at once."""
        for child in self._children:
            child.start()
        return self

    def stop(self) -> None:
        """End the children, the worker first: its POSTs may still need the sandbox's answer."""
        for child in self._children:
            child.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Child:
    def __init__(self, name: str, command: list[str], environ: dict[str, str]) -> None:
        self._name = name
        self._command = command
        self._environ = environ
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"supervise-{name}", daemon=True)

    def start(self) -> None:
        self._spawn()
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=GRACE + 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._thread.join(timeout=5)

    def _spawn(self) -> None:
        """Start the process, unless the end has come.

        Raises:
            OSError: If this computer cannot start one now.
        """
        with self._lock:
            if not self._stopping.is_set():
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    process_group=0,  # Ctrl-C is the parent's to handle, also while a child still starts
                    stdout=subprocess.DEVNULL,  # the parent's output may be read by a program
                    env=self._environ,
                )

    def _keep(self) -> None:
        pause = 1.0
        while True:
            process = self._process
            assert process is not None
            started = time.monotonic()
            process.wait()
            if self._stopping.is_set():
                return
            if process.stdin is not None:
                process.stdin.close()
            if time.monotonic() - started > STEADY:
                pause = 1.0
            if self._stopping.wait(pause):
                return
            pause = min(MAX_RESTART_WAIT, pause * 2)
            # The old process stands for the one that could not be started: its end is tried again.
            with contextlib.suppress(OSError):
                self._spawn()


def _worker_command() -> list[str]:
    return [sys.executable, "-m", "openmart_lib.engine", "--with-parent"]


def _sandbox_command(settings: Settings) -> list[str]:
    return [
        sys.executable,
        "-m",
        "openmart_lib.sandbox",
        "--dir",
        str(settings.sandbox_dir),
        "--speed",
        f"{settings.sandbox_speed:g}",
        "--with-parent",
    ]
