"""The command that keeps never-contact lists: who is on one is neither sent nor written into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openmart_lib import choices, suppression
from openmart_lib.commands.options import Json
from openmart_lib.console import Console
from openmart_lib.errors import InputError
from openmart_lib.intake.files import Upload
from openmart_lib.ledger import Ledger, open_ledger
from openmart_lib.ledger.suppressing import never_lists, remove_list
from openmart_lib.settings import load_settings
from openmart_lib.wording import counted

DEFAULT_NAME = "never contact"


def suppress(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A column of emails, websites, LinkedIn links, or names with a website.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the list is called.")] = DEFAULT_NAME,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the list of this name.")] = False,
    as_json: Json = False,
) -> int:
    """Take up a never-contact list, or show those there are: nobody on one is sent or exported."""
    console = Console(as_json)
    called = name.strip()
    if not called:
        raise InputError("The list has no name. Nothing was changed. Say --name NAME.")
    if remove and file is not None:
        raise InputError("--remove takes a name and no file. Nothing was changed. Leave one of them out.")
    ledger = open_ledger(load_settings())
    try:
        if remove:
            _remove(console, ledger, called)
        elif file is not None:
            console.say(suppression.add_list(ledger, _read(file), name=called).sentence())
        _tell(console, ledger)
    finally:
        ledger.close()
    return 0


def _read(file: Path) -> Upload:
    return suppression.one_column(lambda delimiter: choices.read_list(file, delimiter=delimiter))


def _remove(console: Console, ledger: Ledger, name: str) -> None:
    known = [one.name for one in never_lists(ledger)]
    if name not in known:
        there = f"Those there are: {', '.join(known)}." if known else "There is none."
        raise InputError(f"There is no never-contact list {name!r}. Nothing was changed. {there}")
    gone = remove_list(ledger, name)
    console.say(f"The list {name!r} is removed: {counted(gone, 'entry', 'entries')} may be contacted again.")


def _tell(console: Console, ledger: Ledger) -> None:
    lists = never_lists(ledger)
    for one in lists:
        kinds = (
            counted(one.emails, "email", "emails"),
            counted(one.domains, "website", "websites"),
            counted(one.people, "person", "people"),
        )
        console.say(f"{one.name}: {', '.join(kinds)}.")
    if not lists:
        console.say("There is no never-contact list.")
    console.result(
        {
            "lists": [
                {"name": one.name, "emails": one.emails, "domains": one.domains, "people": one.people}
                for one in lists
            ]
        }
    )
