"""Waiting for a run, and showing it where somebody looks."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_runs import opened, plan, sandbox_settings
from terminal import Terminal

from openmart_lib.ledger import Ledger
from openmart_lib.ledger.overview import Pending
from openmart_lib.ledger.runs import cancel_run, pause_run, resume_run
from openmart_lib.report import Report, Standing, look
from openmart_lib.settings import Settings
from openmart_lib.watch import REREAD, display, follow, progress_words


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return sandbox_settings(tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with opened(settings) as ledger:
        yield ledger


@pytest.fixture
def run_id(ledger: Ledger, settings: Settings) -> str:
    return plan(ledger, settings)


class Clock:
    """Seconds that pass only while somebody sleeps; ``at`` maps a time to what happens then."""

    def __init__(self, at: dict[float, Any] | None = None) -> None:
        self.now = 0.0
        self._at = dict(at or {})

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for time in [time for time in self._at if time <= self.now]:
            self._at.pop(time)()

    def __call__(self) -> float:
        return self.now


def test_a_run_is_followed_until_it_does_not_move_by_itself(
    ledger: Ledger, settings: Settings, run_id: str
) -> None:
    clock, shown = Clock({1.0: lambda: cancel_run(ledger, run_id)}), list[Report]()

    last = follow(
        ledger, lambda: look(ledger, settings, run_id), show=shown.append, sleep=clock.sleep, clock=clock
    )

    assert [report.standing for report in shown] == [Standing.MOVING, Standing.FINAL]
    assert last is shown[-1]
    assert clock.now == pytest.approx(1.0, abs=0.3)


def test_waiting_ends_at_the_time_limit_although_the_run_moves(
    ledger: Ledger, settings: Settings, run_id: str
) -> None:
    clock = Clock()

    last = follow(
        ledger,
        lambda: look(ledger, settings, run_id),
        show=lambda report: None,
        timeout=5.0,
        sleep=clock.sleep,
        clock=clock,
    )

    assert last.standing is Standing.MOVING
    assert clock.now == pytest.approx(5.0, abs=0.3)


def test_a_run_is_read_anew_from_time_to_time_because_batches_stall_without_a_change(
    ledger: Ledger, settings: Settings, run_id: str
) -> None:
    clock, shown = Clock(), list[Report]()

    follow(
        ledger,
        lambda: look(ledger, settings, run_id),
        show=shown.append,
        timeout=3 * REREAD,
        sleep=clock.sleep,
        clock=clock,
    )

    assert len(shown) == 3


def test_a_pause_ends_the_waiting_and_a_resumed_run_can_be_waited_for_again(
    ledger: Ledger, settings: Settings, run_id: str
) -> None:
    def waited() -> Standing:
        clock = Clock()
        read = lambda: look(ledger, settings, run_id)  # noqa: E731 # shorter than a function of its own
        return follow(
            ledger, read, show=lambda report: None, timeout=1.0, sleep=clock.sleep, clock=clock
        ).standing

    pause_run(ledger, run_id)
    paused = waited()
    resume_run(ledger, run_id)

    assert (paused, waited()) == (Standing.HELD, Standing.MOVING)


def test_the_words_say_where_every_row_is(ledger: Ledger, settings: Settings, run_id: str) -> None:
    report = look(ledger, settings, run_id)
    pending = Pending(waiting=88, sending=100, at_openmart=300, fetching=12)
    busy = replace(report, run=replace(report.run, row_count=1512, pending=pending), note="paused by you")

    words = progress_words(busy)

    assert words == (
        "1,511 of 1,512 rows final · 88 waiting · 100 being sent · 300 at Openmart · 12 being fetched · "
        "paused by you"
    )


def test_a_terminal_gets_a_bar_that_takes_a_name_as_text(
    ledger: Ledger, settings: Settings, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    report = look(ledger, settings, run_id)

    with display() as show:
        show(replace(report, run=replace(report.run, name="[bold]my \x1b[2J list[/bold]")))

    drawn = sys.stderr.getvalue()
    assert "[bold]my ?[2J list[/bold]" in drawn
    assert "0 of 1 rows final" in drawn


def test_a_pipe_gets_no_bar(
    ledger: Ledger, settings: Settings, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with display() as show:
        show(look(ledger, settings, run_id))

    assert capsys.readouterr() == ("", "")


def test_a_notebook_gets_one_line_that_replaces_itself(
    ledger: Ledger, settings: Settings, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    notebook = a_notebook(lines)
    for name, module in notebook.items():
        monkeypatch.setitem(sys.modules, name, module)
    report = look(ledger, settings, run_id)

    with display() as show:
        show(report)
        show(replace(report, run=replace(report.run, row_count=2)))

    assert lines == [
        "shown: " + "░" * 30 + " 0 of 1 rows final · 1 waiting",
        "replaced: " + "█" * 15 + "░" * 15 + " 1 of 2 rows final · 1 waiting",
    ]


def a_notebook(lines: list[str]) -> dict[str, types.ModuleType]:
    """What a Jupyter kernel looks like from inside: IPython's shell and its display function."""

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            lines.append(f"replaced: {data['text/plain']}")

    def show_in_cell(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        lines.append(f"shown: {data['text/plain']}")
        return Handle()

    ipython, its_display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = type("ZMQInteractiveShell", (), {})  # type: ignore[attr-defined] # a module made by hand
    its_display.display = show_in_cell  # type: ignore[attr-defined] # as above
    return {"IPython": ipython, "IPython.display": its_display}
