"""From a batch id, and a list if there is one, to a run that collects it: the way in for all who attach.

The batch was submitted by another tool; its tasks are joined to the list by the tracking ids that tool gave
them. All reads are free and nothing is ever submitted. A batch that turns out to be a lost one of ours is
attached where it belongs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from openmart_lib.api.wire import Kind
from openmart_lib.engine.attach import NotYetError, look_at
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import LedgerError, NoAnswerError
from openmart_lib.intake.files import Upload
from openmart_lib.intake.foreign import TASK_COLUMNS, join_rows, tasks_as_rows, usable_column
from openmart_lib.ledger import BatchState, Ledger
from openmart_lib.ledger.attaching import (
    OPTIONS,
    ForeignBatch,
    Place,
    attach_run,
    place_of_id,
    place_of_task,
    tasks_of,
)
from openmart_lib.ledger.decisions import attach_batch
from openmart_lib.ledger.runs import NewRun
from openmart_lib.settings import Settings
from openmart_lib.submission import suggest_name
from openmart_lib.wording import counted


@dataclass(frozen=True, slots=True)
class Attached:
    """Where a batch is collected. ``new``: a run was made for it; ``sentence`` says what happened."""

    run_id: str
    new: bool
    sentence: str


def attach(
    ledger: Ledger,
    settings: Settings,
    batch_id: str,
    kind: Kind,
    *,
    upload: Upload | None = None,
    column: str | None = None,
    found: ForeignBatch | None = None,
    patience: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> Attached:
    """Let a batch made by another tool be collected; nothing is submitted, nothing is spent.

    Args:
        batch_id: The server's id of the batch.
        kind: What it was submitted as; nothing in a batch says so.
        upload: A list to join it to; without one the batch's tasks are the rows.
        column: The column of the list that holds the tracking ids; the one that fits best when None.
        found: The batch as ``look_at`` read it, if the caller has it at hand.
        patience: Seconds to wait for a sandbox that is only starting.
        progress: Told (rows written, rows in all).

    Raises:
        InputError: If the id is unknown, or no row of the list has a tracking id of the batch.
        NotYetError: If it cannot be verified yet.
        LedgerError: If it is a batch of ours that needs no id, or the run could not be stored.
        OpenmartError: If Openmart cannot be asked.
    """
    known = place_of_id(ledger, batch_id.strip())
    if known is not None:
        return Attached(known.run_id, False, already_words(known))
    found = found or _look(settings, batch_id, patience)
    ours = whose(ledger, found)
    if ours is not None:
        return _attach_to(ledger, ours, found)
    new = _new_run(ledger, settings, found, kind, upload, column)
    run_id = attach_run(ledger, new, found, progress=progress)
    tasks = counted(len(found.tasks), "task")
    return Attached(
        run_id,
        True,
        f"The batch of {tasks} is now run {run_id} ({new.name}) and is being collected. "
        "Nothing was submitted, and nothing is spent here.",
    )


def whose(ledger: Ledger, found: ForeignBatch) -> Place | None:
    """Return the batch of this ledger whose tasks these are, None for a batch made by another tool."""
    places = (place_of_task(ledger, each.tracking_id) for each in found.tasks)
    return next((place for place in places if place is not None), None)


def already_words(place: Place) -> str:
    """Say that a batch is here already, and where."""
    if place.made_elsewhere:
        return (
            f"This batch is attached already, as run {place.run_id} ({place.run_name}), with the list "
            "and the kind given then. Nothing was changed."
        )
    return f"This batch is here already: it is {place.words}. Nothing was changed."


def ours_words(place: Place) -> str:
    """Say that a batch is a lost one of ours."""
    return f"This is our own {place.words}, whose answer had been lost."


def _look(settings: Settings, batch_id: str, patience: float) -> ForeignBatch:
    end = time.monotonic() + patience
    while True:
        try:
            return look_at(settings, batch_id)
        except NoAnswerError as error:
            starting = settings.simulated and not isinstance(error, NotYetError)
            if not starting or time.monotonic() > end:
                raise
            time.sleep(0.1)


def _attach_to(ledger: Ledger, ours: Place, found: ForeignBatch) -> Attached:
    if ours.in_doubt:
        attach_batch(ledger, ours.pk, found.batch_id)
        done = "It was attached there and is collected with that run; nothing is sent or paid again."
        return Attached(ours.run_id, False, f"{ours_words(ours)} {done}")
    if ours.state in (BatchState.ACCEPTED, BatchState.COLLECTED):
        raise LedgerError(
            f"This batch holds the same tasks as our {ours.words}, which is collected under another id, "
            f"{ours.batch_id}. Nothing was changed. Open that run; if Openmart has both batches, ask its "
            "support which of them were charged."
        )
    raise LedgerError(
        f"This batch holds the tasks of our {ours.words}, which counts as {ours.state} here, so it takes no "
        "id. Nothing was changed. Pause that run if it is still to be sent, and keep this id for Openmart's "
        "support."
    )


def _new_run(
    ledger: Ledger,
    settings: Settings,
    found: ForeignBatch,
    kind: Kind,
    upload: Upload | None,
    column: str | None,
) -> NewRun:
    tracking_ids = [each.tracking_id for each in found.tasks]
    if upload is None:
        frame, rows, links = tasks_as_rows(tracking_ids, found.task_ids)
        column = TASK_COLUMNS[0]
        name, file_name = f"Batch {found.batch_id[:8]}", f"batch {found.batch_id}"
        sha256, source = _digest(found.task_ids), {"kind": "batch"}
    else:
        column = usable_column(upload.frame, column, tracking_ids)
        rows, links = join_rows(upload.frame, column, tracking_ids)
        frame, name, file_name = upload.frame, suggest_name(upload), upload.name
        sha256, source = upload.sha256, asdict(upload.format)
    key = f"attached {_digest([found.batch_id, kind, sha256, column])}"
    return NewRun(
        name=name,
        kind=kind,
        mapping={"tracking_id": [column]},
        options=dict(OPTIONS),
        content_key=key,
        confirm_token=key,
        upload_name=file_name,
        upload_sha256=sha256,
        upload_format=source,
        frame=frame,
        rows=rows,
        tasks=tasks_of(found),
        links=links,
        worst_credits=0.0,
        key_fingerprint=key_fingerprint(ledger, settings),
        key_last4=key_last4(settings),
        tasks_per_batch=len(found.tasks),
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
