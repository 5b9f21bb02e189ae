"""From an upload and its choices to a planned run: one way in for pages, command line and notebooks.

``prepare`` only computes, so it may be called as often as somebody changes their mind; ``confirm`` writes
the run into the ledger. Neither sends anything: that is the worker's work once the run is planned.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import polars as pl

from openmart_lib import suppression
from openmart_lib.api.wire import SUBMIT_SECONDS, Kind
from openmart_lib.engine.clients import key_fingerprint, key_last4
from openmart_lib.errors import InputError
from openmart_lib.intake.columns import check_mapping
from openmart_lib.intake.estimate import (
    NOT_MEASURED,
    Estimate,
    Measured,
    estimate,
)
from openmart_lib.intake.files import Upload
from openmart_lib.intake.likeness import with_likeness
from openmart_lib.intake.overrides import NO_OVERRIDES, Overrides
from openmart_lib.intake.tasks import Intake, Plan, RunOptions, content_key, plan_tasks, rejects_frame
from openmart_lib.ledger import Ledger
from openmart_lib.ledger.hit_rates import hit_rates
from openmart_lib.ledger.runs import NewRun, find_confirmed, plan_run
from openmart_lib.reuse import Choice, Found, apply, keep_index, look
from openmart_lib.settings import Settings

MAX_NAME: Final = 100  # characters of a run's name


@dataclass(frozen=True, slots=True)
class Prepared:
    """One upload with its choices, ready to be confirmed.

    ``estimate`` is in credits and seconds; ``overrides`` is what was decided against the rules.
    ``reused`` are the rows that an earlier result serves, as ``reuse.apply`` gives them.
    """

    upload: Upload
    mapping: dict[str, list[str]]
    kind: Kind
    options: RunOptions
    plan: Plan
    estimate: Estimate
    content_key: str
    overrides: Overrides = NO_OVERRIDES
    reused: pl.DataFrame | None = None

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
        progress: Told (rows done, rows in all).

    Raises:
        InputError: If a required field has no column and no value, or an option cannot be used.
    """
    chosen = {name: list(columns) for name, columns in mapping.items() if columns}
    check_mapping(upload.frame, chosen, kind)
    plan = plan_tasks(
        upload.frame,
        chosen,
        kind,
        options,
        overrides=overrides,
        allow_example=settings.simulated,
        progress=progress,
    )
    identity = content_key(upload.frame, chosen, kind, options, overrides=overrides)
    if progress is not None:
        progress(upload.frame.height, upload.frame.height)
    cost = _estimate(plan, kind, options, settings)
    return Prepared(upload, chosen, kind, options, plan, cost, identity, overrides)


def with_hit_rates(prepared: Prepared, ledger: Ledger, settings: Settings) -> Prepared:
    """Return it with an estimate that has learned from the earlier runs of this ledger."""
    seen = hit_rates(ledger, prepared.kind, info_access=prepared.options.info_access)
    measured = Measured(seen.runs, seen.rows, seen.found)
    cost = _estimate(prepared.plan, prepared.kind, prepared.options, settings, measured)
    return replace(prepared, estimate=cost)


def spared(
    prepared: Prepared, plan: Plan, reused: pl.DataFrame | None, settings: Settings, ledger: Ledger
) -> Prepared:
    """Return it with what is left to buy, and an estimate of that."""
    return with_hit_rates(replace(prepared, plan=plan, reused=reused), ledger, settings)


def with_reuse(
    ledger: Ledger, settings: Settings, prepared: Prepared, *, days: int, choice: Choice = Choice.REUSE
) -> tuple[Prepared, Found]:
    """Return it without what runs of the last days bought, and what that is; nobody was asked."""
    prepared = without_suppressed(ledger, prepared)
    found = look(ledger, prepared.plan, prepared.kind, prepared.options, days=days, prices=settings.prices)
    plan, reused = apply(prepared.plan, found, choice)
    return spared(prepared, plan, reused, settings, ledger), found


def without_suppressed(
    ledger: Ledger, prepared: Prepared, *, lists: suppression.Lists | None = None
) -> Prepared:
    """Return it without the rows that are on a never-contact list."""
    frame = prepared.upload.frame
    plan, gone = suppression.narrow(ledger, prepared.plan, prepared.kind, frame, lists=lists)
    return replace(prepared, plan=plan) if gone else prepared


def _estimate(
    plan: Plan, kind: Kind, options: RunOptions, settings: Settings, measured: Measured = NOT_MEASURED
) -> Estimate:
    people = plan.links.height
    if kind is Kind.LOOKUP_PEOPLE and plan.links["seq"].n_unique() != people:  # a person is paid once
        people = plan.links.select("task_no", "person_no").n_unique()
    return estimate(
        kind,
        options,
        tasks=plan.tasks.height,
        people=people,
        prices=settings.prices,
        submit_concurrency=settings.submit_concurrency,
        seconds_per_submission=SUBMIT_SECONDS / settings.speed,
        measured=measured,
    )


def confirm(
    ledger: Ledger,
    settings: Settings,
    prepared: Prepared,
    *,
    name: str,
    confirm_token: str,
    again: bool = False,
    spend_at_most: float | None = None,
    pilot_rows: int = 0,
    reused: pl.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write the run into the ledger, from where the worker sends it; return its public id.

    The same ``confirm_token`` gives the same run, however often it is confirmed. ``progress`` is told
    (rows written, rows in all).

    Args:
        name: Of one line; cut after ``MAX_NAME`` characters, for it stands in every list and file name.
        spend_at_most: Credits that it may cost at most; default: the estimate's worst case.
        pilot_rows: Send so many rows, chosen at random, first, and let the rest wait for a person; 0: all.
        reused: Rows that an earlier task serves, as ``NewRun.reused``; with some there may be no task.

    Raises:
        InputError: If no row can be sent or reused, or the limit or the pilot is no number from 0 upwards.
        RunExistsError: If the same content was submitted before and ``again`` is not set.
    """
    lists = suppression.lists_of(ledger)
    prepared = without_suppressed(ledger, prepared, lists=lists)  # the last word, whichever way in
    reused = prepared.reused if reused is None else reused
    if reused is None or reused.is_empty():
        check_sendable(prepared)
    limit = prepared.estimate.at_most if spend_at_most is None else spend_at_most
    check_spending(limit, pilot_rows)
    new = NewRun(
        name=_one_line(name) or _one_line(suggest_name(prepared.upload)),
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
        tasks=with_likeness(prepared.plan.tasks, prepared.kind),
        links=prepared.plan.links,
        worst_credits=prepared.estimate.at_most,
        key_fingerprint=key_fingerprint(ledger, settings),
        key_last4=key_last4(settings),
        again=again,
        decisions=prepared.overrides.to_dict() if prepared.overrides else None,
        estimate=prepared.estimate.to_dict(),
        spend_at_most=limit,
        pilot_rows=pilot_rows,
        reused=reused,
        never_checked=lists.changes,
    )
    is_new = find_confirmed(ledger, confirm_token) is None  # else another visit planned it, maybe otherwise
    run_id = plan_run(ledger, new, progress=progress)
    if is_new:
        keep_index(ledger, run_id, new.tasks, prepared.kind)
    return run_id


def check_sendable(prepared: Prepared) -> None:
    """Check that there is something to send.

    Raises:
        InputError: If no row can be sent.
    """
    if prepared.task_count or prepared.reused is not None:
        return
    reasons = prepared.plan.rows["reason"].drop_nulls()
    often = f" (most often: {reasons.mode()[0].rstrip('.')})" if len(reasons) else ""
    raise InputError(
        f"None of the {prepared.row_count:,} rows can be sent{often}. Nothing was spent. "
        "Correct the list, or choose other columns or options, and submit it again."
    )


def check_spending(limit: float | None, pilot_rows: int) -> None:
    """Check a limit in credits and a pilot in rows, before anything is written.

    Raises:
        InputError: If one of them is no number from 0 upwards.
    """
    if limit is not None and not 0 <= limit < float("inf"):
        raise InputError("The limit is no number of credits. Nothing was sent. Give a number from 0 upwards.")
    if pilot_rows < 0:
        raise InputError("A pilot needs a number of rows. Nothing was sent. Give 1 or more, or leave it out.")


def check_agreed(prepared: Prepared, settings: Settings, max_credits: float | None) -> None:
    """Refuse what may cost much and has no limit that a person typed.

    Raises:
        InputError: If it may cost more than ``OPENMART_CONFIRM_ABOVE`` and no limit was given.
    """
    most = prepared.estimate.at_most
    if max_credits is None and most > settings.confirm_above:
        raise InputError(
            f"This list may cost {most:,.0f} credits, more than {settings.confirm_above:,.0f} "
            "(OPENMART_CONFIRM_ABOVE), and no limit was given. Nothing was sent. "
            f"Say --max-credits {most:.0f}, or less, if that is what it may cost "
            "(in a notebook: max_credits)."
        )


def _one_line(name: str) -> str:
    """Return a name without line breaks and control characters, of bounded length."""
    plain = "".join(char for char in " ".join(name.split()) if unicodedata.category(char) != "Cc")
    return plain[:MAX_NAME].strip()


def suggest_name(upload: Upload) -> str:
    """Return a name for a run of this upload: the file's name without its ending."""
    stem = upload.name.rsplit(".", 1)[0].strip()
    return stem or "list"
