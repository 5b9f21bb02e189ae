"""The sandbox as a process: ``python -m openmart_lib.sandbox --dir DIR``."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from openmart_lib.errors import OpenmartError
from openmart_lib.sandbox.fault_table import FAULTS
from openmart_lib.sandbox.faults import parse_fault
from openmart_lib.sandbox.folder import open_lock, prepare_dir, wait_for_lock
from openmart_lib.sandbox.magic import MAGIC_DOMAINS
from openmart_lib.sandbox.server import Sandbox
from openmart_lib.settings import DEFAULT_SANDBOX_SPEED

_LOCKED: Final = "locked"
_END: Final = "end"
_TOGETHER: Final = (
    "Every fault also takes on= (which requests), times= (how many), after= (how many to let pass first).\n"
    "Several that are due act on the same request and are all used up by it; after=1 keeps one for the next."
)


def main(arguments: list[str] | None = None) -> int:
    """Serve a folder until told to end; stand by while another process serves it."""
    options = _parser().parse_args(arguments)
    events: queue.SimpleQueue[str] = queue.SimpleQueue()
    _listen(events, with_parent=options.with_parent)
    try:
        prepare_dir(options.dir)
        sandbox = Sandbox(options.dir, port=options.port, speed=options.speed)
        for text in options.fault:
            name, values = parse_fault(text)
            sandbox.faults.add(name, **values)
        lock = open_lock(options.dir)
        _in_background(lambda: _take_lock(lock, events))
        if events.get() == _LOCKED:
            with sandbox:
                if not options.with_parent:  # a parent says what runs, and its console may be a log
                    sys.stderr.write(f"Sandbox on {sandbox.url}, simulated data only\n")
                while events.get() != _END:
                    pass
    except (OpenmartError, TypeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _listen(events: queue.SimpleQueue[str], *, with_parent: bool) -> None:
    """Turn signals, and with a parent the end of its pipe, into an event."""
    signal.signal(signal.SIGTERM, lambda *_: events.put(_END))
    if with_parent:
        # Ctrl-C reaches parent and child alike; the parent decides when the child is no longer needed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _in_background(lambda: _end_with_stdin(events))
    else:
        signal.signal(signal.SIGINT, lambda *_: events.put(_END))


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _take_lock(lock: int, events: queue.SimpleQueue[str]) -> None:
    wait_for_lock(lock)
    events.put(_LOCKED)


def _end_with_stdin(events: queue.SimpleQueue[str]) -> None:
    while os.read(0, 4096):
        pass
    events.put(_END)


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {name}: {says}" for name, says in ({**FAULTS, **MAGIC_DOMAINS}).items())
    parser = argparse.ArgumentParser(
        prog="python -m openmart_lib.sandbox",
        description="Serve simulated Openmart and Lance APIs on this computer.",
        epilog=f"{_TOGETHER}\n\nfaults and magic domains:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=Path, required=True, help="folder of its state, lock and port file")
    parser.add_argument("--port", type=int, default=0, help="port; default: the one it had, else a free one")
    parser.add_argument(
        "--speed",
        type=float,
        default=DEFAULT_SANDBOX_SPEED,
        help="divides real durations; 1 is real time (default 13)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[,key=value...]",
        help="switch a fault on; repeatable",
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input ends; ignore Ctrl-C"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
