"""Forks the library's programs for tests: up within milliseconds, as it has imported what each imports in a second.

Started as ``python fork_server.py SOCKET``; it ends with its standard input. A test, or a program forked here,
connects to the socket and sends one JSON object with the program's standard input, output and error
(``forked.Forked`` does). It is answered the process id and, when that has ended, its exit code.

- ``module``, ``argv``: what ``python -m module argv ...`` runs
- ``environ``, ``cwd``, ``session`` (true: in a session of its own; else in a process group of its own)
- ``die``, ``clock``: where it is to kill itself, and by what clock it lives; see ``die_at`` and ``_shift``
- ``kills``: instead a server, which holds the pipe of the program as a page server does; the program comes to
  the points, and kills the ``server`` or ``both``

The product knows nothing of this: its functions are wrapped after they were imported.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
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

import forked  # noqa: E402

import openmart_lib.cli  # noqa: E402
import openmart_lib.sandbox  # noqa: E402, F401
from openmart_lib.engine import supervisor  # noqa: E402


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


def serve(path: str) -> None:
    """Fork what is asked for until standard input ends."""
    supervisor.subprocess = forked.subprocess_for_supervisors()  # type: ignore[assignment] # in children too
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever the tests were started with
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks for a keeper's end
    gc.freeze()  # so that a fork does not copy what the collector looks through
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            with listener.accept()[0] as asked:
                if not os.fork():
                    listener.close()
                    _keep(asked)


def _keep(asked: socket.socket) -> None:
    """Fork one program and tell how it ended; this process ends with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):  # whoever asked has ended
        text, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
        while not text.endswith(b"\n"):
            text += asked.recv(1 << 20)
        pid = os.fork()
        if not pid:
            asked.close()
            _run(json.loads(text), streams)
        for stream in (*streams, 0, 1):
            os.close(stream)
        asked.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        asked.sendall(f"{code}\n".encode())
    os._exit(0)


def _run(order: dict[str, Any], streams: list[int]) -> None:
    """Be the program, to the end of this process."""
    code: int | str | None = 1
    try:
        _become(order, streams)
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code  # type: ignore[assignment]
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _become(order: dict[str, Any], streams: list[int]) -> None:
    global _clock_file
    if order["session"]:
        os.setsid()
    else:
        os.setpgid(0, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, max(streams) + 1)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    _clock_file = Path(order["clock"]) if order["clock"] else None
    sys.argv = [order["module"], *order["argv"]]
    kill = _held_by_a_server(order["kills"]) if order["kills"] else None
    for point in order["die"]:
        die_at(*point, kill=kill)


def _held_by_a_server(kills: str) -> Callable[[], None]:
    """Go on as the child of this process, which waits for its end as a page server's supervisor does.

    Return what kills the ``server``, or ``both``.
    """
    server, (theirs, mine) = os.getpid(), os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        os.waitpid(pid, 0)
        os._exit(0)
    os.close(mine)
    os.dup2(theirs, 0)
    os.setpgid(0, 0)
    sys.argv.append("--with-parent")

    def kill() -> None:
        os.kill(server, signal.SIGKILL)
        if kills == "both":
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


if __name__ == "__main__":
    serve(sys.argv[1])
