"""What the command line does about what was bought before: ``--reuse DAYS``, off unless it is said."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from openmart_lib import submission
from openmart_lib.console import Console
from openmart_lib.errors import InputError
from openmart_lib.ledger import open_ledger
from openmart_lib.ledger.bundle import DATABASE_FILE
from openmart_lib.reuse import Choice, Found
from openmart_lib.settings import Settings
from openmart_lib.submission import Prepared

ReuseDays = Annotated[
    int,
    typer.Option("--reuse", metavar="DAYS", help="Reuse what was bought in the last DAYS days; 0: buy all."),
]


def reusing(prepared: Prepared, settings: Settings, days: int) -> tuple[Prepared, Found | None]:
    """Return what is left to buy, and what was bought before; None where there is no ledger yet.

    Without ``days`` what was bought is told and bought again.

    Raises:
        InputError: If ``days`` is negative.
    """
    if days < 0:
        raise InputError("--reuse needs a number of days. Nothing was sent. Give 1 or more, or leave it out.")
    if not (settings.environment_dir / DATABASE_FILE).exists():
        return prepared, None
    ledger = open_ledger(settings)
    try:
        choice = Choice.REUSE if days else Choice.BUY
        return submission.with_reuse(
            ledger, settings, prepared, days=days or settings.reuse_days, choice=choice
        )
    finally:
        ledger.close()


def say_reusable(console: Console, found: Found | None, days: int) -> None:
    """Say what was bought before, and what becomes of it."""
    if found is None:
        return
    if found.reusable:
        what = "It is reused." if days else f"It is bought again; --reuse {found.days} reuses it."
        console.say(f"{found.sentence()} {what}")
    if found.in_doubt and days:
        console.say(found.doubt())


def reusable_json(found: Found | None) -> dict[str, Any]:
    """Return what goes into the command's object."""
    return {"reusable": None if found is None else found.as_json()}
