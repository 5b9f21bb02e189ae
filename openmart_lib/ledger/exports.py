"""Exports: what files were taken of a run, and what its rows said when they were taken last.

A note says which bytes left, never where to, and holds nothing of what is in them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from openmart_lib.ledger import remembered
from openmart_lib.ledger.ledger import Ledger, append_event, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import event

TAKEN: Final = "export_taken"
LAST_TAKEN: Final = "last download"  # topic of what is remembered
_KEPT: Final = 50  # runs; a million rows are up to 0.5 MB each


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken: when (UTC seconds), what kind, how many lines for how many uploaded rows.

    ``withheld``: uploaded rows of which something was left out, as it was on a never-contact list.
    ``ranking``: what a company's best record was chosen by; "" for other shapes. ``other_runs``: ids of runs
    whose rows stand in the same file; lines and rows are this run's.
    """

    at: float
    sha256: str
    kind: str
    shape: str
    lines: int
    rows: int
    partial: bool
    withheld: int = 0
    ranking: str = ""
    other_runs: tuple[str, ...] = ()


@in_plain_words
def note_export(
    ledger: Ledger,
    run_id: str,
    *,
    sha256: str,
    kind: str,
    shape: str,
    lines: int,
    rows: int,
    partial: bool,
    withheld: int = 0,
    ranking: str = "",
    other_runs: Sequence[str] = (),
) -> None:
    """Note in the event log that a file was taken.

    Args:
        kind: Ending or preset: "csv", "xlsx", "hubspot".
        partial: Whether rows were still pending.
        withheld: Uploaded rows of which something was left out, as it was on a never-contact list.
        ranking, other_runs: As in ``Taken``.

    Raises:
        RunNotFoundError: If there is no such run.
        LedgerError: If it could not be stored.
    """
    with ledger.write() as connection:
        append_event(
            connection,
            ledger.now(),
            TAKEN,
            run=run_pk(connection, run_id),
            sha256=sha256,
            file=kind,
            shape=shape,
            lines=lines,
            uploaded_rows=rows,  # not the event's own ``rows``: that counts rows that became final
            partial=partial,
            withheld=withheld,
            ranking=ranking,
            other_runs=list(other_runs),
        )


@in_plain_words
def exports_of(ledger: Ledger, run_id: str) -> list[Taken]:
    """Return the files taken of a run, oldest first.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    query = select(event.c.at, event.c.detail).where(event.c.kind == TAKEN).order_by(event.c.id)
    with ledger.read() as connection:
        rows = connection.execute(query.where(event.c.run_id == run_pk(connection, run_id))).all()
    return [_taken(row.at, json.loads(row.detail)) for row in rows]


def remember_taken(ledger: Ledger, run_id: str, states: bytes) -> None:
    """Remember what each uploaded row said when a file was taken last: a byte a row, in upload order.

    Raises:
        LedgerError: If it could not be stored.
    """
    packed = base64.b85encode(zlib.compress(states)).decode("ascii")
    value = {"at": ledger.now(), "states": packed}
    remembered.remember(ledger, LAST_TAKEN, run_id, value, kept=_KEPT)


def recall_taken(ledger: Ledger, run_id: str) -> tuple[float, bytes] | None:
    """Return when a file of this run was taken last (UTC s) and what each row said then, None if never."""
    value = remembered.recall(ledger, LAST_TAKEN, run_id)
    if value is None:
        return None
    return float(value["at"]), zlib.decompress(base64.b85decode(value["states"]))


def _taken(at: float, detail: dict[str, Any]) -> Taken:
    return Taken(
        at,
        detail["sha256"],
        detail["file"],
        detail["shape"],
        detail["lines"],
        detail["uploaded_rows"],
        detail["partial"],
        detail.get("withheld", 0),  # this and what follows was not noted from the beginning
        detail.get("ranking", ""),
        tuple(detail.get("other_runs", ())),
    )
