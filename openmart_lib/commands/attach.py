"""The command that collects a batch which another tool submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openmart_lib import attachment, choices, desk
from openmart_lib.commands.options import Json, Out, check_file
from openmart_lib.commands.waiting import wait_or_tell
from openmart_lib.console import Console
from openmart_lib.errors import InputError
from openmart_lib.results import export as files
from openmart_lib.settings import load_settings


def attach(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH_ID", show_default=False)],
    kind: Annotated[
        str,
        typer.Option(
            help="What it was submitted as: find_people, lookup_people, lookup_business_email or find_tech."
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="A list to join it to; default: its tasks are the rows."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The list's column of tracking ids; default: the one that fits."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every row is final.")] = False,
    out: Out = None,
    as_json: Json = False,
) -> int:
    """Collect a batch that another tool submitted; free, nothing is sent. A lost one of ours goes home."""
    console = Console(as_json)
    check_file(out, "--out", files.ENDINGS)
    if out is not None and not wait:
        raise InputError(
            "--out needs --wait. Nothing was changed. To write what there is: `openmart export`."
        )
    if column is not None and file is None:
        raise InputError("--column needs --list. Nothing was changed. Name the list that has this column.")
    settings = load_settings()
    wanted = choices.parse_kind(kind)
    upload = None if file is None else choices.read_list(file)
    with desk.open(settings=settings) as opened:
        if wait:
            opened.start_engine()
        done = attachment.attach(
            opened.ledger,
            settings,
            batch_id,
            wanted,
            upload=upload,
            column=column,
            patience=desk.SANDBOX_PATIENCE if wait else 0.0,
        )
        console.say(done.sentence)
        return wait_or_tell(console, opened.run(done.run_id), settings, wait=wait, out=out)
