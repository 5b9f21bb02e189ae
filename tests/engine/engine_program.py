"""Programs that tests kill: forked within milliseconds, dying where they are told, living by a clock of the test's.

Started as ``python engine_program.py``, it reads one JSON object a line and answers each with one:

- ``{"start": {...}}`` forks a worker, or a command line where ``argv`` is given -> ``{"pid": n}``; with
  ``kills`` a server, which holds the pipe of a worker as a page server does: that worker comes to the points,
  and kills the ``server`` or ``both``
- ``{"poll": pid}`` -> ``{"status": null}`` while it lives, then its exit code, negative for a signal

The product knows nothing of this: its functions are wrapped after they were imported.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_real_time, _real_clock = time.time, time.clock_gettime
_clock_file: Path | None = None


def _shift(number: int) -> float:
    """What the test wrote into a file: the seconds a clock was set by, and those the computer slept."""
    if _clock_file is not None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return float(_clock_file.read_text().split()[number])
    return 0.0


def _time() -> float:
    return _real_time() + _shift(0) + _shift(1)


def _clock_gettime(which: int) -> float:
    return _real_clock(which) + _shift(1)


# Before the library is imported: it takes the clock as a default.
time.time, time.clock_gettime = _time, _clock_gettime

from openmart_lib import cli  # noqa: E402
from openmart_lib.engine import worker  # noqa: E402


def die_at(
    point: str, when: str, call: int, within: str = "", *, kill: Callable[[], None] | None = None
) -> None:
    """Let this process kill itself at the n-th call of ``module:name``, ``before`` it is done or ``after``.

    ``within``: only calls made in the course of this other function are counted. ``kill``: of another process.
    """
    kill = kill or (lambda: os.kill(os.getpid(), signal.SIGKILL))
    owner, name = _find(point)
    real, calls = getattr(owner, name), [0]
    inside = _note_calls_of(within) if within else lambda: True

    @functools.wraps(real)
    def mortal(*given: Any, **named: Any) -> Any:
        calls[0] += inside()
        mine = inside() and calls[0] == call
        if mine and when == "before":
            kill()
        result = real(*given, **named)
        if mine and when == "after":
            kill()
        return result

    setattr(owner, name, mortal)


def _find(point: str) -> tuple[Any, str]:
    module_name, _, path = point.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    return owner, name


def _note_calls_of(point: str) -> Callable[[], bool]:
    """Return whether this thread is in the course of a function."""
    owner, name = _find(point)
    real, here = getattr(owner, name), threading.local()

    @functools.wraps(real)
    def noted(*given: Any, **named: Any) -> Any:
        here.inside = True
        try:
            return real(*given, **named)
        finally:
            here.inside = False

    setattr(owner, name, noted)
    return lambda: getattr(here, "inside", False)


def _become(order: dict[str, Any]) -> None:
    global _clock_file
    os.setsid()
    with Path(order["said"]).open("ab") as said, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    _clock_file = Path(order["clock"]) if order.get("clock") else None
    if order.get("kills"):
        _hold_a_worker(order)
    for point in order.get("die", ()):
        die_at(*point)
    main: Callable[[], int | None] = worker.main
    if order.get("argv"):
        sys.argv = ["openmart", *order["argv"]]
        main = cli.main
    sys.exit(main())


def _hold_a_worker(order: dict[str, Any]) -> None:
    """Fork a worker whose parent is this process, and wait for its end, as a page server's supervisor does."""
    server, (theirs, mine) = os.getpid(), os.pipe()
    worker_pid = os.fork()
    if worker_pid:
        os.close(theirs)
        os.waitpid(worker_pid, 0)
        os._exit(0)
    os.close(mine)
    os.dup2(theirs, 0)
    os.setpgid(0, 0)

    def kill() -> None:
        os.kill(server, signal.SIGKILL)
        if order["kills"] == "both":
            os.kill(os.getpid(), signal.SIGKILL)

    for point in order["die"]:
        die_at(*point, kill=kill)
    sys.exit(worker.main(with_parent=True))


def _start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become(order)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = {"pid": _start(order["start"])} if "start" in order else {"status": _status(order["poll"])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
