"""Commands that go on until Ctrl-C: the worker, and the sandbox."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from openmart_lib.commands.waiting import STOPPING
from openmart_lib.console import Console
from openmart_lib.engine import Supervisor, worker_status
from openmart_lib.ledger import open_ledger
from openmart_lib.settings import load_settings


def worker() -> int:
    """Send and collect in the foreground, until Ctrl-C; for computers without the dashboard."""
    console = Console(as_json=False)
    settings = load_settings()
    open_ledger(settings).close()
    before = worker_status(settings)
    with Supervisor(settings):
        if before.alive:
            console.say(f"A worker already runs here (process {before.pid}); this one stands by.")
        console.say(
            f"Working for {settings.environment}, data in {settings.environment_dir}. Ctrl-C ends it."
        )
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            console.say(STOPPING)
    return 0


def sandbox(
    port: Annotated[int, typer.Option(help="Port; default: the one it had, else a free one.")] = 0,
    speed: Annotated[float | None, typer.Option(help="Divides real durations; 1 is real time.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,KEY=VALUE...]", help="Switch a fault on.")
    ] = None,
) -> int:
    """Serve both simulated APIs in the foreground, until Ctrl-C; for trying a client of your own."""
    from openmart_lib.sandbox import (
        __main__ as sandbox_process,
    )  # a web server: 0.1 s that no other command needs

    settings = load_settings()
    arguments = ["--dir", str(settings.sandbox_dir), "--port", str(port)]
    arguments += ["--speed", f"{speed or settings.sandbox_speed:g}"]
    for each in fault or []:
        arguments += ["--fault", each]
    return sandbox_process.main(arguments)
