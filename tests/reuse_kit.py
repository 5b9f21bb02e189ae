"""A second list on a ledger that has a first one: planned with what reuse makes of it."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from openmart_lib import reuse
from openmart_lib.api.wire import Kind
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.tasks import Plan, plan_tasks
from openmart_lib.ledger import Ledger, submissions
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.reused import reused_from
from openmart_lib.ledger.runs import NewRun, plan_run, run_pk
from openmart_lib.ledger.settling import follow_sources
from openmart_lib.ledger.tracking import tracking_id
from openmart_lib.reuse import Choice, Found

OWNERS = RunOptions(title="Owner", max_k=3, info_access=("EMAIL", "PHONE"))
WEBSITE = {"domain": ["website"]}


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """An upload's frame of these columns."""
    return frame.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("seq"),
        pl.int_range(2, pl.len() + 2, dtype=pl.UInt32).alias("file_line"),
        pl.all(),
    )


def looked(
    ledger: Ledger,
    frame: pl.DataFrame,
    *,
    kind: Kind = Kind.FIND_PEOPLE,
    mapping: dict[str, list[str]] | None = None,
    options: RunOptions = OWNERS,
    days: int = reuse.DAYS,
) -> tuple[Plan, Found]:
    """The plan of a list, and what of it was bought before."""
    plan = plan_tasks(numbered(frame), mapping or WEBSITE, kind, options)
    return plan, reuse.look(ledger, plan, kind, options, days=days)


def second_run(
    ledger: Ledger,
    frame: pl.DataFrame,
    choice: Choice = Choice.REUSE,
    *,
    name: str = "Second list",
    kind: Kind = Kind.FIND_PEOPLE,
    mapping: dict[str, list[str]] | None = None,
    options: RunOptions = OWNERS,
    **changes: Any,
) -> str:
    """Plan a list with this choice; return its run."""
    plan, found = looked(ledger, frame, kind=kind, mapping=mapping, options=options)
    plan, reused = reuse.apply(plan, found, choice)
    run_id = plan_run(
        ledger, new_run(plan, frame, name, kind, mapping or WEBSITE, options, reused, **changes)
    )
    with ledger.read() as connection:
        pk = run_pk(connection, run_id)
    follow_sources(ledger, pk)
    assert bool(reused_from(ledger, run_id)) == (reused is not None)
    return run_id


def new_run(
    plan: Plan,
    frame: pl.DataFrame,
    name: str,
    kind: Kind,
    mapping: dict[str, list[str]],
    options: RunOptions,
    reused: pl.DataFrame | None,
    **changes: Any,
) -> NewRun:
    """What a Confirm of this plan decides."""
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "mapping": mapping,
        "options": options.to_dict(),
        "content_key": name,
        "confirm_token": name,
        "upload_name": "second.csv",
        "upload_sha256": "1" * 64,
        "upload_format": {},
        "frame": numbered(frame),
        "rows": plan.rows,
        "tasks": plan.tasks,
        "links": plan.links,
        "worst_credits": 33.0,
        "key_fingerprint": "fingerprint",
        "key_last4": "abcd",
        "tasks_per_batch": 2,
        "reused": reused,
    }
    return NewRun(**(values | changes))


ANA = {
    "first_name": "Ana",
    "last_name": "Silva",
    "title": "Owner",
    "linkedin_url": None,
    "email": {"email": "ana@acme.invalid", "verified": True},
    "phones": [],
}


def send(ledger: Ledger) -> int:
    """Claim the next batch and let the server accept it; return its key."""
    pk = claim(ledger)
    submissions.accept(ledger, pk, f"server-batch-{pk}", None, poll_after=60.0)
    return pk


def claim(ledger: Ledger) -> int:
    """Claim the next batch; return its key."""
    candidate = submissions.next_candidate(ledger, 1)
    assert candidate is not None
    claimed = submissions.claim(ledger, candidate, account_id=1, worker_id="worker", slots=4)
    assert claimed is not None
    return claimed.pk


def answer(
    ledger: Ledger, run_id: str, pk: int, task_no: int, data: Any = None, *, status: str = "COMPLETED"
) -> None:
    """Store a task's answer, as it came under this batch."""
    body = {
        "task_id": f"server-{run_id}-{task_no}",
        "status": status,
        "tracking_id": tracking_id(run_id, task_no),
        "data": data,
    }
    store_answers(ledger, pk, [{**body, "raw": json.dumps(body)}])  # type: ignore[typeddict-item]  # as received
