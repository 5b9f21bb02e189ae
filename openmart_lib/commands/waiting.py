"""After a command has changed a run: wait for it, or tell who sends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from openmart_lib.commands.exits import EXIT_CODES
from openmart_lib.console import Console
from openmart_lib.desk_run import Run
from openmart_lib.engine import worker_status
from openmart_lib.report import Standing
from openmart_lib.results.withheld import withheld_words
from openmart_lib.settings import Settings

STOPPING: Final = (
    "Stopping. Submissions on their way are finished first (up to 3 min); nothing new is sent. "
    "A second Ctrl-C does not wait for them: they may then be shown as unknown."
)


def wait_or_tell(
    console: Console,
    chosen: Run,
    settings: Settings,
    *,
    wait: bool,
    out: Path | None,
    more: dict[str, Any] | None = None,
) -> int:
    """Wait for a run and write its results, or tell whether a worker sends it; return the exit code.

    ``more`` goes into the object as it is.
    """
    more = more or {}
    if wait:
        with _interruption_explained(console, chosen):
            chosen.wait()
    report = chosen.report()
    console.say(report.sentence())
    if wait and out is not None:
        written = chosen.write(out)
        console.say(f"{out} is written.")
        if written.withheld:
            console.warn(withheld_words(written.withheld))
        more = more | {"out": str(out), "rows_withheld": written.withheld}
    if not wait and report.standing is Standing.MOVING:
        alive = worker_status(settings).alive
        console.say(_worker_words(alive, chosen.id))
        more = more | {"worker_alive": alive}
    console.result(report.as_json() | more)
    return EXIT_CODES[report.standing]


def _worker_words(alive: bool, run_id: str) -> str:
    if alive:
        return "A worker is alive and sends it."
    return (
        "No worker is alive, so nothing is sent yet. "
        f"Open the dashboard, or run `openmart worker` or `openmart resume {run_id} --wait`."
    )


@contextmanager
def _interruption_explained(console: Console, chosen: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.warn(
            f"Interrupted. What was not sent stays planned and has cost nothing; go on with "
            f"`openmart resume {chosen.id} --wait`."
        )
        console.warn(STOPPING)
        raise
