"""Wait for a run: read the ledger until nothing moves, and draw a bar where somebody can see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from openmart_lib.console import one_line
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.queries import revision
from openmart_lib.report import Report, Standing

POLL: Final = 0.2  # seconds between two looks at the ledger's revision
REREAD: Final = 2.0  # seconds after which a run is read anew even without a change: batches stall by time

Show = Callable[[Report], None]


def follow(
    ledger: Ledger,
    read: Callable[[], Report],
    *,
    show: Show,
    timeout: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Read a run again and again until it does not move by itself; return how it stands then.

    Args:
        read: Gives the run as it is now.
        show: Is told about every reading.
        timeout: Seconds after which the last reading is returned although the run moves; None = no limit.
    """
    end = None if timeout is None else clock() + timeout
    while True:
        seen, read_at = revision(ledger), clock()
        report = read()
        show(report)
        if report.standing is not Standing.MOVING:
            return report
        while revision(ledger) == seen and clock() - read_at < REREAD:
            if end is not None and clock() >= end:
                return report
            sleep(POLL)
        if end is not None and clock() >= end:
            return report


@contextmanager
def display(*, wanted: bool = True) -> Iterator[Show]:
    """Give something to show reports with: a bar on a terminal or in a notebook, else nothing."""
    if wanted and _in_notebook():
        yield _notebook_line()
    elif wanted and sys.stderr.isatty():
        with _terminal_bar() as show:
            yield show
    else:
        yield lambda report: None


def progress_words(report: Report) -> str:
    """Return where the rows are: "312 of 500 rows final · 100 being sent · 88 at Openmart"."""
    run, pending = report.run, report.run.pending
    parts = [f"{run.final_rows - run.rows_in_doubt:,} of {run.row_count:,} rows final"]
    places = (
        (pending.waiting, "waiting"),
        (pending.sending, "being sent"),
        (pending.at_openmart, "at Openmart"),
        (pending.fetching, "being fetched"),
        (run.rows_in_doubt, "in doubt"),
    )
    parts += [f"{n:,} {words}" for n, words in places if n]
    if report.note:
        parts.append(report.note)
    return " · ".join(parts)


@contextmanager
def _terminal_bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[run]}", markup=False),  # a run's name is text, not rich markup
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", run="", words="", total=None)

        def show(report: Report) -> None:
            progress.update(
                task,
                run=one_line(report.run.name),
                words=one_line(progress_words(report)),
                total=report.run.row_count,
                completed=report.run.final_rows,
            )

        yield show


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def _notebook_line() -> Show:
    """Return a one-line bar of text that replaces itself: it needs no widgets in the notebook."""
    handle: Any = None

    def show(report: Report) -> None:
        nonlocal handle
        share = report.run.final_rows / report.run.row_count if report.run.row_count else 1.0
        filled = round(share * 30)
        data = {"text/plain": f"{'█' * filled}{'░' * (30 - filled)} {progress_words(report)}"}
        if handle is None:
            in_cell = import_module("IPython.display")  # no dependency of ours
            handle = in_cell.display(data, raw=True, display_id=True)
        else:
            handle.update(data, raw=True)

    return show
