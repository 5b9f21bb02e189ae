"""Options that several commands share, and the checks of what was typed, made before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from openmart_lib.errors import InputError
from openmart_lib.intake.several import Several

Out = Annotated[
    Path | None, typer.Option(help="Write the results here: .csv, .xlsx or .parquet, one line per record.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Send, and wait until every row is final.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
SeveralChoice = Annotated[
    Several,
    typer.Option(help="Cells with several websites: reject them, take the first, or look up each of them."),
]
Sheet = Annotated[
    str | None, typer.Option(metavar="NAME", help="The sheet of a workbook; found out where not said.")
]
RunId = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Default: the newest run.")]


def check_file(path: Path | None, option: str, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, before anything is sent.

    Raises:
        InputError: If its name has another ending than these, or its folder cannot be written to.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise InputError(
            f"{option} must end in {' or '.join(endings)}. Nothing was sent. Choose another name."
        )
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise InputError(f"{option} {path} cannot be written. Nothing was sent. Choose another folder.")


def one_of(text: str, option: str, *allowed: str) -> Any:
    """Return what was typed when it is one of the allowed words.

    Raises:
        InputError: If it is not.
    """
    if text not in allowed:
        raise InputError(f"{option} must be {' or '.join(allowed)}. Nothing was written.")
    return text
