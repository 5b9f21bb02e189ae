"""Commands by which a person steers a run: resume, pause, cancel.

They promise only what is possible: what is with Openmart cannot be recalled and will be collected.
"""

from __future__ import annotations

import sys
from typing import Final

import typer

from openmart_lib import desk
from openmart_lib.commands.options import Json, Out, RunId, Wait, Yes, check_file
from openmart_lib.commands.spending import MaxCredits
from openmart_lib.commands.waiting import wait_or_tell
from openmart_lib.console import Console
from openmart_lib.desk import Desk
from openmart_lib.desk_run import Run
from openmart_lib.errors import InputError
from openmart_lib.ledger import BatchState, Hold, RunState
from openmart_lib.ledger.limits import set_limit
from openmart_lib.ledger.overview import RunInfo
from openmart_lib.ledger.queries import newest_run_id
from openmart_lib.report import Standing, held_with, look_at_all
from openmart_lib.results import export as files
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted

LISTED: Final = 20  # other runs that `resume` names


def resume(
    run_id: RunId = None,
    max_credits: MaxCredits = None,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
) -> int:
    """Go on with an unfinished run: after a crash, a pause, a hold, its limit or its pilot.

    Four things need the run's name, because they can cost more: going on after five submissions without a
    clear answer, going on with another key than the run was planned with, sending what waits for a word
    about the pilot, and another limit. The rest of a pilot that may cost much needs --max-credits too.
    """
    console = Console(as_json)
    check_file(out, "--out", files.ENDINGS)
    if out is not None and not wait:
        raise InputError("--out needs --wait. Nothing was sent. To write what there is: `openmart export`.")
    settings = load_settings()
    with desk.open(settings=settings) as opened:
        chosen = opened.run(run_id or newest_run_id(opened.ledger))
        report = chosen.report()
        if report.run.state is RunState.PLANNING:
            raise InputError(f"Run {chosen.id} cannot go on: {report.note}.")
        if max_credits is not None and run_id is None:
            raise InputError(
                "--max-credits needs the run's name. Nothing was changed. "
                "List the runs with `openmart status`."
            )
        pilot_over = report.pilot is not None and report.pilot.over
        costly = report.run.other_key or report.run.hold is Hold.UNKNOWNS or pilot_over
        if report.standing is Standing.HELD and (run_id is not None or not costly):
            others = _held_too(opened, report.run)
            chosen.resume(max_credits=max_credits)
            _say_who_goes_on_too(console, others)
        elif max_credits is not None:
            set_limit(opened.ledger, chosen.id, max_credits)
        if max_credits is not None:
            console.say(f"Run {chosen.id} may cost at most {max_credits:,.0f} credits.")
        return wait_or_tell(console, chosen, settings, wait=wait, out=out)


def pause(run_id: RunId = None, as_json: Json = False) -> int:
    """Send nothing more of a run until `resume`; what is with Openmart goes on and is collected."""
    console = Console(as_json)
    with desk.open() as opened:
        chosen = _unfinished(opened, run_id, "pause")
        chosen.pause()
        run = chosen.report().run
        console.say(
            f"Run {run.run_id} ({run.name}) is paused. {unsent_words(run)} {with_openmart_words(run)} "
            f"Go on with `openmart resume {run.run_id}`."
        )
        console.result(chosen.report().as_json())
    return 0


def cancel(run_id: RunId = None, yes: Yes = False, as_json: Json = False) -> int:
    """Give up what was not sent; what is with Openmart cannot be recalled and will be collected."""
    console = Console(as_json)
    with desk.open() as opened:
        chosen = _unfinished(opened, run_id, "cancel")
        run = chosen.report().run
        if not yes and not _confirmed(console, run):
            console.say(f"Nothing was changed: run {run.run_id} goes on.")
            console.result(chosen.report().as_json())
            return 1
        stopped = chosen.cancel()
        run = chosen.report().run
        console.say(
            f"Run {run.run_id} ({run.name}) is cancelled. "
            f"{counted(stopped.cancelled_batches, 'batch', 'batches')} will never be sent and cost nothing. "
            f"{with_openmart_words(run)} Results so far: `openmart export {run.run_id} --out FILE`."
        )
        console.result(chosen.report().as_json())
    return 0


def _held_too(opened: Desk, run: RunInfo) -> list[RunInfo]:
    return held_with(run, [report.run for report in look_at_all(opened.ledger, opened.settings)])


def _say_who_goes_on_too(console: Console, others: list[RunInfo]) -> None:
    if others:
        names = ", ".join(other.run_id for other in others[:LISTED])
        console.say(f"The hold ends for all runs of this key; {names} will go on too.")


def unsent_words(run: RunInfo) -> str:
    """Say what waits to be sent."""
    unsent = run.batches[BatchState.PLANNED]
    if not unsent:
        return "Nothing waits to be sent."
    batches, rows = counted(unsent, "batch", "batches"), counted(run.pending.waiting, "row", "rows")
    return f"{batches} ({rows}) not yet sent {'waits' if unsent == 1 else 'wait'} and cost nothing."


def with_openmart_words(run: RunInfo) -> str:
    """Say what nobody can stop any more."""
    sent = run.batches[BatchState.SENDING] + run.batches[BatchState.ACCEPTED]
    if not sent:
        return "Nothing is with Openmart."
    many = counted(sent, "batch is", "batches are")
    return f"{many} with Openmart, cannot be recalled, may be charged, and will be collected."


def _unfinished(opened: Desk, run_id: str | None, verb: str) -> Run:
    chosen = opened.run(run_id or newest_run_id(opened.ledger))
    run = chosen.report().run
    if run.state in (RunState.DONE, RunState.CANCELLED):
        over = "finished" if run.state is RunState.DONE else "cancelled already"
        raise InputError(
            f"Run {run.run_id} ({run.name}) is {over}, so there is nothing to {verb}. Nothing was changed. "
            "List the runs with `openmart status`."
        )
    return chosen


def _confirmed(console: Console, run: RunInfo) -> bool:
    if not sys.stdin.isatty():
        raise InputError(
            f"Nobody can be asked whether run {run.run_id} is to be cancelled. Nothing was changed. "
            "Say --yes if it is."
        )
    rows = counted(run.pending.waiting, "row", "rows")
    console.warn(f"{rows} of run {run.run_id} ({run.name}) were not sent. {with_openmart_words(run)}")
    return typer.confirm("Cancel what was not sent? This cannot be undone", err=True)
