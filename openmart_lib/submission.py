"""From an upload and its choices to a planned run: one way in for pages, command line and notebooks.

``prepare`` only computes, so it may be called as often as somebody changes their mind; ``confirm`` writes
the run into the ledger. Neither sends anything: that is the worker's work once the run is planned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import polars as pl

from openmart_lib.api.wire import Kind
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import check_mapping
from openmart_lib.intake.estimate import SECONDS_PER_SUBMISSION, Estimate, estimate
from openmart_lib.intake.files import Upload
from openmart_lib.intake.overrides import NO_OVERRIDES, Overrides
from openmart_lib.intake.tasks import Intake, Plan, RunOptions, content_key, plan_tasks, rejects_frame
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.runs import NewRun, plan_run
from openmart_lib.settings import Settings

_STEPS: Final = 2  # of a preparation: the plan, the identity of its content


@dataclass(frozen=True, slots=True)
class Prepared:
    """One upload with its choices, ready to be confirmed.

    ``estimate`` is in credits and seconds; ``overrides`` is what was decided against the rules.
    """

    upload: Upload
    mapping: dict[str, list[str]]
    kind: Kind
    options: RunOptions
    plan: Plan
    estimate: Estimate
    content_key: str
    overrides: Overrides = NO_OVERRIDES

    @property
    def row_count(self) -> int:
        """Uploaded rows; equal to the sum of ``intake_counts``."""
        return self.plan.rows.height

    @property
    def task_count(self) -> int:
        """Tasks to send."""
        return self.plan.tasks.height

    @property
    def intake_counts(self) -> dict[str, int]:
        """Rows by what became of them before anything is sent."""
        counts = dict.fromkeys(map(str, Intake), 0)
        return counts | dict(self.plan.rows["intake"].value_counts().rows())

    @property
    def first_task(self) -> dict[str, Any] | None:
        """The first task as it would be sent (without tracking_id), or None when there is nothing to send."""
        if self.plan.tasks.is_empty():
            return None
        task: dict[str, Any] = json.loads(self.plan.tasks["request"][0])
        return task

    def rejects(self) -> pl.DataFrame:
        """Return the rows that cannot be sent, with number, reason and suggestion, as ``rejects_frame``."""
        return rejects_frame(
            self.upload.frame, self.plan.rows, cells=self.plan.cells, sha256=self.upload.sha256
        )


def prepare(
    upload: Upload,
    mapping: Mapping[str, Sequence[str]],
    kind: Kind,
    options: RunOptions,
    *,
    settings: Settings,
    overrides: Overrides = NO_OVERRIDES,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Turn an upload into tasks and say what they may cost; write nothing.

    Names under ``.example``, which nobody can own, are companies on the sandbox only.

    Args:
        mapping: Task field to uploaded columns; of several the first that is not empty counts.
        overrides: What was decided against the rules, by row and by class of problem.
        progress: Told (steps done, steps in all).

    Raises:
        InputError: If a required field has no column and no value, or an option cannot be used.
    """
    chosen = {name: list(columns) for name, columns in mapping.items() if columns}
    check_mapping(upload.frame, chosen, kind)
    tell = progress or _tell_nobody
    tell(0, _STEPS)
    plan = plan_tasks(
        upload.frame, chosen, kind, options, overrides=overrides, allow_example=settings.simulated
    )
    tell(1, _STEPS)
    identity = content_key(upload.frame, chosen, kind, options, overrides=overrides)
    tell(_STEPS, _STEPS)
    cost = estimate(
        kind,
        options,
        tasks=plan.tasks.height,
        people=plan.links.height,
        prices=settings.prices,
        submit_concurrency=settings.submit_concurrency,
        seconds_per_submission=SECONDS_PER_SUBMISSION / (settings.sandbox_speed if settings.simulated else 1),
    )
    return Prepared(upload, chosen, kind, options, plan, cost, identity, overrides)


def confirm(
    ledger: Ledger,
    settings: Settings,
    prepared: Prepared,
    *,
    name: str,
    confirm_token: str,
    again: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write the run into the ledger, from where the worker sends it; return its public id.

    The same ``confirm_token`` gives the same run, however often it is confirmed. ``progress`` is told
    (rows written, rows in all).

    Raises:
        InputError: If no row can be sent.
        RunExistsError: If the same content was submitted before and ``again`` is not set.
    """
    check_sendable(prepared)
    new = NewRun(
        name=name.strip() or suggest_name(prepared.upload),
        kind=prepared.kind,
        mapping=prepared.mapping,
        options=prepared.options.to_dict(),
        content_key=prepared.content_key,
        confirm_token=confirm_token,
        upload_name=prepared.upload.name,
        upload_sha256=prepared.upload.sha256,
        upload_format=asdict(prepared.upload.format),
        frame=prepared.upload.frame,
        rows=prepared.plan.rows,
        tasks=prepared.plan.tasks,
        links=prepared.plan.links,
        worst_credits=prepared.estimate.at_most,
        key_fingerprint=key_fingerprint(ledger, settings),
        key_last4=key_last4(settings),
        again=again,
    )
    return plan_run(ledger, new, progress=progress)


def check_sendable(prepared: Prepared) -> None:
    """Check that there is something to send.

    Raises:
        InputError: If no row can be sent.
    """
    if prepared.task_count:
        return
    reasons = prepared.plan.rows["reason"].drop_nulls()
    often = f" (most often: {reasons.mode()[0].rstrip('.')})" if len(reasons) else ""
    raise InputError(
        f"None of the {prepared.row_count:,} rows can be sent{often}. Nothing was spent. "
        "Correct the list, or choose other columns or options, and submit it again."
    )


def _tell_nobody(done: int, of: int) -> None:
    """Take a step's progress where nobody watches."""


def suggest_name(upload: Upload) -> str:
    """Return a name for a run of this upload: the file's name without its ending."""
    stem = upload.name.rsplit(".", 1)[0].strip()
    return stem or "list"
