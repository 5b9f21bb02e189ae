"""Commands that start a run and tell how runs stand."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Final

import typer

from openmart_lib import choices, desk, submission
from openmart_lib.commands.exits import EXIT_CODES, NO_RUN
from openmart_lib.commands.options import Json, Out, RunId, SeveralChoice, Sheet, Wait, check_file
from openmart_lib.commands.reusing import ReuseDays, reusable_json, reusing, say_reusable
from openmart_lib.commands.spending import (
    MaxCredits,
    PilotRows,
    Spending,
    learned,
    spending,
)
from openmart_lib.commands.waiting import wait_or_tell
from openmart_lib.console import Console
from openmart_lib.desk import Desk
from openmart_lib.desk_run import Run
from openmart_lib.errors import InputError
from openmart_lib.intake.several import Several, settled
from openmart_lib.intake.tasks import RunOptions
from openmart_lib.report import look_at_all
from openmart_lib.results import export as files
from openmart_lib.settings import load_settings
from openmart_lib.submission import Prepared
from openmart_lib.wording import counted

LISTED: Final = 20  # runs that `status` lists


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The list: CSV, TXT or XLSX.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="find_people, lookup_people, lookup_business_email or find_tech.")
    ],
    title: Annotated[str | None, typer.Option(help="The role wanted, for find_people.")] = None,
    tech: Annotated[str | None, typer.Option(help="The technology, for find_tech.")] = None,
    max_k: Annotated[int, typer.Option(help="People wanted per company, 1-8, for find_people.")] = 1,
    info: Annotated[str, typer.Option(help="Contact fields to buy: EMAIL, PHONE or EMAIL,PHONE.")] = "EMAIL",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="What a column means; guessed where not said."),
    ] = None,
    name: Annotated[str, typer.Option(help="The run's name; default: the file's.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Submit content that was submitted before.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show counts, cost and the first task; write nothing.")
    ] = False,
    wait: Wait = False,
    out: Out = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rows that cannot be sent here, with row and reason.")
    ] = None,
    several: SeveralChoice = Several.REJECT,
    sheet: Sheet = None,
    max_credits: MaxCredits = None,
    pilot: PilotRows = None,
    reuse: ReuseDays = 0,
    as_json: Json = False,
) -> int:
    """Submit a list. With a key this spends credits; without one it runs on the sandbox.

    With --pilot and --wait it returns (exit code 4) when the pilot's rows are back and the rest waits.
    """
    console = Console(as_json)
    check_file(out, "--out", files.ENDINGS)
    check_file(rejects, "--rejects", files.ENDINGS)
    if out is not None and not (wait or dry_run):
        raise InputError(
            "--out needs --wait: there are no results before the run is finished. Nothing was sent."
        )
    settings = load_settings()
    upload, wanted = choices.read_list(file, sheet=sheet), choices.parse_kind(kind)
    options = RunOptions(title=title, max_k=max_k, info_access=choices.parse_info(info), tech_type=tech)
    columns = choices.full_mapping(upload, wanted, choices.parse_mapping(mapping or []))
    upload, decided = settled(upload, columns, wanted, options, several, allow_example=settings.simulated)
    prepared = submission.prepare(upload, columns, wanted, options, settings=settings, overrides=decided)
    prepared, found = reusing(learned(prepared, settings), settings, reuse)
    money = spending(prepared, settings, max_credits, pilot, ask_balance=dry_run)
    console.say_prepared(prepared, simulated=settings.simulated)
    _say_money(console, prepared, money)
    say_reusable(console, found, reuse)
    if rejects is not None and not dry_run:
        _write_rejects(console, prepared, rejects)
    submission.check_sendable(prepared)
    if dry_run:
        console.say_dry_run(prepared, money.as_json(prepared) | reusable_json(found))
        return 0
    submission.check_agreed(prepared, settings, max_credits)
    with desk.open(settings=settings) as opened:
        planned = _confirm(opened, prepared, name, money, again=again)
        console.say(f"Run {planned.id} ({planned.name}) is planned.")
        more = reusable_json(found)
        return wait_or_tell(console, planned, settings, wait=wait, out=out, more=more)


def status(run_id: RunId = None, as_json: Json = False) -> int:
    """Tell how a run stands; without RUN list the runs, newest first. The object is the newest one's."""
    console = Console(as_json)
    with desk.open() as opened:
        if run_id is not None:
            reports = [opened.run(run_id).report()]
        else:
            reports = look_at_all(opened.ledger, opened.settings)[:LISTED]
    for report in reports:
        console.say(report.sentence())
    if not reports:
        console.say("There is no run yet. Start one with `openmart run`.")
        console.result(NO_RUN)
        return 0
    console.result(reports[0].as_json())
    return EXIT_CODES[reports[0].standing]


def _say_money(console: Console, prepared: Prepared, money: Spending) -> None:
    """Say what the expected figure rests on, and what keeps the run from costing more."""
    console.say(prepared.estimate.expected_basis)
    if money.limit < prepared.estimate.at_most:
        console.say(f"Spend at most: {money.limit:,.0f} credits; the run pauses before it could cost more.")
    if 0 < money.pilot_rows < prepared.task_count:
        rows = counted(money.pilot_rows, "random row is", "random rows are")
        console.say(f"Pilot: {rows} sent first; the rest waits for `openmart resume RUN`.")
    if money.balance_words:
        console.say(money.balance_words)


def _confirm(opened: Desk, prepared: Prepared, name: str, money: Spending, *, again: bool) -> Run:
    token = f"cli-{secrets.token_hex(16)}"  # each call is a Confirm of its own; the content key stops repeats
    run_id = submission.confirm(
        opened.ledger,
        opened.settings,
        prepared,
        name=name,
        confirm_token=token,
        again=again,
        spend_at_most=money.limit,
        pilot_rows=money.pilot_rows,
    )
    return opened.run(run_id)


def _write_rejects(console: Console, prepared: Prepared, path: Path) -> None:
    rejected = prepared.rejects()
    files.write_frame(rejected, path)
    console.say(f"{path} is written: {counted(rejected.height, 'row', 'rows')} that cannot be sent.")
