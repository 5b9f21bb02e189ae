"""The command that tries rows of a run again, in the same way or in the next one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated

import polars as pl
import typer

from openmart_lib import choices, desk, submission
from openmart_lib.api.wire import Kind
from openmart_lib.commands.options import Json, Out, Wait, check_file
from openmart_lib.commands.spending import MaxCredits, spending
from openmart_lib.commands.waiting import wait_or_tell
from openmart_lib.console import Console
from openmart_lib.desk import Desk
from openmart_lib.errors import InputError
from openmart_lib.ledger import queries
from openmart_lib.results import again as tries
from openmart_lib.results import export as files
from openmart_lib.results.again import REASON_WORDS, Again, Reason
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted


def again(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="The run whose rows are tried.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="What to ask for: another kind is the next step. Default: the run's own.")
    ] = "",
    only: Annotated[
        str,
        typer.Option(
            metavar="REASONS",
            help="Which rows, by reason: errored, no_match, no_contact, ... Default: those it may mend.",
        ),
    ] = "",
    title: Annotated[str | None, typer.Option(help="Another role than before, for find_people.")] = None,
    name: Annotated[str, typer.Option(help="The new run's name; default: the first one's and its try.")] = "",
    may_pay_twice: Annotated[
        bool, typer.Option("--may-pay-twice", help="Needed for rows whose fate is unknown.")
    ] = False,
    repeat: Annotated[
        bool, typer.Option("--again", help="Try rows that were tried in this way before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show counts, cost and the first task; write nothing.")
    ] = False,
    wait: Wait = False,
    out: Out = None,
    max_credits: MaxCredits = None,
    as_json: Json = False,
) -> int:
    """Try rows of a run again as a new run. With a key this spends credits."""
    console, settings = Console(as_json), load_settings()
    check_file(out, "--out", files.ENDINGS)
    if out is not None and not (wait or dry_run):
        raise InputError(
            "--out needs --wait: there are no results before the run is finished. Nothing was sent."
        )
    with desk.open(settings=settings) as opened:
        run = queries.run_info(opened.ledger, run_id)
        step = choices.parse_kind(kind) if kind else run.kind
        reasons = tries.parse_reasons(only.split(",")) or list(tries.usual_reasons(run.kind, step))
        found = _found(console, opened, run_id, step, reasons, may_pay_twice=may_pay_twice)
        options = replace(found.options, title=title) if title else found.options
        prepared = submission.prepare(
            found.upload, found.mapping, step, options, settings=settings, overrides=found.overrides
        )
        prepared = submission.with_hit_rates(prepared, opened.ledger, settings)
        money = spending(prepared, settings, max_credits, None, ask_balance=dry_run)
        console.say_prepared(prepared, simulated=settings.simulated)
        submission.check_sendable(prepared)
        if dry_run:
            console.say_dry_run(prepared, money.as_json(prepared))
            return 0
        submission.check_agreed(prepared, settings, max_credits)
        new = submission.confirm(
            opened.ledger,
            settings,
            prepared,
            name=name or found.name,
            confirm_token=f"cli-{secrets.token_hex(16)}",
            again=repeat,
            spend_at_most=money.limit,
        )
        planned = opened.run(new)
        console.say(f"Run {planned.id} ({planned.name}) is planned.")
        return wait_or_tell(console, planned, settings, wait=wait, out=out)


def _found(
    console: Console, opened: Desk, run_id: str, step: Kind, reasons: list[Reason], *, may_pay_twice: bool
) -> Again:
    """Return the list of the rows with these reasons, and say how many there are of each."""
    stand = tries.standing(opened.ledger, run_id)
    counts = {Reason(one): number for one, number in stand["reason"].value_counts().iter_rows()}
    for one in Reason:
        if counts.get(one):
            mark = "tried again" if one in reasons else "left as it is"
            console.say(f"{counted(counts[one], 'row', 'rows')}, {REASON_WORDS[one]}: {mark}.")
    rows = tries.chosen(stand, reasons, may_pay_twice=may_pay_twice)
    return _listed(console, opened, run_id, rows, step)


def _listed(console: Console, opened: Desk, run_id: str, rows: pl.Series, step: Kind) -> Again:
    found = tries.make_list(opened.ledger, run_id, rows, step)
    if found.unnamed:
        console.say(f"{counted(found.unnamed, 'row', 'rows')} left out: no whole name to ask for.")
    if not found.mapping.get("domain"):
        found = replace(found, mapping=choices.full_mapping(found.upload, step, found.mapping))
    return found
