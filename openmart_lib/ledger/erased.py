"""Erased runs: whether a run's personal data was deleted, and what may still be stored for it then.

There is no column for it: the event is the fact, and it is found by an index.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from openmart_lib.api.wire import TaskAnswer
from openmart_lib.errors import LedgerError
from openmart_lib.ledger.ledger import Ledger, in_plain_words
from openmart_lib.ledger.runs import run_pk
from openmart_lib.ledger.schema import event

ERASED: Final = "run_erased"  # from here on nothing personal is stored for the run
FINISHED: Final = "run_erasing_finished"  # everything that was there is gone
_MINE: Final = (event.c.run_id == bindparam("b_run")) & (event.c.kind == bindparam("b_kind"))
# Built once: asked for every hundred answers.
_FIRST: Final = select(func.min(event.c.at)).where(_MINE)
_LAST: Final = select(func.max(event.c.id)).where(_MINE)


@in_plain_words
def erased_at(ledger: Ledger, run_id: str) -> float | None:
    """Return when a run's personal data was deleted (UTC seconds), None if it never was.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        return _first(connection, run_pk(connection, run_id), ERASED)


@in_plain_words
def erasing_cut_off(ledger: Ledger, run_id: str) -> bool:
    """Return whether deleting began and did not get to its end: it must be asked for again.

    Raises:
        RunNotFoundError: If there is no such run.
    """
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
        begun = _last(connection, pk, ERASED)
        return begun is not None and (_last(connection, pk, FINISHED) or 0) < begun


def is_erased(connection: Connection, pk: int) -> bool:
    """Return whether the run of this integer key was erased."""
    return _first(connection, pk, ERASED) is not None


def check_not_erased(connection: Connection, pk: int) -> None:
    """Refuse to send anything of an erased run: what its tasks asked for is gone.

    Raises:
        LedgerError: If it was erased.
    """
    if is_erased(connection, pk):
        raise LedgerError(
            "The personal data of this run was deleted, and with it what its rows asked for. "
            "Nothing was sent or spent. Submit the rows again as a new run."
        )


def bare(answer: TaskAnswer) -> TaskAnswer:
    """Return an answer as it may be stored for an erased run: its task and status, nothing it found."""
    return {
        "task_id": answer["task_id"],
        "status": answer["status"],
        "tracking_id": None,
        "data": None,
        "raw": "",
    }


def _first(connection: Connection, pk: int, kind: str) -> float | None:
    found: float | None = connection.execute(_FIRST, {"b_run": pk, "b_kind": kind}).scalar()
    return found


def _last(connection: Connection, pk: int, kind: str) -> int | None:
    found: int | None = connection.execute(_LAST, {"b_run": pk, "b_kind": kind}).scalar()
    return found
